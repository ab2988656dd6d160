//! What keeps an older event from overwriting a newer row.

use std::sync::Arc;

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
