//! A table as the database has it, with what the model wants of it: which columns are written, of which types, by which key.

use std::sync::Arc;

use kafka_connect::skip;

use super::error::DatabaseError;
use super::referral::ForeignKey;
use super::types::Types;
use crate::model::{Field, Guard, Model, Written};

/// How values of a column are bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    /// Any type of text.
    Text,
    Bytes,
    Date,
    Timestamp,
    TimestampTz,
    /// As text that is cast: numbers of any length.
    Numeric,
    /// As text that is cast.
    Json,
    /// As text that is cast: keys and values.
    Hstore,
    /// As text that is cast: times, intervals, enumerations, addresses, arrays, whatever there is.
    Other,
}

impl Kind {
    /// Whether its values are days, or times of days.
    pub(crate) fn is_of_calendar(self) -> bool {
        matches!(self, Self::Date | Self::Timestamp | Self::TimestampTz)
    }
}

/// Whether a row may be inserted without a value for the column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    /// It may be null, or the database has a default.
    Optional,
    /// It must be given.
    Required,
    /// The database counts it; it can be given to a new row, and not changed.
    Counted,
    /// The database computes it; it cannot be given.
    Generated,
}

/// A column as the database says it is.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) name: String,
    /// The type's name in SQL, with its length and the like.
    pub(crate) sql_type: String,
    /// What text is cast to: the type without its length, so that the column itself judges it. Empty in SQLite, which casts nothing.
    pub(crate) cast: String,
    pub(crate) kind: Kind,
    pub(crate) demand: Demand,
}

/// Whether rows of the table may refer to other rows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SelfReference {
    None,
    Some,
}

/// What a database says of a table.
#[derive(Debug)]
pub(crate) struct Description {
    pub(crate) columns: Vec<Found>,
    pub(crate) self_reference: SelfReference,
    pub(crate) skip_triggers: SkipTriggers,
    /// Of columns that may not be null, to a single column.
    pub(crate) foreign_keys: Vec<ForeignKey>,
    /// Its unique indexes; none where they are not to be seen.
    pub(crate) unique: Option<Vec<Unique>>,
}

/// A unique index of all rows.
#[derive(Debug)]
pub(crate) struct Unique {
    pub(crate) columns: Vec<String>,
    pub(crate) when: Judged,
}

/// When a constraint is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    AtOnce,
    /// At the end of a transaction, if that asks for it.
    Later,
}

/// A column that is written.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: Arc<str>,
    pub(crate) quoted: String,
    pub(crate) sql_type: String,
    pub(crate) cast: String,
    pub(crate) kind: Kind,
    pub(crate) demand: Demand,
    /// The message's name for it.
    pub(crate) source: Arc<str>,
    pub(crate) field: Field,
    /// If it holds the type of a polymorphic reference.
    pub(crate) types: Option<Arc<Types>>,
}

/// A table that is written.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Its name, for people.
    pub(crate) name: String,
    pub(crate) quoted: String,
    pub(crate) columns: Vec<Column>,
    /// Places of the key's columns.
    pub(crate) key: Vec<usize>,
    pub(crate) finds_by: FindsBy,
    /// Whether it has `kafka_skip`.
    pub(crate) skip: Skip,
    /// The places of columns that the guard fills.
    pub(crate) guard: GuardColumns,
    pub(crate) self_reference: SelfReference,
    /// Places of the columns without which no row can be inserted.
    pub(crate) required: Vec<usize>,
}

/// Which key rows are found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FindsBy {
    PrimaryKey,
    /// A unique index, by other columns.
    Lookup,
}

/// Whether the table has the column `kafka_skip`, and who sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skip {
    None,
    /// The writer.
    Flagged,
    /// Triggers have the last word, and are told.
    Told,
}

/// Whether the triggers of `kafka_skip` are on a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SkipTriggers {
    None,
    Some,
}

/// Places of the columns that a guard fills; behind those of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GuardColumns {
    Off,
    Lsn(usize),
    Offset { partition: usize, offset: usize },
}

/// Whether an index says at once that a row is there.
fn findable(key: &[&str], unique: &[Unique]) -> Result<(), String> {
    let fits = |index: &&Unique| index.columns.len() == key.len() && index.columns.iter().all(|column| key.contains(&column.as_str()));
    let columns = || format!("`{}`", key.join("`, `"));
    let of_key: Vec<_> = unique.iter().filter(fits).collect();
    match &of_key[..] {
        [] => Err(format!("{}, and the database has no unique index of that; make one, or find them by others (`lookup`)", columns())),
        some if some.iter().all(|index| index.when == Judged::Later) => {
            Err(format!("{}, whose constraint is DEFERRABLE, and an upsert needs one that is not; make it NOT DEFERRABLE", columns()))
        }
        _ => Ok(()),
    }
}

impl Column {
    /// Whether the database is PostgreSQL.
    pub(crate) fn is_postgres(&self) -> bool {
        !self.cast.is_empty()
    }
}

