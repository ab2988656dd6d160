//! The topic of an enricher: reads the source's raw topic, carries transforms out, and produces to the public topic under schemas that are
//! derived from the source's.
//!
//! The rules are a reproducer's: rows that are flagged `kafka_skip` are passed over, deletions are not. A deletion is a null value, unless
//! the source sent it as a row with `__deleted`: then it is one again, and keeps what it says, its position among it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use kafka_connect::skip;
use kafka_core::app::{MissingState, State};
use kafka_core::consumer::{BatchError, DeclaredTopic, HandlerError};
use kafka_core::error::{BoxError, ConfigErrors};
use kafka_core::format::{Avro, AvroValue, Encode, EncodeError, Field, Format, FormatContext, FormatTarget, ValueSchema};
use kafka_core::message::{Headers, MessageBatch, RawMessage, Record};
use kafka_core::names::TopicName;
use kafka_core::producer::Producer;
use kafka_core::settings::Settings;
use kafka_core::topic::{Batched, ConsumeBatch, KeyOf, Style, Topic, TopicSpec, ValueOf};

use crate::change::{Change, ChangeReader, Operation, PHYSICAL_TABLE};
use crate::row::{Key, Row};
use crate::transform::{DeriveSchemaError, Transforms};
use crate::value::Value;

/// The field of a flattened row that says whether it was deleted.
const DELETED: &str = "__deleted";

/// The headers in which Debezium says where a row went whose key changed.
const OF_DEBEZIUM: &[u8] = b"__debezium.";

/// So many schemas of the source are remembered with what was derived from them.
const MOST_SCHEMAS: usize = 32;

/// The raw topic with this declaration, enriched into the public one.
pub(super) fn declared(spec: TopicSpec, public: &str, transforms: Transforms) -> Result<DeclaredTopic, ConfigErrors> {
    let mut errors = ConfigErrors::new();
    let public = TopicName::new(public).map_err(|error| errors.push(format!("topics.{}", spec.name), error.to_string()));
    let Ok(public) = public else { return Err(errors) };
    Ok(DeclaredTopic::with_handler(spec, move |state, settings| {
        let topic = Enriching::new(state, settings, public.clone(), transforms.clone())?;
        Batched::handler(Arc::new(topic), settings)
    }))
}

struct Enriching {
    transforms: Transforms,
    public: TopicName,
    key: Avro<AvroValue>,
    value: Avro<AvroValue>,
    producer: Producer,
    reader: ChangeReader,
    /// Schemas of the source, each with the one derived from it.
    derived: Mutex<Vec<(Field, ValueSchema, ValueSchema)>>,
}

/// What stands beside a change until it is produced.
struct Raw {
    at: usize,
    key: Option<AvroValue>,
    value: Option<ValueSchema>,
    headers: Headers,
}

/// Why a message is not produced.
enum Trouble {
    Message(HandlerError),
    /// The registry is away.
    Away(BoxError),
}

impl Enriching {
    fn new(state: &State, settings: &Settings, public: TopicName, transforms: Transforms) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::new();
        let subject = settings.schema_registry.as_ref().map(|registry| registry.subject_name_strategy).unwrap_or_default();
        let context = |field| FormatContext { topic: public.as_str(), field, settings, subject };
        let key = errors.take(Avro::build(&context(Field::Key)).map_err(Into::into));
        let value = errors.take(Avro::build(&context(Field::Value)).map_err(Into::into));
        let producer = state.get::<Producer>().map_err(|missing| errors.push(format!("topics.{public}"), missing.to_string()));
        let (Some(key), Some(value), Ok(producer)) = (key, value, producer) else { return Err(errors) };
        Ok(Self { transforms, key, value, producer, reader: ChangeReader::new(), derived: Mutex::default(), public })
    }

    /// Whether the change is told on.
    fn is_told(&self, change: &Change) -> bool {
        match &change.operation {
            Operation::Upsert { after, .. } => after.get(skip::COLUMN) != Some(&Value::Bool(true)),
            Operation::Delete { .. } => true,
            Operation::Truncate => {
                tracing::warn!(topic = %self.public, "the table was truncated; its rows are not told, and nothing is produced");
                false
            }
            Operation::Nothing => false,
        }
    }

    async fn record(&self, raw: &Raw, change: Change) -> Result<Record<'static>, Trouble> {
        let mut record = Record::new(self.public.clone()).headers(raw.headers.clone());
        if let Some(key) = self.key_of(raw, change.key, change.physical_table).map_err(Trouble::message)? {
            record.key = Some(self.encoded(&self.key, Field::Key, &key).await?.into());
        }
        if let Some(value) = self.value_of(raw, change.operation).map_err(Trouble::message)? {
            record.value = Some(self.encoded(&self.value, Field::Value, &value).await?.into());
        }
        Ok(record)
    }

    fn key_of(&self, raw: &Raw, key: Option<Key>, physical_table: Option<Arc<str>>) -> Result<Option<AvroValue>, BoxError> {
        match (key, &raw.key) {
            (Some(Key::Row(mut row)), Some(was)) => {
                if let Some(table) = physical_table {
                    row.set(PHYSICAL_TABLE, Value::Text(table.to_string()));
                }
                Ok(Some(row.to_avro(&self.schema(Field::Key, was.schema())?)?))
            }
            // It has no fields to transform.
            (Some(Key::Whole(_)), Some(was)) => Ok(Some(was.clone())),
            _ => Ok(None),
        }
    }

    fn value_of(&self, raw: &Raw, operation: Operation) -> Result<Option<AvroValue>, BoxError> {
        let Some(source) = &raw.value else { return Ok(None) };
        let schema = || self.schema(Field::Value, source);
        let written = |row: &Row| Ok::<_, BoxError>(row.to_avro(&schema()?)?);
        match operation {
            Operation::Upsert { after, .. } => written(&after).map(Some),
            // What enrichers add it lacks; a schema that has no null for that leaves a null value.
            Operation::Delete { before: Some(row) } if row.get(DELETED).is_some() => Ok(written(&row).ok()),
            _ => Ok(None),
        }
    }

    /// The schema after the transforms.
    fn schema(&self, part: Field, source: &ValueSchema) -> Result<ValueSchema, DeriveSchemaError> {
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((.., schema)) = derived.iter().find(|(of, known, _)| *of == part && known.is(source)) {
            return Ok(schema.clone());
        }
        let schema = match part {
            Field::Key => self.transforms.key_schema(source, &record_name(&self.public, "Key"))?,
            Field::Value => self.transforms.value_schema(source, &record_name(&self.public, "Value"))?,
        };
        derived.truncate(MOST_SCHEMAS - 1);
        derived.insert(0, (part, source.clone(), schema.clone()));
        Ok(schema)
    }

    async fn encoded(&self, format: &Avro<AvroValue>, field: Field, value: &AvroValue) -> Result<Vec<u8>, Trouble> {
        let mut bytes = Vec::new();
        match format.encode(value, &FormatTarget { field, topic: &self.public }, &mut bytes).await {
            Ok(()) => Ok(bytes),
            Err(error @ EncodeError::Unavailable(_)) => Err(Trouble::Away(error.into())),
            Err(error) => Err(Trouble::message(error.into())),
        }
    }
}

