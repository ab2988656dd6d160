//! What the headers of a message say of a row whose key changed.
//!
//! Debezium tells such a change in two messages: a deletion under the former key, whose header names the new one, and an insertion under
//! the new key, whose header names the former one. The keys have the columns of the message's own key.

use serde_json::Value as Json;

use super::reader::{ChangeReader, Event};
use crate::row::Key;

/// On the deletion: the key that the row has from then on.
const NEW_KEY: &[u8] = b"__debezium.newkey";

/// On the insertion: the key that the row had before.
const FORMER_KEY: &[u8] = b"__debezium.oldkey";

/// Where a row went or came from when its key changed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Moved {
    /// It is deleted under this key, and lives on under that one.
    To(Key),
    /// It is inserted under this key, and had that one before.
    From(Key),
    /// It is inserted under this key, and had another, which cannot be read: the connector has a `header.converter` that is neither
    /// Connect's own default nor JSON.
    FromUnknown,
}

/// A header that says so, as it stands in the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedHeader {
    names: Names,
    text: Box<[u8]>,
}

/// Which key a header names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    New,
    Former,
}

impl MovedHeader {
    /// This header, if it is one of the two.
    #[must_use]
    pub fn of(name: &[u8], value: &[u8]) -> Option<Self> {
        let names = match name {
            NEW_KEY => Names::New,
            FORMER_KEY => Names::Former,
            _ => return None,
        };
        Some(Self { names, text: value.into() })
    }
}

impl ChangeReader {
    /// What a header says, in a message with this key.
    pub fn moved<K: Event>(&self, header: &MovedHeader, key: Option<&K>) -> Option<Moved> {
        let said = serde_json::from_slice::<Json>(&header.text).ok().and_then(|said| key?.another(self, unwrapped(said)));
        match (header.names, said) {
            (Names::New, said) => said.map(Moved::To),
            (Names::Former, Some(said)) => Some(Moved::From(said)),
            (Names::Former, None) => Some(Moved::FromUnknown),
        }
    }
}

/// Without the schema that Connect's JSON converter writes beside it.
fn unwrapped(mut said: Json) -> Json {
    match said.as_object_mut() {
        Some(object) if object.len() == 2 && object.contains_key("schema") => object.remove("payload").unwrap_or(said),
        _ => said,
    }
}
