//! Runs: consecutive messages of one lane, the unit in which messages travel.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::{Batch, MessageRef, OwnedMessage, RawMessage, Segment};
use crate::names::{GroupId, TopicName, TopicPartition};

/// Consecutive messages of one lane, on their way through the pipeline. Never empty when handed out.
#[derive(Debug)]
pub struct Run {
    segments: Vec<Segment>,
    len: usize,
    /// The try in this lane that this is for the first message.
    tries: u32,
    decoded: Option<Box<dyn Decoded>>,
    /// What stands behind it and is no part of it for now.
    aside: Vec<Segment>,
}

/// The decoded messages of a run, of a type that only the topic's handler and its gates know.
trait Decoded: Any + Send + Sync {
    fn split_front(&mut self, count: usize) -> Box<dyn Decoded>;

    /// Drops the entries that are marked.
    fn take_out(&mut self, gone: &[bool]);
}

impl<T: Send + Sync + 'static> Decoded for Vec<T> {
    fn split_front(&mut self, count: usize) -> Box<dyn Decoded> {
        let rest = self.split_off(count);
        Box::new(std::mem::replace(self, rest))
    }

    fn take_out(&mut self, gone: &[bool]) {
        let mut gone = gone.iter();
        self.retain(|_| !gone.next().copied().unwrap_or(false));
    }
}

impl fmt::Debug for dyn Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoded")
    }
}

impl Run {
    pub(crate) fn new(segments: Vec<Segment>, tries: u32) -> Self {
        let len = segments.iter().map(Segment::len).sum();
        Self { segments, len, tries, decoded: None, aside: Vec::new() }
    }

    /// A run made by hand, of messages that no poll brought: those that were parked, for example. The first message is at
    /// this attempt.
    #[must_use]
    pub fn by_hand(group: &GroupId, messages: Vec<(TopicPartition, OwnedMessage)>, attempt: u32) -> Self {
        let mut segments = Vec::new();
        let mut messages = messages.into_iter().peekable();
        while let Some((place, first)) = messages.next() {
            let mut batch: Vec<RawMessage> = vec![first.into()];
            while let Some((_, message)) = messages.next_if(|(other, _)| *other == place) {
                batch.push(message.into());
            }
            let bytes = batch.iter().map(RawMessage::size).sum();
            let TopicPartition { topic, partition } = place;
            segments.push(Segment::whole(&Arc::new(Batch {
                topic,
                partition,
                group: group.clone(),
                sequence: 0,
                messages: batch,
                earlier: Box::default(),
                bytes,
                keep: None,
            })));
        }
        Self::new(segments, attempt)
    }

