//! References whose table another column says: a type and an id, as Django's generic foreign keys and Rails' polymorphic associations are.

use std::sync::Arc;

use crate::transform::Otherwise;
use crate::value::Value;

/// A reference of two columns: the one says of which type a row is, the other which of that type it is.
///
/// Types are called one thing by the producer and another here. What stands in the type's column of a message becomes what the type is
/// called here, and with the [`RelationResolver`](kafka_resolver::RelationResolver) in the application the message waits for the row of
/// the id, in the table of its type.
///
/// ```
/// use kafka_modelsync::model::{Model, Polymorphic, Referent};
/// use kafka_modelsync::table::Table;
/// use kafka_modelsync::value::Value;
///
/// let subject = Polymorphic::of("subject_type", "subject_id")
///     .to(7, Referent::row("customers", "id").written_as(Value::Int(3)))
///     .to(9, Referent::row("suppliers", "id").written_as(Value::Int(4)));
/// let notes = Model::of(Table::named("notes", ["id", "subject_type", "subject_id"], ["id"])).polymorphic(subject);
/// # assert!(notes.problems().is_empty());
/// ```
///
/// Where tables say what types are called, as `django_content_type` does, name them:
///
/// ```
/// # use kafka_modelsync::model::{Polymorphic, Referent, TypeTable};
/// Polymorphic::of("subject_type", "subject_id")
///     .sent_ids(TypeTable::new("crm_content_type", "id", "model"))
///     .written_ids(TypeTable::new("django_content_type", "id", "model"))
///     .to("customer", Referent::row("customers", "id"))
///     .to("vendor", Referent::row("suppliers", "id").written_as_named("supplier"));
/// ```
///
/// The tables are read before the application starts, and again after a message has failed; a message that is then tried again in its
/// place, and not from a retry topic, waits for nothing. Null in either column refers to nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Polymorphic {
    pub(crate) type_column: Arc<str>,
    pub(crate) id_column: Arc<str>,
    /// By what messages call them, or by their names in `sent`.
    pub(crate) types: Vec<(String, Referent)>,
    pub(crate) sent: Option<TypeTable>,
    pub(crate) written: Option<TypeTable>,
    pub(crate) otherwise: Otherwise,
}

/// The rows that a type's ids refer to.
#[derive(Debug, Clone, PartialEq)]
pub struct Referent {
    pub(crate) table: Arc<str>,
    pub(crate) column: Arc<str>,
    pub(crate) called: Called,
}

/// What a type is called here.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Called {
    /// As it was sent; where a table says its id, by the same name.
    AsSent,
    /// This.
    This(Value),
    /// By this name, in the table that says its id.
    Named(String),
}

/// A table in the sink's database that says what types are called: their ids, and their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeTable {
    pub(crate) table: Arc<str>,
    pub(crate) id: Arc<str>,
    pub(crate) name: Arc<str>,
}

impl Polymorphic {
    /// A reference by these columns of the table: that of the type, and that of the id.
    #[must_use]
    pub fn of(type_column: &str, id_column: &str) -> Self {
        Self {
            type_column: type_column.into(),
            id_column: id_column.into(),
            types: Vec::new(),
            sent: None,
            written: None,
            otherwise: Otherwise::Fail,
        }
    }

    /// What messages call this is a type whose ids refer to these rows. A number and its text are the same.
    #[must_use]
    pub fn to(mut self, sent: impl ToString, referent: Referent) -> Self {
        self.types.push((sent.to_string(), referent));
        self
    }

    /// Messages have ids of this table's rows, a copy of the producer's for example: [`to`](Self::to) says their names.
    #[must_use]
    pub fn sent_ids(mut self, table: TypeTable) -> Self {
        self.sent = Some(table);
        self
    }

    /// What is written are ids of this table's rows: those whose name is the type's.
    #[must_use]
    pub fn written_ids(mut self, table: TypeTable) -> Self {
        self.written = Some(table);
        self
    }

    /// What is written for a type that nothing is said of, such as [`Value::Null`]; its message waits for nothing. Default: the message fails,
    /// and its topic's retry policy says what follows.
    #[must_use]
    pub fn otherwise(mut self, value: Value) -> Self {
        self.otherwise = Otherwise::Value(value);
        self
    }

    pub(crate) fn columns(&self) -> [&Arc<str>; 2] {
        [&self.type_column, &self.id_column]
    }
}

impl Referent {
    /// Rows of this table, whose ids are in this column of it: an integer, a text or a UUID.
    #[must_use]
    pub fn row(table: &str, column: &str) -> Self {
        Self { table: table.into(), column: column.into(), called: Called::AsSent }
    }

    /// What is written in the type's column. Default: what was sent, or the id that `written_ids` has for it.
    #[must_use]
    pub fn written_as(mut self, value: Value) -> Self {
        self.called = Called::This(value);
        self
    }

    /// The type's name in the table of [`Polymorphic::written_ids`], where it is not the one that [`Polymorphic::to`] says.
    #[must_use]
    pub fn written_as_named(mut self, name: &str) -> Self {
        self.called = Called::Named(name.to_owned());
        self
    }
}

impl TypeTable {
    /// Ids and names of types in these columns of a table, `types` or `shop.types`.
    #[must_use]
    pub fn new(table: &str, id: &str, name: &str) -> Self {
        Self { table: table.into(), id: id.into(), name: name.into() }
    }
}
