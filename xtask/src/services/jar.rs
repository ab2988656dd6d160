//! A jar with one text file in it, for a machine that has a Java but not its `jar` program: a zip archive without compression.

/// The archive's bytes.
pub(super) fn of(name: &str, text: &str) -> Vec<u8> {
    let (length, name_length) = (bytes_of(text.len()), u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
    // Version 2.0, no flags, stored, and midnight of the first day that zip knows of.
    let version: &[u8] = &[20, 0];
    let common =
        [version, &[0, 0, 0, 0, 0, 0, 0x21, 0], &crc32(text.as_bytes()).to_le_bytes(), &length, &length, &name_length, &[0, 0]].concat();
    let file = [b"PK\x03\x04", &common[..], name.as_bytes(), text.as_bytes()].concat();
    // No comment, disk 0, no attributes, the file begins at 0.
    let directory = [b"PK\x01\x02", version, &common[..], &[0; 14], name.as_bytes()].concat();
    let end = [b"PK\x05\x06", &[0, 0, 0, 0, 1, 0, 1, 0][..], &bytes_of(directory.len()), &bytes_of(file.len()), &[0, 0]].concat();
    [file, directory, end].concat()
}

fn bytes_of(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _bit| step(crc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn the_directory_stands_where_the_end_says() {
        let jar = of("a/b", "text");
        let end = &jar[jar.len() - 22..];
        let at = u32::from_le_bytes(end[16..20].try_into().unwrap()) as usize;
        assert_eq!(at, 30 + 3 + 4);
        assert_eq!(&jar[at..at + 4], b"PK\x01\x02");
        assert_eq!(u32::from_le_bytes(end[12..16].try_into().unwrap()) as usize, 46 + 3);
    }
}
