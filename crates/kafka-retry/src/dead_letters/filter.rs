//! Which letters are meant.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{DeadLetter, DeadLetterTopic};

/// Which letters are meant: those that everything given here fits. By default all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filter {
    /// The key: as text, or as its format shows it.
    pub key: Option<String>,
    /// A part of the error: of its type, its summary or its detail, in any case of letters.
    pub error: Option<String>,
    /// Dead since, in milliseconds since the epoch.
    pub since: Option<i64>,
    /// Dead before, in milliseconds since the epoch.
    pub before: Option<i64>,
    /// Only these partitions, each with the offsets meant; empty is all.
    pub partitions: BTreeMap<i32, Offsets>,
    /// At most so many.
    pub limit: Option<u64>,
}

/// Offsets of one partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offsets {
    /// The first; none is the first there is.
    pub from: Option<i64>,
    /// The last; none is the last there is.
    pub to: Option<i64>,
}

impl Filter {
    /// Only letters with this key: as text, or as its format shows it.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Only letters whose error contains this.
    #[must_use]
    pub fn error(mut self, part: impl Into<String>) -> Self {
        self.error = Some(part.into());
        self
    }

    /// Only letters written from this time on, in milliseconds since the epoch.
    #[must_use]
    pub fn since(mut self, millis: i64) -> Self {
        self.since = Some(millis);
        self
    }

    /// Only letters written before this time, in milliseconds since the epoch.
    #[must_use]
    pub fn before(mut self, millis: i64) -> Self {
        self.before = Some(millis);
        self
    }

    /// Only this partition (and others that are named), and of it only these offsets.
    #[must_use]
    pub fn partition(mut self, partition: i32, offsets: Offsets) -> Self {
        self.partitions.insert(partition, offsets);
        self
    }

    /// At most so many letters.
    #[must_use]
    pub fn limit(mut self, letters: u64) -> Self {
        self.limit = Some(letters);
        self
    }

    /// The offsets to be read of each partition.
    pub(super) fn ranges(&self, topic: &DeadLetterTopic) -> BTreeMap<i32, Range<i64>> {
        let within = |(partition, bounds): (&i32, &Range<i64>)| {
            let offsets = match self.partitions.get(partition) {
                None if !self.partitions.is_empty() => return None,
                offsets => offsets.copied().unwrap_or_default(),
            };
            let start = offsets.from.unwrap_or(bounds.start).clamp(bounds.start, bounds.end);
            let end = offsets.to.map_or(bounds.end, |to| to.saturating_add(1)).clamp(start, bounds.end);
            Some((*partition, start..end))
        };
        topic.partitions.iter().filter_map(within).collect()
    }

    /// Whether the letter is meant; its place was looked at before.
    pub(super) fn fits(&self, letter: &DeadLetter) -> bool {
        let provenance = &letter.provenance;
        let error = || [&provenance.error_type, &provenance.summary, &provenance.detail].into_iter().flatten();
        let key_fits = |key: &String| {
            letter.shown_key.as_ref().is_some_and(|shown| shown.text == *key) || letter.key.as_deref() == Some(key.as_bytes())
        };
        self.key.as_ref().is_none_or(key_fits)
            && self.error.as_ref().is_none_or(|part| {
                let part = part.to_lowercase();
                error().any(|text| text.to_lowercase().contains(&part))
            })
            && self.since.is_none_or(|since| letter.timestamp.is_some_and(|at| at >= since))
            && self.before.is_none_or(|before| letter.timestamp.is_some_and(|at| at < before))
    }
}
