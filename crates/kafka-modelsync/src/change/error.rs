//! Why a message cannot be read as a change.

/// Why a message cannot be read as a change. It stays so: the message is as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadChangeError {
    /// A column's value is not what its type says, or no calendar and no type of ours has it.
    #[error("the column `{column}` cannot be read: {reason}")]
    Column {
        /// The column.
        column: String,
        /// What is wrong with its value.
        reason: String,
    },
    /// The message's value is neither a row nor an envelope. Is the topic one of Debezium?
    #[error("the message's value is {found}, and a change is a record with a field for each column")]
    NotARecord {
        /// What it is.
        found: &'static str,
    },
    /// The envelope says an operation that no row has.
    #[error("the envelope has the operation `{operation}`; known are c, r, u, d, t and m")]
    UnknownOperation {
        /// The operation.
        operation: String,
    },
    /// The envelope lacks what its operation needs.
    #[error("the envelope of the operation `{operation}` has no `{part}`")]
    Incomplete {
        /// The operation.
        operation: String,
        /// What is missing.
        part: &'static str,
    },
    /// JSON with a schema whose schema is not Connect's.
    #[error("the message's `schema` is not one of Connect: {reason}")]
    Schema {
        /// What is wrong with it.
        reason: String,
    },
}

impl ReadChangeError {
    pub(super) fn column(column: &str, reason: impl Into<String>) -> Self {
        Self::Column { column: column.to_owned(), reason: reason.into() }
    }
}
