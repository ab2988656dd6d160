//! Types that are no topics, and roots that are no roots.

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use kafka_macros::Topic;

#[derive(Topic)]
#[topic(name = "orders", crate = crate::fake_kafka)]
enum Enum {
    A,
}

#[derive(Topic)]
#[topic(name = "orders", crate = crate::fake_kafka)]
union Union {
    a: u8,
}

#[derive(Topic)]
#[topic(name = "orders", crate = crate::fake_kafka)]
struct Generic<T>(#[topic(state)] T);

#[derive(Topic)]
#[topic(name = "orders", crate = fake_kafka)]
struct Relative;

#[derive(Topic)]
#[topic(name = "orders", crate = self::fake_kafka)]
struct Here;

#[derive(Topic)]
#[topic(name = "orders", crate = "fake_kafka")]
struct Text;

fn main() {}
