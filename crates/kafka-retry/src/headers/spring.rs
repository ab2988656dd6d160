//! Spring's binary numbers: big-endian, and for times as few bytes as hold the value (Java's `BigInteger`).

/// The four bytes of a number.
pub(super) fn int(value: i32) -> Vec<u8> {
    value.to_be_bytes().to_vec()
}

/// The eight bytes of a number.
pub(super) fn long(value: i64) -> Vec<u8> {
    value.to_be_bytes().to_vec()
}

/// As few bytes as hold the value with its sign.
pub(super) fn shortest(value: i64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let filler = if value < 0 { 0xff } else { 0 };
    let spare = bytes[..7].iter().zip(&bytes[1..]).take_while(|(byte, next)| **byte == filler && (**next ^ filler) & 0x80 == 0).count();
    bytes[spare..].to_vec()
}

/// A number of one to eight big-endian bytes, with its sign.
pub(super) fn read(bytes: &[u8]) -> Option<i64> {
    let first = *bytes.first().filter(|_| bytes.len() <= 8)?;
    let start = if first & 0x80 == 0 { 0 } else { -1 };
    Some(bytes.iter().fold(start, |value, byte| (value << 8) | i64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_java_writes() {
        // `BigInteger.valueOf(n).toByteArray()`.
        for (value, bytes) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0, 0x80]),
            (-1, &[0xff]),
            (-128, &[0x80]),
            (-129, &[0xff, 0x7f]),
            (1_795_412_432_304, &[0x01, 0xa2, 0x06, 0xeb, 0x95, 0xb0]),
        ] {
            assert_eq!(shortest(value), bytes, "{value}");
            assert_eq!(read(bytes), Some(value));
        }
        assert_eq!(int(3), [0, 0, 0, 3]);
        assert_eq!(long(-2), [255, 255, 255, 255, 255, 255, 255, 254]);
        assert_eq!(read(&int(-7)), Some(-7));
        assert_eq!((read(&[]), read(&[0; 9])), (None, None));
    }
}
