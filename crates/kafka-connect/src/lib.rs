//! Kafka Connect from Rust: connectors as code, plan and publish, kafka_skip.
//!
//! Empty so far: the crate holds the place that the architecture gives it, and the umbrella has no
//! feature for it yet.
