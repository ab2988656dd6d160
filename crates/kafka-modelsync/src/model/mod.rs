//! What a table wants of messages: which columns, from which fields, by which key; what deletes, and what is too old.
//!
//! `references` and `polymorphic` are the rows that columns refer to, `guard` is what is too old, `problems` checks it all.

mod guard;
mod polymorphic;
mod problems;
mod references;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use kafka_core::error::BoxError;
use kafka_core::format::Format;
use kafka_core::topic::TopicSpec;

pub use self::guard::Guard;
pub(crate) use self::polymorphic::Called;
pub use self::polymorphic::{Polymorphic, Referent, TypeTable};
pub use self::references::ForeignKeys;
pub(crate) use self::references::RelationOf;
use crate::change::Event;
use crate::row::Row;
use crate::table::Table;
use crate::transform::Transforms;
use crate::value::Value;

/// A topic whose messages are written into a table by a [`Sink`](crate::sink::Sink). Written by `#[derive(ModelTopic)]`; by hand:
///
/// ```
/// use kafka_core::format::Json;
/// use kafka_core::topic::TopicSpec;
/// use kafka_modelsync::model::{Model, ModelTopic};
/// use kafka_modelsync::table::Table;
///
/// diesel::table! {
///     customers {
///         id -> BigInt,
///         first_name -> Text,
///     }
/// }
///
/// struct Customers;
///
/// impl ModelTopic for Customers {
///     type Key = Json<serde_json::Value>;
///     type Value = Json<serde_json::Value>;
///
///     fn spec() -> TopicSpec {
///         TopicSpec::named("shop.customers")
///     }
///
///     fn model() -> Model {
///         Model::of(Table::of(customers::table)).rename("first_name", "name")
///     }
/// }
/// ```
pub trait ModelTopic: Send + Sync + 'static {
    /// The format of keys.
    type Key: Format<Value: Event + Clone>;
    /// The format of values.
    type Value: Format<Value: Event + Clone>;

    /// The topic's name and declarations; `batch` says how many messages are written at once.
    fn spec() -> TopicSpec;

    /// What the table wants.
    fn model() -> Model;
}

/// What a table wants of messages. Fields of a message that are no columns are ignored, and columns that a message does not have
/// are left as they are.
#[derive(Debug, Clone)]
pub struct Model {
    pub(crate) table: Table,
    pub(crate) transforms: Transforms,
    pub(crate) fields: HashMap<Arc<str>, Field>,
    pub(crate) deletion_key: Option<Arc<str>>,
    pub(crate) deletion: Option<fn(&Row) -> bool>,
    pub(crate) lookup: Option<Vec<Arc<str>>>,
    pub(crate) guard: Guard,
    pub(crate) truncations: Truncations,
    pub(crate) relations: Vec<RelationOf>,
    pub(crate) polymorphic: Vec<Polymorphic>,
    /// None where nothing is said.
    pub(crate) foreign_keys: Option<ForeignKeys>,
    pub(crate) reroute: Vec<(Arc<str>, Rerouted)>,
}

/// Whose row a message is about, by the table in its key.
#[derive(Debug, Clone)]
pub(crate) enum Rerouted {
    /// This model's own.
    Own,
    /// Another model's.
    To(Box<Model>),
}

/// What is special about a column.
#[derive(Clone, Default)]
pub(crate) struct Field {
    pub(crate) written: Written,
    /// The message's name for it.
    pub(crate) source: Option<Arc<str>>,
    pub(crate) transform: Option<Arc<Transform>>,
}

pub(crate) type Transform = dyn Fn(Value) -> Result<Value, BoxError> + Send + Sync;

/// Whether a column is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Written {
    #[default]
    Yes,
    Never,
    /// Only if it is a foreign key that is waited for.
    IfItRefers,
}

/// What a truncation of the source's table does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Truncations {
    /// Nothing.
    #[default]
    Ignored,
    /// Deletes all rows. What was written from other partitions of the topic has no order to it.
    Applied,
}

/// The name that a column of diesel's has in the database.
#[must_use]
pub fn column_name<C: diesel::Column>(_: C) -> &'static str {
    C::NAME
}

impl Model {
    /// All columns of this table, from fields of their names; rows are found by the primary key; `__deleted` says what is a deletion.
    #[must_use]
    pub fn of(table: Table) -> Self {
        Self {
            table,
            transforms: Transforms::new(),
            fields: HashMap::new(),
            deletion_key: Some("__deleted".into()),
            deletion: None,
            lookup: None,
            guard: Guard::Off,
            truncations: Truncations::Ignored,
            relations: Vec::new(),
            polymorphic: Vec::new(),
            foreign_keys: None,
            reroute: Vec::new(),
        }
    }

    /// Never writes this column.
    #[must_use]
    pub fn exclude(mut self, column: &str) -> Self {
        self.field(column).written = Written::Never;
        self
    }

    /// Fills the column from a field of another name.
    #[must_use]
    pub fn rename(mut self, column: &str, field: &str) -> Self {
        self.field(column).source = Some(field.into());
        self
    }

