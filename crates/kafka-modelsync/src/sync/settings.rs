//! The settings `model_sync_*`. Plain data, read from the framework's settings.

use kafka_core::error::ConfigErrors;
use kafka_core::settings::Settings;
use serde::Deserialize;

/// The top-level settings that model sync reads.
pub const SECTIONS: [&str; 6] = [
    "model_sync_source_connector",
    "model_sync_topic_prefix",
    "model_sync_db_schema",
    "model_sync_consumer",
    "model_sync_enricher_consumer",
    "model_sync_enricher_group",
];

/// What every sync may leave unsaid.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelSyncSettings {
    /// The connector that syncs with a source share, by its name without prefix. Default none: each source names one.
    pub source_connector: Option<String>,
    /// What the names of topics begin with, `topic.prefix` of the source. Default none: each sync names its topic.
    pub topic_prefix: Option<String>,
    /// The schema of tables that do not say one. Default `public`.
    pub db_schema: String,
    /// The consumer that gets the topics of sinks. Default none: needed where a sync has a sink of this application.
    pub consumer: Option<String>,
    /// The consumer that gets the raw topics of enrichers. Default none: one is made, in the group below.
    pub enricher_consumer: Option<String>,
    /// The group of the consumer that is made for enrichers. Default none: needed where there is an enricher and no consumer is named.
    pub enricher_group: Option<String>,
}

impl Default for ModelSyncSettings {
    fn default() -> Self {
        Self {
            source_connector: None,
            topic_prefix: None,
            db_schema: "public".to_owned(),
            consumer: None,
            enricher_consumer: None,
            enricher_group: None,
        }
    }
}

impl ModelSyncSettings {
    /// Reads them from the framework's settings.
    ///
    /// # Errors
    /// Everything in them that cannot be read, each with its path.
    pub fn read(settings: &Settings) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::new();
        let mut text = |name: &'static str| {
            let read: Option<Option<Text>> = errors.take(settings.read_section(name));
            read.flatten().map(|text| text.0).filter(|text| !text.is_empty())
        };
        let read = Self {
            source_connector: text(SECTIONS[0]),
            topic_prefix: text(SECTIONS[1]),
            db_schema: text(SECTIONS[2]).unwrap_or_else(|| Self::default().db_schema),
            consumer: text(SECTIONS[3]),
            enricher_consumer: text(SECTIONS[4]),
            enricher_group: text(SECTIONS[5]),
        };
        errors.or_ok(read)
    }
}

/// A text; environment variables that look like numbers are read as texts here.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Text(String);
