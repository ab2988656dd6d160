//! Writing a datum: straight from any serde type into the bytes, with no value in between.
//!
//! Not by the Avro library's serializer: it takes no text for a decimal or a date, which is how chrono and
//! rust_decimal write themselves, and would ask for an attribute on every such field.

mod parts;
mod ser;

use serde::Serialize;

pub(crate) use self::ser::Writer;
use super::plan::Plan;

/// Why a value is not of its schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct UnwritableDatum {
    /// What is wrong, and where.
    pub reason: String,
}

impl UnwritableDatum {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }

    /// Says in which field, outermost first.
    pub(crate) fn within(self, field: &str) -> Self {
        let reason = match self.reason.strip_prefix("field `") {
            Some(inner) => format!("field `{field}.{inner}"),
            None => format!("field `{field}`: {}", self.reason),
        };
        Self { reason }
    }
}

impl serde::ser::Error for UnwritableDatum {
    fn custom<T: std::fmt::Display>(what: T) -> Self {
        Self::new(what.to_string())
    }
}

/// Appends a datum.
pub(crate) fn write<T: Serialize + ?Sized>(plan: &Plan, value: &T, into: &mut Vec<u8>) -> Result<(), UnwritableDatum> {
    value.serialize(Writer::root(plan, into))
}

/// Appends a number in Avro's zigzag.
pub(crate) fn put_long(number: i64, into: &mut Vec<u8>) {
    let mut bits = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while bits >= 0x80 {
        into.push(0x80 | (bits & 0x7f) as u8);
        bits >>= 7;
    }
    into.push(bits as u8);
}

/// Appends bytes with their length before them.
pub(crate) fn put_blob(bytes: &[u8], into: &mut Vec<u8>) {
    put_long(i64::try_from(bytes.len()).unwrap_or(i64::MAX), into);
    into.extend_from_slice(bytes);
}