impl Trouble {
    fn message(error: BoxError) -> Self {
        Self::Message(error.into())
    }

    fn at(self, at: usize) -> BatchError {
        match self {
            Self::Message(error) => BatchError::at(at, error),
            Self::Away(error) => BatchError::unavailable(at, error),
        }
    }
}

impl Topic for Enriching {
    type Key = Avro<AvroValue>;
    type Value = Avro<AvroValue>;
    type Style = Batched;

    /// Only for the formats: its name is known when the application is assembled.
    fn spec() -> TopicSpec {
        TopicSpec::named("enricher")
    }

    fn from_state(_: &State) -> Result<Self, MissingState> {
        unreachable!("it is made of names that are known when the application is assembled")
    }
}

impl ConsumeBatch for Enriching {
    async fn consume_batch(&self, batch: MessageBatch<KeyOf<Self>, ValueOf<Self>>) -> Result<(), BatchError> {
        let headers: Vec<Headers> = batch.iter().map(|message| of_debezium(message.raw())).collect();
        let (mut told, mut changes, mut broken) = (Vec::new(), Vec::new(), None);
        for (at, ((key, value), headers)) in batch.into_parts().into_iter().zip(headers).enumerate() {
            let raw = Raw { at, key: key.clone(), value: value.as_ref().map(|value| value.schema().clone()), headers };
            match self.reader.read(key, value) {
                Ok(change) if self.is_told(&change) => {
                    told.push(raw);
                    changes.push(change);
                }
                Ok(_) => {}
                Err(error) => {
                    broken = Some((at, Trouble::Message(HandlerError::permanent(error))));
                    break;
                }
            }
        }
        let failures = self.transforms.apply(&mut changes).await;
        let mut receipts = Vec::with_capacity(told.len());
        for ((raw, change), failure) in told.into_iter().zip(changes).zip(failures) {
            let record = match failure {
                Some(failure) => Err(Trouble::message(failure.into())),
                None => self.record(&raw, change).await,
            };
            let submitted = match record {
                Ok(record) => self.producer.submit(record).await.map_err(|error| Trouble::message(error.into())),
                Err(trouble) => Err(trouble),
            };
            match submitted {
                Ok(receipt) => receipts.push((raw.at, receipt)),
                Err(trouble) => {
                    broken = Some((raw.at, trouble));
                    break;
                }
            }
        }
        for (at, receipt) in receipts {
            receipt.await.map_err(|error| BatchError::at(at, error))?;
        }
        broken.map_or(Ok(()), |(at, trouble)| Err(trouble.at(at)))
    }
}

/// The headers that a sink of the public topic wants to see too.
fn of_debezium(message: &RawMessage) -> Headers {
    let mut headers = Headers::new();
    message.visit_headers(&mut |name, value| {
        if let (true, Ok(name), Some(value)) = (name.starts_with(OF_DEBEZIUM), std::str::from_utf8(name), value) {
            headers = std::mem::take(&mut headers).with(name.to_owned(), value.to_vec());
        }
    });
    headers
}

/// The topic's name as that of a record, as Debezium makes it.
fn record_name(topic: &TopicName, part: &str) -> String {
    let letter = |letter: char| if letter.is_ascii_alphanumeric() || letter == '_' { letter } else { '_' };
    let segment = |segment: &str| {
        let name: String = segment.chars().map(letter).collect();
        if name.starts_with(|first: char| first.is_ascii_digit()) || name.is_empty() { format!("_{name}") } else { name }
    };
    let names: Vec<String> = topic.as_str().split('.').map(segment).chain([part.to_owned()]).collect();
    names.join(".")
}

impl fmt::Debug for Enriching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enriching").field("public", &self.public).field("transforms", &self.transforms).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_records_are_names_to_avro_whatever_the_topic_is_called() {
        for (topic, name) in [("crm.orders", "crm.orders.Value"), ("my-crm.2nd", "my_crm._2nd.Value"), ("a..b", "a._.b.Value")] {
            assert_eq!(record_name(&TopicName::new(topic).unwrap(), "Value"), name);
        }
    }
}
