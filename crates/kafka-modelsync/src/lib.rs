//! Diesel tables in step with Kafka topics: sinks, Debezium, reproducers, model sync.
//!
//! The way of an event: [`change`] reads a message's key and value as a [`Change`](change::Change) of rows, whatever form Debezium
//! gave it; what a row holds is a [`Value`](value::Value), which knows neither the wire nor the database.
//!
//! In reading order: [`value`] and [`row`] are what a change is made of, [`change`] is the way from a message to it.

pub mod change;
pub mod row;
pub mod value;
