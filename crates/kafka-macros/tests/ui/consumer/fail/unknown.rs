//! Keys that do not exist.

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use kafka_macros::Consumer;

#[derive(Consumer)]
#[consumer(group = "billing", topic(Orders), confg("a" = 1), concurrency = 5, crate = crate::fake_kafka)]
struct Billing;

fn main() {}
