//! Everything the derive can write compiles against a root of the user's own, with the lints that a strict user has.

#![deny(warnings, missing_docs, unused_qualifications, rust_2018_idioms)]
#![forbid(unsafe_code)]

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use std::collections::HashMap;

use fake_kafka::__private::AvroSchema as _;
use kafka_macros::AvroSchema;

// What is in scope of the user must not change what the derive means.
#[allow(dead_code, non_snake_case)]
mod hostile {
    use crate::fake_kafka::__private::AvroSchema as _;
    struct String;
    enum Option {}
    fn Some() {}

    /// Doc.
    #[derive(kafka_macros::AvroSchema)]
    #[avro(crate = crate::fake_kafka)]
    struct Hostile {
        __scope: i64,
    }

    pub(super) fn text() -> std::string::String {
        Hostile::text()
    }
}

struct Decimal;

/// An order.
#[derive(AvroSchema)]
#[avro(namespace = "shop", name = "Order", alias("Purchase"), crate = crate::fake_kafka)]
#[allow(dead_code)]
struct Row<'a> {
    /// Who.
    #[avro(default = "no one", alias("buyer"))]
    name: &'a str,
    #[avro(precision = 10, scale = 2)]
    price: Option<Decimal>,
    #[avro(precision = 4)]
    rates: HashMap<String, Vec<Decimal>>,
    raw: Vec<u8>,
    #[avro(reference)]
    id: Option<Id>,
    #[avro(schema = "int")]
    code: u64,
}

#[derive(AvroSchema)]
#[avro(crate = crate::fake_kafka)]
#[allow(dead_code)]
struct Id(i64);

#[derive(AvroSchema)]
#[avro(crate = crate::fake_kafka)]
#[allow(dead_code)]
enum Colour {
    Red,
    #[avro(default)]
    Blue,
}

#[derive(AvroSchema)]
#[avro(crate = crate::fake_kafka)]
#[allow(dead_code)]
enum Either {
    Id(Id),
    Colour(Colour),
}

#[derive(AvroSchema)]
#[avro(schema = "{}", crate = crate::fake_kafka)]
struct Written;

fn main() {
    assert_eq!(hostile::text(), "Hostile Some(\"Doc.\") []; __scope: long");
    assert_eq!(
        Row::text(),
        "shop.Order Some(\"An order.\") [\"Purchase\"]; name: string doc=\"Who.\" default=\"no one\" aliases=[\"buyer\"]; \
        price: decimal(10,2)?; rates: {[decimal(4,0)]}; raw: bytes; id: long? by reference; code: int"
    );
    assert_eq!(Colour::text(), "Colour None [\"Red\", \"Blue\"] Some(\"Blue\")");
    assert_eq!(Either::text(), format!("long|{}", Colour::text()));
    assert_eq!(Written::text(), "{}");
}
