//! The offset tracker: from what was handed out and what is done to the position that may be stored.
//!
//! Works on delivered offsets only: gaps from compaction and transaction markers are normal, so no
//! offset is ever derived from another. The only exception is Kafka's own meaning of a position after
//! the last message, which is its offset plus one.

use std::collections::VecDeque;

use super::defect::{Defect, planted};
use crate::message::RawMessage;

/// Tracks one assignment of one partition.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    /// Batches that are not done, in the order of delivery.
    batches: VecDeque<Batch>,
    /// The position after the last message that is done with all before it.
    position: Option<i64>,
    unfinished: usize,
}

#[derive(Debug)]
struct Batch {
    sequence: u64,
    offsets: Offsets,
    len: u32,
    /// Everything before this index is done.
    prefix: u32,
    /// Indices at or after the prefix that are done out of order. Empty while lanes finish in order.
    done: Vec<u64>,
}

/// The offsets of a batch: computed while they are dense, listed when there are gaps.
#[derive(Debug)]
enum Offsets {
    Dense(i64),
    Listed(Box<[i64]>),
}

impl Offsets {
    fn of(messages: &[RawMessage]) -> Self {
        let (Some(first), Some(last)) = (messages.first(), messages.last()) else {
            return Self::Listed(Box::default());
        };
        // Offsets only grow, so a span as wide as the count has no gap.
        let (first, last) = (first.offset(), last.offset());
        if usize::try_from(last - first).is_ok_and(|span| span + 1 == messages.len()) {
            Self::Dense(first)
        } else {
            Self::Listed(messages.iter().map(RawMessage::offset).collect())
        }
    }

    fn at(&self, index: u32) -> i64 {
        match self {
            Self::Dense(first) => first + i64::from(index),
            Self::Listed(offsets) => offsets[index as usize],
        }
    }
}

impl Tracker {
    /// Notes that a batch was handed out.
    pub(crate) fn delivered(&mut self, sequence: u64, messages: &[RawMessage]) {
        let len = u32::try_from(messages.len()).unwrap_or(u32::MAX);
        self.unfinished += messages.len();
        self.batches.push_back(Batch { sequence, offsets: Offsets::of(messages), len, prefix: 0, done: Vec::new() });
    }

    /// Notes that the messages at `start..end` of a batch are done.
    pub(crate) fn done(&mut self, sequence: u64, start: u32, end: u32) {
        let Some(first) = self.batches.front() else { return };
        let Some(at) = sequence.checked_sub(first.sequence).and_then(|at| usize::try_from(at).ok()) else { return };
        let Some(batch) = self.batches.get_mut(at) else { return };
        let newly = batch.done(start, end.min(batch.len));
        self.unfinished -= newly;
        while let Some(first) = self.batches.front() {
            if let Some(last_done) = first.prefix.checked_sub(1) {
                self.position = Some(first.offsets.at(last_done) + 1);
                if planted(Defect::OffsetGapFilled) {
                    self.position = Some(first.offsets.at(0) + i64::from(first.prefix));
                }
            }
            if first.prefix < first.len {
                break;
            }
            self.batches.pop_front();
        }
    }

    /// The highest position below which everything is done; `None` while nothing is.
    pub(crate) fn position(&self) -> Option<i64> {
        self.position
    }

    /// How many messages were handed out and are not done.
    pub(crate) fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// The lowest offset that is handed out and not done.
    pub(crate) fn lowest_unfinished(&self) -> Option<i64> {
        self.batches.front().map(|batch| batch.offsets.at(batch.prefix))
    }
}

impl Batch {
    /// Marks a range and returns how many of it were not marked before.
    fn done(&mut self, start: u32, end: u32) -> usize {
        if start == self.prefix && self.done.is_empty() {
            self.prefix = end.max(start);
            return (end.max(start) - start) as usize;
        }
        self.done.resize((self.len as usize).div_ceil(64), 0);
        let mut newly = 0;
        for index in start.max(self.prefix)..end {
            let (word, bit) = (index as usize / 64, 1_u64 << (index % 64));
            newly += usize::from(self.done[word] & bit == 0);
            self.done[word] |= bit;
        }
        while self.prefix < self.len && self.done[self.prefix as usize / 64] & (1 << (self.prefix % 64)) != 0 {
            self.prefix += 1;
        }
        newly
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::{Headers, OwnedMessage, Timestamp};

    fn messages(offsets: &[i64]) -> Vec<RawMessage> {
        let message = |&offset: &i64| {
            OwnedMessage { offset, timestamp: Timestamp::NotAvailable, key: None, value: None, headers: Headers::new() }.into()
        };
        offsets.iter().map(message).collect()
    }

    #[test]
    fn nothing_done_is_no_position() {
        let mut tracker = Tracker::default();
        tracker.delivered(0, &messages(&[7, 8]));
        assert_eq!((tracker.position(), tracker.lowest_unfinished()), (None, Some(7)));
        tracker.done(0, 1, 2);
        assert_eq!((tracker.position(), tracker.unfinished()), (None, 1));
        tracker.done(0, 0, 1);
        assert_eq!((tracker.position(), tracker.lowest_unfinished()), (Some(9), None));
    }

    #[test]
    fn gaps_are_never_filled_in() {
        let mut tracker = Tracker::default();
        tracker.delivered(0, &messages(&[3, 10, 11]));
        tracker.delivered(1, &messages(&[40]));
        tracker.done(1, 0, 1);
        tracker.done(0, 0, 1);
        assert_eq!(tracker.position(), Some(4));
        tracker.done(0, 1, 3);
        assert_eq!(tracker.position(), Some(41));
    }

    #[test]
    fn what_is_unknown_or_done_twice_changes_nothing() {
        let mut tracker = Tracker::default();
        tracker.done(0, 0, 5);
        tracker.delivered(4, &messages(&[1, 2]));
        tracker.done(3, 0, 1);
        tracker.done(9, 0, 1);
        assert_eq!(tracker.position(), None);
        tracker.done(4, 1, 2);
        tracker.done(4, 1, 2);
        assert_eq!(tracker.unfinished(), 1);
    }

    proptest! {
        // The oracle keeps every offset; the position is right when it lies above all that is done
        // below the lowest unfinished offset, and never above that one.
        #[test]
        fn agrees_with_an_oracle(gaps in prop::collection::vec(1_i64..4, 1..200), cuts in prop::collection::vec(1_usize..9, 1..60), order in prop::collection::vec(any::<u16>(), 1..400)) {
            let offsets: Vec<i64> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
            let (mut tracker, mut places, mut rest, mut cuts) = (Tracker::default(), Vec::new(), &offsets[..], cuts.into_iter().cycle());
            for sequence in 0.. {
                if rest.is_empty() { break; }
                let (batch, after) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                tracker.delivered(sequence, &messages(batch));
                places.extend((0_u32..).zip(batch).map(|(index, &offset)| (sequence, index, offset)));
                rest = after;
            }
            let mut open: Vec<_> = places.clone();
            for pick in order {
                if open.is_empty() { break; }
                let (sequence, index, _) = open.remove(usize::from(pick) % open.len());
                tracker.done(sequence, index, index + 1);
                let lowest = open.iter().map(|place| place.2).min();
                let below = places.iter().map(|place| place.2).filter(|offset| lowest.is_none_or(|lowest| *offset < lowest)).max();
                prop_assert_eq!(tracker.position(), below.map(|offset| offset + 1));
                prop_assert_eq!(tracker.lowest_unfinished(), lowest);
                prop_assert_eq!(tracker.unfinished(), open.len());
            }
        }
    }
}
