//! The section `relation_resolver` of the settings.

use std::time::Duration;

use kafka_core::settings::duration;
use serde::{Deserialize, Deserializer};

/// How the resolver works: the section `relation_resolver` of the settings file, `KAFKA_KIT_RELATION_RESOLVER__…` in the environment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ResolverSettings {
    /// How often the daemon looks at all that waits. Default 5 s. What appears is mostly found at once, by hints and
    /// notifications; this is the net (django-kafka: `RELATION_RESOLVER_DAEMON_INTERVAL`).
    #[serde(deserialize_with = "duration::deserialize")]
    pub interval: Duration,
    /// How many messages a daemon claims at once, and how many reasons it looks up in one query. Default 500
    /// (django-kafka: `RELATION_RESOLVER_DAEMON_BATCH_SIZE`).
    pub batch_size: usize,
    /// How many keys a daemon replays side by side. Default 16. Each may take a connection of the handler's pool.
    pub concurrency: usize,
    /// How long a partition pauses at the longest before it looks again whether what is before it was replayed. Default 10 s.
    #[serde(deserialize_with = "duration::deserialize")]
    pub pause: Duration,
    /// How long a message may wait. Then it goes the way of a failed message: to the dead letter. Default: without end.
    #[serde(deserialize_with = "optional")]
    pub expire_after: Option<Duration>,
}

/// The name of the section.
pub(crate) const SECTION: &str = "relation_resolver";

impl Default for ResolverSettings {
    fn default() -> Self {
        Self { interval: Duration::from_secs(5), batch_size: 500, concurrency: 16, pause: Duration::from_secs(10), expire_after: None }
    }
}

impl ResolverSettings {
    /// Everything that is wrong with the values.
    pub(crate) fn problems(&self) -> kafka_core::error::ConfigErrors {
        let mut errors = kafka_core::error::ConfigErrors::new();
        let path = |field: &str| format!("{SECTION}.{field}");
        if self.interval.is_zero() {
            errors.push(path("interval"), "it is 0 and the daemon would never rest; write a positive time");
        }
        if self.batch_size == 0 {
            errors.push(path("batch_size"), "it is 0 and nothing would ever be claimed; write 1 or more");
        }
        if self.concurrency == 0 {
            errors.push(path("concurrency"), "it is 0 and nothing would ever be replayed; write 1 or more");
        }
        if self.pause.is_zero() {
            errors.push(path("pause"), "it is 0 and a partition would ask without rest; write a positive time");
        }
        if self.expire_after == Some(Duration::ZERO) {
            errors.push(path("expire_after"), "it is 0 and nothing could wait; write a positive time, or leave it out to wait without end");
        }
        errors
    }
}

fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    #[derive(Deserialize)]
    struct Time(#[serde(deserialize_with = "duration::deserialize")] Duration);
    Ok(Option::<Time>::deserialize(deserializer)?.map(|Time(time)| time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_of_nothing_are_refused() {
        let nothing = ResolverSettings {
            interval: Duration::ZERO,
            batch_size: 0,
            concurrency: 0,
            pause: Duration::ZERO,
            expire_after: Some(Duration::ZERO),
        };
        let told = nothing.problems().to_string();
        for field in ["interval", "batch_size", "concurrency", "pause", "expire_after"] {
            assert!(told.contains(&format!("relation_resolver.{field}")), "{field}: {told}");
        }
        assert!(ResolverSettings::default().problems().is_empty());
    }
}
