//! Why no connection can be had with these settings, however long a client tries.

use std::sync::Arc;

use super::ClientError;

/// What is wrong with how a client connects. A cluster that is down or unknown is none of these: clients go on trying.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The broker's certificate is of an authority that is not trusted, or for another name. Set `ssl.ca.location` to a PEM file
    /// with the certificate of the authority; without it the system's own are trusted.
    #[error(
        "the certificate of {servers} is not trusted: set `ssl.ca.location`{ca} to a PEM file with the certificate of the authority \
         that signed it, and connect by a name that the certificate is for"
    )]
    Certificate {
        /// Where it tried.
        servers: String,
        /// What `ssl.ca.location` is now, for the message: ` (now /etc/ca.pem)`, or nothing.
        ca: String,
        /// What the client library said.
        #[source]
        source: Box<ClientError>,
    },
    /// TLS could not be agreed on: a version, a cipher, a client certificate that the broker wants (`ssl.certificate.location`).
    #[error("{servers} and this client do not agree on TLS")]
    Tls {
        /// Where it tried.
        servers: String,
        /// What the client library said.
        #[source]
        source: Box<ClientError>,
    },
    /// The broker does not take the user with its password, or not by this mechanism. Never says the password.
    #[error(
        "{servers} does not let in user {user:?} by {mechanism}: look at `sasl.username`, `sasl.password` and `sasl.mechanism`, \
         and whether the broker knows the user by that mechanism"
    )]
    Credentials {
        /// Where it tried.
        servers: String,
        /// The value of `sasl.username`.
        user: String,
        /// The value of `sasl.mechanism`.
        mechanism: String,
        /// What the broker said.
        #[source]
        source: Box<ClientError>,
    },
    /// A listener for TLS, and a client without.
    #[error("{server} speaks TLS, and `security.protocol` is {protocol}: set it to ssl, or to sasl_ssl where users log in")]
    SpeaksTls {
        /// The listener.
        server: String,
        /// The value of `security.protocol`.
        protocol: String,
    },
    /// A listener without TLS, and a client with it.
    #[error(
        "{server} does not speak TLS, and `security.protocol` is {protocol}: give the address of a TLS listener, or set it to plaintext or sasl_plaintext"
    )]
    SpeaksPlaintext {
        /// The listener.
        server: String,
        /// The value of `security.protocol`.
        protocol: String,
    },
    /// A file that a property names cannot be read. librdkafka's own words do not name it.
    #[error("`{property}` names {path}, which cannot be read")]
    File {
        /// The property, such as `ssl.ca.location`.
        property: String,
        /// Its value.
        path: String,
        /// What the system said.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// The client library refuses the properties themselves, a key with a wrong `ssl.key.password` for example.
    #[error("no client can be made of these properties")]
    Refused {
        /// What the client library said.
        #[source]
        source: Box<ClientError>,
    },
}
