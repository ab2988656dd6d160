//! Where the schema registry is and who we are to it. Plain data; the client lives with the formats that need it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use figment::value::{Dict, Empty, Value};
use serde::Deserialize;

use super::duration;
use super::secret::{Secret, redacted};
use crate::error::ConfigErrors;

/// A schema registry (django-kafka: `SCHEMA_REGISTRY`).
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SchemaRegistrySettings {
    /// One or more addresses with their scheme, separated by commas, tried in turn. No default.
    pub url: String,
    /// The user of basic authentication. Default none.
    #[serde(default)]
    pub username: Option<String>,
    /// The password of basic authentication. Default none.
    #[serde(default)]
    pub password: Option<Secret>,
    /// The token of bearer authentication, instead of user and password. Default none.
    #[serde(default)]
    pub token: Option<Secret>,
    /// The proxy for requests to the registry. Default none: as the environment says.
    #[serde(default)]
    pub proxy: Option<String>,
    /// How long one request may take. Default 30 s.
    #[serde(default = "default_timeout", deserialize_with = "duration::deserialize")]
    pub timeout: Duration,
    /// A file with certificates (PEM) that sign the registry's, beside those of the system. Default none.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Whether a schema that the registry does not have is registered when it is first written (Confluent: `auto.register.schemas`).
    /// Default true. With `false` it is only looked up, and one that is not there is an error of the send.
    #[serde(default = "yes")]
    pub auto_register: bool,
    /// Under which subject schemas are registered (Confluent: `value.subject.name.strategy`). Default `topic`.
    /// A topic may say another: `#[topic(subject = "record")]`.
    #[serde(default)]
    pub subject_name_strategy: SubjectStrategy,
}

/// Under which subject the schema of a key or value is registered. What is read does not depend on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubjectStrategy {
    /// `topic`: `{topic}-key` and `{topic}-value` (Confluent: `TopicNameStrategy`). One type to a topic, whose versions are checked.
    #[default]
    Topic,
    /// `record`: the full name of the record (Confluent: `RecordNameStrategy`). Several types on a topic; a type is checked across all topics.
    Record,
    /// `topic-record`: `{topic}-{full name}` (Confluent: `TopicRecordNameStrategy`). Several types on a topic, each checked within it.
    TopicRecord,
}

impl SubjectStrategy {
    /// The word for it in settings and in `#[topic(subject = …)]`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Record => "record",
            Self::TopicRecord => "topic-record",
        }
    }
}

/// Who we are to the schema registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistryAuth<'a> {
    /// Nobody.
    Anonymous,
    /// Basic authentication.
    Basic {
        /// The user.
        username: &'a str,
        /// The password.
        password: &'a Secret,
    },
    /// Bearer authentication.
    Bearer(&'a Secret),
}

impl SchemaRegistrySettings {
    /// A registry without authentication.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            username: None,
            password: None,
            token: None,
            proxy: None,
            timeout: default_timeout(),
            ca_file: None,
            auto_register: true,
            subject_name_strategy: SubjectStrategy::Topic,
        }
    }

    /// Basic authentication.
    #[must_use]
    pub fn basic(mut self, username: impl Into<String>, password: impl Into<Secret>) -> Self {
        (self.username, self.password) = (Some(username.into()), Some(password.into()));
        self
    }

    /// Bearer authentication.
    #[must_use]
    pub fn token(mut self, token: impl Into<Secret>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// The proxy for requests to the registry.
    #[must_use]
    pub fn proxy(mut self, proxy: impl Into<String>) -> Self {
        self.proxy = Some(proxy.into());
        self
    }

    /// How long one request may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// A file with certificates (PEM) that sign the registry's.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Whether a schema that the registry does not have is registered when it is first written.
    #[must_use]
    pub fn auto_register(mut self, register: bool) -> Self {
        self.auto_register = register;
        self
    }

    /// Under which subject schemas are registered.
    #[must_use]
    pub fn subject_name_strategy(mut self, strategy: SubjectStrategy) -> Self {
        self.subject_name_strategy = strategy;
        self
    }

    /// Each address.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.url.split(',').map(str::trim).filter(|url| !url.is_empty())
    }

    /// Who we are to it.
    #[must_use]
    pub fn auth(&self) -> RegistryAuth<'_> {
        match (&self.token, &self.username, &self.password) {
            (Some(token), _, _) => RegistryAuth::Bearer(token),
            (None, Some(username), Some(password)) => RegistryAuth::Basic { username, password },
            _ => RegistryAuth::Anonymous,
        }
    }

    pub(super) fn check(&self, errors: &mut ConfigErrors) {
        if self.urls().next().is_none() {
            errors.push("schema_registry.url", "is empty; write an address such as `http://localhost:8081`");
        }
        for url in self.urls().filter(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
            errors
                .push("schema_registry.url", format!("`{}` has no scheme; write `http://` or `https://` before it", redacted("url", url)));
        }
        if self.username.is_some() != self.password.is_some() {
            errors.push("schema_registry", "basic authentication needs both `username` and `password`");
        }
        if self.token.is_some() && self.username.is_some() {
            errors.push("schema_registry", "has both a `token` and a `username`; keep one of the two ways");
        }
        if self.timeout.is_zero() {
            errors.push("schema_registry.timeout", "is zero, in which no request succeeds; write \"1s\" or more");
        }
    }

    pub(super) fn to_dict(&self) -> Dict {
        let optional = |value: Option<&str>| value.map_or(Value::from(Empty::None), Value::from);
        [
            ("url", Value::from(self.url.as_str())),
            ("username", optional(self.username.as_deref())),
            ("password", optional(self.password.as_ref().map(Secret::expose))),
            ("token", optional(self.token.as_ref().map(Secret::expose))),
            ("proxy", optional(self.proxy.as_deref())),
            ("timeout", Value::from(duration::to_text(self.timeout))),
            ("ca_file", optional(self.ca_file.as_ref().and_then(|path| path.to_str()))),
            ("auto_register", Value::from(self.auto_register)),
            ("subject_name_strategy", Value::from(self.subject_name_strategy.as_str())),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
    }
}

impl fmt::Debug for SchemaRegistrySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Addresses may carry a user and a password.
        f.debug_struct("SchemaRegistrySettings")
            .field("url", &redacted("url", &self.url))
            .field("username", &self.username)
            .field("password", &self.password)
            .field("token", &self.token)
            .field("proxy", &self.proxy.as_deref().map(|proxy| redacted("proxy", proxy)))
            .field("timeout", &self.timeout)
            .field("ca_file", &self.ca_file)
            .field("auto_register", &self.auto_register)
            .field("subject_name_strategy", &self.subject_name_strategy)
            .finish()
    }
}

fn yes() -> bool {
    true
}

fn default_timeout() -> Duration {
    Duration::from_secs(30)
}
