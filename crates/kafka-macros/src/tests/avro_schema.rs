//! What `#[derive(AvroSchema)]` writes.

use super::{AVRO_SCHEMA, snapshots};

snapshots! { AVRO_SCHEMA;
    record: r##"
        /// An order.
        ///
        /// Of a "shop".
        #[avro(namespace = "shop.orders", name = "Order", alias("Purchase"))]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct OrderRow<'a> {
            /// Who made it.
            #[avro(alias("buyer"))]
            customer_name: &'a str,
            #[serde(rename = "type", default = "kind")]
            kind: Option<String>,
            #[serde(skip)]
            cache: Cache,
            r#in: i64,
        }
    "##

    defaults: r#"
        struct Order {
            #[avro(default = 5)] a: i32,
            #[avro(default = -1.5)] b: f64,
            #[avro(default = "say \"hi\"\n")] c: String,
            #[avro(default = [1, 2])] d: Vec<i32>,
            #[avro(default = {})] e: HashMap<String, i32>,
            #[avro(default = null)] f: Option<bool>,
            #[avro(default = true)] g: Option<bool>,
        }
    "#

    said_on_fields: r#"
        struct Order {
            #[avro(precision = 10, scale = 2)] price: rust_decimal::Decimal,
            #[avro(precision = 3)] prices: Option<Vec<Decimal>>,
            raw: Vec<u8>,
            maybe_raw: Option<Vec<u8>>,
            #[avro(reference)] address: Option<Box<crate::Address>>,
            #[avro(schema = "int")] code: Code,
            #[avro(schema_file = "schemas/extra.avsc")] extra: Extra,
        }
    "#

    symbols: r#"
        /// A colour.
        #[avro(namespace = "paint")]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        enum Colour { DarkRed, #[avro(default)] Blue, #[serde(rename = "none")] Nothing }
    "#

    union: r#"
        enum Payment { Card(Card), Transfer(bank::Transfer) }
    "#

    around_one: "struct Id(i64);"

    schema: r#"
        #[avro(schema = "{}", crate = ::company::kafka)]
        struct Order { id: u64 }
    "#

    schema_file: r#"
        #[avro(schema_file = "schemas/order.avsc")]
        enum Order { A, B(u8) }
    "#

    wrong_has_a_dummy: r#"
        #[avro(namespcae = "shop")]
        struct Order { id: i64 }
    "#
}
