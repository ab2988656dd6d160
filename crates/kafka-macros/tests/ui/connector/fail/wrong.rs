//! What cannot be a connector, and what contradicts itself. All errors come at once.

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use kafka_macros::Connector;

#[derive(Connector)]
#[connector(clas = "x.Y", name = "", prefix = "crm.", secret("a", "a"), default, crate = crate::fake_kafka)]
struct Nothing;

#[derive(Connector)]
#[connector(config = "file.json", crate = crate::fake_kafka)]
struct Both {
    #[connector(rename = "database.hostname")]
    host: String,
}

#[derive(Connector)]
#[connector(config = 5, class = x, mark_for_removal = true, crate = crate::fake_kafka)]
struct Values;

#[derive(Connector)]
#[connector(mark_for_removal, crate = crate::fake_kafka)]
enum Kind {}

#[derive(Connector)]
#[connector(class = "x.Y", crate = crate::fake_kafka)]
struct Generic<T> {
    host: T,
}

fn main() {}
