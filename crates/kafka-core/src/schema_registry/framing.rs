//! The registry's framing of keys and values: a zero byte, the schema's id in four bytes, big-endian, and the payload.

use super::UnknownMagicByte;
use crate::format::DecodeError;

const MAGIC: u8 = 0;

/// Takes the id off.
pub(crate) fn unframe(bytes: &[u8]) -> Result<(u32, &[u8]), DecodeError> {
    match bytes {
        [MAGIC, a, b, c, d, payload @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), payload)),
        _ => Err(DecodeError::malformed(UnknownMagicByte { found: bytes.first().copied(), length: bytes.len() })),
    }
}

/// Begins framed bytes.
pub(crate) fn frame(id: u32, into: &mut Vec<u8>) {
    into.push(MAGIC);
    into.extend_from_slice(&id.to_be_bytes());
}
