//! Which message of its schema the bytes are of: the way to it through the messages' nesting, as zigzag varints.

/// Appends the indexes: how many, and each. The first message of a schema, which most are, is a single zero byte.
pub(super) fn write(indexes: &[i32], into: &mut Vec<u8>) {
    if indexes == [0] {
        return into.push(0);
    }
    varint(i32::try_from(indexes.len()).unwrap_or(i32::MAX), into);
    for index in indexes {
        varint(*index, into);
    }
}

/// Takes the indexes off; none if they are none.
pub(super) fn read(mut bytes: &[u8]) -> Option<(Vec<i32>, &[u8])> {
    let count = usize::try_from(take(&mut bytes)?).ok()?;
    if count == 0 {
        return Some((vec![0], bytes));
    }
    // Each takes a byte at least, so that no claim makes us allocate.
    if count > bytes.len() {
        return None;
    }
    let indexes = (0..count).map(|_| take(&mut bytes)).collect::<Option<_>>()?;
    Some((indexes, bytes))
}

fn varint(value: i32, into: &mut Vec<u8>) {
    let mut left = ((value << 1) ^ (value >> 31)).cast_unsigned();
    while left >= 0x80 {
        into.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    into.push(left as u8);
}

fn take(bytes: &mut &[u8]) -> Option<i32> {
    let mut value = 0_u64;
    for at in 0..5 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let value = u32::try_from(value).ok()?;
            return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    None
}
