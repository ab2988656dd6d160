//! Every error of the attributes.

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use fake_kafka::__private::Text;
use kafka_macros::ModelTopic;

#[allow(non_camel_case_types)]
mod customers {
    pub struct table;
}

#[derive(ModelTopic)]
#[model_topic(value = Text, exclude(a, a, 3), lookup(), deletion_key = "gone", deletion = is_gone, tabel = customers, crate = crate::fake_kafka)]
struct Nothing(#[model_topic(exclude)] i64);

#[derive(ModelTopic)]
#[model_topic(name = "no topic", table = customers, guard(lsn = "a", offset = "b"), truncations, crate = crate::fake_kafka)]
struct Wrong {
    #[model_topic(exclude, rename = "b")]
    a: i64,
}

#[derive(ModelTopic)]
#[model_topic(
    name = "a", table = customers, truncations, reroute("a" = Self, "a" = Wrong, customers = Wrong, "b"), foreign_keys = "yes", transforms,
    crate = crate::fake_kafka
)]
struct Several;

#[derive(ModelTopic)]
#[model_topic(name = "a", table = customers, reroute(), polymorphic(), crate = crate::fake_kafka)]
struct Empty;

#[derive(ModelTopic)]
#[model_topic(name = "a", table = customers, polymorphic(3 +), crate = crate::fake_kafka)]
struct Unreadable;

fn main() {}
