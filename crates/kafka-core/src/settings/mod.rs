//! Settings: one typed struct, from code, from a TOML file and from environment variables, the later winning.
//!
//! Built once, passed by reference; no global. This module reads, merges, checks and shows. It makes no client.
//!
//! # The file
//! `kafka-kit.toml` in the working directory if there is one, or the file that `KAFKA_KIT_SETTINGS` names:
//!
//! ```toml
//! shutdown_timeout = "20s"
//!
//! [global_config]
//! bootstrap.servers = "kafka:9092"
//! ```
//!
//! # The environment
//! `KAFKA_KIT_` and the setting in capitals; a double underscore goes one table deeper. Inside the tables of librdkafka
//! properties a single underscore is a dot, but in the few names that have underscores (`log_level`):
//!
//! | variable | setting |
//! | --- | --- |
//! | `KAFKA_KIT_SHUTDOWN_TIMEOUT=20s` | `shutdown_timeout` |
//! | `KAFKA_KIT_RETRY_SETTINGS__MAX_RETRIES=3` | `retry_settings.max_retries` |
//! | `KAFKA_KIT_GLOBAL_CONFIG__BOOTSTRAP_SERVERS=kafka:9092` | `bootstrap.servers` in `global_config` |

mod check;
mod client_properties;
pub mod duration;
mod environment;
mod hostname;
mod layer;
mod load;
mod properties;
mod property_names;
mod read;
mod retry;
mod schema_registry;
mod secret;
mod setters;
mod show;
#[cfg(test)]
mod tests;

use std::time::Duration;

use figment::value::{Dict, Empty, Value};
use serde::Deserialize;

pub use client_properties::ClientProperties;
pub use layer::Layer;
pub use properties::{CONSUMER_DEFAULTS, LayeredProperties, LayeredValue, OwnConfig, PRODUCER_DEFAULTS, PropertyDefault};
pub use retry::RetrySettings;
pub use schema_registry::{RegistryAuth, SchemaRegistrySettings, SubjectStrategy};
pub use secret::{Secret, is_secret, redacted};
pub use show::Shown;

use layer::Layers;
use read::Sections;

/// The settings of an application.
///
/// ```
/// use std::time::Duration;
/// use kafka_core::settings::{ClientProperties, Settings};
///
/// let settings = Settings::default()
///     .global_config(ClientProperties::from([("bootstrap.servers", "localhost:9092")]))
///     .shutdown_timeout(Duration::from_secs(20));
/// assert_eq!(settings.global_config.get("bootstrap.servers"), Some("localhost:9092"));
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// `client.id` of every client that sets none. Default `{hostname}-rust` (django-kafka: `CLIENT_ID`).
    pub client_id: String,
    /// librdkafka properties of all clients; what only consumers read does not reach producers, and the reverse.
    /// Default empty (django-kafka: `GLOBAL_CONFIG`).
    pub global_config: ClientProperties,
    /// librdkafka properties of producers, over `global_config`. Default empty (django-kafka: `PRODUCER_CONFIG`).
    pub producer_config: ClientProperties,
    /// librdkafka properties of consumers, over `global_config`. Default empty (django-kafka: `CONSUMER_CONFIG`).
    pub consumer_config: ClientProperties,
    /// librdkafka properties of the consumers of retry topics, over all that their main consumer has. Default
    /// `auto.offset.reset=earliest`, `enable.auto.offset.store=false`, `topic.metadata.refresh.interval.ms=10000`
    /// (django-kafka: `RETRY_CONSUMER_CONFIG`).
    pub retry_consumer_config: ClientProperties,
    /// How messages of topics without a retry policy of their own are tried again. Default none: a failed message
    /// goes to the dead-letter topic (django-kafka: `RETRY_SETTINGS`).
    pub retry_settings: Option<RetrySettings>,
    /// The word in the names of retry topics, `{group}.{topic}.{suffix}.{n}`. Default `retry` (django-kafka: `RETRY_TOPIC_SUFFIX`).
    pub retry_topic_suffix: String,
    /// The word in the names of dead-letter topics, `{group}.{topic}.{suffix}`. Default `dlt` (django-kafka: `DEAD_LETTER_TOPIC_SUFFIX`).
    pub dead_letter_topic_suffix: String,
    /// The longest time between two polls of an idle client. Default 1 s. Nothing waits for it: messages, timers
    /// and results wake the loop at once (django-kafka: `POLLING_FREQUENCY`).
    #[serde(deserialize_with = "duration::deserialize")]
    pub polling_frequency: Duration,
    /// The schema registry. Default none (django-kafka: `SCHEMA_REGISTRY`).
    pub schema_registry: Option<SchemaRegistrySettings>,
    /// How long handlers may finish at shutdown. Default 30 s. What outlives it is cut off, not committed, and comes again.
    #[serde(deserialize_with = "duration::deserialize")]
    pub shutdown_timeout: Duration,
    /// How long messages in flight may finish before a revoked partition is given up. Default 30 s; keep it below
    /// `max.poll.interval.ms`, after which the group goes on without us. What outlives it is cut off, not committed,
    /// and comes again at the partition's next owner.
    #[serde(deserialize_with = "duration::deserialize")]
    pub revoke_timeout: Duration,
    /// Bytes of messages in flight in one consumer, beyond which it takes no more. Default 33,554,432 (32 MiB).
    /// What the client library has fetched beside them is bounded by `queued.max.messages.kbytes`.
    pub max_in_flight_bytes: usize,
    /// Messages in flight of one partition, beyond which no more of it are taken. Default 4,096.
    pub max_in_flight_messages: usize,
    /// How long a message may be at work, or trouble of the framework's own may hold a partition, before the consumer
    /// counts as unhealthy. Default 5 min; longer than the slowest handler needs. `0s` is never. Held retries do not count.
    #[serde(deserialize_with = "duration::deserialize")]
    pub unhealthy_after: Duration,

    #[serde(skip)]
    sections: Sections,
    #[serde(skip)]
    layers: Layers,
    /// The one client of the schema registry; clones share it.
    #[cfg(feature = "__registry")]
    #[serde(skip)]
    pub(crate) registry: crate::schema_registry::Shared,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            client_id: format!("{}-rust", hostname::hostname()),
            global_config: ClientProperties::default(),
            producer_config: ClientProperties::default(),
            consumer_config: ClientProperties::default(),
            retry_consumer_config: ClientProperties::from([
                // A retry topic may be older than the consumer's knowledge of it: nothing in it may be passed over.
                ("auto.offset.reset", "earliest"),
                ("enable.auto.offset.store", "false"),
                // Retry topics are made when first needed; so soon does their consumer find them.
                ("topic.metadata.refresh.interval.ms", "10000"),
            ]),
            retry_settings: None,
            retry_topic_suffix: "retry".to_owned(),
            dead_letter_topic_suffix: "dlt".to_owned(),
            polling_frequency: Duration::from_secs(1),
            schema_registry: None,
            shutdown_timeout: Duration::from_secs(30),
            revoke_timeout: Duration::from_secs(30),
            max_in_flight_bytes: 32 * 1024 * 1024,
            max_in_flight_messages: 4_096,
            unhealthy_after: Duration::from_secs(5 * 60),
            sections: Sections::default(),
            layers: Layers::default(),
            #[cfg(feature = "__registry")]
            registry: crate::schema_registry::Shared::default(),
        }
    }
}

