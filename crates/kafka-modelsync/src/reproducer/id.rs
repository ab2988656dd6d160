//! A row's id, from a change's key.

use crate::change::{Change, Operation};
use crate::row::{Key, Row};
use crate::value::Value;

/// What a row is found by.
pub trait RowId: Send + Sync + Sized + 'static {
    /// The id that this value is; none if it is none.
    fn from_value(value: &Value) -> Option<Self>;
}

/// Why a change has no id to find its row by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoRowId {
    /// Neither key nor row has the column.
    #[error("neither the key nor the row has the column `{column}`, by which rows are found")]
    NoColumn {
        /// The column.
        column: String,
    },
    /// The key has none or several columns, and it is not said which is the id: write `id_column`.
    #[error("the key has {columns} columns, and which of them is the id is not said; write `id_column`")]
    NotSaid {
        /// How many.
        columns: usize,
    },
    /// The message has no key.
    #[error("the message has no key, and rows are found by it")]
    NoKey,
    /// The value is of another type than ids are.
    #[error("{found} is no id of this table")]
    OtherType {
        /// What it is.
        found: &'static str,
    },
}

/// The id of a change's row: the column of this name in the key, else in the row; without a name the key's only column, or the whole key.
///
/// # Errors
/// When there is none, or it is of another type.
pub fn row_id<I: RowId>(change: &Change, column: Option<&str>) -> Result<I, NoRowId> {
    let row: Option<&Row> = match &change.operation {
        Operation::Upsert { after, .. } => Some(after),
        Operation::Delete { before } => before.as_ref(),
        _ => None,
    };
    let value = match (column, &change.key) {
        (None, Some(Key::Whole(value))) => value,
        (None, Some(Key::Row(key))) => match key.values() {
            [value] => value,
            values => return Err(NoRowId::NotSaid { columns: values.len() }),
        },
        (None, None) => return Err(NoRowId::NoKey),
        (Some(column), key) => {
            let of_key = key.as_ref().and_then(|key| key.get(column));
            of_key.or_else(|| row?.get(column)).ok_or_else(|| NoRowId::NoColumn { column: column.to_owned() })?
        }
    };
    I::from_value(value).ok_or(NoRowId::OtherType { found: value.kind() })
}

impl RowId for i64 {
    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Int(number) = value { Some(*number) } else { None }
    }
}

impl RowId for i32 {
    fn from_value(value: &Value) -> Option<Self> {
        i64::from_value(value)?.try_into().ok()
    }
}

impl RowId for String {
    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Text(text) = value { Some(text.clone()) } else { None }
    }
}

impl RowId for uuid::Uuid {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Uuid(uuid) => Some(*uuid),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}
