//! What must exist before a message can be handled: a place and a value in it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::stable_hash::stable_hash;

/// Something that must exist before a message can be handled. Cheap to make, to clone and to compare: a gate does so for each message.
///
/// Built in is a row of a table; other kinds are looked up by an [`Existence`](crate::Existence) of the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    place: Arc<Place>,
    value: RelationValue,
}

/// Where a value must exist.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// Of the words; it comes first, so that different places are told apart by it.
    hash: i64,
    kind: String,
    table: String,
    column: String,
}

/// The value that identifies what must exist.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RelationValue {
    /// For integer columns of any width.
    Int(i64),
    /// For text columns.
    Text(String),
    /// For `uuid` columns, in the usual form with hyphens.
    Uuid(String),
}

impl Relation {
    /// The kind of relations that are rows of tables.
    pub const ROW: &'static str = "row";

    /// A row of a table whose column has this value. The table may be qualified: `sales.customers`.
    pub fn row(table: impl AsRef<str>, column: impl AsRef<str>, value: impl Into<RelationValue>) -> Self {
        Self::of_kind(Self::ROW, table, column, value)
    }

    /// Something of the user's own kind; `table` and `column` are whatever its [`Existence`](crate::Existence) wants.
    pub fn of_kind(kind: impl AsRef<str>, table: impl AsRef<str>, column: impl AsRef<str>, value: impl Into<RelationValue>) -> Self {
        Self { place: Place::of(kind.as_ref(), table.as_ref(), column.as_ref()), value: value.into() }
    }

    /// The kind: `row`, or one of the user's.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.place.kind
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.place.table
    }

    /// The column.
    #[must_use]
    pub fn column(&self) -> &str {
        &self.place.column
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &RelationValue {
        &self.value
    }

    /// Whether one query can look up both: they differ in nothing but the value, and its type is the same.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        self.place == other.place && std::mem::discriminant(&self.value) == std::mem::discriminant(&other.value)
    }
}

/// So many places are remembered by a thread.
const RECENT: usize = 16;

thread_local! {
    /// The places that were named last: messages by the thousand name the same few.
    static PLACES: RefCell<VecDeque<Arc<Place>>> = const { RefCell::new(VecDeque::new()) };
}

impl Place {
    fn of(kind: &str, table: &str, column: &str) -> Arc<Self> {
        PLACES.with_borrow_mut(|places| {
            if let Some(known) = places.iter().find(|place| place.table == table && place.column == column && place.kind == kind) {
                return Arc::clone(known);
            }
            let hash = stable_hash(&[kind.as_bytes(), table.as_bytes(), column.as_bytes()]);
            let place = Arc::new(Self { hash, kind: kind.to_owned(), table: table.to_owned(), column: column.to_owned() });
            places.truncate(RECENT - 1);
            places.push_front(Arc::clone(&place));
            place
        })
    }
}

impl Hash for Relation {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_i64(self.place.hash);
        self.value.hash(state);
    }
}

/// The written form.
#[derive(Serialize)]
struct Written<'a> {
    kind: &'a str,
    table: &'a str,
    column: &'a str,
    value: &'a RelationValue,
}

#[derive(Deserialize)]
struct Read {
    kind: String,
    table: String,
    column: String,
    value: RelationValue,
}

impl Serialize for Relation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written { kind: self.kind(), table: self.table(), column: self.column(), value: &self.value }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Relation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Read { kind, table, column, value } = Read::deserialize(deserializer)?;
        Ok(Self::of_kind(kind, table, column, value))
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, table, column, value) = (self.kind(), self.table(), self.column(), &self.value);
        if kind != Self::ROW {
            write!(f, "{kind} ")?;
        }
        write!(f, "{table}.{column} = {value}")
    }
}

impl fmt::Display for RelationValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::Text(value) | Self::Uuid(value) => f.write_str(value),
        }
    }
}

macro_rules! integers {
    ($($int:ty),*) => {$(
        impl From<$int> for RelationValue {
            fn from(value: $int) -> Self {
                Self::Int(i64::from(value))
            }
        }
    )*};
}
integers!(i8, i16, i32, i64, u8, u16, u32);

impl From<uuid::Uuid> for RelationValue {
    fn from(value: uuid::Uuid) -> Self {
        Self::Uuid(value.to_string())
    }
}

impl From<String> for RelationValue {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&str> for RelationValue {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn places_that_are_forgotten_or_named_elsewhere_are_the_same_when_they_come_again() {
        let first = Relation::row("customers", "id", 1);
        let again = std::thread::spawn(|| Relation::row(String::from("customers"), "id", 1)).join().unwrap();
        let many: HashSet<Relation> = (0..3 * RECENT).map(|n| Relation::row(format!("t{n}"), "id", 1)).collect();
        assert_eq!(many.len(), 3 * RECENT);
        let after = Relation::row("customers", "id", 1);
        assert!(!Arc::ptr_eq(&first.place, &again.place) && !Arc::ptr_eq(&first.place, &after.place));
        assert_eq!(HashSet::from([first, again, after]).len(), 1);
        let one = Relation::row("customers", "id", 1);
        assert!(Arc::ptr_eq(&one.place, &Relation::row("customers", "id", 2).place), "one place for many relations");
    }
}
