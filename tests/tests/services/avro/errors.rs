//! What cannot be read or written, each with an error of its own; the neighbours go on.

use std::time::Duration;

use kafka_kit::app::{App, AppBuilder, Plugin};
use kafka_kit::consumer::{ConsumerSpec, DeclaredTopic};
use kafka_kit::format::{Avro, AvroSchema, Bytes, SchemaScope, TypeSchema};
use kafka_kit::retry::Retry;
use kafka_kit::retry_policy::{ErrorKind, MaxRetries, RetryPolicy};
use kafka_kit::schema_registry::{IncompatibleSchema, NotRegistered, UnknownSchemaId};
use kafka_tests::cluster::{bootstrap, committed, delete_topic, ends};
use kafka_tests::produce::{Record, produce};
use kafka_tests::python;
use kafka_tests::story::{SOON, unique};
use kafka_tests::until::{throughout, until};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Noted, Notes, Place, Process, found, part, produced, producing, producing_with, python_writes, reading_at, registry, settings_at,
    subjects,
};

const NUMBER: &str = r#"{"type":"record","name":"Number","namespace":"story.errors","fields":[{"name":"n","type":"long"}]}"#;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Number {
    n: i64,
}

impl AvroSchema for Number {
    fn avro_schema(scope: &mut SchemaScope) -> TypeSchema {
        scope.literal(NUMBER)
    }
}

/// Numbers by Python, to partition 0.
fn numbers(topic: &str, numbers: impl IntoIterator<Item = i64>) {
    let records: Vec<_> = numbers.into_iter().map(|n| json!({ "value": part(NUMBER, &json!({ "n": n })) })).collect();
    python_writes(json!({ "topic": topic, "records": records }));
}

/// Bytes that were not written through a registry, and those that name a schema that nobody has.
const POISON: [&[u8]; 2] = [b"{\"n\":1}", &[0, 0x7f, 0xff, 0xff, 0xff, 2]];

fn poison(topic: &str, bytes: &'static [u8]) {
    produce(topic, [Record::empty().value(bytes)]);
}

#[test]
fn each_kind_of_poison_has_its_error_and_is_a_dead_letter() {
    let (topic, notes) = (unique("avro-poison"), Notes::<bytes::Bytes, Number>::new());
    let _topic = Place::new(&topic, 1);
    numbers(&topic, [0]);
    POISON.iter().for_each(|bytes| poison(&topic, bytes));
    produce(&topic, [Record::empty().value("")]);
    numbers(&topic, [1]);
    // Only one of them may be tried again: that tells the types apart.
    let policy = RetryPolicy::new(MaxRetries::Limited(2), Duration::from_millis(50)).include([ErrorKind::of::<UnknownSchemaId>()]);
    let mut declared = DeclaredTopic::of::<Noted<Bytes, Avro<Number>>>();
    declared.spec.name.clone_from(&topic);
    declared.spec.retry = Some(policy);
    let spec = ConsumerSpec::new("noted", &topic).config("auto.offset.reset", "earliest").declared(declared);
    let app = App::builder(settings_at(&registry())).without_discovery().state(notes.clone()).consumer_spec(spec).plugin(Retry::new());
    let process = Process::start(app);
    let handled = notes.until(2);
    assert_eq!(handled, [0, 1].map(|n| (None, Some(Number { n }))));
    process.stop();
    assert_eq!(committed(&topic, &topic, 1), ends(&topic, 1));

    let dead = format!("{topic}.{topic}.dlt");
    let letters = python::run("read_topics.py", &[&bootstrap(), &dead]);
    let said: Vec<(&str, &str, &str)> = letters
        .iter()
        .map(|letter| {
            let header = |name| crate::dead_letters::header(letter, name).unwrap_or_default();
            (header("ORIGIN_OFFSET"), header("RETRY_ATTEMPT"), header("DEAD_LETTER_SUMMARY"))
        })
        .collect();
    let expected = [
        ("1", "1", "the first byte is 0x7b of 7"),
        ("2", "3", "schema 2147483647 is not known to the registry"),
        ("3", "1", "there are no bytes"),
    ];
    assert_eq!(said.len(), expected.len(), "{letters:?}");
    for ((offset, attempts, summary), (at, tried, words)) in said.iter().zip(expected) {
        assert_eq!((*offset, *attempts), (at, tried), "{letters:?}");
        assert!(summary.contains(words), "{summary}");
    }
    delete_topic(&dead);
}

