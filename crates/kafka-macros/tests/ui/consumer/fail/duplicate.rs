//! Keys and elements that are there twice.

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use kafka_macros::{Consumer, Topic};

#[derive(Topic)]
#[topic(name = "orders", crate = crate::fake_kafka)]
struct Orders;

#[derive(Consumer)]
#[consumer(group = "billing", group = "b", topics(Orders, Orders), config("a" = 1, "a" = 2), crate = crate::fake_kafka)]
#[consumer(register = false)]
#[consumer(register = true)]
struct Billing;

fn main() {}
