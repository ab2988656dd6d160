//! What can go wrong between a format and the registry, each a type of its own.

use super::SchemaKind;
use crate::error::BoxError;
use crate::format::{DecodeError, EncodeError};

/// The bytes do not begin with the registry's magic byte: whoever wrote them does not use a schema registry, or
/// the topic is declared with the wrong format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}, so it was not written with a schema registry's framing (a zero byte, then four bytes of schema id)", match found {
    Some(byte) => format!("the first byte is 0x{byte:02x} of {length}"),
    None => "there are no bytes".to_owned(),
})]
pub struct UnknownMagicByte {
    /// The first byte; none if there is none.
    pub found: Option<u8>,
    /// How many bytes there are.
    pub length: usize,
}

/// No registry knows the id in the bytes: they are of another registry, or no framed bytes at all. Or the registry
/// lags behind the one that the producer asked: then a retry helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("schema {id} is not known to the registry at {address}")]
pub struct UnknownSchemaId {
    /// The id in the bytes.
    pub id: u32,
    /// Who was asked, without credentials.
    pub address: String,
}

/// The registry cannot be reached, does not answer in time, or answers that it is in trouble (5xx, 429). Passes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the schema registry at {address} cannot be reached: {reason}")]
pub struct RegistryUnreachable {
    /// Who was asked, without credentials.
    pub address: String,
    /// What happened.
    pub reason: String,
}

/// The registry does not let us in (401, 403). Mend `schema_registry.username`, `password` or `token`; nothing is lost meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the schema registry at {address} refuses us with status {status}: {reason}")]
pub struct RegistryRefused {
    /// Who was asked, without credentials.
    pub address: String,
    /// 401 or 403.
    pub status: u16,
    /// What it said.
    pub reason: String,
}

/// The registry does not take the schema, because it breaks those that read the subject's earlier versions (409).
/// Give new fields a default, or set another compatibility level for the subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the schema is not compatible with the earlier versions of subject `{subject}`: {reason}")]
pub struct IncompatibleSchema {
    /// The subject.
    pub subject: String,
    /// What the registry said.
    pub reason: String,
}

/// The registry does not take the schema for one (422).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the registry does not take the schema for subject `{subject}`: {reason}")]
pub struct InvalidSchema {
    /// The subject.
    pub subject: String,
    /// What the registry said.
    pub reason: String,
}

/// The schema is not registered, and `schema_registry.auto_register` is off. Register it, or switch it on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the schema is not registered under subject `{subject}`, and `schema_registry.auto_register` is off: {reason}")]
pub struct NotRegistered {
    /// The subject.
    pub subject: String,
    /// What the registry said.
    pub reason: String,
}

/// The bytes were written in another language of schemas than the topic is declared with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("schema {id} is of the type {}, and the topic is declared with {}", found.as_str(), wanted.as_str())]
pub struct WrongSchemaType {
    /// The id in the bytes.
    pub id: u32,
    /// What the schema is.
    pub found: SchemaKind,
    /// What the topic's format reads.
    pub wanted: SchemaKind,
}

/// Any failure of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RegistryError {
    Unreachable(RegistryUnreachable),
    Refused(RegistryRefused),
    Unknown(UnknownSchemaId),
    Incompatible(IncompatibleSchema),
    Invalid(InvalidSchema),
    NotRegistered(NotRegistered),
}

impl RegistryError {
    fn boxed(self) -> BoxError {
        match self {
            Self::Unreachable(error) => error.into(),
            Self::Refused(error) => error.into(),
            Self::Unknown(error) => error.into(),
            Self::Incompatible(error) => error.into(),
            Self::Invalid(error) => error.into(),
            Self::NotRegistered(error) => error.into(),
        }
    }
}

impl From<RegistryError> for DecodeError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Unknown(error) => Self::unknown(error),
            // A refusal is no fault of the message: its credentials are the application's.
            other => Self::unavailable(other.boxed()),
        }
    }
}

impl From<RegistryError> for EncodeError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Unreachable(_) | RegistryError::Refused(_) => Self::unavailable(error.boxed()),
            _ => Self::unfit(error.boxed()),
        }
    }
}
