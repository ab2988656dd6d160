//! The derive compiles against a root of the user's own, and what it registers is found.

#![deny(warnings, missing_docs, unused_qualifications, rust_2018_idioms)]
#![forbid(unsafe_code)]

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use fake_kafka::__private::{Connector, ConnectorRegistration, State, inventory};

#[derive(Clone, kafka_macros::Connector)]
#[connector(class = "x.Y", secret("pin"), crate = crate::fake_kafka)]
struct Fields {
    _host: &'static str,
}

#[derive(Default, kafka_macros::Connector)]
#[connector(default, register = false, crate = crate::fake_kafka)]
struct ByDefault {
    _host: String,
}

#[derive(kafka_macros::Connector)]
#[connector(config = "file.json", prefix = "crm", crate = crate::fake_kafka)]
struct File;

fn data() -> &'static str {
    "a"
}

#[derive(kafka_macros::Connector)]
#[connector(config = data(), name = "other", crate = crate::fake_kafka)]
struct Data {}

#[derive(kafka_macros::Connector)]
#[connector(mark_for_removal, crate = crate::fake_kafka)]
struct Removed;

fn main() {
    let state = State(vec![Box::new(Fields { _host: "db" })]);
    assert_eq!(Fields::from_state(&state).unwrap().config().unwrap().0, "Fields");
    assert!(Fields::from_state(&State(Vec::new())).is_err());
    assert_eq!(ByDefault::from_state(&state).unwrap().config().unwrap().0, "ByDefault");
    assert_eq!(File::from_state(&state).unwrap().config().unwrap().0, "json {\"connector.class\": \"x.Y\"}");
    assert_eq!(Data::from_state(&state).unwrap().config().unwrap().0, "data a");
    assert_eq!(Fields::spec().0, "Fields class=\"x.Y\" secret=\"pin\"");
    assert_eq!(File::spec().0, "File prefix=\"crm\"");
    assert_eq!(Removed::spec().0, "Removed mark_for_removal=()");
    let mut found: Vec<_> = inventory::iter::<ConnectorRegistration>.into_iter().map(|registration| registration.name).collect();
    found.sort_unstable();
    assert_eq!(found, ["Fields", "File", "Removed", "other"]);
}
