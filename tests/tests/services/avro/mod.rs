//! Avro on a real registry, both ways with Confluent's client in Python, which shares no code with ours.

mod derived;
mod errors;
mod everything;
mod evolution;
mod outage;
mod subjects;

use kafka_tests::python::{self, Script};
use serde_json::{Value, json};

use crate::registered::{
    Noted, Notes, Place, Process, found, produced, producing, producing_at, producing_with, read, reading_at, registry, settings_at,
    subjects,
};

/// A part of a record that Python is to write.
fn part(schema: &str, is: &Value) -> Value {
    json!({ "schema": schema, "is": is })
}

fn python_writes(told: Value) {
    assert_eq!(Script::new("avro_write.py").input(told).run(), Value::Null);
}

fn python_reads(topic: &str, count: usize) -> Vec<Value> {
    python::run("avro_read.py", &[topic, &count.to_string()])
}