/// The settings that are tables of librdkafka properties.
const PROPERTY_TABLES: [&str; 4] = ["global_config", "producer_config", "consumer_config", "retry_consumer_config"];

impl Settings {
    /// The table of librdkafka properties of this name, one of [`PROPERTY_TABLES`].
    fn property_table(&self, name: &str) -> &ClientProperties {
        match name {
            "producer_config" => &self.producer_config,
            "consumer_config" => &self.consumer_config,
            "retry_consumer_config" => &self.retry_consumer_config,
            _ => &self.global_config,
        }
    }

    /// Every value as it could stand in a file, secrets included.
    fn to_dict(&self) -> Dict {
        let table = |dict: Option<Dict>| dict.map_or(Value::from(Empty::None), Value::from);
        let time = |duration: Duration| Value::from(duration::to_text(duration));
        let own = [
            ("client_id", Value::from(self.client_id.as_str())),
            ("retry_settings", table(self.retry_settings.as_ref().map(RetrySettings::to_dict))),
            ("retry_topic_suffix", Value::from(self.retry_topic_suffix.as_str())),
            ("dead_letter_topic_suffix", Value::from(self.dead_letter_topic_suffix.as_str())),
            ("polling_frequency", time(self.polling_frequency)),
            ("schema_registry", table(self.schema_registry.as_ref().map(SchemaRegistrySettings::to_dict))),
            ("shutdown_timeout", time(self.shutdown_timeout)),
            ("revoke_timeout", time(self.revoke_timeout)),
            ("max_in_flight_bytes", Value::from(self.max_in_flight_bytes)),
            ("max_in_flight_messages", Value::from(self.max_in_flight_messages)),
            ("unhealthy_after", time(self.unhealthy_after)),
        ];
        let tables = PROPERTY_TABLES.map(|name| {
            let properties = self.property_table(name).iter().map(|(property, value)| (property.to_owned(), Value::from(value)));
            (name, Value::from(properties.collect::<Dict>()))
        });
        let own = own.into_iter().chain(tables).map(|(key, value)| (key.to_owned(), value));
        own.chain(self.sections.iter().map(|(key, value)| (key.clone(), value.clone()))).collect()
    }
}
