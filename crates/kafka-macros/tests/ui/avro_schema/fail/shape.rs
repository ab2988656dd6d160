//! Types that have no schema.

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use kafka_macros::AvroSchema;

#[derive(AvroSchema)]
#[avro(crate = crate::fake_kafka)]
struct Unit;

#[derive(AvroSchema)]
#[avro(crate = crate::fake_kafka)]
struct Tuple(i64, i64);

#[derive(AvroSchema)]
#[avro(crate = crate::fake_kafka)]
struct Generic<T> {
    of: T,
}

#[derive(AvroSchema)]
#[avro(crate = crate::fake_kafka)]
enum Empty {}

#[derive(AvroSchema)]
#[avro(crate = crate::fake_kafka)]
enum Mixed {
    Name,
    Held(i64),
    Fields { id: i64 },
}

#[derive(AvroSchema)]
#[avro(namespace = "shop", crate = crate::fake_kafka)]
enum Union {
    #[avro(default)]
    Id(i64),
}

#[derive(AvroSchema)]
#[avro(crate = crate::fake_kafka)]
union Raw {
    id: i64,
}

fn main() {}
