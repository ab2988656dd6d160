//! Diesel tables in step with Kafka topics: sinks, Debezium, reproducers, model sync.
//!
//! [`sync`] is the declarative half: which table goes to which topic, and back.

pub mod sync;
