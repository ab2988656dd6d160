//! A derive without its attribute, or with an empty one.

extern crate self as kafka_kit;

#[path = "../../fake_kafka.rs"]
mod fake_kafka;
pub use fake_kafka::__private;

use kafka_macros::Topic;

#[derive(Topic)]
struct Nothing;

#[derive(Topic)]
#[topic]
struct Bare;

#[derive(Topic)]
#[topic = "orders"]
struct Assigned;

#[derive(Topic)]
#[topic()]
struct Empty;

fn main() {}
