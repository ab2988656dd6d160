//! The registry goes away while messages flow, and comes back: what needs it waits, nothing is lost, nothing is skipped.

use std::process::Command;
use std::time::Duration;

use kafka_kit::consumer::Reason;
use kafka_kit::format::{Avro, AvroSchema, Bytes, SchemaScope, TypeSchema};
use kafka_kit::retry::Retry;
use kafka_kit::schema_registry::RegistryUnreachable;
use kafka_tests::checks::{Order, committed_equals_end, none_lost, order_kept};
use kafka_tests::cluster::{committed, ends};
use kafka_tests::process::Ledger;
use kafka_tests::proxy::Proxy;
use kafka_tests::story::{SOON, Story, unique};
use kafka_tests::until::{throughout, until};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Notes, Place, Process, found, part, produced, producing_at, python_reads, python_writes, reading_at, registry};

const PLAIN: &str = r#"{"type":"record","name":"Reading","namespace":"story.outage","fields":[{"name":"n","type":"long"}]}"#;

const NEWER: &str = r#"{"type":"record","name":"Reading","namespace":"story.outage","fields":[
    {"name":"n","type":"long"},{"name":"unit","type":"string","default":"K"}]}"#;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Reading {
    n: i64,
}

impl AvroSchema for Reading {
    fn avro_schema(scope: &mut SchemaScope) -> TypeSchema {
        scope.literal(PLAIN)
    }
}

/// A registry that can be cut: the proxy, and the address of the registry's interface behind it.
fn cuttable() -> (Proxy, String) {
    let url = registry();
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("an address without TLS");
    let proxy = Proxy::before(host);
    let through = format!("http://{}/{path}", proxy.address());
    (proxy, through)
}

fn readings(topic: &str, partition: i32, schema: &str, numbers: impl IntoIterator<Item = i64>) {
    let is = |n| if schema == NEWER { json!({ "n": n, "unit": "C" }) } else { json!({ "n": n }) };
    let records: Vec<Value> = numbers.into_iter().map(|n| json!({ "partition": partition, "value": part(schema, &is(n)) })).collect();
    python_writes(json!({ "topic": topic, "records": records }));
}

fn numbers(notes: &Notes<bytes::Bytes, Reading>) -> Vec<i64> {
    notes.values().iter().map(|reading| reading.n).collect()
}

/// Why a partition of the consumer is held.
fn trouble(process: &Process) -> Option<String> {
    let health = process.runtime.block_on(process.app.health());
    health.consumers.iter().flat_map(|consumer| &consumer.reasons).find_map(|reason| match reason {
        Reason::Trouble { error, .. } => Some(error.clone()),
        _ => None,
    })
}

#[test]
fn messages_wait_for_the_registry_and_go_on_by_themselves() {
    let (topic, notes, (proxy, through)) = (unique("avro-outage"), Notes::new(), cuttable());
    let _topic = Place::new(&topic, 2);
    readings(&topic, 0, PLAIN, 0..10);
    // With retries on: an outage is no attempt, and nothing becomes a dead letter by it.
    let app = reading_at::<Bytes, Avro<Reading>>(&through, &[&topic], &notes).plugin(Retry::new());
    let process = Process::start(app);
    notes.until(10);
    proxy.cut();
    readings(&topic, 0, NEWER, 10..20);
    readings(&topic, 0, PLAIN, 20..30);
    until("the registry is asked again and again", SOON, || proxy.refused() >= 2);
    // The other partition needs nobody: its schema is known.
    readings(&topic, 1, PLAIN, 100..200);
    notes.until(110);
    let said = until_trouble(&process);
    assert!(said.contains("schema registry") && said.contains("cannot be reached"), "{said}");
    throughout("what needs the registry waits, and nothing passes it", Duration::from_secs(1), || notes.all().len() == 110);
    until("what was handled is committed", SOON, || committed(&topic, &topic, 2) == [(0, 10), (1, 100)].into());
    proxy.mend();
    notes.until(130);
    let of_first: Vec<_> = numbers(&notes).into_iter().filter(|n| *n < 100).collect();
    assert_eq!(of_first, (0..30).collect::<Vec<_>>(), "each once, in order");
    until("it is well again", SOON, || trouble(&process).is_none());
    process.stop();
    assert_eq!(committed(&topic, &topic, 2), ends(&topic, 2));
    assert_eq!(notes.all().len(), 130);
}

