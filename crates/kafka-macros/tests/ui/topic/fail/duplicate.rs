//! Keys and elements that are there twice.

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use kafka_macros::Topic;

#[derive(Topic)]
#[topic(name = "orders", key = i64, name = "others", crate = crate::fake_kafka)]
#[topic(key = i64, consume, consume)]
struct Keys;

#[derive(Topic)]
#[topic(name = "orders", retry(max = 3, delay = 1, max = 4, include(A, B, A)), dead_letter_limit(ratio = 1, ratio = 1), suppress("a", "b", "a"), crate = crate::fake_kafka)]
struct Nested;

#[derive(Topic)]
#[topic(name = "orders", crate = crate::fake_kafka)]
struct Fields(#[topic(default, default)] u8);

fn main() {}
