//! Diesel tables in step with Kafka topics: sinks, Debezium, reproducers, model sync.
//!
//! Empty so far: the crate holds the place that the architecture gives it, and the umbrella has no
//! feature for it yet.
