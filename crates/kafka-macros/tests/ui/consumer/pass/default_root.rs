//! Without `crate = …` the root is `::kafka_kit`, also for types inside a function.

extern crate self as kafka_kit;

#[path = "../../fake_kafka.rs"]
mod fake_kafka;
pub use fake_kafka::__private;

fn main() {
    use __private::{Consumer as _, Registration, inventory};

    #[derive(kafka_macros::Consumer)]
    #[consumer(group = "billing")]
    struct Billing;

    assert_eq!(Billing::spec().0, "Billing in billing");
    assert_eq!(inventory::iter::<Registration>.into_iter().count(), 1);
}
