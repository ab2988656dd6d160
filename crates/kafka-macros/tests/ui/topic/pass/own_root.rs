//! Everything the derive can write compiles against a root of the user's own, with the lints that a strict user has.

#![deny(warnings, missing_docs, unused_qualifications, rust_2018_idioms)]
#![forbid(unsafe_code)]

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use fake_kafka::__private::{Blocking, Consume, MissingState, Produce, ProducedTopic, State, Topic, inventory};
use kafka_macros::Topic;

// What is in scope of the user must not change what the derive means.
#[allow(dead_code, non_snake_case)]
mod hostile {
    use crate::fake_kafka::__private::Topic as _;
    struct Result;
    struct Text;
    enum Option {}
    fn Ok() {}
    fn Default() {}

    #[derive(kafka_macros::Topic)]
    #[topic(name = "orders", crate = crate::fake_kafka)]
    struct Hostile(#[topic(default)] u8);

    pub(super) fn spec() -> String {
        Hostile::spec().0
    }
}

fn is_transient(error: &str) -> bool {
    error == "transient"
}

#[derive(Topic)]
#[topic(
    name = "orders", key = i64, concurrency(order = "key", max = 100), batch(max = 500, wait = "50ms"),
    retry(max = 3, delay = 120, backoff, max_delay = "10m", jitter, include(std::io::Error, Mine), classify = is_transient,
        blocking = false, log_every = 10, use_offset_tracker),
    dead_letter_limit(consecutive = 100, ratio = 0.5, window = 200), suppress("a", "b"), crate = crate::fake_kafka
)]
struct Everything {
    #[topic(state)]
    db: String,
    #[topic(default)]
    cache: Vec<u8>,
}

struct Mine;

#[derive(Topic)]
#[topic(name = "^orders-", retry(max = -1, delay = 1, exclude(Mine), jitter = 1), suppress, crate = crate::fake_kafka)]
#[topic(dead_letter_limit(ratio = 1), concurrency(order = "unordered", max = 2), blocking)]
struct Pattern(#[topic(state)] u8, #[topic(default)] u16);

#[derive(Topic)]
#[topic(name = "orders", consume, concurrency(order = "partition", max = 1), crate = crate::fake_kafka)]
struct Plain;

impl Consume for Plain {
    fn consume(&self, _key: String, _value: String) {}
}

macro_rules! inside {
    ($name:ident, $topic:literal, $field:ty, $max:expr) => {
        #[derive(Topic)]
        #[topic(name = $topic, value = $field, batch(max = 7), retry(max = $max, delay = 1), crate = $crate::fake_kafka)]
        struct $name(#[topic(state)] $field);
    };
}
inside!(FromMacro, "orders", i64, -1);

#[derive(Topic)]
#[topic(name = "invoices", produce, crate = crate::fake_kafka)]
struct Invoices;

#[derive(Topic)]
#[topic(name = "foreign", produce, register = false, crate = crate::fake_kafka)]
struct Foreign;

fn produces<T: Produce>() {}
fn blocks<T: Topic<Style = Blocking>>() {}

fn main() {
    assert_eq!(
        Everything::spec().0,
        "named orders concurrency=Key { max: 100 } batch=(500, 50ms) retry=\"Limited(3) 120s backoff=() max_delay=600s \
         jitter=0.5 include=[\\\"Error\\\", \\\"Mine\\\"] classify=true non_blocking=() log_every=10 use_offset_tracker=()\" \
         dead_letter_limit=(Some(100), Some(0.5), 200) suppress=[\"a\", \"b\"]"
    );
    assert_eq!(
        Pattern::spec().0,
        "pattern ^orders- concurrency=Unordered { max: 2 } retry=\"Forever 1s jitter=1.0 exclude=[\\\"Mine\\\"]\" \
         dead_letter_limit=(None, Some(1.0), 1000) suppress_all=()"
    );
    assert_eq!(Plain::spec().0, "named orders concurrency=Partition");
    assert_eq!(FromMacro::spec().0, "named orders batch=(7, 0ns) retry=\"Forever 1s\"");
    assert_eq!(hostile::spec(), "named orders");
    let announced: Vec<_> = inventory::iter::<ProducedTopic>.into_iter().map(|topic| (topic.0)().0).collect();
    assert_eq!(announced, ["named invoices"], "only what is produced and never handled");
    produces::<Everything>();
    produces::<Foreign>();
    blocks::<Pattern>();

    let state = State(vec![Box::new("db".to_owned()), Box::new(5_u8)]);
    let everything = Everything::from_state(&state);
    assert!(everything.is_ok_and(|topic| topic.db == "db" && topic.cache.is_empty()));
    assert!(Pattern::from_state(&state).is_ok_and(|topic| (topic.0, topic.1) == (5, 0)));
    assert!(Plain::from_state(&State(Vec::new())).is_ok());
    assert_eq!(FromMacro::from_state(&state).map(|topic| topic.0), Err(MissingState("i64")));
}
