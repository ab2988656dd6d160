//! The names of a sync's topics and of its table. Pure data.

use super::settings::ModelSyncSettings;
use super::spec::SyncSpec;

/// The topics of one sync.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncNames {
    /// The table with its schema, `public.customers`.
    pub table: String,
    /// What Debezium calls the topic by itself, `{prefix}.{schema}.{table}`. `None` without a prefix.
    pub by_table: Option<String>,
    /// The topic that the source writes. `None` when nobody can say.
    pub raw: Option<String>,
    /// The topic that sinks read.
    pub public: Option<String>,
}

impl SyncNames {
    /// The names by a declaration and the settings. With an enricher the raw topic has the table's name; without, it is the public one.
    #[must_use]
    pub fn of(spec: &SyncSpec, settings: &ModelSyncSettings) -> Self {
        let schema = spec.table.schema().unwrap_or(&settings.db_schema);
        let table = format!("{schema}.{}", spec.table.name());
        let by_table = settings.topic_prefix.as_deref().map(|prefix| format!("{prefix}.{table}"));
        let public = spec.topic.clone().or_else(|| by_table.clone());
        let raw = if spec.enricher.is_some() { by_table.clone() } else { public.clone() };
        Self { table, by_table, raw, public }
    }

    /// Whether the source has to send the table's changes elsewhere than it would by itself.
    #[must_use]
    pub fn is_rerouted(&self) -> bool {
        self.raw != self.by_table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::spec::Enricher;
    use crate::table::Table;
    use kafka_core::error::ConfigErrors;

    #[test]
    fn topics_are_named_after_the_table_unless_said_otherwise() {
        let settings = ModelSyncSettings { topic_prefix: Some("app".to_owned()), ..ModelSyncSettings::default() };
        let spec = || SyncSpec::new("Customers", Table::named("customers", ["id"], ["id"]));
        let enriched = || spec().enricher(Enricher::made_by(|_, _, _| Err(ConfigErrors::new())));
        let elsewhere = SyncSpec::new("Customers", Table::named("crm.customers", ["id"], ["id"]));
        for (spec, raw, public, rerouted) in [
            (spec(), "app.public.customers", "app.public.customers", false),
            (spec().topic("customers"), "customers", "customers", true),
            (enriched().topic("customers"), "app.public.customers", "customers", false),
            (elsewhere, "app.crm.customers", "app.crm.customers", false),
        ] {
            let names = SyncNames::of(&spec, &settings);
            assert_eq!((names.raw.as_deref(), names.public.as_deref(), names.is_rerouted()), (Some(raw), Some(public), rerouted));
        }
        let nameless = SyncNames::of(&spec(), &ModelSyncSettings::default());
        assert_eq!((nameless.raw, nameless.table.as_str()), (None, "public.customers"));
    }
}
