//! What is required. The handler shows that an error of the derive is not followed by errors of everything that uses the topic.

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use fake_kafka::__private::{Consume, Produce};
use kafka_macros::Topic;

#[derive(Topic)]
#[topic(key = i64, crate = crate::fake_kafka)]
struct Orders;

impl Consume for Orders {
    fn consume(&self, _key: i64, _value: String) {}
}

fn produces<T: Produce>() {}

#[derive(Topic)]
#[topic(name = "orders", batch(wait = 1), concurrency(max = 1), retry(backoff), crate = crate::fake_kafka)]
struct Inner;

#[derive(Topic)]
#[topic(name = "orders", concurrency(order = "key"), crate = crate::fake_kafka)]
struct Max;

#[derive(Topic)]
#[topic(name = "orders", dead_letter_limit(), crate = crate::fake_kafka)]
struct Limit;

#[derive(Topic)]
#[topic(name, key(i64), retry = 3, batch, suppress(), retry(max = , delay), crate = crate::fake_kafka)]
struct Values;

#[derive(Topic)]
#[topic(name = "orders", crate = crate::fake_kafka)]
struct Named {
    db: String,
    #[topic]
    cache: u8,
}

#[derive(Topic)]
#[topic(name = "orders", crate = crate::fake_kafka)]
struct Tuple(String, #[topic()] u8);

fn main() {
    produces::<Orders>();
}
