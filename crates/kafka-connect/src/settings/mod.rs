//! Where Kafka Connect is, who we are to it, and how patient requests are. Plain data, read from the framework's settings.

mod retry;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use kafka_core::error::ConfigErrors;
use kafka_core::settings::{Secret, Settings, duration, redacted};
use serde::Deserialize;

pub use retry::ConnectRetry;
pub(crate) use retry::{Trouble, retry_after};

/// The top-level settings that this crate reads.
pub const SECTIONS: [&str; 6] =
    ["connect_host", "connect_auth", "connect_retry", "connect_requests_timeout", "connect_ca_file", "connector_name_prefix"];

/// Where Kafka Connect is, who we are to it, and how patient requests are.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct ConnectSettings {
    /// The address of a worker's REST API, with its scheme. Default none: nothing can be published (django-kafka: `CONNECT_HOST`).
    pub host: Option<String>,
    /// Who we are to it: `username` and `password`, or `token`, or `header` and `value`. Default nobody (django-kafka: `CONNECT_AUTH`).
    pub auth: ConnectAuth,
    /// How often and how patiently a request is tried again. Default as below (django-kafka: `CONNECT_RETRY`).
    pub retry: ConnectRetry,
    /// How long one try of a request may take. Default 30 s (django-kafka: `CONNECT_REQUESTS_TIMEOUT`).
    pub requests_timeout: Duration,
    /// A PEM file with certificates that are trusted beside the system's. Default none.
    pub ca_file: Option<PathBuf>,
    /// What stands before the names of connectors, `{prefix}.{Name}`. Default empty: nothing does (django-kafka: `CONNECTOR_NAME_PREFIX`).
    pub name_prefix: String,
}

/// Who we are to Kafka Connect. In a file a table: `username` and `password`, or `token`, or `header` and `value`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectAuth {
    /// Nobody.
    #[default]
    Anonymous,
    /// Basic authentication.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// Bearer authentication.
    Bearer(Secret),
    /// A header of its own, as gateways want it.
    Header {
        /// The header's name.
        name: String,
        /// Its value.
        value: Secret,
    },
}

impl Default for ConnectSettings {
    fn default() -> Self {
        Self {
            host: None,
            auth: ConnectAuth::default(),
            retry: ConnectRetry::default(),
            requests_timeout: Duration::from_secs(30),
            ca_file: None,
            name_prefix: String::new(),
        }
    }
}

impl ConnectSettings {
    /// A worker without authentication, and the defaults.
    #[must_use]
    pub fn new(host: impl Into<String>) -> Self {
        Self { host: Some(host.into()), ..Self::default() }
    }

    /// Who we are to it.
    #[must_use]
    pub fn auth(mut self, auth: ConnectAuth) -> Self {
        self.auth = auth;
        self
    }

    /// How often and how patiently a request is tried again.
    #[must_use]
    pub fn retry(mut self, retry: ConnectRetry) -> Self {
        self.retry = retry;
        self
    }

    /// How long one try of a request may take.
    #[must_use]
    pub fn requests_timeout(mut self, timeout: Duration) -> Self {
        self.requests_timeout = timeout;
        self
    }

    /// A PEM file with certificates that are trusted beside the system's.
    #[must_use]
    pub fn ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(file.into());
        self
    }

    /// What stands before the names of connectors.
    #[must_use]
    pub fn name_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.name_prefix = prefix.into();
        self
    }

    /// Reads them from the framework's settings.
    ///
    /// # Errors
    /// Everything in them that cannot be read or used, each with its path.
    pub fn read(settings: &Settings) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::new();
        let host: Option<Option<Text>> = errors.take(settings.read_section("connect_host"));
        let auth: Option<AuthTable> = errors.take(settings.read_section("connect_auth"));
        let retry = errors.take(settings.read_section("connect_retry"));
        let timeout: Option<Timeout> = errors.take(settings.read_section("connect_requests_timeout"));
        let ca_file: Option<Option<PathBuf>> = errors.take(settings.read_section("connect_ca_file"));
        let prefix: Option<Text> = errors.take(settings.read_section("connector_name_prefix"));
        let read = Self {
            host: host.flatten().map(|text| text.0).filter(|host| !host.is_empty()),
            auth: errors.take(auth.unwrap_or_default().auth()).unwrap_or_default(),
            retry: retry.unwrap_or_default(),
            requests_timeout: timeout.unwrap_or_default().0,
            ca_file: ca_file.flatten(),
            name_prefix: prefix.unwrap_or_default().0,
        };
        read.check(&mut errors);
        errors.or_ok(read)
    }

    fn check(&self, errors: &mut ConfigErrors) {
        if let Some(host) = self.host.as_deref().filter(|host| !host.starts_with("http://") && !host.starts_with("https://")) {
            errors.push("connect_host", format!("`{}` has no scheme; write `http://` or `https://` before it", redacted("url", host)));
        }
        if self.requests_timeout.is_zero() {
            errors.push("connect_requests_timeout", "is zero, in which no request succeeds; write \"1s\" or more");
        }
        if self.name_prefix.ends_with('.') || self.name_prefix.chars().any(char::is_control) {
            let prefix = &self.name_prefix;
            errors.push("connector_name_prefix", format!("{prefix:?} ends in a dot or holds control characters; the dot comes by itself"));
        }
        self.retry.check(errors);
    }
}

