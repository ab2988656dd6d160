//! A column that the table does not have is the compiler's error, where it is named.

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use kafka_macros::ModelTopic;

#[allow(non_camel_case_types)]
mod customers {
    pub struct table;
}

#[derive(ModelTopic)]
#[model_topic(name = "a", table = customers, exclude(nmae), crate = crate::fake_kafka)]
struct NoColumn;

fn main() {}
