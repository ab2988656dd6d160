//! JSON with a JSON Schema in a schema registry.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use schemars::JsonSchema as HasSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Decode, DecodeError, Encode, EncodeError, Format, FormatContext, FormatTarget, Part};
use crate::error::ConfigError;
use crate::schema_registry::{Registry, SchemaKind, Subjects, Written, WrongSchemaType, frame, unframe};
use crate::settings::SubjectStrategy;

/// JSON of a serde type, with the schema registry's framing and the type's JSON Schema.
///
/// Reading takes any `Deserialize`, and looks at the framing and at the language of the writer's schema; serde says
/// whether the value fits, the schema is not checked against it. Writing takes `Serialize` and `schemars::JsonSchema`,
/// and registers the schema (`schema_registry.auto_register`); a record's name in a subject is the schema's title.
///
/// Derive the schema with [`schemars`](super::schemars), re-exported here, or with schemars 1 as a dependency of your own:
///
/// ```
/// use kafka_core::format::schemars;
///
/// #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// #[schemars(crate = "kafka_core::format::schemars")]
/// struct Order {
///     id: u64,
/// }
/// ```
///
/// Costs no request once a schema is known. A registry that is down holds the lane; see [`DecodeError::Unavailable`].
pub struct JsonSchema<T> {
    registry: Arc<Registry>,
    strategy: SubjectStrategy,
    /// Made when first written: a topic that is only read registers nothing.
    subjects: OnceLock<Subjects>,
    kind: PhantomData<fn() -> T>,
}

impl<T: Send + Sync + 'static> Format for JsonSchema<T> {
    type Value = T;

    fn build(context: &FormatContext<'_>) -> Result<Self, ConfigError> {
        Ok(Self { registry: Registry::of(context)?, strategy: context.subject, subjects: OnceLock::new(), kind: PhantomData })
    }
}

impl<T> JsonSchema<T> {
    /// The JSON in framed bytes, once its schema is seen to be one of JSON.
    async fn payload<'a>(&self, part: Part<'a>) -> Result<&'a [u8], DecodeError> {
        let (id, payload) = unframe(part.bytes)?;
        let schema = self.registry.schema(id).await?;
        if schema.kind != SchemaKind::Json {
            return Err(DecodeError::malformed(WrongSchemaType { id, found: schema.kind.clone(), wanted: SchemaKind::Json }));
        }
        Ok(payload)
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> Decode for JsonSchema<T> {
    async fn decode(&self, part: Part<'_>) -> Result<T, DecodeError> {
        serde_json::from_slice(self.payload(part).await?).map_err(DecodeError::malformed)
    }

    async fn show(&self, part: Part<'_>) -> Result<Option<String>, DecodeError> {
        let payload = self.payload(part).await?;
        std::str::from_utf8(payload).map(|text| Some(text.to_owned())).map_err(DecodeError::malformed)
    }
}

impl<T: Serialize + HasSchema + Send + Sync + 'static> Encode for JsonSchema<T> {
    async fn encode(&self, value: &T, target: &FormatTarget<'_>, into: &mut Vec<u8>) -> Result<(), EncodeError> {
        let subjects = self.subjects.get_or_init(|| {
            let schema = schemars::SchemaGenerator::default().into_root_schema_for::<T>();
            let title = schema.get("title").and_then(|title| title.as_str()).map(str::to_owned);
            let schema = Written { text: schema.as_value().to_string().into(), references: Vec::new() };
            Subjects::new(Arc::clone(&self.registry), SchemaKind::Json, self.strategy, title, schema)
        });
        frame(subjects.id(target).await?, into);
        serde_json::to_writer(into, value).map_err(EncodeError::unfit)
    }
}

impl<T> fmt::Debug for JsonSchema<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonSchema").field("registry", &self.registry).field("strategy", &self.strategy).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