impl fmt::Debug for ConnectSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address may carry a user and a password.
        f.debug_struct("ConnectSettings")
            .field("host", &self.host.as_deref().map(|host| redacted("url", host)))
            .field("auth", &self.auth)
            .field("retry", &self.retry)
            .field("requests_timeout", &self.requests_timeout)
            .field("ca_file", &self.ca_file)
            .field("name_prefix", &self.name_prefix)
            .finish()
    }
}

/// A text; environment variables that look like numbers are read as texts here.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
struct Text(String);

#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Timeout(#[serde(deserialize_with = "duration::deserialize")] Duration);

impl Default for Timeout {
    fn default() -> Self {
        Self(ConnectSettings::default().requests_timeout)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AuthTable {
    username: Option<String>,
    password: Option<Secret>,
    token: Option<Secret>,
    header: Option<String>,
    value: Option<Secret>,
}

impl AuthTable {
    fn auth(self) -> Result<ConnectAuth, ConfigErrors> {
        let mut errors = ConfigErrors::new();
        let auth = match (self.username, self.password, self.token, self.header, self.value) {
            (None, None, None, None, None) => ConnectAuth::Anonymous,
            (Some(username), Some(password), None, None, None) => ConnectAuth::Basic { username, password },
            (None, None, Some(token), None, None) => ConnectAuth::Bearer(token),
            (None, None, None, Some(name), Some(value)) => ConnectAuth::Header { name, value },
            _ => {
                errors.push("connect_auth", "is not one way; write `username` and `password`, or `token`, or `header` and `value`");
                ConnectAuth::Anonymous
            }
        };
        errors.or_ok(auth)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<ConnectSettings, ConfigErrors> {
        let variables = variables.iter().map(|(name, value)| (format!("KAFKA_KIT_{name}"), (*value).to_owned()));
        let empty = std::env::temp_dir().join(format!("kafka-connect-settings-{}", std::process::id()));
        std::fs::write(&empty, "").unwrap();
        ConnectSettings::read(&Settings::default().load_from(Some(Path::new(&empty)), variables).unwrap())
    }

    #[test]
    fn the_defaults() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings, ConnectSettings::default());
        assert_eq!(settings.requests_timeout, Duration::from_secs(30));
    }

    #[test]
    fn all_ways_to_be_someone() {
        let auth = |variables: &[(&str, &str)]| read(variables).map(|settings| settings.auth);
        assert_eq!(
            auth(&[("CONNECT_AUTH__USERNAME", "007"), ("CONNECT_AUTH__PASSWORD", "0123")]),
            Ok(ConnectAuth::Basic { username: "007".to_owned(), password: "0123".into() })
        );
        assert_eq!(auth(&[("CONNECT_AUTH__TOKEN", "t")]), Ok(ConnectAuth::Bearer("t".into())));
        assert_eq!(
            auth(&[("CONNECT_AUTH__HEADER", "X-Key"), ("CONNECT_AUTH__VALUE", "v")]),
            Ok(ConnectAuth::Header { name: "X-Key".to_owned(), value: "v".into() })
        );
        let errors = auth(&[("CONNECT_AUTH__USERNAME", "me"), ("CONNECT_AUTH__TOKEN", "hunter2")]).unwrap_err().to_string();
        assert!(errors.starts_with("connect_auth: is not one way") && !errors.contains("hunter2"), "{errors}");
    }

    #[test]
    fn all_errors_at_once() {
        let errors = read(&[
            ("CONNECT_HOST", "me:hunter2@connect:8083"),
            ("CONNECT_RETRY__STATUS", "-1"),
            ("CONNECT_REQUESTS_TIMEOUT", "0s"),
            ("CONNECTOR_NAME_PREFIX", "crm."),
        ])
        .unwrap_err();
        let paths: Vec<&str> = errors.iter().map(kafka_core::error::ConfigError::path).collect();
        assert_eq!(paths, ["connect_retry.status", "connect_host", "connect_requests_timeout", "connector_name_prefix"]);
    }

    #[test]
    fn debug_shows_no_secret() {
        let settings = ConnectSettings::new("http://me:hunter2@connect:8083")
            .auth(ConnectAuth::Basic { username: "me".to_owned(), password: "hunter2".into() });
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
