//! Settings from code: a consuming setter per field, which also remembers that it was the program that said so.

use std::time::Duration;

use figment::value::Value;
use serde::Serialize;

use super::{ClientProperties, RetrySettings, SchemaRegistrySettings, Settings};
use crate::error::ConfigError;

macro_rules! setters {
    ($($(#[$doc:meta])+ $field:ident: $given:ty => $stored:expr;)+) => {
        impl Settings {
            $(
                $(#[$doc])+
                #[must_use]
                pub fn $field(mut self, $field: $given) -> Self {
                    self.$field = $stored;
                    self.layers.set_by_code(stringify!($field));
                    self
                }
            )+
        }
    };
}

setters! {
    /// `client.id` of every client that sets none.
    client_id: impl Into<String> => client_id.into();
    /// librdkafka properties of all clients. Replaces what was set before.
    global_config: impl Into<ClientProperties> => global_config.into();
    /// librdkafka properties of producers. Replaces what was set before.
    producer_config: impl Into<ClientProperties> => producer_config.into();
    /// librdkafka properties of consumers. Replaces what was set before.
    consumer_config: impl Into<ClientProperties> => consumer_config.into();
    /// librdkafka properties of the consumers of retry topics. Replaces the defaults.
    retry_consumer_config: impl Into<ClientProperties> => retry_consumer_config.into();
    /// How messages of topics without a retry policy of their own are tried again.
    retry_settings: RetrySettings => Some(retry_settings);
    /// The word in the names of retry topics.
    retry_topic_suffix: impl Into<String> => retry_topic_suffix.into();
    /// The word in the names of dead-letter topics.
    dead_letter_topic_suffix: impl Into<String> => dead_letter_topic_suffix.into();
    /// The longest time between two polls of an idle client.
    polling_frequency: Duration => polling_frequency;
    /// The schema registry.
    schema_registry: SchemaRegistrySettings => Some(schema_registry);
    /// How long handlers may finish at shutdown.
    shutdown_timeout: Duration => shutdown_timeout;
    /// How long messages in flight may finish before a revoked partition is given up.
    revoke_timeout: Duration => revoke_timeout;
    /// Bytes of messages in flight in one consumer.
    max_in_flight_bytes: usize => max_in_flight_bytes;
    /// Messages in flight of one partition.
    max_in_flight_messages: usize => max_in_flight_messages;
    /// How long a message may be at work before its consumer counts as unhealthy; zero is never.
    unhealthy_after: Duration => unhealthy_after;
}

impl Settings {
    /// Sets a setting of a plugin; see [`Settings::read_section`].
    ///
    /// # Errors
    /// When the value cannot be written as data.
    pub fn section(mut self, name: &str, value: impl Serialize) -> Result<Self, ConfigError> {
        let value = Value::serialize(value).map_err(|error| ConfigError::new(name, error.to_string()))?;
        self.sections.insert(name.to_owned(), value);
        self.layers.set_by_code(name);
        Ok(self)
    }
}
