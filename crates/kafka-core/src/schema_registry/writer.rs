//! Under which subject a format's schema is written, and the id it has there.

use std::sync::{Arc, PoisonError, RwLock};

use super::{Registry, RegistryError, SchemaKind, Written};
use crate::format::{Field, FormatTarget};
use crate::names::TopicName;
use crate::settings::SubjectStrategy;

/// One schema with the subject that it gets in each topic.
#[derive(Debug)]
pub(crate) struct Subjects {
    registry: Arc<Registry>,
    kind: SchemaKind,
    strategy: SubjectStrategy,
    /// The full name of the record or message; none for a schema without a name, which is named as its topic is.
    record: Option<String>,
    schema: Written,
    /// What was asked, for a topic has one answer for good. Nearly always one element.
    known: RwLock<Vec<(TopicName, Field, u32)>>,
}

impl Subjects {
    pub(crate) fn new(
        registry: Arc<Registry>,
        kind: SchemaKind,
        strategy: SubjectStrategy,
        record: Option<String>,
        schema: Written,
    ) -> Self {
        Self { registry, kind, strategy, record, schema, known: RwLock::default() }
    }

    /// The id to write with.
    pub(crate) async fn id(&self, target: &FormatTarget<'_>) -> Result<u32, RegistryError> {
        let of_target = |known: &&(TopicName, Field, u32)| known.0 == *target.topic && known.1 == target.field;
        if let Some((_, _, id)) = self.known.read().unwrap_or_else(PoisonError::into_inner).iter().find(of_target) {
            return Ok(*id);
        }
        let id = self.registry.id(&self.kind, &self.subject(target), &self.schema).await?;
        self.known.write().unwrap_or_else(PoisonError::into_inner).push((target.topic.clone(), target.field, id));
        Ok(id)
    }

    fn subject(&self, target: &FormatTarget<'_>) -> String {
        match (self.strategy, &self.record) {
            (SubjectStrategy::Record, Some(record)) => record.clone(),
            (SubjectStrategy::TopicRecord, Some(record)) => format!("{}-{record}", target.topic),
            (SubjectStrategy::Topic, _) | (_, None) => format!("{}-{}", target.topic, target.field.as_str()),
        }
    }
}
