//! Everything the derive can write compiles against a root of the user's own, with the lints that a strict user has.

#![deny(warnings, missing_docs, unused_qualifications, rust_2018_idioms)]
#![forbid(unsafe_code)]

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use fake_kafka::__private::{ModelTopic, Row, Value};
use kafka_macros::ModelTopic;

/// What diesel's `table!` makes, as far as the derive names it.
#[allow(non_camel_case_types, missing_docs)]
pub mod customers {
    use crate::fake_kafka::__private::Column;

    pub struct table;
    macro_rules! columns {
        ($($column:ident = $name:literal),*) => {$(
            pub struct $column;
            impl Column for $column {
                const NAME: &'static str = $name;
            }
        )*};
    }
    columns!(id = "id", kind = "type", first_name = "first_name", internal = "internal");
}

fn upper(value: Value) -> Result<Value, String> {
    Ok(value)
}

fn is_deletion(_: &Row) -> bool {
    false
}

#[derive(ModelTopic)]
#[model_topic(name = "shop.customers", table = customers, crate = crate::fake_kafka)]
struct Small;

#[derive(ModelTopic)]
#[model_topic(
    name = "shop.customers", key = i64, value = Text, table = customers, exclude(internal), lookup(id, kind), deletion_key = "gone",
    guard(partition = "p", offset = "o"), transforms = fake_kafka::__private::Transforms, foreign_keys = true, polymorphic(fake_kafka::__private::Polymorphic("a"), fake_kafka::__private::Polymorphic("b")), batch(max = 1000), concurrency(order = "key", max = 4), retry(max = 3, delay = 1), suppress,
    crate = crate::fake_kafka
)]
#[allow(dead_code)]
struct Everything {
    id: i64,
    #[model_topic(relation(table = "shops", column = "code"))]
    kind: String,
    #[model_topic(rename = "name", transform = upper)]
    first_name: String,
}

#[derive(ModelTopic)]
#[model_topic(name = "^shop.*", table = customers, deletion = is_deletion, truncations, foreign_keys = false, crate = crate::fake_kafka)]
struct Judged;

#[derive(ModelTopic)]
#[model_topic(name = "shop.pets", table = customers, reroute("cats" = Self, "dogs" = Everything), crate = crate::fake_kafka)]
struct Pets;

use fake_kafka::__private::Text;

fn main() {
    assert!(Small::model().0.ends_with("customers::table"), "{}", Small::model().0);
    let model = Everything::model().0;
    let (_, said) = model.split_once(' ').unwrap();
    assert_eq!(
        said,
        "exclude internal relation type shops.code rename first_name name transform first_name lookup [\"id\", \"type\"] deletion_key gone offset p o transforms foreign_keys WaitedFor polymorphic a polymorphic b"
    );
    assert!(Judged::model().0.ends_with("deletion Applied foreign_keys Ignored"));
    let pets = Pets::model().0;
    assert!(pets.contains("reroute_own cats reroute dogs to (") && pets.ends_with("polymorphic a polymorphic b)"), "{pets}");
    println!("{}", Everything::spec().0);
}
