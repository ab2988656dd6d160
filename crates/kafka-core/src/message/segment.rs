//! Segments: the pieces of batches that runs are made of.

use std::sync::Arc;

use super::{Batch, RawMessage};

/// A piece of one batch: the messages at `start..end`.
///
/// `origin` is where the piece's first message stands in the batch as it was fetched, which stays
/// true when the piece is copied out: completions are reported in those terms.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) batch: Arc<Batch>,
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) origin: u32,
}

impl Segment {
    pub(crate) fn whole(batch: &Arc<Batch>) -> Self {
        let end = u32::try_from(batch.messages.len()).unwrap_or(u32::MAX);
        Self { batch: Arc::clone(batch), start: 0, end, origin: 0 }
    }

    pub(crate) fn one(batch: &Arc<Batch>, index: u32) -> Self {
        Self { batch: Arc::clone(batch), start: index, end: index + 1, origin: index }
    }

    pub(crate) fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Cuts off the first `count` messages and returns them.
    pub(crate) fn split_front(&mut self, count: usize) -> Self {
        let count = u32::try_from(count).unwrap_or(u32::MAX).min(self.end - self.start);
        let front = Self { batch: Arc::clone(&self.batch), start: self.start, end: self.start + count, origin: self.origin };
        self.start += count;
        self.origin += count;
        front
    }

    /// How often its first message was tried before it came by this topic.
    pub(crate) fn earlier_attempts(&self) -> u32 {
        self.batch.earlier_attempts(self.start)
    }

    pub(crate) fn messages(&self) -> &[RawMessage] {
        &self.batch.messages[self.start as usize..self.end as usize]
    }

    /// What its messages count in the bound on memory.
    pub(crate) fn bytes(&self) -> usize {
        if self.len() == self.batch.messages.len() { self.batch.bytes } else { self.messages().iter().map(RawMessage::size).sum() }
    }

    /// Moves the messages into memory of their own, so that a wait pins no fetch buffer.
    pub(crate) fn compact(&mut self) {
        if self.batch.keep.is_some() {
            self.batch = Arc::new(self.batch.copy_of(self.start, self.end));
            self.end -= self.start;
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::batch::fetched;

    #[test]
    fn a_compacted_segment_keeps_its_place_and_lets_the_fetch_go() {
        let fetched = fetched(&[1, 2, 5]);
        let mut segment = Segment::whole(&fetched);
        segment.split_front(1);
        segment.compact();
        assert_eq!(Arc::strong_count(&fetched), 1);
        assert_eq!((segment.origin, segment.len(), segment.messages()[1].offset()), (1, 2, 5));
    }
}
