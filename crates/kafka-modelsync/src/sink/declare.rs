//! What a sink's topic declares for others: its model, which is looked at before the application starts, and the rows that its messages
//! need, for the resolver.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kafka_core::app::{App, StartStep};
use kafka_core::error::BoxError;
use kafka_core::topic::{Concurrency, Decoded, KeyOf, Topic, TopicSpec, ValueOf};
use kafka_resolver::DeclaredRelations;

use super::error::DatabaseError;
use super::needs::{Known, needs};
use super::referral::{ForeignKey, Referrals};
use super::tables::Tables;
use super::target::Targets;
use crate::change::{ChangeReader, Event};
use crate::model::{ForeignKeys, Model};

/// The models of a sink's topic.
#[derive(Debug)]
struct SinkModel(Arc<Targets>);

/// The topic's declarations with those of a sink.
pub(super) fn declare<T: Topic>(spec: TopicSpec, model: &Model) -> TopicSpec
where
    KeyOf<T>: Event + Clone,
    ValueOf<T>: Event + Clone,
{
    let (targets, reader) = (Arc::new(Targets::of(model.clone())), reader(model));
    let spec = spec.declare(SinkModel(Arc::clone(&targets)));
    if targets.models().all(|model| refers_to_nothing(model) && model.foreign_keys != Some(ForeignKeys::WaitedFor)) {
        return spec;
    }
    spec.declare(DeclaredRelations::by(move |decoded: &Decoded<KeyOf<T>, ValueOf<T>>| {
        let (key, value) = decoded.as_ref().ok()?;
        value.as_ref()?;
        let referrals = targets.referrals.get().map(|referrals| &**referrals);
        if targets.models().all(|model| refers_to_nothing(model) && found(model, referrals).is_empty()) {
            return None;
        }
        // What cannot be read needs nothing: it fails when it is written.
        let mut change = reader.read(key.clone(), value.clone()).ok()?;
        let target = targets.at(targets.place_of(&change).ok()?);
        let (transforms, later) = &target.at_once;
        // What fails here fails again when it is written.
        let failed = transforms.apply(std::slice::from_mut(&mut change)).now_or_never()?.pop().flatten();
        if failed.is_some() {
            return None;
        }
        let types = referrals.map(|referrals| referrals.types(&target.model.polymorphic)).unwrap_or_default();
        Some(needs(&change, &target.model, &Known { foreign_keys: &found(&target.model, referrals), types: &types, later }))
    }))
}

/// Whether its declaration names no rows to wait for.
fn refers_to_nothing(model: &Model) -> bool {
    model.relations.is_empty() && model.polymorphic.is_empty()
}

/// Reads what the model's messages are.
pub(super) fn reader(model: &Model) -> ChangeReader {
    match (&model.deletion, &model.deletion_key) {
        (None, Some(field)) => ChangeReader::new().deletion_field(field),
        (None, None) => ChangeReader::new(),
        // Only the model's own judgement counts.
        (Some(_), _) => ChangeReader::new().deletion_field(""),
    }
}

/// The foreign keys of its table that are waited for.
fn found(model: &Model, referrals: Option<&Referrals>) -> Arc<[ForeignKey]> {
    let known = || referrals?.of(&model.table);
    if model.foreign_keys == Some(ForeignKeys::WaitedFor) { known().unwrap_or_default() } else { Arc::default() }
}

/// Why stored positions and messages side by side do not go together.
pub(super) fn side_by_side(topic: &str) -> String {
    format!("topic `{topic}` keeps its positions in the database, and handles messages side by side; leave out `concurrency`")
}

/// Looks at the tables of all sinks before the application starts: one that is not as declared keeps it from starting.
#[derive(Debug)]
pub(super) struct CheckTables(pub(super) Tables);

impl StartStep for CheckTables {
    fn name(&self) -> &'static str {
        "looking at the tables of sinks"
    }

    fn run<'a>(&'a self, app: &'a App) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(async move {
            let mut problems = Vec::new();
            for topic in app.assembled_topics() {
                let Some(SinkModel(targets)) = topic.spec().declared() else { continue };
                if self.0.keeps_positions_of(topic.offset_storage()) && topic.spec().concurrency != Concurrency::Partition {
                    problems.push(side_by_side(&topic.spec().name));
                }
                targets.referrals.get_or_init(|| Arc::clone(&self.0.referrals));
                for model in targets.models() {
                    match self.0.look_at(model).await {
                        Ok(_) => {}
                        Err(DatabaseError::Table { problem }) => problems.push(problem),
                        // No constraint would refuse what does not wait for its row.
                        Err(error) if !model.polymorphic.is_empty() => {
                            let chain = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
                            let chain = chain.map(ToString::to_string).collect::<Vec<_>>().join(": ");
                            problems.push(format!("the types that `{}` refers to cannot be read: {chain}", model.table));
                        }
                        // Time may mend it: messages wait until then.
                        Err(error) => {
                            tracing::warn!(table = %model.table, error = &error as &dyn std::error::Error, "a table could not be looked at");
                        }
                    }
                }
            }
            problems.dedup();
            if problems.is_empty() { Ok(()) } else { Err(problems.join("\n").into()) }
        })
    }
}