    /// Passes each message through these before anything else: columns are filled from the fields that they leave. Default: none.
    ///
    /// What refers to other rows is waited for as it is after the transforms, up to the first that looks up or enriches; what those make is
    /// not waited for. So functions among them are called twice for a message.
    #[must_use]
    pub fn transforms(mut self, transforms: Transforms) -> Self {
        self.transforms = transforms;
        self
    }

    /// Passes the column's value through a function. What was not sent is not asked about. An error fails the message.
    #[must_use]
    pub fn transform<E: Into<BoxError>>(
        mut self,
        column: &str,
        transform: impl Fn(Value) -> Result<Value, E> + Send + Sync + 'static,
    ) -> Self {
        self.field(column).transform = Some(Arc::new(move |value| transform(value).map_err(Into::into)));
        self
    }

    /// The field that says of a value that it is a deletion: `true`, or `"true"` in any case. Default `__deleted`; a null value is a
    /// deletion in any case.
    #[must_use]
    pub fn deletion_key(mut self, field: &str) -> Self {
        self.deletion_key = Some(field.into());
        self
    }

    /// Judges by this instead of a field whether a value is a deletion.
    #[must_use]
    pub fn deletion(mut self, is_deletion: fn(&Row) -> bool) -> Self {
        self.deletion = Some(is_deletion);
        self
    }

    /// The columns by which rows are found: a primary key or a unique index. Default: the table's primary key. Their values are the
    /// message value's, else the key's of the same name, else, for a single column, the whole key. By other columns than the primary
    /// key, deletions need `REPLICA IDENTITY FULL` in the source: nothing else says which row they are about.
    #[must_use]
    pub fn lookup<C: Into<Arc<str>>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.lookup = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// Keeps older events from overwriting newer rows. Default: off. Costs a query for each batch.
    ///
    /// The columns need not be known to diesel. A deletion leaves a small row in the table `kafka_row_tombstones`, or an older event
    /// would bring the row back.
    #[must_use]
    pub fn guard(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// What a truncation does. Default: nothing. Not to be had with a guard.
    #[must_use]
    pub fn truncations(mut self, truncations: Truncations) -> Self {
        self.truncations = truncations;
        self
    }

    /// Says that a column refers to a row of another table, by this column there. With the
    /// [`RelationResolver`](kafka_resolver::RelationResolver) in the application, a message whose row is missing waits for it instead of
    /// failing. Null refers to nothing.
    #[must_use]
    pub fn relation(mut self, column: &str, table: &str, parent: &str) -> Self {
        self.relations.push(RelationOf { column: column.into(), table: table.into(), parent: parent.into() });
        self
    }

    /// Says that two columns refer to a row: the one to its type, the other to its id. A type that nothing is said of fails its message.
    #[must_use]
    pub fn polymorphic(mut self, reference: Polymorphic) -> Self {
        self.polymorphic.push(reference);
        self
    }

    /// Whether messages wait for the rows that the table's foreign keys refer to. Default: only for those that
    /// [`relation`](Self::relation) says; in a [`ModelSync`](crate::sync::ModelSync), for all.
    #[must_use]
    pub fn foreign_keys(mut self, foreign_keys: ForeignKeys) -> Self {
        self.foreign_keys = Some(foreign_keys);
        self
    }

    /// Leaves a column out unless it is a foreign key that is waited for.
    pub(crate) fn leave_out(mut self, column: &str) -> Self {
        let field = self.field(column);
        if field.written == Written::Yes {
            field.written = Written::IfItRefers;
        }
        self
    }

    /// Says whose row a message is whose key names this table in `__dbz__physicalTableIdentifier`, as Debezium's `ByLogicalTableRouter`
    /// adds it where one topic carries several tables. By default the table is named as its topic was before,
    /// `{prefix}.{schema}.{table}`.
    ///
    /// A table in a key that is not named here fails the message; one without a table in its key is this model's. How messages are read
    /// (`deletion_key`, `deletion`) is this model's to say. A model's own table is named by [`reroute_own`](Self::reroute_own).
    #[must_use]
    pub fn reroute(mut self, table: &str, model: Self) -> Self {
        self.reroute.push((table.into(), Rerouted::To(Box::new(model))));
        self
    }

    /// Says that a message whose key names this table is this model's own: see [`reroute`](Self::reroute).
    #[must_use]
    pub fn reroute_own(mut self, table: &str) -> Self {
        self.reroute.push((table.into(), Rerouted::Own));
        self
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The columns by which rows are found.
    #[must_use]
    pub fn key(&self) -> &[Arc<str>] {
        self.lookup.as_deref().unwrap_or_else(|| self.table.primary_key())
    }

    /// Whether a value deletes its row.
    #[must_use]
    pub fn is_deletion(&self, value: &Row) -> bool {
        if let Some(is_deletion) = self.deletion {
            return is_deletion(value);
        }
        match self.deletion_key.as_deref().and_then(|field| value.get(field)) {
            Some(Value::Bool(deleted)) => *deleted,
            Some(Value::Text(deleted)) => deleted.eq_ignore_ascii_case("true"),
            _ => false,
        }
    }

    fn field(&mut self, column: &str) -> &mut Field {
        self.fields.entry(column.into()).or_default()
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { written, source, transform } = self;
        f.debug_struct("Field").field("written", written).field("source", source).field("transform", &transform.is_some()).finish()
    }
}
