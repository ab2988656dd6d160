//! Why a message was not written.

use kafka_core::error::BoxError;

use crate::transform::TransformError;

/// Why a message was not written. The topic's retry rules decide what follows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// A field's value is none of its column's type. Mend the producer, add a `transform`, or exclude the column.
    #[error("column `{column}` of `{table}` is {column_type} and cannot hold {value}{}", problem.as_ref().map(|why| format!(" ({why})")).unwrap_or_default())]
    Conversion {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The column's type, as the database calls it.
        column_type: String,
        /// The value, shortened.
        value: String,
        /// What is wrong with it, where more is known.
        problem: Option<String>,
    },
    /// A `transform` failed.
    #[error("the transform of column `{column}` of `{table}` failed on {value}")]
    Transform {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The value that it was given, shortened.
        value: String,
        /// The transform's error.
        source: BoxError,
    },
    /// A polymorphic reference is to a type that nothing is said of. Name its table by `Polymorphic::to`, insert the type where a table of
    /// types lacks it, or say `otherwise`.
    #[error("column `{column}` of `{table}` says {value}, {problem}; name its table by `Polymorphic::to`, or say `otherwise`")]
    UnknownType {
        /// The table.
        table: String,
        /// The column of the type.
        column: String,
        /// The type that was sent.
        value: String,
        /// What is wrong with it.
        problem: String,
    },
    /// One of the model's transforms failed.
    #[error("the transforms before `{table}` failed")]
    Transforms {
        /// The table.
        table: String,
        /// Which, and why.
        source: TransformError,
    },
    /// Neither value nor key of the message say which row it is about. Send the key, or say `lookup`.
    #[error("the message does not say `{column}`, by which rows of `{table}` are found; it is in neither its value nor its key")]
    NoKey {
        /// The table.
        table: String,
        /// The missing column.
        column: String,
    },
    /// The guard is on, and the message does not say where it stands. Send Debezium's `source.lsn` (with flattened records:
    /// `add.fields=source.lsn`), or guard by partition and offset.
    #[error("the guard of `{table}` compares {compares}, and the message has none")]
    NoPosition {
        /// The table.
        table: String,
        /// What is compared.
        compares: &'static str,
    },
    /// The key or value could not be read as a change of a row.
    #[error("the message is no change of a row of `{table}`")]
    Unreadable {
        /// The table.
        table: String,
        /// What is wrong.
        source: BoxError,
    },
    /// The row's key changed, values that did not change were not sent with the new key, and the row of the former key is still as it was:
    /// its deletion stands in another partition, and comes. No message's fault: the partition waits for it.
    #[error("row {row} of `{table}` had the key {former} before; its {columns} come with the deletion of that, which is waited for")]
    AwaitsFormerRow {
        /// The table.
        table: String,
        /// The new key.
        row: String,
        /// The former key.
        former: String,
        /// The columns that were not sent.
        columns: String,
    },
    /// The row's key changed, values that did not change were not sent with the new key, and the former row is not known here. Its deletion
    /// may come still, so the partition waits for it, about twelve minutes; or it was compacted away, or stands before where reading
    /// began, and then the retry rules settle the message. Give the source's table `REPLICA IDENTITY FULL`, or have the
    /// connector take a snapshot anew.
    #[error("row {row} of `{table}` had the key {former} before; its {columns} were not sent again, and the former row is not known here")]
    FormerRowLost {
        /// The table.
        table: String,
        /// The new key.
        row: String,
        /// The former key, or that it cannot be read.
        former: String,
        /// The columns that were not sent.
        columns: String,
    },
    /// The database refused the row: a foreign key whose row is not there, a duplicate of a unique value, a null where none may be.
    #[error("row {row} was refused by `{table}`")]
    Refused {
        /// The table.
        table: String,
        /// The key of the row.
        row: String,
        /// The database's word.
        source: diesel::result::Error,
    },
}

/// Why nothing was written, which is no message's fault: the database is away, or the table is not as declared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// No connection was to be had.
    #[error("no connection to the database")]
    Unreachable {
        /// Why.
        source: BoxError,
    },
    /// The database failed.
    #[error("{doing} failed")]
    Failed {
        /// What was being done.
        doing: String,
        /// The database's word.
        source: diesel::result::Error,
    },
    /// The table does not fit its declaration.
    #[error("{problem}")]
    Table {
        /// What does not fit, and what to do.
        problem: String,
    },
    /// Another member of the group has taken the partition over, and writes on from where this one was. Nothing was written.
    #[error("the positions of `{topic}`-{partition} belong to another member of the group by now; nothing was written")]
    Fenced {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
}
