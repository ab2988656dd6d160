//! Keys that do not exist, in every place that has keys.

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use kafka_macros::Topic;

#[derive(Topic)]
#[topic(name = "orders", partitions = HashMap<A, B>, concurency(max = 1), crate = crate::fake_kafka)]
struct Outer;

#[derive(Topic)]
#[topic(
    name = "orders",
    retry(max_retries = 3, max = 3, delay = 120, back_off),
    batch(max = 1, maxwait = 2),
    concurrency(order = "partition", limit = 3),
    dead_letter_limit(ratio = 0.5, in_a_row = 3),
    "orders",
    crate = crate::fake_kafka,
)]
struct Inner;

#[derive(Topic)]
#[topic(name = "orders", crate = crate::fake_kafka)]
struct Fields(#[topic(stat)] u8);

fn main() {}
