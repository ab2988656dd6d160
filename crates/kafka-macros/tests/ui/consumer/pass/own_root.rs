//! The derive compiles against a root of the user's own, and what it registers is found.

#![deny(warnings, missing_docs, unused_qualifications, rust_2018_idioms)]
#![forbid(unsafe_code)]

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use fake_kafka::__private::{Consumer, Registration, inventory};

#[derive(kafka_macros::Topic)]
#[topic(name = "orders", crate = crate::fake_kafka)]
struct Orders;

mod a {
    #[derive(kafka_macros::Topic)]
    #[topic(name = "payments", crate = crate::fake_kafka)]
    pub(super) struct Payments;

    #[derive(kafka_macros::Consumer)]
    #[consumer(group = "nested", topics(Payments, super::Orders), crate = crate::fake_kafka)]
    struct Nested;
}

#[derive(kafka_macros::Consumer)]
#[consumer(group = "billing", name = "billing-eu", topics(Orders, a::Payments), crate = crate::fake_kafka)]
#[consumer(config("auto.offset.reset" = "earliest", "x" = true, "y" = -1), suppress("t"))]
struct Billing;

#[derive(kafka_macros::Consumer)]
#[consumer(group = "billing", suppress, exactly_once, register = false, crate = crate::fake_kafka)]
enum Off {}

fn main() {
    assert_eq!(
        Billing::spec().0,
        "billing-eu in billing topic=\"named orders\" topic=\"named payments\" config=(\"auto.offset.reset\", \"earliest\") \
         config=(\"x\", \"true\") config=(\"y\", \"-1\") suppress=[\"t\"]"
    );
    assert_eq!(Off::spec().0, "Off in billing suppress_all=() exactly_once=()");

    let mut found: Vec<_> = inventory::iter::<Registration>.into_iter().collect();
    found.sort_by_key(|registration| registration.name);
    let names: Vec<_> = found.iter().map(|registration| registration.name).collect();
    assert_eq!(names, ["Nested", "billing-eu"]);
    assert!(found[0].module.ends_with("::a"));
    assert_eq!((found[1].spec)(), Billing::spec());
}
