//! Keys that do not go together.

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use kafka_macros::Topic;

#[derive(Topic)]
#[topic(name = "^orders", produce, crate = crate::fake_kafka)]
struct PatternProduces;

#[derive(Topic)]
#[topic(name = "^orders", consume, produce, crate = crate::fake_kafka)]
struct PatternBoth;

#[derive(Topic)]
#[topic(name = "orders", blocking, batch(max = 5), crate = crate::fake_kafka)]
struct BlockingBatch;

#[derive(Topic)]
#[topic(name = "orders", retry(max = 3, delay = 1, include(A), exclude(B)), crate = crate::fake_kafka)]
struct Kinds;

#[derive(Topic)]
#[topic(name = "orders", concurrency(order = "partition", max = 4), crate = crate::fake_kafka)]
struct PartitionMax;

#[derive(Topic)]
#[topic(name = "orders", produce, blocking, retry(max = 3, delay = 1), crate = crate::fake_kafka)]
struct NoHandler;

#[derive(Topic)]
#[topic(name = "orders", dead_letter_limit(consecutive = 1, window = 5), crate = crate::fake_kafka)]
struct WindowOfNothing;

#[derive(Topic)]
#[topic(name = "orders", produce, dead_letter_limit(consecutive = 1), crate = crate::fake_kafka)]
struct LimitWithoutHandler;

#[derive(Topic)]
#[topic(name = "orders", register = false, crate = crate::fake_kafka)]
struct NotProducedOnly;

#[derive(Topic)]
#[topic(name = "orders", crate = crate::fake_kafka)]
struct Fields(#[topic(state, default)] u8);

fn main() {}
