//! Formats: how keys and values become bytes and back.
//!
//! A format is a type named in a topic's declaration: `i64`, [`Text`], [`Bytes`], [`Raw`], [`Json`],
//! or one of your own, by implementing [`Format`] with [`Decode`], [`Encode`], or both.

#[cfg(feature = "avro")]
mod avro;
mod bytes;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "json-schema")]
mod json_schema;
#[cfg(feature = "protobuf")]
mod protobuf;
mod scalar;
mod text;

use std::future::Future;

#[cfg(feature = "avro")]
pub use self::avro::{
    AsWritten, Avro, AvroSchema, AvroValue, Datum, FieldSchema, Reading, RecordSchema, Resolved, SchemaScope, SchemaShape, SchemaText,
    SchemaType, TypeSchema, UnreadableDatum, UnusableSchema, UnwritableDatum, ValueSchema, decimal_bytes, decimal_text, integer,
};
pub use self::bytes::{Bytes, Raw};
#[cfg(feature = "json")]
pub use self::json::Json;
#[cfg(feature = "json-schema")]
pub use self::json_schema::JsonSchema;
#[cfg(feature = "protobuf")]
pub use self::protobuf::{Protobuf, ProtobufSchema, UnknownMessage, WrongMessage};
pub use self::text::Text;
/// The library of [`ProtobufSchema`]'s messages.
#[cfg(feature = "protobuf")]
pub use prost;
/// The library that makes the schemas of [`JsonSchema`].
#[cfg(feature = "json-schema")]
pub use schemars;

use crate::error::{BoxError, ConfigError};
use crate::names::TopicName;
use crate::settings::{Settings, SubjectStrategy};

/// A way to write values as bytes. One instance serves one part (key or value) of one topic.
///
/// ```
/// use kafka_core::format::{Decode, DecodeError, Encode, EncodeError, Format, FormatContext, Part};
/// use kafka_core::error::ConfigError;
///
/// /// Temperatures as tenths of a degree, two bytes.
/// struct Tenths;
///
/// impl Format for Tenths {
///     type Value = f32;
///     fn build(_: &FormatContext<'_>) -> Result<Self, ConfigError> {
///         Ok(Self)
///     }
/// }
///
/// impl Decode for Tenths {
///     async fn decode(&self, part: Part<'_>) -> Result<f32, DecodeError> {
///         let bytes: [u8; 2] = part.bytes.try_into().map_err(DecodeError::malformed)?;
///         Ok(f32::from(i16::from_be_bytes(bytes)) / 10.0)
///     }
/// }
///
/// impl Encode for Tenths {
///     async fn encode(&self, value: &f32, _: &FormatTarget<'_>, into: &mut Vec<u8>) -> Result<(), EncodeError> {
///         into.extend(((value * 10.0) as i16).to_be_bytes());
///         Ok(())
///     }
/// }
/// # use kafka_core::format::FormatTarget;
/// ```
pub trait Format: Send + Sync + Sized + 'static {
    /// What handlers receive and senders give.
    type Value: Send + Sync + 'static;

    /// Makes the instance for one part of one topic, before anything is consumed.
    ///
    /// # Errors
    /// When a setting that the format needs is missing or wrong.
    fn build(context: &FormatContext<'_>) -> Result<Self, ConfigError>;
}

/// A format that can be read.
pub trait Decode: Format {
    /// Reads a part that is not null.
    fn decode(&self, part: Part<'_>) -> impl Future<Output = Result<Self::Value, DecodeError>> + Send;

    /// What every part decodes to, for a format that looks at none. Default: there is no such value.
    #[must_use]
    fn constant() -> Option<Self::Value> {
        None
    }

    /// Reads a part as text for people, best as JSON; not used when messages are handled. Default: no text, which leaves it to the
    /// reader to guess from the bytes. Write it for a format whose bytes are not text.
    fn show(&self, part: Part<'_>) -> impl Future<Output = Result<Option<String>, DecodeError>> + Send {
        let _ = part;
        std::future::ready(Ok(None))
    }
}

/// A format that can be written.
pub trait Encode: Format {
    /// Appends the value's bytes.
    fn encode(
        &self,
        value: &Self::Value,
        target: &FormatTarget<'_>,
        into: &mut Vec<u8>,
    ) -> impl Future<Output = Result<(), EncodeError>> + Send;
}

/// Key or value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// The message's key.
    Key,
    /// The message's value.
    Value,
}

impl Field {
    /// `key` or `value`, as in subject names.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Value => "value",
        }
    }
}

/// What a format may look at when it is made.
#[derive(Debug)]
pub struct FormatContext<'a> {
    /// The name or pattern of the topic as declared.
    pub topic: &'a str,
    /// Which part the instance serves.
    pub field: Field,
    /// The application's settings.
    pub settings: &'a Settings,
    /// Under which subject schemas are registered: as the topic says, else as the settings say.
    pub subject: SubjectStrategy,
}

/// The bytes of one part, and where they came from.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The bytes as received; may be empty, which is not null.
    pub bytes: &'a [u8],
    /// Key or value.
    pub field: Field,
    /// The topic the message came from.
    pub topic: &'a TopicName,
}

/// Where an encoded part will go.
#[derive(Debug, Clone, Copy)]
pub struct FormatTarget<'a> {
    /// Key or value.
    pub field: Field,
    /// The topic the record is for.
    pub topic: &'a TopicName,
}

/// Why bytes could not be decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes are not of the format (a poison message); trying again is of no use. Mend the producer, or declare the right format.
    #[error("the bytes are not of the declared format")]
    Malformed(#[source] BoxError),
    /// What the bytes refer to (a schema's id) is not known where it must be. Mostly the bytes are of another format;
    /// but a registry that lags behind its leader answers so too. So the topic's retry policy decides: it may try
    /// again, and without one the message goes the way of malformed bytes.
    #[error("what the bytes refer to is not known")]
    Unknown(#[source] BoxError),
    /// What decoding needs is not to be had right now, a schema registry for example; trying again helps. The message
    /// waits in its lane, however long it takes: this is never an attempt, and nothing reaches the dead letter by it.
    #[error("what decoding needs is not available")]
    Unavailable(#[source] BoxError),
}

impl DecodeError {
    /// The bytes are not of the format.
    pub fn malformed(error: impl Into<BoxError>) -> Self {
        Self::Malformed(error.into())
    }

    /// The bytes refer to something that is not known.
    pub fn unknown(error: impl Into<BoxError>) -> Self {
        Self::Unknown(error.into())
    }

    /// Something that decoding needs cannot be reached.
    pub fn unavailable(error: impl Into<BoxError>) -> Self {
        Self::Unavailable(error.into())
    }
}

/// Why a value could not be encoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The value does not fit the format.
    #[error("the value does not fit the declared format")]
    Unfit(#[source] BoxError),
    /// What encoding needs is not to be had right now; trying again helps.
    #[error("what encoding needs is not available")]
    Unavailable(#[source] BoxError),
}

impl EncodeError {
    /// The value does not fit the format.
    pub fn unfit(error: impl Into<BoxError>) -> Self {
        Self::Unfit(error.into())
    }

    /// Something that encoding needs cannot be reached.
    pub fn unavailable(error: impl Into<BoxError>) -> Self {
        Self::Unavailable(error.into())
    }
}
