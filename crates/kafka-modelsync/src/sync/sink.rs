//! How messages of a sync's topic get into its table: by a topic of the application, or by a connector.

use std::fmt;
use std::sync::Arc;

use kafka_connect::skip;
use kafka_core::consumer::DeclaredTopic;
use kafka_core::error::ConfigErrors;
use kafka_core::format::{Decode, Format};
use kafka_core::topic::Concurrency;

use super::jdbc::JdbcSink;
use super::spec::{Direction, SyncSpec};
use crate::change::Event;
use crate::model::{ForeignKeys, ModelTopic};
use crate::sink;

/// How messages of the topic get into the table.
#[derive(Clone)]
#[non_exhaustive]
pub enum Sink {
    /// By a topic of this application, in the consumer that the setting `model_sync_consumer` names.
    Here(Arc<MakeTopic>),
    /// By a connector of Debezium's JDBC sink.
    Jdbc(JdbcSink),
}

/// Makes the topic that writes into the table, by the name of the public topic.
pub type MakeTopic = dyn Fn(&SyncSpec, &str) -> Result<DeclaredTopic, ConfigErrors> + Send + Sync;

impl Sink {
    /// A topic of this application that writes what `M` says, of the sync's columns alone. What the sync is called decides the topic's
    /// name; in a bidirectional sync the rows are marked, so that they do not go back.
    #[must_use]
    pub fn of<M: ModelTopic<Key: Decode, Value: Decode>>() -> Self
    where
        <M::Key as Format>::Value: Event,
        <M::Value as Format>::Value: Event,
    {
        Self::made_by(|sync, topic| {
            let mut spec = M::spec();
            topic.clone_into(&mut spec.name);
            if sync.direction == Direction::Bidirectional {
                spec = spec.suppress_all();
            }
            let written = sync.written();
            let mut own = M::model();
            // What waits could not keep its order there.
            if own.foreign_keys.is_none() && !matches!(spec.concurrency, Concurrency::Unordered { .. }) {
                own = own.foreign_keys(ForeignKeys::WaitedFor);
            }
            // A foreign key that was waited for is always written; which are, the database says.
            let made: Vec<String> = own.transforms.made().map(str::to_owned).collect();
            let waited_for = |column: &str| {
                let polymorphic = || own.polymorphic.iter().flat_map(|reference| reference.columns()).any(|of| **of == *column);
                own.relations.iter().any(|relation| *relation.column == *column) || polymorphic()
            };
            let left_out = sync.table.columns().iter().filter(|column| !written.contains(&&***column) && ***column != *skip::COLUMN);
            let left_out = left_out.filter(|column| !waited_for(column) && made.iter().all(|made| **made != ***column));
            let left_out: Vec<_> = left_out.cloned().collect();
            let model = left_out.iter().fold(own, |model, column| model.leave_out(column));
            Ok(sink::Sink::<M>::declared(spec, model))
        })
    }

    /// A topic of this application that is made of the name of the public topic.
    pub fn made_by(make: impl Fn(&SyncSpec, &str) -> Result<DeclaredTopic, ConfigErrors> + Send + Sync + 'static) -> Self {
        Self::Here(Arc::new(make))
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(_) => f.write_str("Here"),
            Self::Jdbc(sink) => f.debug_tuple("Jdbc").field(sink).finish(),
        }
    }
}
