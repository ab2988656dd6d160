//! Diesel tables in step with Kafka topics: sinks, Debezium, reproducers, model sync.
//!
//! The way of an event: [`change`] reads a message's key and value as a [`Change`](change::Change) of rows, whatever form Debezium
//! gave it; what a row holds is a [`Value`](value::Value), which knows neither the wire nor the database. [`sync`] is the declarative
//! half: which table goes to which topic, and back.
//!
//! In reading order: [`value`] and [`row`] are what a change is made of, [`change`] is the way from a message to it.
//! [`table`] and [`model`] say what a table wants of messages, and [`sink`] writes them into it.
//! [`transform`] makes other fields of them, and the schema that these have; [`reproducer`] publishes a raw topic again.

pub mod change;
pub mod model;
pub mod reproducer;
pub mod row;
pub mod sink;
pub mod sync;
pub mod table;
pub mod transform;
pub mod value;

/// What derives write against. Not for use by hand; names may change with any release.
#[doc(hidden)]
pub mod __private {
    pub use inventory;
    pub use kafka_core::format::{Avro, AvroValue};

    pub use crate::model::{ForeignKeys, Guard, Model, ModelTopic, Truncations, column_name};
    pub use crate::sync;
    pub use crate::table::Table;
}