impl Shape {
    /// Puts model and database together.
    pub(crate) fn new(model: &Model, found: &Description) -> Result<Self, DatabaseError> {
        let table = &model.table;
        let problem = |problem: String| DatabaseError::Table { problem };
        if found.columns.is_empty() {
            return Err(problem(format!("table `{table}` is not in the database; create it, or mend its name")));
        }
        let known = |name: &str| {
            let found = found.columns.iter().find(|found| found.name == name);
            found.ok_or_else(|| {
                problem(format!("table `{table}` has no column `{name}` in the database; migrate it, or exclude the column"))
            })
        };
        let mut columns = Vec::new();
        let mut add = |name: &Arc<str>, field: Field| {
            let found = known(name)?;
            columns.push(Column {
                name: Arc::clone(name),
                quoted: crate::table::quoted(name),
                sql_type: found.sql_type.clone(),
                cast: found.cast.clone(),
                kind: found.kind,
                demand: found.demand,
                source: field.source.clone().unwrap_or_else(|| Arc::clone(name)),
                field,
                types: None,
            });
            Ok::<_, DatabaseError>(columns.len() - 1)
        };
        let of_guard: &[&Arc<str>] = match &model.guard {
            Guard::Off => &[],
            Guard::Lsn { column } => &[column],
            Guard::Offset { partition, offset } => &[partition, offset],
        };
        for name in table.columns() {
            let field = model.fields.get(name).cloned().unwrap_or_default();
            let generated = found.columns.iter().any(|found| found.name == **name && found.demand == Demand::Generated);
            let wanted = match field.written {
                Written::Yes => true,
                Written::Never => false,
                Written::IfItRefers => found.foreign_keys.iter().any(|key| key.column == **name),
            };
            if wanted && !generated && **name != *skip::COLUMN && !of_guard.contains(&name) {
                add(name, field)?;
            }
        }
        let guard = match &model.guard {
            Guard::Off => GuardColumns::Off,
            Guard::Lsn { column } => GuardColumns::Lsn(add(column, Field::default())?),
            Guard::Offset { partition, offset } => {
                GuardColumns::Offset { partition: add(partition, Field::default())?, offset: add(offset, Field::default())? }
            }
        };
        let of_kind = |at: usize, kinds: &[Kind], wanted: &str| {
            let Column { name, kind, sql_type, .. } = &columns[at];
            let wrong = || problem(format!("column `{name}` of `{table}` is {sql_type}, and the guard needs {wanted}; migrate it"));
            if kinds.contains(kind) { Ok(()) } else { Err(wrong()) }
        };
        match guard {
            GuardColumns::Off => {}
            GuardColumns::Lsn(lsn) => of_kind(lsn, &[Kind::Int8], "bigint")?,
            GuardColumns::Offset { partition, offset } => {
                of_kind(partition, &[Kind::Int4, Kind::Int8], "integer")?;
                of_kind(offset, &[Kind::Int8], "bigint")?;
            }
        }
        let place = |name: &Arc<str>| columns.iter().position(|column: &Column| column.name == *name);
        let key: Option<Vec<_>> = model.key().iter().map(place).collect();
        let key = key.filter(|key| !key.is_empty());
        let key =
            key.ok_or_else(|| problem(format!("the columns by which rows of `{table}` are found are not among those that are written")))?;
        if let Some(unique) = &found.unique {
            findable(&key.iter().map(|at| &*columns[*at].name).collect::<Vec<_>>(), unique)
                .map_err(|why| problem(format!("rows of `{table}` are found by {why}")))?;
        }
        if let Some(counted) = (0..columns.len()).find(|at| columns[*at].demand == Demand::Counted && !key.contains(at)) {
            let name = &columns[counted].name;
            return Err(problem(format!(
                "column `{name}` of `{table}` is GENERATED ALWAYS AS IDENTITY, which no update may write; exclude it"
            )));
        }
        let has_skip = found.columns.iter().any(|found| found.name == skip::COLUMN);
        let required = (0..columns.len()).filter(|at| columns[*at].demand == Demand::Required).collect();
        Ok(Self {
            name: table.to_string(),
            quoted: table.quoted(),
            columns,
            key,
            finds_by: if model.key() == table.primary_key() { FindsBy::PrimaryKey } else { FindsBy::Lookup },
            skip: match (has_skip, found.skip_triggers) {
                (false, _) => Skip::None,
                (true, SkipTriggers::None) => Skip::Flagged,
                (true, SkipTriggers::Some) => Skip::Told,
            },
            guard,
            self_reference: found.self_reference,
            required,
        })
    }

    /// With the types of the table's polymorphic references.
    pub(crate) fn with_types(mut self, types: &[Arc<Types>]) -> Self {
        for types in types {
            let columns = self.columns.iter_mut().filter(|column| column.name == types.reference.type_column);
            columns.for_each(|column| column.types = Some(Arc::clone(types)));
        }
        self
    }

    /// How many columns come from messages: those of the guard stand behind them.
    pub(crate) fn said_by_messages(&self) -> usize {
        match self.guard {
            GuardColumns::Off => self.columns.len(),
            GuardColumns::Lsn(first) | GuardColumns::Offset { partition: first, .. } => first,
        }
    }

    /// Whether rows with these columns can be inserted, as far as null is concerned.
    pub(crate) fn insertable(&self, mask: &[usize]) -> bool {
        self.required.iter().all(|column| mask.contains(column))
    }
}
