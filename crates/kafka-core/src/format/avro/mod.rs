//! Avro with a schema registry.
//!
//! `plan` makes a schema ready, `read` and `write` go between bytes and serde types, `schema` says the schema of a
//! Rust type (`types` of those that are not the user's), `value` is for who has no type, and `shape` shows it the schema.
//! The Avro library judges the schemas that we write; its values and its serializer are not used (see `read` and `write`
//! for why).

mod meaning_text;
mod plan;
mod read;
mod schema;
mod shape;
mod types;
mod value;
mod write;
mod writing;

use std::collections::HashMap;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::meaning_text::{decimal as decimal_text, integer, parse_decimal as decimal_bytes};
use self::plan::Plan;
pub use self::plan::UnusableSchema;
pub use self::read::UnreadableDatum;
pub use self::schema::{AvroSchema, FieldSchema, RecordSchema, SchemaScope, SchemaText, TypeSchema};
pub use self::shape::{SchemaShape, SchemaType};
pub use self::value::{AvroValue, Datum, ValueSchema};
pub use self::write::UnwritableDatum;
use self::writing::Writing;
use super::{Decode, DecodeError, Encode, EncodeError, Format, FormatContext, FormatTarget, Part};
use crate::error::ConfigError;
use crate::schema_registry::{Registered, Registry, SchemaKind, WrongSchemaType, unframe};
use crate::settings::SubjectStrategy;

/// Avro of a serde type, with the schema registry's framing.
///
/// Reading takes any `Deserialize`: the schema it was written with is fetched by the id in the bytes and kept. Logical
/// types, Debezium's among them, become what the field's type asks for, without an attribute: a number, chrono's types,
/// `rust_decimal::Decimal`, `uuid::Uuid`, or text. Writing takes `Serialize` and [`AvroSchema`], and registers the schema
/// (`schema_registry.auto_register`). [`AvroValue`] in place of a type reads and writes whatever schema there is.
///
/// With [`Resolved`] as the second parameter what was written is read as the type's own schema: its defaults, aliases
/// and promotions count. Without, fields are matched by name, and serde's own attributes say the rest.
///
/// Costs no request once a schema is known. A registry that is down holds the lane; see [`DecodeError::Unavailable`].
pub struct Avro<T, R = AsWritten> {
    registry: Arc<Registry>,
    strategy: SubjectStrategy,
    /// Schemas ready to read with, by their ids.
    plans: Known<u32, Arc<Plan>>,
    writing: Writing,
    /// The same for values that bring their schemas.
    values: Values,
    kind: PhantomData<fn() -> (T, R)>,
}

/// What is known for good, and looked up far more often than it grows.
struct Known<K, V>(RwLock<HashMap<K, V>>);

/// The schemas of [`AvroValue`]s: by the ids that are read, and ready to write with.
#[derive(Default)]
struct Values {
    read: Known<u32, ValueSchema>,
    written: Known<SchemaText, Arc<Writing>>,
}

/// Reads what was written as it was written: fields by their names.
#[derive(Debug)]
pub enum AsWritten {}

/// Reads what was written as the type's own schema.
#[derive(Debug)]
pub enum Resolved {}

/// How a writer's schema becomes the plan to read with.
pub trait Reading<T>: Send + Sync + 'static {
    #[doc(hidden)]
    fn prepare(written: Prepared) -> Result<Prepared, UnusableSchema>;
}

/// A schema made ready.
#[doc(hidden)]
#[derive(Debug)]
pub struct Prepared(Plan);

impl<T> Reading<T> for AsWritten {
    fn prepare(written: Prepared) -> Result<Prepared, UnusableSchema> {
        Ok(written)
    }
}

impl<T: AvroSchema> Reading<T> for Resolved {
    fn prepare(written: Prepared) -> Result<Prepared, UnusableSchema> {
        written.0.resolve(&SchemaText::of::<T>().plan()?).map(Prepared)
    }
}

