//! Protobuf with a schema registry.
//!
//! `scan` finds the messages of a `.proto` text and `descriptor` those of a descriptor, `indexes` is how the bytes say which
//! of them they are.

mod descriptor;
mod indexes;
mod scan;

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, PoisonError, RwLock};

use self::scan::{Counted, Messages};
use super::{Decode, DecodeError, Encode, EncodeError, Format, FormatContext, FormatTarget, Part};
use crate::error::ConfigError;
use crate::schema_registry::{Registry, SchemaKind, Subjects, Written, WrittenReference, WrongSchemaType, frame, unframe};

/// A message of prost that knows the `.proto` it was made from.
///
/// ```
/// use kafka_core::format::{ProtobufSchema, prost};
///
/// #[derive(Clone, PartialEq, prost::Message)]
/// #[prost(prost_path = "kafka_core::format::prost")]
/// struct Order {
///     #[prost(uint64, tag = "1")]
///     id: u64,
/// }
///
/// impl ProtobufSchema for Order {
///     // Mostly `include_str!("order.proto")`.
///     const PROTO: &'static str = r#"syntax = "proto3"; package shop; message Order { uint64 id = 1; }"#;
///     const MESSAGE: &'static str = "shop.Order";
/// }
/// ```
pub trait ProtobufSchema: prost::Message + Default + fmt::Debug + 'static {
    /// The text of the `.proto` file, which is what is registered. It may import what comes with Protobuf
    /// (`google/protobuf/…`), and the files of [`ProtobufSchema::IMPORTS`].
    const PROTO: &'static str;
    /// The message's full name: its package, the messages around it, its own.
    const MESSAGE: &'static str;
    /// The files that the file imports: each as `import` names it, with its text, after those that it imports itself. Each is
    /// registered before it is referred to, under a subject of the same name. Default: none.
    const IMPORTS: &'static [(&'static str, &'static str)] = &[];
}

/// Protobuf of a message of prost, with the schema registry's framing.
///
/// Reading fetches the writer's schema by the id in the bytes and keeps it, and refuses the bytes of another message
/// than [`ProtobufSchema::MESSAGE`]. Writing registers [`ProtobufSchema::PROTO`] (`schema_registry.auto_register`).
///
/// Costs no request once a schema is known. A registry that is down holds the lane; see [`DecodeError::Unavailable`].
pub struct Protobuf<T> {
    registry: Arc<Registry>,
    subjects: Subjects,
    /// The way to our message in our schema.
    indexes: Vec<i32>,
    /// The messages of writers' schemas, by their ids.
    written: RwLock<HashMap<u32, Arc<Messages>>>,
    kind: PhantomData<fn() -> T>,
}

/// The bytes are of another message than the topic is declared with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are the message `{found}` of schema {id}, and the topic is declared with `{wanted}`")]
pub struct WrongMessage {
    /// The id in the bytes.
    pub id: u32,
    /// The full name of the message that was written.
    pub found: String,
    /// The full name of ours.
    pub wanted: &'static str,
}

/// The bytes do not say which message they are of, or say one that their schema has not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", match indexes {
    Some(indexes) => format!("schema {id} has no message at the indexes {indexes:?} that the bytes begin with"),
    None => format!("after the id of schema {id} there are no message indexes"),
})]
pub struct UnknownMessage {
    /// The id in the bytes.
    pub id: u32,
    /// The indexes in the bytes; none if they cannot be read.
    pub indexes: Option<Vec<i32>>,
}

impl<T: ProtobufSchema> Format for Protobuf<T> {
    type Value = T;

    fn build(context: &FormatContext<'_>) -> Result<Self, ConfigError> {
        let registry = Registry::of(context)?;
        let messages = Messages::scan(T::PROTO);
        let Some(indexes) = messages.indexes(T::MESSAGE) else {
            let path = format!("topics.{}.{}", context.topic, context.field.as_str());
            let what = "its `ProtobufSchema::PROTO` declares no message";
            let there = messages.outermost();
            return Err(ConfigError::new(path, format!("{what} `{}`; the outermost that it declares: {there}", T::MESSAGE)));
        };
        let schema = written(T::PROTO, T::IMPORTS);
        let name = Some(T::MESSAGE.to_owned());
        let subjects = Subjects::new(Arc::clone(&registry), SchemaKind::Protobuf, context.subject, name, schema);
        Ok(Self { registry, subjects, indexes, written: RwLock::default(), kind: PhantomData })
    }
}

/// A text with what it imports of these files.
fn written(text: &str, files: &[(&str, &str)]) -> Written {
    let imports = Messages::imports(text);
    let imported = files.iter().enumerate().filter(|(_, (name, _))| imports.iter().any(|import| import == name));
    let references = imported.map(|(at, (name, text))| WrittenReference {
        name: (*name).to_owned(),
        subject: (*name).to_owned(),
        schema: written(text, files.get(..at).unwrap_or_default()),
    });
    Written { text: text.into(), references: references.collect() }
}

impl<T> Protobuf<T> {
    /// The messages of the schema of an id, which must be of Protobuf.
    async fn messages(&self, id: u32) -> Result<Arc<Messages>, DecodeError> {
        if let Some(messages) = self.written.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok(Arc::clone(messages));
        }
        let schema = self.registry.schema(id).await?;
        if schema.kind != SchemaKind::Protobuf {
            return Err(DecodeError::malformed(WrongSchemaType { id, found: schema.kind.clone(), wanted: SchemaKind::Protobuf }));
        }
        let messages = Arc::new(descriptor::read(&schema.text).unwrap_or_else(|| Messages::scan(&schema.text)));
        self.written.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&messages));
        Ok(messages)
    }
}

impl<T: ProtobufSchema> Decode for Protobuf<T> {
    async fn decode(&self, part: Part<'_>) -> Result<T, DecodeError> {
        let (id, rest) = unframe(part.bytes)?;
        let messages = self.messages(id).await?;
        let Some((indexes, payload)) = indexes::read(rest) else {
            return Err(DecodeError::malformed(UnknownMessage { id, indexes: None }));
        };
        // Clients differ in how they count, and the bytes do not say whose they are.
        let named = [Counted::AsWritten, Counted::WithEntries].map(|counted| messages.name(&indexes, counted));
        match named {
            [Some(name), _] | [_, Some(name)] if name == T::MESSAGE => T::decode(payload).map_err(DecodeError::malformed),
            [Some(name), _] | [None, Some(name)] => {
                Err(DecodeError::malformed(WrongMessage { id, found: name.to_owned(), wanted: T::MESSAGE }))
            }
            [None, None] => Err(DecodeError::malformed(UnknownMessage { id, indexes: Some(indexes) })),
        }
    }

    async fn show(&self, part: Part<'_>) -> Result<Option<String>, DecodeError> {
        Ok(Some(format!("{:?}", self.decode(part).await?)))
    }
}

impl<T: ProtobufSchema> Encode for Protobuf<T> {
    async fn encode(&self, value: &T, target: &FormatTarget<'_>, into: &mut Vec<u8>) -> Result<(), EncodeError> {
        frame(self.subjects.id(target).await?, into);
        indexes::write(&self.indexes, into);
        value.encode(into).map_err(EncodeError::unfit)
    }
}

impl<T> fmt::Debug for Protobuf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protobuf").field("subjects", &self.subjects).field("indexes", &self.indexes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
