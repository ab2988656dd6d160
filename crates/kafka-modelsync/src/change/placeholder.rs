//! Debezium's placeholder for a column that did not change and was not sent, in each of the forms that it takes.

use crate::value::Value;

/// The placeholder of an unchanged column.
#[derive(Debug)]
pub(super) struct Placeholder {
    text: Box<str>,
    hstore: Box<str>,
    base64: Box<str>,
    uuid: Option<uuid::Uuid>,
}

pub(super) const DEFAULT: &str = "__debezium_unavailable_value";

/// What Java's `UUID.nameUUIDFromBytes` makes of the default: an array of UUIDs has it as its only item.
pub(super) const DEFAULT_UUID: uuid::Uuid = uuid::uuid!("b68a35a7-17ad-35b3-af2a-ae46edb4545a");

impl Placeholder {
    pub(super) fn new(text: &str) -> Self {
        use base64::Engine;
        Self {
            text: text.into(),
            hstore: serde_json::json!({ text: text }).to_string().into(),
            base64: base64::prelude::BASE64_STANDARD.encode(text).into(),
            uuid: (text == DEFAULT).then_some(DEFAULT_UUID),
        }
    }

    pub(super) fn is_text(&self, text: &str) -> bool {
        // `hstore` as JSON has it as key and value.
        *text == *self.text || *text == *self.hstore
    }

    /// Whether it is in base64, which is how bytes look in JSON without a schema.
    pub(super) fn is_base64(&self, text: &str) -> bool {
        *text == *self.base64
    }

    pub(super) fn is_bytes(&self, bytes: &[u8]) -> bool {
        *bytes == *self.text.as_bytes()
    }

    /// Whether an array's numbers are the bytes of the text.
    pub(super) fn are_numbers(&self, mut numbers: impl Iterator<Item = Option<i64>>) -> bool {
        self.text.bytes().all(|byte| numbers.next() == Some(Some(byte.into()))) && numbers.next().is_none()
    }

    /// Whether an array is one item, which is the placeholder.
    pub(super) fn is_array(&self, items: &[Value]) -> bool {
        match items {
            [Value::Unavailable] => true,
            [Value::Uuid(uuid)] => Some(*uuid) == self.uuid,
            [Value::Text(text)] => self.uuid.is_some_and(|uuid| **text == *uuid.to_string()),
            _ => false,
        }
    }
}

impl Default for Placeholder {
    fn default() -> Self {
        Self::new(DEFAULT)
    }
}
