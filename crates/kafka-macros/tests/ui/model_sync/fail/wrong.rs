//! Every error of the attributes. All errors come at once.

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use kafka_macros::ModelSync;

#[allow(non_camel_case_types)]
mod customers {
    pub struct table;
}

#[derive(ModelSync)]
#[model_sync(
    topic = "", connector = "", message_key(id), sink = A, jdbc = b(), enricher = c(), only(id, id), except(name), bidirectional,
    crate = crate::fake_kafka
)]
struct Nothing;

#[derive(ModelSync)]
#[model_sync(tabel = customers, crate = crate::fake_kafka)]
struct Generic<T>(T);

#[derive(ModelSync)]
#[model_sync(table = customers, source = true, only(3), name = 5, register = "no", crate = crate::fake_kafka)]
struct Values;

#[derive(ModelSync)]
#[model_sync(table = customers, source, bidirectional, crate = crate::fake_kafka)]
struct OneWay;

#[derive(ModelSync)]
#[model_sync(table = customers, source, enricher = with_city(), crate = crate::fake_kafka)]
struct SameTopic;

fn main() {}
