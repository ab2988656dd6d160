//! `kafka_skip`: a column that tells a source connector not to emit a change.
//!
//! For tables that Debezium watches and that are also written from Kafka: what came from there must not go back. Every write sets the
//! flag by one rule: within [`suppress_all`](kafka_core::producer::suppression::suppress_all) it is true, whatever was given; else what
//! was given counts; else it is false again. A flag that stayed true would silently filter the next change.
//!
//! [`flag`] is the rule; `queries` (feature `diesel`) has it in those of diesel; [`migration`] makes the column and, for writers that know
//! nothing of it, triggers with the same rule. [`FILTER`] is the connector's half.

pub mod migration;
#[cfg(feature = "diesel")]
pub mod queries;
mod trigger;

use kafka_core::producer::suppression::is_all_suppressed;

use crate::config::{ConfigValue, ConnectorConfig};

/// The name of the column. A contract with connectors, triggers and sinks, which never copy it from a message.
pub const COLUMN: &str = "kafka_skip";

/// The condition of Debezium's filter, in Groovy, on the envelope: before `unwrap`. Tables without the column pass, and so do tombstones.
/// A deletion is judged by the row before it, hence `REPLICA IDENTITY FULL`; but where it is half of a changed key it passes, for the
/// row before it does not say what the change is: the flag of who wrote it last would part the two halves.
pub const FILTER: &str = "value == null || valueSchema.field('before')?.schema()?.field('kafka_skip') == null \
    || (value.op == 'd' ? header?.containsKey('__debezium.newkey') || !value.before?.kafka_skip : !value.after?.kafka_skip)";

/// What was given for the flag in a write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Given {
    /// Nothing.
    #[default]
    Nothing,
    /// The change is to be emitted.
    Emit,
    /// The change is not to be emitted.
    Skip,
}

/// Whether producing is suppressed where the write happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// It is not, or only to some topics.
    Open,
    /// All of it is.
    Suppressed,
}

impl Scope {
    /// The scope of the code that asks.
    #[must_use]
    pub fn here() -> Self {
        if is_all_suppressed() { Self::Suppressed } else { Self::Open }
    }
}

impl From<bool> for Given {
    fn from(skip: bool) -> Self {
        if skip { Self::Skip } else { Self::Emit }
    }
}

impl From<Option<bool>> for Given {
    fn from(skip: Option<bool>) -> Self {
        skip.map_or(Self::Nothing, Self::from)
    }
}

/// The rule: suppression over what was given over reset.
#[must_use]
pub const fn flag(scope: Scope, given: Given) -> bool {
    match (scope, given) {
        (Scope::Suppressed, _) | (Scope::Open, Given::Skip) => true,
        (Scope::Open, Given::Emit | Given::Nothing) => false,
    }
}

impl ConnectorConfig {
    /// Adds the filter for `kafka_skip` before the transforms there are, and takes out the tombstones of the connector, which would
    /// follow a deletion that was filtered. For Debezium's sources, whose plugin needs `debezium-scripting` and Groovy.
    #[must_use]
    pub fn kafka_skip_filter(self) -> Self {
        let names = match self.get("transforms") {
            Some(others) if !others.is_empty() => format!("{COLUMN},{others}"),
            _ => COLUMN.to_owned(),
        };
        let settings: [(&str, ConfigValue); 4] = [
            ("type", "io.debezium.transforms.Filter".into()),
            ("language", "jsr223.groovy".into()),
            ("condition", FILTER.into()),
            ("null.handling.mode", "keep".into()),
        ];
        let config = self.set("transforms", names).set("tombstones.on.delete", false);
        settings.into_iter().fold(config, |config, (key, value)| config.set(format!("transforms.{COLUMN}.{key}"), value))
    }
}

#[cfg(test)]
mod tests {
    use kafka_core::producer::suppression::{suppress, suppress_all, unsuppress};

    use super::*;

    #[test]
    fn suppression_over_explicit_over_reset() {
        for (scope, given, expected) in [
            (Scope::Suppressed, Given::Nothing, true),
            (Scope::Suppressed, Given::Emit, true),
            (Scope::Suppressed, Given::Skip, true),
            (Scope::Open, Given::Skip, true),
            (Scope::Open, Given::Emit, false),
            (Scope::Open, Given::Nothing, false),
        ] {
            assert_eq!(flag(scope, given), expected, "{scope:?} {given:?}");
        }
        assert_eq!((Given::from(Some(true)), Given::from(Some(false)), Given::from(None)), (Given::Skip, Given::Emit, Given::Nothing));
    }

    #[test]
    fn only_the_suppression_of_all_counts() {
        assert_eq!(Scope::here(), Scope::Open);
        let _some = suppress(["orders"]).guard();
        assert_eq!(Scope::here(), Scope::Open);
        let _all = suppress_all().guard();
        assert_eq!(Scope::here(), Scope::Suppressed);
        let _lifted = unsuppress().guard();
        assert_eq!(Scope::here(), Scope::Open);
    }

    #[test]
    fn the_filter_stands_before_what_flattens() {
        let none: [(&str, &str); 0] = [];
        let config = ConnectorConfig::new().transform("unwrap", "x.Unwrap", none).kafka_skip_filter();
        assert_eq!(config.get("transforms"), Some("kafka_skip,unwrap"));
        assert_eq!(config.get("transforms.kafka_skip.condition"), Some(FILTER));
        assert_eq!((COLUMN, config.get("tombstones.on.delete")), ("kafka_skip", Some("false")));
    }
}
