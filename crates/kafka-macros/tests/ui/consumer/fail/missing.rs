//! What is required. The use of the type shows that an error of the derive is not followed by more.

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use fake_kafka::__private::Consumer as _;
use kafka_macros::Consumer;

#[derive(Consumer)]
#[consumer(crate = crate::fake_kafka)]
struct Group;

#[derive(Consumer)]
#[consumer(group, topics = Orders, config("a", "b" =, "c"), register, crate = crate::fake_kafka)]
struct Values;

fn main() {
    let _ = Group::spec();
}
