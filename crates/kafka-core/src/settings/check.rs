//! Everything that is wrong with the settings themselves, gathered. What is wrong with one client's properties is found where they are merged.

use std::time::Duration;

use super::read::{said_in, suggestion};
use super::secret::{REDACTED, is_secret, redacted};
use super::{Layer, PROPERTY_TABLES, Settings, property_names};
use crate::broker::Broker;
use crate::error::ConfigErrors;
use crate::names::TopicName;

impl Settings {
    /// All problems: values out of range, properties that the client library does not take, and top-level keys that
    /// are neither settings of the framework nor among the `sections` that plugins read.
    #[must_use]
    pub fn check(&self, broker: &dyn Broker, sections: &[&str]) -> ConfigErrors {
        let mut errors = ConfigErrors::new();
        self.check_values(&mut errors);
        if let Some(retry) = &self.retry_settings {
            retry.check(&mut errors);
        }
        if let Some(registry) = &self.schema_registry {
            registry.check(&mut errors);
        }
        for table in PROPERTY_TABLES {
            for (name, value) in self.property_table(table).iter() {
                let path = format!("{table}.{name}");
                check_property(broker, &path, (name, value), &self.layers.of(&path), &mut errors);
            }
        }
        let own = self.to_dict();
        for (name, _) in self.sections.iter().filter(|(name, _)| !sections.contains(&name.as_str())) {
            let known = own.keys().map(String::as_str).filter(|known| self.sections.get(known).is_none()).chain(sections.iter().copied());
            errors.push(name, format!("unknown setting{}{}", suggestion(name, known), said_in(&self.layers.of_table(name))));
        }
        errors
    }

    fn check_values(&self, errors: &mut ConfigErrors) {
        if self.client_id.is_empty() {
            errors.push("client_id", "is empty; leave it away for the default, or write a name");
        }
        let suffixes = [("retry_topic_suffix", &self.retry_topic_suffix), ("dead_letter_topic_suffix", &self.dead_letter_topic_suffix)];
        for (path, suffix) in suffixes.into_iter().filter(|(_, suffix)| suffix.contains('.') || TopicName::new(suffix).is_err()) {
            errors.push(path, format!("{suffix:?} cannot be one part of a topic name; write letters, digits, '_' and '-'"));
        }
        if self.retry_topic_suffix == self.dead_letter_topic_suffix {
            errors.push("dead_letter_topic_suffix", "is the same as `retry_topic_suffix`; their topics could not be told apart");
        }
        for (path, duration) in [("polling_frequency", self.polling_frequency), ("revoke_timeout", self.revoke_timeout)] {
            if duration == Duration::ZERO {
                errors.push(path, "is zero; write a duration such as \"1s\"");
            }
        }
        for (path, number) in [("max_in_flight_bytes", self.max_in_flight_bytes), ("max_in_flight_messages", self.max_in_flight_messages)] {
            if number == 0 {
                errors.push(path, "is zero, with which nothing is ever handled; write 1 or more");
            }
        }
    }
}

/// Asks the client library about a property.
pub(super) fn check_property(broker: &dyn Broker, path: &str, (name, value): (&str, &str), layer: &Layer, errors: &mut ConfigErrors) {
    let Some(mut problem) = broker.check_property(name, value) else { return };
    let known = property_names::all().any(|known| known == name);
    // Who misspells `sasl.password` still wrote a password.
    let assignment = if known { format!("{name} = {}", redacted(name, value)) } else { name.to_owned() };
    // Client libraries quote the value.
    if is_secret(name) && !value.is_empty() {
        problem = problem.replace(value, REDACTED);
    } else if !known {
        problem = problem.replace(&format!("\"{value}\""), REDACTED);
    }
    let nearest = if known { String::new() } else { suggestion(name, property_names::all()) };
    errors.push(path, format!("`{assignment}` is refused: {problem}{nearest}{}", said_in(layer)));
}
