//! Values of the wrong form, or out of range.

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use kafka_macros::Topic;

#[derive(Topic)]
#[topic(name = 5, key = "i64", consume = true, blocking(), suppress(Orders, "b"), crate = crate::fake_kafka)]
struct Forms;

#[derive(Topic)]
#[topic(
    name = orders,
    batch(max = "500", wait = 1.5),
    concurrency(order = key, max = 1.5),
    retry(max = 4294967296, delay = "soon", backoff = true, max_delay = -1, jitter = "0.5", include("A", B), blocking = 0, log_every = x),
    crate = crate::fake_kafka,
)]
struct Inner;

#[derive(Topic)]
#[topic(
    name = "or ders",
    batch(max = 0),
    concurrency(order = "unordered", max = 0),
    retry(max = -2, delay = 0, jitter = 1.5, exclude(), log_every = 0),
    suppress("^a"),
    crate = crate::fake_kafka,
)]
struct Ranges;

#[derive(Topic)]
#[topic(name = "", concurrency(order = "keys", max = 1), retry(max = 1, delay = 60, max_delay = 5, jitter = 0), crate = crate::fake_kafka)]
struct More;

#[derive(Topic)]
#[topic(name = "^", crate = crate::fake_kafka)]
struct EmptyPattern;

#[derive(Topic)]
#[topic(name = "..", suppress(""), crate = crate::fake_kafka)]
struct Dots;

#[derive(Topic)]
#[topic(name = "orders" key = i64, crate = crate::fake_kafka)]
struct NoComma;

#[derive(Topic)]
#[topic(name = "orders", subject = "records", crate = crate::fake_kafka)]
struct Subject;

#[derive(Topic)]
#[topic(name = "orders", dead_letter_limit(consecutive = "many", ratio = true, window = 1.5), crate = crate::fake_kafka)]
struct LimitForms;

#[derive(Topic)]
#[topic(name = "orders", dead_letter_limit(consecutive = 0, ratio = 1.1, window = 0), crate = crate::fake_kafka)]
struct LimitRanges;

fn main() {}
