//! What a message says happened to a row, whatever form Debezium gave it. Not what becomes of it: that is a sink's or a reproducer's.

use std::sync::Arc;

use crate::row::{Key, Row};

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
        Self { key, operation, position: None, table: None }
    }
}
