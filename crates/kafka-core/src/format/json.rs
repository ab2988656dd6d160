//! JSON through serde.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Decode, DecodeError, Encode, EncodeError, Format, FormatContext, FormatTarget, Part};
use crate::error::ConfigError;

/// JSON of a serde type. A type that is only consumed needs no `Serialize`, one that is only produced no `Deserialize`.
#[derive(Debug)]
pub struct Json<T>(PhantomData<fn() -> T>);

impl<T: Send + Sync + 'static> Format for Json<T> {
    type Value = T;

    fn build(_: &FormatContext<'_>) -> Result<Self, ConfigError> {
        Ok(Self(PhantomData))
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> Decode for Json<T> {
    async fn decode(&self, part: Part<'_>) -> Result<T, DecodeError> {
        serde_json::from_slice(part.bytes).map_err(DecodeError::malformed)
    }
}

impl<T: Serialize + Send + Sync + 'static> Encode for Json<T> {
    async fn encode(&self, value: &T, _: &FormatTarget<'_>, into: &mut Vec<u8>) -> Result<(), EncodeError> {
        serde_json::to_writer(into, value).map_err(EncodeError::unfit)
    }
}
