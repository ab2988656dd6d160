//! What messages need: declared on the message type, or by a function of the topic.

use std::fmt;
use std::sync::Arc;

use kafka_core::message::Run;
use kafka_core::topic::{Decoded, KeyOf, Topic, ValueOf};

use crate::reason::{Relation, RelationValue};

/// A message type that names the rows it needs. Written by `#[derive(Relations)]`.
///
/// ```
/// use kafka_resolver::{Needs, Relations};
///
/// struct Order { id: i64, customer_id: Option<i64> }
///
/// impl Relations for Order {
///     fn relations(&self, needs: &mut Needs) {
///         needs.row("customers", "id", &self.customer_id);
///     }
/// }
/// ```
pub trait Relations {
    /// Adds what the message needs, the one to be looked at first first.
    fn relations(&self, needs: &mut Needs);

    /// Whether the value says that its row was deleted (Debezium's `__deleted`). Such a message needs nothing, and
    /// supersedes what waits of its key. A null value is a deletion without being asked. Default: no.
    fn is_deletion(&self) -> bool {
        false
    }
}

/// A topic, or a type that stands in for it, that says what its messages need: for what a derive cannot say.
pub trait RelationsOf<T: Topic>: 'static {
    /// Adds what the message needs. A null value is not asked.
    fn relations(key: Option<&KeyOf<T>>, value: &ValueOf<T>, needs: &mut Needs);

    /// Whether the value says that its row was deleted. Default: no.
    fn is_deletion(_key: Option<&KeyOf<T>>, _value: &ValueOf<T>) -> bool {
        false
    }
}

/// The relations of one message, gathered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    relations: Vec<Relation>,
    nature: Nature,
}

/// What a message does to its key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Nature {
    /// It brings a new value.
    #[default]
    Change,
    /// It deletes: a null value, or one that says so.
    Deletion,
}

impl Needs {
    /// It needs a row of the table whose column has this value. A null value needs nothing.
    pub fn row<V: RelationKey + ?Sized>(&mut self, table: &str, column: &str, value: &V) {
        self.relations.extend(value.relation_value().map(|value| Relation::row(table, column, value)));
    }

    /// It needs this.
    pub fn relation(&mut self, relation: Relation) {
        self.relations.push(relation);
    }

    /// What it needs, in order.
    #[must_use]
    pub fn relations(&self) -> &[Relation] {
        &self.relations
    }

    /// Whether it changes or deletes.
    #[must_use]
    pub fn nature(&self) -> Nature {
        self.nature
    }

    /// It deletes, and needs nothing.
    #[must_use]
    pub fn deletion() -> Self {
        Self { relations: Vec::new(), nature: Nature::Deletion }
    }

    fn of(fill: impl FnOnce(&mut Self)) -> Self {
        let mut needs = Self::default();
        fill(&mut needs);
        needs
    }
}

/// A field that can identify a row.
pub trait RelationKey {
    /// The value; `None` is null, which needs no row.
    fn relation_value(&self) -> Option<RelationValue>;
}

macro_rules! keys {
    ($($key:ty),*) => {$(
        impl RelationKey for $key {
            fn relation_value(&self) -> Option<RelationValue> {
                Some(RelationValue::from(self.clone()))
            }
        }
    )*};
}
keys!(i8, i16, i32, i64, u8, u16, u32, String, uuid::Uuid);

impl RelationKey for str {
    fn relation_value(&self) -> Option<RelationValue> {
        Some(RelationValue::from(self))
    }
}

impl<K: RelationKey> RelationKey for Option<K> {
    fn relation_value(&self) -> Option<RelationValue> {
        self.as_ref().and_then(RelationKey::relation_value)
    }
}

impl<K: RelationKey + ?Sized> RelationKey for &K {
    fn relation_value(&self) -> Option<RelationValue> {
        (**self).relation_value()
    }
}

/// A field that says whether its message is a deletion: `#[relation(deleted)]`.
pub trait DeletionMark {
    /// Whether it is.
    fn is_deletion(&self) -> bool;
}

impl DeletionMark for bool {
    fn is_deletion(&self) -> bool {
        *self
    }
}

/// Debezium writes `"true"` and `"false"`.
impl DeletionMark for String {
    fn is_deletion(&self) -> bool {
        self == "true"
    }
}

impl<M: DeletionMark> DeletionMark for Option<M> {
    fn is_deletion(&self) -> bool {
        self.as_ref().is_some_and(DeletionMark::is_deletion)
    }
}

/// How a topic's messages are asked what they need: what a topic with relations declares in its
/// [`TopicSpec`](kafka_core::topic::TopicSpec).
#[derive(Clone)]
pub struct DeclaredRelations {
    read: Arc<ReadNeeds>,
}

type ReadNeeds = dyn Fn(&Run) -> Option<Vec<Needs>> + Send + Sync;

impl fmt::Debug for DeclaredRelations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeclaredRelations")
    }
}

impl DeclaredRelations {
    /// The topic's message type says it: `#[topic(…, relations)]`.
    #[must_use]
    pub fn of_values<T: Topic>() -> Self
    where
        ValueOf<T>: Relations,
    {
        Self::read::<T>(|_, value| if value.is_deletion() { Needs::deletion() } else { Needs::of(|needs| value.relations(needs)) })
    }

    /// This type says it: `#[topic(…, relations = Orders)]`.
    #[must_use]
    pub fn said_by<T: Topic, R: RelationsOf<T>>() -> Self {
        Self::read::<T>(
            |key, value| {
                if R::is_deletion(key, value) { Needs::deletion() } else { Needs::of(|needs| R::relations(key, value, needs)) }
            },
        )
    }

    fn read<T: Topic>(needs: impl Fn(Option<&KeyOf<T>>, &ValueOf<T>) -> Needs + Send + Sync + 'static) -> Self {
        Self::by(move |decoded: &Decoded<KeyOf<T>, ValueOf<T>>| match decoded {
            Ok((key, Some(value))) => Some(needs(key.as_ref(), value)),
            Ok((_, None)) => Some(Needs::deletion()),
            Err(_) => None,
        })
    }

    /// For handlers that decode to types of their own: asks what [`Run::decoded`] holds of one message. `None` is a message
    /// that cannot be decoded.
    pub fn by<D: Send + Sync + 'static>(needs: impl Fn(&D) -> Option<Needs> + Send + Sync + 'static) -> Self {
        let read = move |run: &Run| {
            let decoded = run.decoded::<D>()?;
            let needs = decoded.iter().zip(run.iter()).map(|(decoded, raw)| match (needs(decoded), raw.value()) {
                (Some(needs), _) => needs,
                (None, None) => Needs::deletion(),
                // What cannot be decoded needs nothing: its failure is for the failure handler. It still keeps its key's order.
                (None, Some(_)) => Needs::default(),
            });
            Some(needs.collect())
        };
        Self { read: Arc::new(read) }
    }

    /// What each message of a decoded run needs.
    pub(crate) fn needs(&self, run: &Run) -> Option<Vec<Needs>> {
        (self.read)(run)
    }
}
