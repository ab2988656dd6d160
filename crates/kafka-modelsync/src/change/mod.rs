//! What a message says happened to a row, whatever form Debezium gave it. Not what becomes of it: that is a sink's or a reproducer's.

//!
//! In reading order: this page is what comes out, `reader` the way to it; `shape` knows a message's schema, `semantic` what its types
//! stand for, `convert` makes the values, `placeholder` knows the columns that were not sent, `moved` the rows whose key changed, `write`
//! goes back to Avro. [`reroute`](RerouteModelMap) chooses among the models of one topic.

mod convert;
mod error;
mod interval;
mod moved;
mod placeholder;
mod reader;
mod reroute;
mod semantic;
mod shape;
mod write;

use std::sync::Arc;

pub use self::error::ReadChangeError;
pub use self::moved::{Moved, MovedHeader};
#[doc(hidden)]
pub use self::reader::{Body, Envelope, RowFacts};
pub use self::reader::{ChangeReader, Event};
pub use self::reroute::{PHYSICAL_TABLE, RerouteError, RerouteModelMap};
pub use self::write::WriteRowError;

use crate::row::{Key, Row};
use crate::value::Value;

/// What a message says happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// The message's key; none if the message has none, as a truncation.
    pub key: Option<Key>,
    /// What happened.
    pub operation: Operation,
    /// Where in the source's log it happened, if the message says so.
    pub position: Option<SourcePosition>,
    /// The table that it happened to, if the message says so.
    pub table: Option<SourceTable>,
    /// The table that the key names beside its columns ([`PHYSICAL_TABLE`]); it is no column of the key any more.
    pub physical_table: Option<Arc<str>>,
    /// Where the row went or came from, if its key changed and the message's headers say so ([`ChangeReader::moved`]).
    pub moved: Option<Moved>,
}

/// What happened to a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// It was inserted or changed, or read by a snapshot.
    Upsert {
        /// The row before, as far as the source says: with PostgreSQL's default replica identity none, or only the key where that changed.
        before: Option<Row>,
        /// The row as it is now.
        after: Row,
    },
    /// It was deleted.
    Delete {
        /// The row before. With PostgreSQL's default replica identity only the key is true, and all other columns are null.
        before: Option<Row>,
    },
    /// All rows of the table were deleted.
    Truncate,
    /// Nothing that concerns a row: a message of `pg_logical_emit_message`, a heartbeat, the begin or end of a transaction.
    Nothing,
}

/// A place in the source's log. Those of two databases do not compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SourcePosition {
    /// PostgreSQL's log sequence number.
    pub lsn: Option<i64>,
    /// When the change was made, in milliseconds since the epoch.
    pub ts_ms: Option<i64>,
}

/// A table of the source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceTable {
    /// The table's schema, if it is said.
    pub schema: Option<Arc<str>>,
    /// The table's name.
    pub name: Arc<str>,
}

impl Change {
    /// A change of which nothing more is known.
    #[must_use]
    pub fn new(key: Option<Key>, operation: Operation) -> Self {
        Self { key, operation, position: None, table: None, physical_table: None, moved: None }
    }

    /// The key that the row had before, if the change gave it another and the source says so: in a header of the insertion, as Debezium
    /// does, or by the row before, as other writers may.
    #[must_use]
    pub fn moved_from(&self) -> Option<Key> {
        if let Some(Moved::From(key)) = &self.moved {
            return Some(key.clone());
        }
        let (Operation::Upsert { before: Some(before), after }, Some(Key::Row(key))) = (&self.operation, &self.key) else { return None };
        let old = key.names().iter().map(|name| Some((Arc::clone(name), before.get(name)?.clone())));
        let old: Row = old.collect::<Option<Vec<_>>>()?.into_iter().collect();
        let moved = old.iter().any(|(name, value)| *value != Value::Unavailable && after.get(name).is_some_and(|new| new != value));
        moved.then_some(Key::Row(old))
    }
}

impl SourcePosition {
    fn said(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }
}

#[cfg(test)]
mod tests;
