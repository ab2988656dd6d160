//! Rows that a table's columns refer to, and whether messages wait for them.

use std::sync::Arc;

/// Whether messages wait for the rows that the table's foreign keys refer to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForeignKeys {
    /// Only what [`Model::relation`](super::Model::relation) says is waited for.
    #[default]
    Ignored,
    /// Those that the database has, of one column that may not be null, whose type is an integer, a text or a UUID. Read from its
    /// catalog when the application starts. A column with a [`Model::relation`](super::Model::relation) waits for that instead, an excluded one for nothing.
    /// Needs the [`RelationResolver`](kafka_resolver::RelationResolver) with a store in the same database.
    WaitedFor,
}

/// A row that a column refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RelationOf {
    pub(crate) column: Arc<str>,
    pub(crate) table: Arc<str>,
    pub(crate) parent: Arc<str>,
}
