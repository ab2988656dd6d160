//! Why a request to Kafka Connect failed. No variant carries a header or a body, so none carries a credential.

use std::time::Duration;

use kafka_core::error::BoxError;

/// Why a request to Kafka Connect failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No connection, after all tries: the address is wrong, or the worker is down.
    #[error("{method} {path}: no connection to Kafka Connect at {host} ({})", counted(*tries))]
    Unreachable {
        /// The HTTP method.
        method: &'static str,
        /// The path.
        path: String,
        /// The worker's address.
        host: String,
        /// How many times it was tried.
        tries: u32,
        /// What the HTTP client said.
        #[source]
        source: BoxError,
    },
    /// The certificate of the worker is not trusted, has expired, or is for another name. It is not tried again.
    #[error("{method} {path}: the certificate of {host} is not accepted; name the PEM file of its authority as `connect_ca_file`")]
    Untrusted {
        /// The HTTP method.
        method: &'static str,
        /// The path.
        path: String,
        /// The worker's address.
        host: String,
        /// What is wrong with the certificate, as the HTTP client says.
        #[source]
        source: BoxError,
    },
    /// No answer in time, after all tries. Raise `connect_requests_timeout`, or look at the worker's log.
    #[error("{method} {path}: Kafka Connect did not answer within {timeout:?} ({})", counted(*tries))]
    TimedOut {
        /// The HTTP method.
        method: &'static str,
        /// The path.
        path: String,
        /// How long each try waited.
        timeout: Duration,
        /// How many times it was tried.
        tries: u32,
    },
    /// The connection broke before the answer was read, after all tries.
    #[error("{method} {path}: the connection to Kafka Connect broke off ({})", counted(*tries))]
    Interrupted {
        /// The HTTP method.
        method: &'static str,
        /// The path.
        path: String,
        /// How many times it was tried.
        tries: u32,
        /// What the HTTP client said.
        #[source]
        source: BoxError,
    },
    /// Connect, or a proxy before it, answered with an error.
    #[error("{method} {path}: Kafka Connect answered {status}: {message}{}", advice(*status))]
    Refused {
        /// The HTTP method.
        method: &'static str,
        /// The path.
        path: String,
        /// The HTTP status.
        status: u16,
        /// Connect's own message, without the secrets of the config that was sent.
        message: String,
        /// How many times it was tried.
        tries: u32,
    },
    /// The address leads elsewhere. It is not followed: credentials are for the address in the settings alone.
    #[error("{method} {path}: Kafka Connect redirects to {location} ({status}); write that address as `connect_host` if it is right")]
    Redirected {
        /// The HTTP method.
        method: &'static str,
        /// The path.
        path: String,
        /// The HTTP status.
        status: u16,
        /// Where to.
        location: String,
    },
    /// The answer is not what Connect answers. Something else may listen at the address.
    #[error("{method} {path}: the answer ({status}) cannot be read: {problem}")]
    Malformed {
        /// The HTTP method.
        method: &'static str,
        /// The path.
        path: String,
        /// The HTTP status.
        status: u16,
        /// What is wrong with it; the answer itself is not quoted, as configs come in answers.
        problem: String,
    },
    /// The config names no plugin, so nobody can check it. Write `connector.class`.
    #[error("the config of {connector} has no `connector.class`; write the class of its plugin")]
    NoClass {
        /// The connector.
        connector: String,
    },
    /// No worker is configured.
    #[error("no Kafka Connect is configured; set `connect_host`, for example to `http://localhost:8083`")]
    NoHost,
    /// The client could not be made: its CA file or a header is not valid.
    #[error("the client for Kafka Connect cannot be made: {problem}")]
    Client {
        /// What is wrong.
        problem: String,
    },
}

impl ConnectError {
    /// The HTTP status, if Connect answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } | Self::Redirected { status, .. } | Self::Malformed { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether there is no such connector, task, plugin or logger.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

fn counted(tries: u32) -> String {
    if tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") }
}

fn advice(status: u16) -> &'static str {
    match status {
        401 => "; set `connect_auth`",
        403 => "; the user of `connect_auth` may not do this",
        _ => "",
    }
}
