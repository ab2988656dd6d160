//! What a table wants of messages: which columns, from which fields, by which key; what deletes, and what is too old.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use kafka_core::error::BoxError;
use kafka_core::format::Format;
use kafka_core::topic::TopicSpec;

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
    /// None where nothing is said.
    pub(crate) foreign_keys: Option<ForeignKeys>,
    pub(crate) reroute: Vec<(Arc<str>, Rerouted)>,
}

/// Whether messages wait for the rows that the table's foreign keys refer to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForeignKeys {
    /// Only what [`Model::relation`] says is waited for.
    #[default]
    Ignored,
    /// Those that the database has, of one column that may not be null, whose type is an integer, a text or a UUID. Read from its
    /// catalog when the application starts. A column with a [`Model::relation`] waits for that instead, an excluded one for nothing.
    /// Needs the [`RelationResolver`](kafka_resolver::RelationResolver) with a store in the same database.
    WaitedFor,
}

/// Whose row a message is about, by the table in its key.
#[derive(Debug, Clone)]
pub(crate) enum Rerouted {
    /// This model's own.
    Own,
    /// Another model's.
    To(Box<Model>),
}

/// A row that a column refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RelationOf {
    pub(crate) column: Arc<str>,
    pub(crate) table: Arc<str>,
    pub(crate) parent: Arc<str>,
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

/// What keeps an older event from overwriting a newer row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Guard {
    /// Nothing: the last one written stays.
    #[default]
    Off,
    /// The position in the source's log, in a `bigint` column. Right when one source fills the table. A null value says no position
    /// and is passed over: have the connector send deletions as values (`delete.tombstone.handling.mode=rewrite`), or the envelope.
    Lsn {
        /// The column.
        column: Arc<str>,
    },
    /// The message's partition and offset, in an `integer` and a `bigint` column. Offsets of two partitions do not compare: an event
    /// from another partition than the row's last one is taken for newer.
    Offset {
        /// The partition's column.
        partition: Arc<str>,
        /// The offset's column.
        offset: Arc<str>,
    },
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

impl Guard {
    /// By the position in the source's log, kept in this `bigint` column.
    #[must_use]
    pub fn lsn(column: &str) -> Self {
        Self::Lsn { column: column.into() }
    }

    /// By the message's partition and offset, kept in these columns, an `integer` and a `bigint`.
    #[must_use]
    pub fn offset(partition: &str, offset: &str) -> Self {
        Self::Offset { partition: partition.into(), offset: offset.into() }
    }
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

    /// Everything that is wrong with it, as far as it can be seen without the database.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let table = &self.table;
        for column in self.fields.keys().filter(|column| !table.has(column)) {
            problems.push(format!("`{table}` has no column `{column}`; name one of its columns"));
        }
        if self.key().is_empty() {
            problems
                .push(format!("nothing says by which columns rows of `{table}` are found; give the table a primary key, or say `lookup`"));
        }
        for column in self.key().iter().filter(|column| !table.has(column)) {
            problems.push(format!("`{table}` has no column `{column}` to find rows by; name one of its columns in `lookup`"));
        }
        for RelationOf { column, .. } in self.relations.iter().filter(|relation| !table.has(&relation.column)) {
            problems.push(format!("`{table}` has no column `{column}` that could refer to another table; name one of its columns"));
        }
        for column in self.key() {
            if self.fields.get(column).is_some_and(|field| field.written != Written::Yes) {
                problems.push(format!("rows of `{table}` are found by `{column}`, which is excluded; exclude another, or say `lookup`"));
            }
        }
        if self.guard != Guard::Off && self.truncations == Truncations::Applied {
            problems
                .push("truncations are applied beside a guard, and an old one would empty a newer table; leave out one of the two".into());
        }
        problems.extend(self.problems_of_reroute());
        problems.sort_unstable();
        problems
    }

    fn problems_of_reroute(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.reroute.is_empty() && self.truncations == Truncations::Applied {
            problems.push(
                "truncations are applied beside `reroute`, and a truncation has no key that says which table it empties; leave out one of \
                 the two"
                    .into(),
            );
        }
        for (at, (name, rerouted)) in self.reroute.iter().enumerate() {
            if self.reroute[..at].iter().any(|(known, _)| known == name) {
                problems.push(format!("`reroute` names `{name}` twice; remove one of the two"));
            }
            let Rerouted::To(model) = rerouted else { continue };
            problems.extend(model.problems());
            if !model.reroute.is_empty() {
                problems
                    .push(format!("`{name}` is rerouted to `{}`, which reroutes itself; name all tables in one `reroute`", model.table));
            }
            if model.deletion.is_some() || model.truncations == Truncations::Applied {
                problems.push(format!(
                    "`{name}` is rerouted to `{}`, whose `deletion` or `truncations` would not be asked; say them of the topic's own model",
                    model.table
                ));
            }
        }
        problems
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

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Model {
        Model::of(Table::named("customers", ["id", "name"], ["id"]))
    }

    fn row(field: &str, value: Value) -> Row {
        [(field, value)].into_iter().collect()
    }

    #[test]
    fn deletions_are_told_in_any_case() {
        for (value, deleted) in [
            (Value::Bool(true), true),
            (Value::Bool(false), false),
            (Value::Text("true".into()), true),
            (Value::Text("True".into()), true),
            (Value::Text("TRUE".into()), true),
            (Value::Text("false".into()), false),
            (Value::Text("yes".into()), false),
            (Value::Int(1), false),
            (Value::Null, false),
        ] {
            assert_eq!(model().is_deletion(&row("__deleted", value.clone())), deleted, "{value:?}");
        }
        assert!(!model().is_deletion(&row("gone", Value::Bool(true))));
        assert!(model().deletion_key("gone").is_deletion(&row("gone", Value::Bool(true))));
        let archived = model().deletion(|row| row.get("state") == Some(&Value::Text("archived".into())));
        assert!(archived.is_deletion(&row("state", Value::Text("archived".into()))));
        assert!(!archived.is_deletion(&row("__deleted", Value::Bool(true))));
    }

    #[test]
    fn problems_are_all_told() {
        assert_eq!(model().problems(), Vec::<String>::new());
        let guard = Guard::Lsn { column: "lsn".into() };
        let wrong = model().exclude("id").rename("nam", "x").guard(guard).truncations(Truncations::Applied);
        let problems = wrong.problems().join("\n");
        assert!(problems.contains("no column `nam`") && problems.contains("`id`, which is excluded"), "{problems}");
        assert!(problems.contains("truncations") && wrong.problems().len() == 3, "{problems}");
        let pets = || Model::of(Table::named("pets", ["id"], ["id"]));
        assert_eq!(model().reroute("a", pets()).reroute_own("b").problems(), Vec::<String>::new());
        let wrong = model().reroute("a", pets().reroute_own("c")).reroute_own("a").truncations(Truncations::Applied);
        let wrong = wrong.reroute("d", pets().deletion(|_| true).exclude("x")).problems();
        for said in ["names `a` twice", "which reroutes itself", "which table it empties", "would not be asked", "no column `x`"] {
            assert!(wrong.iter().any(|problem| problem.contains(said)), "{said}: {wrong:?}");
        }
        assert_eq!(wrong.len(), 5);
        assert!(model().lookup(["email"]).problems()[0].contains("no column `email` to find rows by"));
        assert!(Model::of(Table::named("t", ["a"], [])).problems()[0].contains("nothing says by which columns"));
    }
}
