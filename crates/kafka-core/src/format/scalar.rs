//! Kafka's own fixed-width numbers, big-endian, as its Java serializers write them.

use super::{Decode, DecodeError, Encode, EncodeError, Format, FormatContext, FormatTarget, Part};
use crate::error::ConfigError;

/// The bytes have another length than the declared number.
#[derive(Debug, thiserror::Error)]
#[error("{kind} takes {wanted} bytes, these are {found}; `Text<{kind}>` and `Json<{kind}>` read other spellings")]
struct WrongLength {
    kind: &'static str,
    wanted: usize,
    found: usize,
}

macro_rules! big_endian {
    ($($number:ident),*) => {$(
        impl Format for $number {
            type Value = $number;

            fn build(_: &FormatContext<'_>) -> Result<Self, ConfigError> {
                Ok(Self::default())
            }
        }

        impl Decode for $number {
            async fn decode(&self, part: Part<'_>) -> Result<$number, DecodeError> {
                let wrong = |_| WrongLength { kind: stringify!($number), wanted: size_of::<$number>(), found: part.bytes.len() };
                part.bytes.try_into().map($number::from_be_bytes).map_err(wrong).map_err(DecodeError::malformed)
            }

            async fn show(&self, part: Part<'_>) -> Result<Option<String>, DecodeError> {
                self.decode(part).await.map(|number| Some(number.to_string()))
            }
        }

        impl Encode for $number {
            async fn encode(&self, value: &$number, _: &FormatTarget<'_>, into: &mut Vec<u8>) -> Result<(), EncodeError> {
                into.extend_from_slice(&value.to_be_bytes());
                Ok(())
            }
        }
    )*};
}
// ShortSerializer, IntegerSerializer, LongSerializer, FloatSerializer, DoubleSerializer.
big_endian!(i16, i32, i64, f32, f64);
