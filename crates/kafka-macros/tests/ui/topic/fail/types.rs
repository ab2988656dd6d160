//! What only the compiler can see is said at the type, not at the derive.

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use kafka_macros::Topic;

struct Order;

#[derive(Topic)]
#[topic(name = "orders", value = Order, crate = crate::fake_kafka)]
struct NotAFormat;

#[derive(Topic)]
#[topic(name = "orders", crate = crate::fake_kafka)]
struct NotClone {
    #[topic(state)]
    order: Order,
}

fn main() {}
