//! Under which subjects schemas are registered, and several types on one topic.

use kafka_kit::format::{Avro, AvroSchema, SchemaScope, TypeSchema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Place, part, produced, producing, python_reads, python_writes, read, subjects};

/// Who it is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Id {
    id: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Placed {
    cents: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Cancelled {
    reason: Option<String>,
}

/// What may stand on one topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Event {
    Placed(Placed),
    Cancelled(Cancelled),
}

/// The same under names of its own for each strategy, since a subject that is named by its record is everybody's.
macro_rules! events {
    ($key:ident, $event:ident, $topic:ident, $word:literal, $strategy:ident) => {
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        struct $key(Id);
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        struct $event(Event);

        impl $key {
            fn schema() -> String {
                let name = $topic::name();
                format!(
                    r#"{{"type":"record","name":"Id","namespace":"{}","fields":[{{"name":"id","type":"long"}}]}}"#,
                    name.replace('-', "_")
                )
            }
        }

        impl $event {
            fn placed() -> String {
                let name = $topic::name();
                format!(
                    r#"{{"type":"record","name":"Placed","namespace":"{}","fields":[{{"name":"cents","type":"long"}}]}}"#,
                    name.replace('-', "_")
                )
            }

            fn cancelled() -> String {
                let name = $topic::name();
                format!(
                    r#"{{"type":"record","name":"Cancelled","namespace":"{}","fields":[{{"name":"reason","type":["null","string"],"default":null}}]}}"#,
                    name.replace('-', "_")
                )
            }
        }

        impl AvroSchema for $key {
            fn avro_schema(scope: &mut SchemaScope) -> TypeSchema {
                scope.literal(&Self::schema())
            }
        }

        impl AvroSchema for $event {
            fn avro_schema(scope: &mut SchemaScope) -> TypeSchema {
                let branches = [scope.literal(&Self::placed()), scope.literal(&Self::cancelled())];
                scope.union(branches)
            }
        }

        produced! { $topic: $word, Avro<$key>, Avro<$event>, $strategy; }
    };
}

events!(TopicId, TopicEvent, ByTopic, "avro-by-topic", Topic);
events!(RecordId, RecordEvent, ByRecord, "avro-by-record", Record);
events!(TopicRecordId, TopicRecordEvent, ByTopicRecord, "avro-by-topic-record", TopicRecord);

fn placed() -> Event {
    Event::Placed(Placed { cents: 995 })
}

fn cancelled() -> Event {
    Event::Cancelled(Cancelled { reason: Some("late".to_owned()) })
}

/// What Python reads of both, whatever it says of the branch that was taken.
fn assert_both(read: &[Value]) {
    let whole = |value: &Value| value.get("is").unwrap_or(value).clone();
    let values: Vec<_> = read.iter().map(|record| whole(&record["value"])).collect();
    assert_eq!(values[0], json!({ "cents": 995 }), "{read:?}");
    let reason = &values[1]["reason"];
    assert!(*reason == "late" || reason["is"] == "late", "{read:?}");
    assert!(read.iter().all(|record| record["key"] == json!({ "id": 3 })), "{read:?}");
}

#[test]
fn by_topic_a_union_is_one_schema() {
    let name = ByTopic::name();
    let _topic = Place::new(name, 1);
    producing(async |producer| {
        let topic = producer.topic::<ByTopic>();
        topic.send(&TopicId(Id { id: 3 }), &TopicEvent(placed())).await.unwrap();
        topic.send(&TopicId(Id { id: 3 }), &TopicEvent(cancelled())).await.unwrap();
    });
    assert_both(&python_reads(name, 2));
    assert_eq!(subjects(name), json!({ format!("{name}-key"): 1, format!("{name}-value"): 1 }));
    assert_eq!(subjects(&name.replace('-', "_")), json!({}));
}

/// Both clients write both types; each finds the schema of the other under the same subject.
fn several_types<K: std::fmt::Debug, V: std::fmt::Debug>(
    (name, strategy): (&str, &str),
    schemas: [String; 3],
    ours: impl FnOnce(),
    read: impl FnOnce() -> Vec<(Option<K>, Option<V>)>,
    seen: impl Fn(&K, &V) -> (i64, Event),
    expected: &Value,
) {
    let _topic = Place::new(name, 1);
    ours();
    assert_both(&python_reads(name, 2));
    let key = part(&schemas[0], &json!({ "id": 4 }));
    let records = json!([
        { "key": key, "value": part(&schemas[2], &json!({ "reason": "late" })) },
        { "key": key, "value": part(&schemas[1], &json!({ "cents": 995 })) },
    ]);
    python_writes(json!({ "topic": name, "strategy": strategy, "records": records }));
    let pairs: Vec<_> = read().iter().map(|(key, value)| seen(key.as_ref().unwrap(), value.as_ref().unwrap())).collect();
    assert_eq!(pairs, [(3, placed()), (3, cancelled()), (4, cancelled()), (4, placed())]);
    let all: serde_json::Map<_, _> =
        [subjects(name), subjects(&name.replace('-', "_"))].into_iter().flat_map(|found| found.as_object().unwrap().clone()).collect();
    assert_eq!(Value::from(all), *expected, "no subject but these, and one version of each");
}

#[test]
fn by_record_each_type_has_its_subject() {
    let (name, space) = (ByRecord::name(), ByRecord::name().replace('-', "_"));
    several_types(
        (name, "record"),
        [RecordId::schema(), RecordEvent::placed(), RecordEvent::cancelled()],
        || {
            producing(async |producer| {
                let topic = producer.topic::<ByRecord>();
                topic.send(&RecordId(Id { id: 3 }), &RecordEvent(placed())).await.unwrap();
                topic.send(&RecordId(Id { id: 3 }), &RecordEvent(cancelled())).await.unwrap();
            });
        },
        || read::<Avro<RecordId>, Avro<RecordEvent>>(name, 4),
        |key, value| (key.0.id, value.0.clone()),
        &json!({ format!("{space}.Id"): 1, format!("{space}.Placed"): 1, format!("{space}.Cancelled"): 1 }),
    );
}

#[test]
fn by_topic_and_record_each_type_has_its_subject_within_the_topic() {
    let (name, space) = (ByTopicRecord::name(), ByTopicRecord::name().replace('-', "_"));
    several_types(
        (name, "topic-record"),
        [TopicRecordId::schema(), TopicRecordEvent::placed(), TopicRecordEvent::cancelled()],
        || {
            producing(async |producer| {
                let topic = producer.topic::<ByTopicRecord>();
                topic.send(&TopicRecordId(Id { id: 3 }), &TopicRecordEvent(placed())).await.unwrap();
                topic.send(&TopicRecordId(Id { id: 3 }), &TopicRecordEvent(cancelled())).await.unwrap();
            });
        },
        || read::<Avro<TopicRecordId>, Avro<TopicRecordEvent>>(name, 4),
        |key, value| (key.0.id, value.0.clone()),
        &json!({
            format!("{name}-{space}.Id"): 1, format!("{name}-{space}.Placed"): 1, format!("{name}-{space}.Cancelled"): 1
        }),
    );
}
