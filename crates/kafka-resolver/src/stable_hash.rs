//! A hash that is the same in every version and on every machine: stored numbers are found again by it, and replicas lock by it.

/// The hash of parts.
pub(crate) fn stable_hash(parts: &[&[u8]]) -> i64 {
    parts.iter().fold(StableHash::default(), |hash, part| hash.part(part)).number()
}

/// A hash in the making: FNV-1a over the parts, each with its length before it. A copy goes on from the parts that many have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StableHash(u64);

impl Default for StableHash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl StableHash {
    pub(crate) fn part(self, part: &[u8]) -> Self {
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        let bytes = (part.len() as u64).to_le_bytes().into_iter().chain(part.iter().copied());
        Self(bytes.fold(self.0, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME)))
    }

    /// A last mixing, so that all bits count.
    pub(crate) fn number(self) -> i64 {
        let mut hash = self.0;
        hash ^= hash >> 33;
        hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^= hash >> 33;
        hash.cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_for_ever_and_tells_parts_apart() {
        assert_ne!(stable_hash(&[b"ab", b"c"]), stable_hash(&[b"a", b"bc"]));
        assert_eq!(stable_hash(&[b"a", b"b"]), 2_615_575_697_944_829_125);
    }
}
