//! The sink that is no code of ours: Debezium's JDBC sink connector, with settings that lose nothing.

use std::fmt;

use kafka_connect::config::{ConfigValue, ConnectorConfig};
use kafka_connect::connector::ConnectorSpec;
use kafka_connect::secrets::shown;
use kafka_connect::skip;

use super::names::SyncNames;
use super::spec::{Direction, Fields, SyncSpec};

const CLASS: &str = "io.debezium.connector.jdbc.JdbcSinkConnector";

/// A JDBC sink connector for the table of a sync.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JdbcSink {
    /// `connection.url`, for example `jdbc:postgresql://db/app?reWriteBatchedInserts=true`.
    pub url: String,
    /// Keys of its config that are added, or replace those that follow from the sync: `connection.username` and `connection.password`
    /// for example. Secrets are hidden by their names.
    pub config: ConnectorConfig,
}

impl fmt::Debug for JdbcSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JdbcSink").field("url", &shown("connection.url", &self.url)).field("config", &self.config).finish()
    }
}

impl JdbcSink {
    /// A sink into this database.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), config: ConnectorConfig::new() }
    }

    /// A key of its config.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<ConfigValue>) -> Self {
        self.config = self.config.set(key, value);
        self
    }

    /// What such a connector cannot do for a sync: it cannot mark the rows that it writes, so they would go back where they came from, and
    /// it does not see deletions that come as values, as those of both directions do.
    #[must_use]
    pub fn problem(spec: &SyncSpec) -> Option<&'static str> {
        (spec.direction == Direction::Bidirectional).then_some(
            "a JDBC sink connector does not mark rows with `kafka_skip`, so changes would go round for ever, and misses deletions, which have no \
             tombstones there; use a sink of ours, or one direction",
        )
    }

    /// The connector: what is said, and what follows from the sync. Upserts by the key of the message, deletes on tombstones, changes no
    /// table by itself.
    #[must_use]
    pub fn connector(&self, spec: &SyncSpec, names: &SyncNames, topic: &str) -> (ConnectorSpec, ConnectorConfig) {
        let config = ConnectorConfig::of_class(CLASS)
            .tasks_max(1)
            .set("topics", topic)
            .set("connection.url", self.url.as_str())
            .set("collection.name.format", names.table.as_str())
            .set("insert.mode", "upsert")
            .set("delete.enabled", true)
            .set("primary.key.mode", "record_key")
            .set("schema.evolution", "none");
        let config = match spec.fields {
            // The flag is each database's own affair.
            Fields::All if spec.table.has(skip::COLUMN) => config.set("field.exclude.list", format!("{topic}:{}", skip::COLUMN)),
            Fields::All => config,
            // Fields of the value alone; the key is written all the same.
            Fields::Only(_) | Fields::Except(_) => {
                let fields: Vec<String> = spec.written().into_iter().map(|column| format!("{topic}:{column}")).collect();
                config.set("field.include.list", fields)
            }
        };
        let config = self.config.iter().fold(config, |config, (key, value)| config.set(key, value));
        (ConnectorSpec::new(format!("{}Sink", spec.name)), config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::settings::ModelSyncSettings;
    use crate::sync::sink::Sink;
    use crate::sync::spec::Source;
    use crate::table::Table;

    #[test]
    fn a_sink_upserts_by_key_and_deletes() {
        let spec = SyncSpec::new("Customers", Table::named("customers", ["id", "name", "note"], ["id"])).topic("crm.customers");
        let spec = spec.fields(Fields::Only(vec!["name".to_owned()]));
        let names = SyncNames::of(&spec, &ModelSyncSettings::default());
        let sink = JdbcSink::new("jdbc:postgresql://db/app").set("connection.password", "${env:P}").set("tasks.max", 2);
        let (connector, config) = sink.connector(&spec, &names, "crm.customers");
        assert_eq!(connector.name, "CustomersSink");
        let text: String = config.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        insta::assert_snapshot!(text, @r"
        collection.name.format = public.customers
        connection.password = ${env:P}
        connection.url = jdbc:postgresql://db/app
        connector.class = io.debezium.connector.jdbc.JdbcSinkConnector
        delete.enabled = true
        field.include.list = crm.customers:id,crm.customers:name
        insert.mode = upsert
        primary.key.mode = record_key
        schema.evolution = none
        tasks.max = 2
        topics = crm.customers
        ");
    }

    #[test]
    fn the_flag_is_not_copied_and_both_directions_are_not_its_to_keep() {
        let spec = SyncSpec::new("Customers", Table::named("customers", ["id", "name", "kafka_skip"], ["id"])).topic("crm.customers");
        let names = SyncNames::of(&spec, &ModelSyncSettings::default());
        let sink = JdbcSink::new("jdbc:postgresql://db/app");
        let (_, config) = sink.connector(&spec, &names, "crm.customers");
        let excluded = config.iter().find(|(key, _)| *key == "field.exclude.list").map(|(_, value)| value.to_owned());
        assert_eq!(excluded.as_deref(), Some("crm.customers:kafka_skip"));
        assert_eq!(JdbcSink::problem(&spec), None);
        let spec = spec.source(Source::shared()).sink(Sink::Jdbc(sink)).bidirectional();
        assert!(spec.problems().to_string().contains("does not mark rows with `kafka_skip`"), "{}", spec.problems());
    }
}
