//! Without `crate = …` the root is `::kafka_kit`, also for types inside a function.

extern crate self as kafka_kit;

#[path = "../../fake_kafka.rs"]
mod fake_kafka;
pub use fake_kafka::__private;

fn main() {
    use __private::Topic as _;

    #[derive(kafka_macros::Topic)]
    #[topic(name = "orders")]
    struct Orders;

    assert_eq!(Orders::spec().0, "named orders");
}
