//! What only the compiler can see is said at the type, not at the derive.

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use kafka_macros::Consumer;

#[derive(Consumer)]
#[consumer(group = "billing", topics(Orders), crate = crate::fake_kafka)]
struct Billing;

struct Orders;

fn main() {}
