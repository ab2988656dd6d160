//! Bytes as they are.

use super::{Decode, DecodeError, Encode, EncodeError, Format, FormatContext, FormatTarget, Part};
use crate::error::ConfigError;

/// The bytes as they are, copied into a value of their own.
#[derive(Debug)]
pub struct Bytes;

/// Nothing is decoded: the handler reads `raw_key` and `raw_value` in place. Consume only; costs nothing.
#[derive(Debug)]
pub struct Raw;

impl Format for Bytes {
    type Value = bytes::Bytes;

    fn build(_: &FormatContext<'_>) -> Result<Self, ConfigError> {
        Ok(Self)
    }
}

impl Decode for Bytes {
    async fn decode(&self, part: Part<'_>) -> Result<bytes::Bytes, DecodeError> {
        Ok(bytes::Bytes::copy_from_slice(part.bytes))
    }
}

impl Encode for Bytes {
    async fn encode(&self, value: &bytes::Bytes, _: &FormatTarget<'_>, into: &mut Vec<u8>) -> Result<(), EncodeError> {
        into.extend_from_slice(value);
        Ok(())
    }
}

impl Format for Raw {
    type Value = ();

    fn build(_: &FormatContext<'_>) -> Result<Self, ConfigError> {
        Ok(Self)
    }
}

impl Decode for Raw {
    async fn decode(&self, _: Part<'_>) -> Result<(), DecodeError> {
        Ok(())
    }

    fn constant() -> Option<()> {
        Some(())
    }
}
