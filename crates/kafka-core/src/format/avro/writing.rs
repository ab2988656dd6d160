//! The writing half of the format: the type's schema, judged once, and the id that it has under its subject.

use std::sync::OnceLock;

use serde::Serialize;

use super::plan::{Node, Plan};
use super::{SchemaText, UnusableSchema, write};
use crate::format::{EncodeError, FormatTarget};
use crate::schema_registry::{Registry, SchemaKind, Subjects, frame};
use crate::settings::SubjectStrategy;
use std::sync::Arc;

/// Made when first written: a topic that is only read registers nothing.
#[derive(Debug, Default)]
pub(super) struct Writing(OnceLock<Result<Ready, UnusableSchema>>);

#[derive(Debug)]
struct Ready {
    plan: Plan,
    ids: Ids,
}

#[derive(Debug)]
enum Ids {
    One(Subjects),
    /// A union under a strategy that names records: each branch is written as a schema of its own.
    Branches(Vec<Subjects>),
}

impl Writing {
    pub(super) async fn write<T: Serialize + Sync>(
        &self,
        value: &T,
        schema: impl FnOnce() -> Result<SchemaText, UnusableSchema> + Send,
        registry: &Arc<Registry>,
        strategy: SubjectStrategy,
        target: &FormatTarget<'_>,
        into: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let ready = self.0.get_or_init(|| Ready::new(&schema()?, registry, strategy));
        let ready = ready.as_ref().map_err(|error| EncodeError::unfit(error.clone()))?;
        match &ready.ids {
            Ids::One(subjects) => {
                frame(subjects.id(target).await?, into);
                write::write(&ready.plan, value, into).map_err(EncodeError::unfit)
            }
            Ids::Branches(branches) => {
                let mut datum = Vec::new();
                write::write(&ready.plan, value, &mut datum).map_err(EncodeError::unfit)?;
                let mut cursor = super::read::Cursor::new(&datum);
                let branch = cursor.long().map_err(EncodeError::unfit)?;
                let subjects = usize::try_from(branch).ok().and_then(|branch| branches.get(branch));
                let subjects = subjects.ok_or_else(|| EncodeError::unfit("a union has no such branch"))?;
                frame(subjects.id(target).await?, into);
                into.extend_from_slice(&datum[datum.len() - cursor.left()..]);
                Ok(())
            }
        }
    }
}

impl Ready {
    fn new(schema: &SchemaText, registry: &Arc<Registry>, strategy: SubjectStrategy) -> Result<Self, UnusableSchema> {
        let plan = schema.plan()?;
        let subjects = |text: &SchemaText, record: Option<&str>| {
            Subjects::new(Arc::clone(registry), SchemaKind::Avro, strategy, record.map(str::to_owned), text.written())
        };
        let ids = match plan.node(plan.root) {
            Node::Union(nodes) if strategy != SubjectStrategy::Topic => {
                let texts = schema.branches()?;
                let named = texts.iter().zip(nodes).map(|(text, node)| subjects(text, Some(plan.branch_names(*node).1)));
                Ids::Branches(named.collect())
            }
            _ => Ids::One(subjects(schema, plan.name())),
        };
        Ok(Self { plan, ids })
    }
}