fn until_trouble(process: &Process) -> String {
    kafka_tests::until::until_some("the consumer says why it waits", SOON, || trouble(process))
}

/// Its end while the registry is away: soft, and what it had not handled comes to the next one.
#[test]
fn an_end_during_the_outage_loses_nothing() {
    let (topic, notes, (proxy, through)) = (unique("avro-outage-end"), Notes::new(), cuttable());
    let _topic = Place::new(&topic, 1);
    readings(&topic, 0, PLAIN, 0..10);
    let process = Process::start(reading_at::<Bytes, Avro<Reading>>(&through, &[&topic], &notes));
    notes.until(10);
    proxy.cut();
    readings(&topic, 0, NEWER, 10..20);
    until("the registry is asked", SOON, || proxy.refused() >= 1);
    process.stop();
    assert_eq!(committed(&topic, &topic, 1), [(0, 10)].into());
    // The next one begins without a registry too.
    let process = Process::start(reading_at::<Bytes, Avro<Reading>>(&through, &[&topic], &notes));
    let before = proxy.refused();
    until("the next one asks", SOON, || proxy.refused() > before);
    proxy.mend();
    notes.until(20);
    process.stop();
    assert_eq!(numbers(&notes), (0..20).collect::<Vec<_>>());
    assert_eq!(committed(&topic, &topic, 1), ends(&topic, 1));
}

/// Killed while some of its messages wait for the registry; the next one begins without a registry as well.
#[test]
fn a_crash_during_the_outage_loses_nothing() {
    let (story, (proxy, through)) = (Story::new("avro-outage-kill", 2), cuttable());
    let start = |log: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_avro_ledger"));
        command.arg(&story.name).arg(story.path("ledger")).env("SCHEMA_REGISTRY_URL", &through);
        Ledger::program(command, story.path(log)).start()
    };
    readings(&story.name, 0, PLAIN, 0..100);
    let first = start("first");
    story.until_handled(100);
    proxy.cut();
    readings(&story.name, 0, NEWER, 100..200);
    readings(&story.name, 1, PLAIN, 200..300);
    until("the registry is asked", SOON, || proxy.refused() >= 1);
    story.until_handled(200);
    first.kill_9();
    let second = start("second");
    let before = proxy.refused();
    until("the second asks too", SOON, || proxy.refused() > before);
    assert!(story.calls().iter().all(|call| call.partition == 1 || call.offset < 100), "what waits is not skipped");
    proxy.mend();
    let mut file = story.file();
    until("all handled", SOON, || none_lost(file.calls(), 0..300).is_ok());
    // What the first had handled and not committed comes again, and may still wait for its next try.
    until("the second is at the end", SOON, || committed_equals_end(&story.committed(), &story.ends()).is_ok());
    assert_eq!(order_kept(file.calls(), Order::Partition), Ok(()));
    story.stop_at_the_end(second);
}

produced! {
    Readings: "avro-outage-send", Avro<i64>, Avro<Reading>;
}

#[test]
fn a_send_without_the_registry_says_so_and_may_be_repeated() {
    let (topic, (proxy, through)) = (Readings::name(), cuttable());
    let _topic = Place::new(topic, 1);
    proxy.cut();
    producing_at(&through, async |producer| {
        let readings = producer.topic::<Readings>();
        let error = readings.send(&1, &Reading { n: 1 }).await.unwrap_err();
        assert!(found::<RegistryUnreachable>(&error).is_some() && error.is_retryable(), "{error:?}");
        assert_eq!(ends(topic, 1), [(0, 0)].into());
        proxy.mend();
        readings.send(&1, &Reading { n: 1 }).await.unwrap();
        // Once a schema is known, nobody is asked.
        proxy.cut();
        readings.send(&2, &Reading { n: 2 }).await.unwrap();
    });
    let expected = [1, 2].map(|n| json!({ "key": n, "value": { "n": n } }));
    assert_eq!(python_reads(topic, 2), expected);
}
