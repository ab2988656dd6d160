//! Reading a datum: straight from the bytes into any serde type, with no value in between.

mod access;
mod cursor;
mod de;

use serde::de::DeserializeOwned;

pub(crate) use self::cursor::{Cursor, DEEPEST, too_deep};
pub(crate) use self::de::Reader;
use super::plan::Plan;

/// Why bytes are not a datum of their schema, or not the wanted type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct UnreadableDatum {
    /// What is wrong, and where.
    pub reason: String,
}

impl UnreadableDatum {
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

impl serde::de::Error for UnreadableDatum {
    fn custom<T: std::fmt::Display>(what: T) -> Self {
        Self::new(what.to_string())
    }
}

/// Reads one datum, which must take all bytes.
pub(crate) fn read<T: DeserializeOwned>(plan: &Plan, bytes: &[u8]) -> Result<T, UnreadableDatum> {
    let mut cursor = Cursor::new(bytes);
    let value = T::deserialize(Reader::root(plan, &mut cursor))?;
    match cursor.left() {
        0 => Ok(value),
        left => Err(UnreadableDatum::new(format!("{left} bytes are left behind the datum; was it written with another schema?"))),
    }
}