/// In the place of the retry feature, which is there by default: nothing.
struct NoRetries;

impl Plugin for NoRetries {
    fn name(&self) -> &'static str {
        Retry::NAME
    }

    fn install(self, _: &mut AppBuilder) {}
}

#[test]
fn without_retries_poison_is_held_and_the_other_partitions_go_on() {
    for bytes in POISON {
        let (topic, notes) = (unique("avro-held"), Notes::new());
        let _topic = Place::new(&topic, 2);
        numbers(&topic, [0]);
        poison(&topic, bytes);
        numbers(&topic, [1]);
        let process = Process::start(reading_at::<Bytes, Avro<Number>>(&registry(), &[&topic], &notes).plugin(NoRetries));
        until("the position before the poison", SOON, || committed(&topic, &topic, 2).get(&0) == Some(&1));
        let records: Vec<_> = (10..20).map(|n| json!({ "partition": 1, "value": part(NUMBER, &json!({ "n": n })) })).collect();
        python_writes(json!({ "topic": topic, "records": records }));
        notes.until(11);
        throughout("nothing passes it", Duration::from_millis(500), || notes.all().len() == 11);
        process.stop();
        assert_eq!(committed(&topic, &topic, 2), [(0, 1), (1, 10)].into());
    }
}

/// The same record with a field that no earlier message has, and no default.
#[derive(Debug, Serialize)]
struct Broken {
    n: i64,
    more: String,
}

impl AvroSchema for Broken {
    fn avro_schema(scope: &mut SchemaScope) -> TypeSchema {
        scope.record("story.errors.Number", None, &[], |record| {
            record.field::<i64>("n", |_| {});
            record.field::<String>("more", |_| {});
        })
    }
}

produced! {
    Breaking: "avro-incompatible", Bytes, Avro<Broken>;
    Unregistered: "avro-unregistered", Bytes, Avro<Number>;
}

#[test]
fn an_incompatible_schema_is_refused_and_nothing_is_written() {
    let topic = Breaking::name();
    let _topic = Place::new(topic, 1);
    numbers(topic, [0]);
    producing(async |producer| {
        let broken = Broken { n: 1, more: String::new() };
        let error = producer.topic::<Breaking>().send_parts(None, Some(&broken)).await.unwrap_err();
        let refused = found::<IncompatibleSchema>(&error).unwrap_or_else(|| panic!("{error:?}"));
        assert_eq!(refused.subject, format!("{topic}-value"));
        assert!(refused.to_string().starts_with("the schema is not compatible with the earlier versions of subject"), "{refused}");
        assert!(!error.is_retryable());
    });
    assert_eq!(subjects(topic), json!({ format!("{topic}-value"): 1 }));
    assert_eq!(ends(topic, 1), [(0, 1)].into());
}

#[test]
fn without_auto_register_a_schema_must_be_there() {
    let topic = Unregistered::name();
    let _topic = Place::new(topic, 1);
    let mut settings = settings_at(&registry());
    settings.schema_registry = settings.schema_registry.map(|registry| registry.auto_register(false));
    producing_with(settings, async |producer| {
        let unregistered = producer.topic::<Unregistered>();
        let error = unregistered.send_parts(None, Some(&Number { n: 1 })).await.unwrap_err();
        assert_eq!(found::<NotRegistered>(&error).unwrap_or_else(|| panic!("{error:?}")).subject, format!("{topic}-value"));
        assert_eq!(subjects(topic), json!({}));
        // Python registers it, and it is found without a restart.
        numbers(topic, [0]);
        unregistered.send_parts(None, Some(&Number { n: 1 })).await.unwrap();
    });
    assert_eq!(ends(topic, 1), [(0, 2)].into());
}
