//! UTF-8 text, and anything that is written as text.

use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;

use super::{Decode, DecodeError, Encode, EncodeError, Format, FormatContext, FormatTarget, Part};
use crate::error::{BoxError, ConfigError};

/// UTF-8 text of a type that parses from it and prints to it. The default format: `Text` is `Text<String>`.
#[derive(Debug)]
pub struct Text<T = String>(PhantomData<fn() -> T>);

impl<T: Send + Sync + 'static> Format for Text<T> {
    type Value = T;

    fn build(_: &FormatContext<'_>) -> Result<Self, ConfigError> {
        Ok(Self(PhantomData))
    }
}

impl<T: FromStr<Err: Into<BoxError>> + Send + Sync + 'static> Decode for Text<T> {
    async fn decode(&self, part: Part<'_>) -> Result<T, DecodeError> {
        let text = std::str::from_utf8(part.bytes).map_err(DecodeError::malformed)?;
        text.parse().map_err(DecodeError::malformed)
    }
}

impl<T: Display + Send + Sync + 'static> Encode for Text<T> {
    async fn encode(&self, value: &T, _: &FormatTarget<'_>, into: &mut Vec<u8>) -> Result<(), EncodeError> {
        std::io::Write::write_fmt(into, format_args!("{value}")).map_err(EncodeError::unfit)
    }
}
