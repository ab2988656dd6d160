//! A message as the broker gave it: bytes, undecoded.

use bytes::Bytes;

use super::{Header, Headers, Timestamp};
use crate::broker::rdkafka::NativeMessage;

/// One received message, undecoded. Its topic and partition are those of the [`Batch`](super::Batch) it came in.
#[derive(Debug)]
pub struct RawMessage(Repr);

/// Is shown a header's name and value; a null value is `None`.
pub type HeaderVisitor<'a> = dyn FnMut(&[u8], Option<&[u8]>) + 'a;

#[derive(Debug)]
enum Repr {
    /// librdkafka's own memory: nothing was copied.
    Native(NativeMessage),
    /// Memory of our own: from the in-memory broker, or copied out of librdkafka's while it waits.
    Owned(Box<OwnedMessage>),
}

/// A message in memory of its own.
#[derive(Debug, Clone)]
pub struct OwnedMessage {
    /// Its place in the partition.
    pub offset: i64,
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// The key, or null.
    pub key: Option<Bytes>,
    /// The value, or null: a tombstone.
    pub value: Option<Bytes>,
    /// Headers, in order.
    pub headers: Headers,
}

impl RawMessage {
    /// The place in the partition.
    #[must_use]
    pub fn offset(&self) -> i64 {
        match &self.0 {
            Repr::Native(message) => message.offset(),
            Repr::Owned(message) => message.offset,
        }
    }

    /// The timestamp and its type.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        match &self.0 {
            Repr::Native(message) => message.timestamp(),
            Repr::Owned(message) => message.timestamp,
        }
    }

    /// The key as received; `None` is a null key.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        match &self.0 {
            Repr::Native(message) => message.key(),
            Repr::Owned(message) => message.key.as_deref(),
        }
    }

    /// The value as received; `None` is a tombstone.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        match &self.0 {
            Repr::Native(message) => message.value(),
            Repr::Owned(message) => message.value.as_deref(),
        }
    }

    /// Shows each header in its order, without copying.
    pub fn visit_headers(&self, visit: &mut HeaderVisitor<'_>) {
        match &self.0 {
            Repr::Native(message) => message.visit_headers(visit),
            Repr::Owned(message) => message.headers.iter().for_each(|header| visit(header.name(), header.value())),
        }
    }

    /// All headers, copied.
    #[must_use]
    pub fn headers(&self) -> Headers {
        let mut headers = Headers::new();
        self.visit_headers(&mut |name, value| {
            let name = Bytes::copy_from_slice(name);
            headers.push(match value {
                Some(value) => Header::new(name, Bytes::copy_from_slice(value)),
                None => Header::null(name),
            });
        });
        headers
    }

    /// The value of the last header of this name, copied. A null value reads as absent.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Vec<u8>> {
        let mut found = None;
        self.visit_headers(&mut |other, value| {
            if other == name.as_bytes() {
                found = value.map(<[u8]>::to_vec);
            }
        });
        found
    }

    /// Bytes of key and value: what the bound on memory in flight counts, with a fixed part for the rest.
    #[must_use]
    pub fn size(&self) -> usize {
        /// What a message costs beside its payload: the pointer, the native struct, its place in queues.
        const OVERHEAD: usize = 200;
        self.key().map_or(0, <[u8]>::len) + self.value().map_or(0, <[u8]>::len) + OVERHEAD
    }

    /// A copy in memory of its own, which pins no fetch buffer.
    #[must_use]
    pub fn detach(&self) -> OwnedMessage {
        match &self.0 {
            Repr::Owned(message) => (**message).clone(),
            Repr::Native(message) => OwnedMessage {
                offset: message.offset(),
                timestamp: message.timestamp(),
                key: message.key().map(Bytes::copy_from_slice),
                value: message.value().map(Bytes::copy_from_slice),
                headers: self.headers(),
            },
        }
    }
}

impl From<OwnedMessage> for RawMessage {
    fn from(message: OwnedMessage) -> Self {
        Self(Repr::Owned(Box::new(message)))
    }
}

impl From<NativeMessage> for RawMessage {
    fn from(message: NativeMessage) -> Self {
        Self(Repr::Native(message))
    }
}
