//! Columns that the table does not have are the compiler's error, where they are named; the flag of a bidirectional sync is one.

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use kafka_macros::ModelSync;

#[allow(non_camel_case_types)]
mod customers {
    pub struct table;
}

struct Topic;

#[derive(ModelSync)]
#[model_sync(table = customers, source, message_key(tenant), only(nmae), crate = crate::fake_kafka)]
struct NoColumn;

#[derive(ModelSync)]
#[model_sync(table = customers, topic = "crm.customers", source, sink = Topic, bidirectional, crate = crate::fake_kafka)]
struct NoFlag;

fn main() {}