impl<T: Send + Sync + 'static, R: Send + Sync + 'static> Format for Avro<T, R> {
    type Value = T;

    fn build(context: &FormatContext<'_>) -> Result<Self, ConfigError> {
        let registry = Registry::of(context)?;
        let (plans, writing, values) = (Known::default(), Writing::default(), Values::default());
        Ok(Self { registry, strategy: context.subject, plans, writing, values, kind: PhantomData })
    }
}

/// The schema of an id, which must be of Avro.
async fn written(registry: &Registry, id: u32) -> Result<Arc<Registered>, DecodeError> {
    let schema = registry.schema(id).await?;
    if schema.kind != SchemaKind::Avro {
        return Err(DecodeError::malformed(WrongSchemaType { id, found: schema.kind.clone(), wanted: SchemaKind::Avro }));
    }
    Ok(schema)
}

fn compile(schema: &Registered) -> Result<Plan, UnusableSchema> {
    Plan::compile(&schema.text, schema.references.iter().map(|reference| &*reference.text))
}

impl<T: DeserializeOwned + Send + Sync + 'static, R: Reading<T>> Avro<T, R> {
    async fn plan(&self, id: u32) -> Result<Arc<Plan>, DecodeError> {
        if let Some(plan) = self.plans.get(&id) {
            return Ok(plan);
        }
        let schema = written(&self.registry, id).await?;
        let prepared = compile(&schema).and_then(|plan| R::prepare(Prepared(plan))).map_err(DecodeError::malformed)?;
        Ok(self.plans.keep(id, Arc::new(prepared.0)))
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static, R: Reading<T>> Decode for Avro<T, R> {
    async fn decode(&self, part: Part<'_>) -> Result<T, DecodeError> {
        let (id, payload) = unframe(part.bytes)?;
        let plan = self.plan(id).await?;
        read::read(&plan, payload).map_err(DecodeError::malformed)
    }
}

impl<T: Serialize + AvroSchema + Send + Sync + 'static, R: Send + Sync + 'static> Encode for Avro<T, R> {
    async fn encode(&self, value: &T, target: &FormatTarget<'_>, into: &mut Vec<u8>) -> Result<(), EncodeError> {
        let schema = || {
            let schema = SchemaText::of::<T>();
            schema.judge().map(|()| schema)
        };
        self.writing.write(value, schema, &self.registry, self.strategy, target, into).await
    }
}

impl Decode for Avro<AvroValue> {
    async fn decode(&self, part: Part<'_>) -> Result<AvroValue, DecodeError> {
        let (id, payload) = unframe(part.bytes)?;
        let schema = match self.values.read.get(&id) {
            Some(schema) => schema,
            None => {
                let schema = ValueSchema::registered(&*written(&self.registry, id).await?).map_err(DecodeError::malformed)?;
                self.values.read.keep(id, schema)
            }
        };
        AvroValue::read(schema, payload).map_err(DecodeError::malformed)
    }
}

impl Encode for Avro<AvroValue> {
    async fn encode(&self, value: &AvroValue, target: &FormatTarget<'_>, into: &mut Vec<u8>) -> Result<(), EncodeError> {
        // The schema is the value's, and may be another with each.
        let text = value.schema().text();
        let writing = self.values.written.get(text).unwrap_or_else(|| self.values.written.keep(text.clone(), Arc::default()));
        writing.write(value.datum(), || Ok(text.clone()), &self.registry, self.strategy, target, into).await
    }
}

impl<K: Hash + Eq, V: Clone> Known<K, V> {
    fn get(&self, key: &K) -> Option<V> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Keeps a value, and gives what is known from now on: another may have been first.
    fn keep(&self, key: K, value: V) -> V {
        self.0.write().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert(value).clone()
    }
}

impl<K, V> Default for Known<K, V> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T, R> std::fmt::Debug for Avro<T, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Avro").field("registry", &self.registry).field("strategy", &self.strategy).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