    /// How many messages it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether all of it is settled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The attempt that this is for the first message, those in earlier topics counted; all others are tried
    /// for the first time here.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.segments.first().map_or(0, Segment::earlier_attempts).saturating_add(self.tries)
    }

    /// The try in this lane that this is for the first message.
    pub(crate) fn tries(&self) -> u32 {
        self.tries
    }

    /// The raw messages in order.
    pub fn iter(&self) -> impl Iterator<Item = &RawMessage> {
        self.segments.iter().flat_map(|segment| segment.messages().iter())
    }

    /// The raw messages in order, each with its topic.
    pub(crate) fn messages(&self) -> impl Iterator<Item = (&RawMessage, &TopicName)> {
        self.segments.iter().flat_map(|segment| segment.messages().iter().map(|message| (message, &segment.batch.topic)))
    }

    /// Handles on the messages in order.
    pub fn refs(&self) -> impl Iterator<Item = MessageRef> + '_ {
        self.segments
            .iter()
            .flat_map(|segment| (segment.start..segment.end).map(|index| MessageRef { batch: Arc::clone(&segment.batch), index }))
    }

    /// The offset of its last message.
    pub(crate) fn last_offset(&self) -> i64 {
        self.segments.last().and_then(|segment| segment.messages().last()).map_or(i64::MIN, RawMessage::offset)
    }

    /// A handle on the first message.
    #[must_use]
    pub fn first(&self) -> Option<MessageRef> {
        self.refs().next()
    }

    /// What was decoded of this run so far, one entry a message, by whoever needed it first.
    #[must_use]
    pub fn decoded<T: Send + Sync + 'static>(&self) -> Option<&Vec<T>> {
        let decoded: &dyn Any = &**self.decoded.as_ref()?;
        decoded.downcast_ref()
    }

    pub(crate) fn take_decoded<T: Send + Sync + 'static>(&mut self) -> Option<Vec<T>> {
        let decoded: Box<dyn Any> = self.decoded.take()?;
        decoded.downcast().ok().map(|decoded| *decoded)
    }

    pub(crate) fn set_decoded<T: Send + Sync + 'static>(&mut self, decoded: Vec<T>) {
        self.decoded = Some(Box::new(decoded));
    }

    /// Cuts off the first `count` messages as a run of their own; what is left is at its first attempt.
    pub(crate) fn split_front(&mut self, count: usize) -> Self {
        let count = count.min(self.len);
        let mut front = Self {
            segments: Vec::with_capacity(1),
            len: count,
            tries: self.tries,
            decoded: self.decoded.as_mut().map(|decoded| decoded.split_front(count)),
            aside: Vec::new(),
        };
        self.len -= count;
        if count > 0 {
            self.tries = 1;
        }
        let mut wanted = count;
        while wanted > 0 {
            let cut = self.segments[0].split_front(wanted);
            wanted -= cut.len();
            front.segments.push(cut);
            if self.segments[0].len() == 0 {
                self.segments.remove(0);
            }
        }
        front
    }

    /// Takes out the messages that are marked, one mark a message.
    pub(crate) fn take_out(&mut self, gone: &[bool]) -> Vec<Segment> {
        let (mut taken, mut kept) = (Vec::new(), Vec::new());
        if !gone.contains(&true) {
            return taken;
        }
        let (tries, mut decoded, aside) = (self.tries, self.decoded.take(), std::mem::take(&mut self.aside));
        for part in gone.chunk_by(|one, other| one == other) {
            let piece = self.split_front(part.len()).segments;
            if part[0] { taken.extend(piece) } else { kept.extend(piece) }
        }
        if let Some(decoded) = &mut decoded {
            decoded.take_out(gone);
        }
        // A message that comes to the front is at its first attempt.
        let tries = if gone[0] { 1 } else { tries };
        *self = Self { len: kept.iter().map(Segment::len).sum(), segments: kept, tries, decoded, aside };
        taken
    }

    /// The `count` messages from `start` on, left in place.
    pub(crate) fn piece(&self, start: usize, count: usize) -> Vec<Segment> {
        let (mut skip, mut wanted) = (start, count);
        let mut piece = Vec::with_capacity(self.segments.len());
        for segment in &self.segments {
            let mut rest = segment.clone();
            skip -= rest.split_front(skip).len();
            if wanted > 0 && rest.len() > 0 {
                let cut = rest.split_front(wanted);
                wanted -= cut.len();
                piece.push(cut);
            }
        }
        piece
    }

    /// Sets aside what stands behind the first `count` messages; it is no part of the run until this is whole again.
    pub(crate) fn set_aside(&mut self, count: usize) {
        self.aside = self.piece(count, self.len.saturating_sub(count));
        self.segments = self.piece(0, count);
        self.len = self.segments.iter().map(Segment::len).sum();
    }

    /// Takes back what was set aside.
    pub(crate) fn make_whole(&mut self) {
        self.len += self.aside.iter().map(Segment::len).sum::<usize>();
        self.segments.append(&mut self.aside);
    }

    pub(crate) fn into_segments(self) -> Vec<Segment> {
        self.segments
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::batch::fetched as batch;
    use crate::message::{Headers, Timestamp};

    fn offsets(run: &Run) -> Vec<i64> {
        run.iter().map(RawMessage::offset).collect()
    }

    #[test]
    fn a_run_is_cut_across_its_segments_with_what_was_decoded() {
        let (a, b) = (batch(&[1, 2, 5]), batch(&[9, 10]));
        let mut run = Run::new(vec![Segment::whole(&a), Segment::whole(&b)], 3);
        run.set_decoded(vec!["1", "2", "5", "9", "10"]);
        let front = run.split_front(4);
        let piece: Vec<_> = front.piece(2, 2).iter().flat_map(|segment| segment.messages()).map(RawMessage::offset).collect();
        assert_eq!(piece, [5, 9]);
        assert_eq!((offsets(&front), offsets(&run)), (vec![1, 2, 5, 9], vec![10]));
        assert_eq!((front.attempt(), run.attempt()), (3, 1));
        assert_eq!(front.decoded::<&str>(), Some(&vec!["1", "2", "5", "9"]));
        assert_eq!(run.take_decoded::<&str>(), Some(vec!["10"]));
    }

    #[test]
    fn marked_messages_leave_a_run_with_what_was_decoded() {
        let (a, b) = (batch(&[1, 2, 5]), batch(&[9, 10]));
        let mut run = Run::new(vec![Segment::whole(&a), Segment::whole(&b)], 3);
        run.set_decoded(vec!["1", "2", "5", "9", "10"]);
        let taken = run.take_out(&[false, true, false, true, true]);
        let taken: Vec<_> = taken.iter().flat_map(Segment::messages).map(RawMessage::offset).collect();
        assert_eq!((taken, offsets(&run), run.attempt()), (vec![2, 9, 10], vec![1, 5], 3));
        assert_eq!(run.decoded::<&str>(), Some(&vec!["1", "5"]));
        run.take_out(&[true, false]);
        assert_eq!((offsets(&run), run.attempt()), (vec![5], 1));
    }

    #[test]
    fn what_is_set_aside_comes_back_whatever_was_taken_meanwhile() {
        let (a, b) = (batch(&[1, 2, 5]), batch(&[9, 10]));
        let mut run = Run::new(vec![Segment::whole(&a), Segment::whole(&b)], 3);
        run.set_aside(4);
        assert_eq!((offsets(&run), run.len(), run.last_offset()), (vec![1, 2, 5, 9], 4, 9));
        run.take_out(&[false, true, false, false]);
        run.split_front(1);
        assert_eq!(offsets(&run), [5, 9]);
        run.make_whole();
        assert_eq!((offsets(&run), run.len()), (vec![5, 9, 10], 3));
    }

    #[test]
    fn a_run_by_hand_knows_the_place_of_every_message() {
        let place = |partition| TopicPartition::new(TopicName::from_broker("t"), partition);
        let message = |offset| OwnedMessage { offset, timestamp: Timestamp::NotAvailable, key: None, value: None, headers: Headers::new() };
        let messages = vec![(place(0), message(3)), (place(0), message(9)), (place(1), message(2))];
        let run = Run::by_hand(&GroupId::new("g").unwrap(), messages, 4);
        let places: Vec<_> = run.refs().map(|message| (message.partition(), message.raw().offset())).collect();
        assert_eq!((places, run.attempt()), (vec![(0, 3), (0, 9), (1, 2)], 4));
    }
}
