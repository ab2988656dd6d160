//! Parked messages, and the stored form of their headers.

#![cfg_attr(
    not(any(feature = "postgres", feature = "sqlite", test)),
    allow(dead_code, reason = "headers are written by stores with tables")
)]

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_core::message::{Header, Headers, OwnedMessage};
use kafka_core::names::TopicPartition;

use crate::fence::Fence;
use crate::reason::Reason;

/// A message that is to wait.
#[derive(Debug, Clone)]
pub struct ParkedMessage {
    /// What it keeps its order within.
    pub fence: Fence,
    /// Where it came from: for a retried message the retry topic.
    pub place: TopicPartition,
    /// The message.
    pub message: OwnedMessage,
    /// The attempt that its replay is; the first delivery is 1.
    pub attempt: u32,
    /// What it waits for.
    pub reason: Reason,
    /// When it was parked, in milliseconds since the epoch.
    pub parked_at_ms: i64,
}

/// A message that waits in a store.
#[derive(Debug, Clone)]
pub struct StoredMessage {
    /// Its number in the store.
    pub id: i64,
    /// Whether it waits or is being replayed.
    pub status: Status,
    /// The message.
    pub parked: ParkedMessage,
}

/// What becomes of a stored message at present. One that is through is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It waits for its reason.
    Waiting,
    /// A daemon replays it. Without that daemon's lock on the fence it is abandoned work, and is taken up again.
    Resolving,
}

impl Status {
    /// The stored form.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Waiting => 0,
            Self::Resolving => 1,
        }
    }

    /// Reads the stored form.
    #[must_use]
    pub const fn of_code(code: i16) -> Self {
        if code == Self::Resolving.code() { Self::Resolving } else { Self::Waiting }
    }

    /// The word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Resolving => "resolving",
        }
    }
}

impl StoredMessage {
    /// The order of replay: by topic, then partition and offset as numbers.
    pub(crate) fn order(&self) -> (&str, i32, i64) {
        (self.parked.place.topic.as_str(), self.parked.place.partition, self.parked.message.offset)
    }
}

/// Headers as stored: for each the name and the value with their lengths before them, big-endian; −1 is a null value.
pub(crate) fn headers_to_bytes(headers: &Headers) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    for header in headers {
        bytes.put_u32(u32::try_from(header.name().len()).unwrap_or(u32::MAX));
        bytes.put_slice(header.name());
        match header.value() {
            Some(value) => {
                bytes.put_i32(i32::try_from(value.len()).unwrap_or(i32::MAX));
                bytes.put_slice(value);
            }
            None => bytes.put_i32(-1),
        }
    }
    bytes.to_vec()
}

/// Reads stored headers; `None` when they are cut off.
pub(crate) fn headers_from_bytes(bytes: Vec<u8>) -> Option<Headers> {
    let mut bytes = Bytes::from(bytes);
    let mut headers = Headers::new();
    while bytes.has_remaining() {
        let name = take(&mut bytes, |bytes| i64::from(bytes.get_u32()))??;
        headers.push(match take(&mut bytes, |bytes| i64::from(bytes.get_i32()))? {
            Some(value) => Header::new(name, value),
            None => Header::null(name),
        });
    }
    Some(headers)
}

/// A length and as many bytes; a negative length is null.
fn take(bytes: &mut Bytes, length: fn(&mut Bytes) -> i64) -> Option<Option<Bytes>> {
    if bytes.remaining() < 4 {
        return None;
    }
    match usize::try_from(length(bytes)) {
        Err(_) => Some(None),
        Ok(length) if length <= bytes.remaining() => Some(Some(bytes.split_to(length))),
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_as_they_were() {
        let mut headers = Headers::new().with("a", "1").with(&b"\xff"[..], &b"\x00"[..]).with("a", "");
        headers.push(Header::null("n"));
        let bytes = headers_to_bytes(&headers);
        assert_eq!(headers_from_bytes(bytes.clone()), Some(headers));
        assert_eq!(headers_from_bytes(bytes[..bytes.len() - 2].to_vec()), None);
        assert_eq!(headers_from_bytes(Vec::new()), Some(Headers::new()));
    }
}
