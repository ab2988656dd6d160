//! Values and keys that are wrong, or that do not go together.

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use kafka_macros::AvroSchema;

#[derive(AvroSchema)]
#[avro(namespcae = "shop", name = "or der", alias("1st", two), crate = crate::fake_kafka)]
struct Container {
    id: i64,
}

#[derive(AvroSchema)]
#[avro(namespace = "shop..orders", crate = crate::fake_kafka)]
#[serde(rename_all = "kebab-case")]
struct Fields {
    unit_price: i64,
    #[avro(scale = 2)]
    scale: i64,
    #[avro(precision = 0, scale = 2)]
    digits: i64,
    #[avro(reference, schema = "int")]
    both: i64,
    #[avro(default = Colour::Red)]
    default: i64,
    #[serde(flatten)]
    flat: i64,
}

#[derive(AvroSchema)]
#[avro(schema = "{}", schema_file = "a.avsc", name = "Order", crate = crate::fake_kafka)]
struct Written;

fn main() {}
