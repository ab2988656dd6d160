//! Everything the derive can write compiles against a root of the user's own, and what it registers is found.

#![deny(warnings, missing_docs, unused_qualifications, rust_2018_idioms)]
#![forbid(unsafe_code)]

#[path = "../../fake_kafka.rs"]
mod fake_kafka;

use fake_kafka::__private::inventory;
use fake_kafka::__private::sync::{Enricher, JdbcSink, ModelSync, SyncRegistration};

/// What diesel's `table!` makes, as far as the derive names it.
#[allow(non_camel_case_types, missing_docs)]
pub mod customers {
    pub struct table;
    pub struct id;
    pub struct r#type;
    pub struct kafka_skip;
}

struct Topic;

#[derive(kafka_macros::ModelSync)]
#[model_sync(
    table = customers, name = "customers", topic = "crm.customers", source, connector = "Crm", message_key(id, r#type), except(r#type),
    enricher = Enricher, sink = Topic, bidirectional, crate = crate::fake_kafka
)]
struct Everything;

#[derive(kafka_macros::ModelSync)]
#[model_sync(table = customers, jdbc = JdbcSink, only(id), register = false, crate = crate::fake_kafka)]
struct Written;

fn main() {
    let (_, everything) = Everything::spec().0.split_once("customers::table").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let start = " topic crm.customers except [\"type\"] bidirectional source Crm key [\"id\", \"type\"] enricher sink ";
    assert!(everything.starts_with(start) && everything.ends_with("::Topic"), "{everything}");
    assert!(Written::spec().0.ends_with("only [\"id\"] sink jdbc"), "{}", Written::spec().0);
    let found: Vec<_> = inventory::iter::<SyncRegistration>.into_iter().map(|found| (found.0)().0).collect();
    assert_eq!((found.len(), found[0].starts_with("customers ")), (1, true), "{found:?}");
}
