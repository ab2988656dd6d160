//! Values of the wrong form, and properties that the framework depends on.

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use kafka_macros::Consumer;

#[derive(Consumer)]
#[consumer(group = "", name = " ", suppress(), crate = crate::fake_kafka)]
struct Empty;

#[derive(Consumer)]
#[consumer(
    group = billing, topics("orders"), register = "no", crate = crate::fake_kafka,
    config(auto.offset.reset = "earliest", "a" = earliest, "b" = 'c', "" = 1, "d" = -"e"),
)]
struct Forms;

#[derive(Consumer)]
#[consumer(
    group = "billing", crate = crate::fake_kafka,
    config("group.id" = "other", "enable.auto.offset.store" = true, "enable.auto.commit" = "False"),
)]
struct Refused;

#[derive(Consumer)]
#[consumer(group = "billing", crate = crate::fake_kafka)]
struct OnField(#[consumer(name = "x")] u8);

#[derive(Consumer)]
#[consumer(group = "billing", crate = crate::fake_kafka)]
struct Generic<'a>(&'a u8);

#[derive(Consumer)]
#[consumer(group = "billing", crate = self::fake_kafka)]
struct Root;

fn main() {}
