//! A hash for sets as small as a run. Whoever makes its values collide makes a run's look-ups slower, and nothing worse: a run has
//! a few hundred messages.

use std::hash::{BuildHasherDefault, Hasher};

pub(crate) type Brisk = BuildHasherDefault<BriskHasher>;

/// Multiplies word by word.
#[derive(Debug, Default, Clone)]
pub(crate) struct BriskHasher(u64);

impl BriskHasher {
    fn take(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for BriskHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.take(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.take(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.take(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.take(number as u64);
    }

    fn finish(&self) -> u64 {
        // The low bits choose the bucket, and the high ones are the best.
        self.0 ^ (self.0 >> 32)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    use super::*;
    use crate::reason::Relation;

    #[test]
    fn numbers_in_a_row_and_long_texts_fall_apart() {
        let low = |relation: &Relation| Brisk::default().hash_one(relation) % 1024;
        let numbers: HashSet<u64> = (0..512).map(|n| low(&Relation::row("a", "id", n))).collect();
        assert!(numbers.len() > 300, "only {} buckets", numbers.len());
        let texts: HashSet<u64> = (0..512).map(|n| low(&Relation::row("a", "id", format!("a long text before {n}")))).collect();
        assert!(texts.len() > 300, "only {} buckets", texts.len());
    }
}
