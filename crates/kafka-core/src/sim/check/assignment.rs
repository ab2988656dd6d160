//! One assignment of one partition as the checker sees it: what was delivered, and how far each message has come.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::history::Wait;
use crate::topic::Concurrency;

#[derive(Debug)]
pub(super) struct Assignment {
    /// Never used twice.
    pub(super) number: u64,
    pub(super) delivered: BTreeMap<i64, Delivered>,
    /// Neither settled nor anything else that ends the wait for a message.
    pub(super) unsettled: BTreeSet<i64>,
    /// What each lane must still take, in order: forwarded messages are out of it.
    lanes: BTreeMap<Lane, BTreeSet<i64>>,
    pub(super) held: BTreeSet<i64>,
    /// Failed, and not brought before the failure handler yet.
    pub(super) failed: BTreeSet<i64>,
    /// Forwarded, refused, and not forwarded again yet.
    pub(super) refused: BTreeSet<i64>,
    /// The lanes that were at work when the first of those was refused.
    pub(super) at_work: BTreeSet<Lane>,
    pub(super) bytes: usize,
    pub(super) stored: Option<i64>,
    pub(super) end: End,
}

/// What of an assignment is handled one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    Partition,
    Key(Option<u8>),
    /// A message of an unordered topic.
    Alone(i64),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Delivered {
    pub(super) lane: Lane,
    pub(super) size: usize,
    /// The attempt that the next call must be.
    pub(super) attempt: u32,
    pub(super) fate: Fate,
}

/// How far a message has come in its assignment.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    Waiting,
    Running,
    Failed,
    /// Before the failure handler.
    Brought,
    Held(Held),
    /// The framework had trouble with it; it waits at least until then.
    Troubled(Duration),
    /// On its way elsewhere; not to be tried again before then.
    Forwarded {
        again: Duration,
    },
    Settled,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) wait: Wait,
    /// How often everybody had been woken before.
    pub(super) wakes: u64,
    pub(super) by: HeldBy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeldBy {
    Gate,
    FailureHandler,
}

/// Whether an assignment is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    No,
    Revoked(Duration),
    Lost(Duration),
}

impl Lane {
    pub(super) fn of(concurrency: Concurrency, offset: i64, key: Option<u8>) -> Self {
        match concurrency {
            Concurrency::Partition => Self::Partition,
            Concurrency::Key { .. } => Self::Key(key),
            Concurrency::Unordered { .. } => Self::Alone(offset),
        }
    }
}

impl Held {
    /// Whether the wait is over.
    pub(super) fn is_due(&self, now: Duration, wakes: u64) -> bool {
        now >= self.wait.until || (self.wait.wakes && wakes > self.wakes)
    }
}

impl Assignment {
    pub(super) fn new(number: u64) -> Self {
        Self {
            number,
            delivered: BTreeMap::new(),
            unsettled: BTreeSet::new(),
            lanes: BTreeMap::new(),
            held: BTreeSet::new(),
            failed: BTreeSet::new(),
            refused: BTreeSet::new(),
            at_work: BTreeSet::new(),
            bytes: 0,
            stored: None,
            end: End::No,
        }
    }

    pub(super) fn deliver(&mut self, offset: i64, lane: Lane, size: usize) {
        self.delivered.insert(offset, Delivered { lane, size, attempt: 1, fate: Fate::Waiting });
        self.unsettled.insert(offset);
        self.lanes.entry(lane).or_default().insert(offset);
        self.bytes += size;
    }

    /// Whether these are what their lane must take next, all of one lane.
    pub(super) fn are_next(&self, offsets: &[i64]) -> bool {
        let Some(lane) = offsets.first().and_then(|first| self.delivered.get(first)).map(|message| message.lane) else { return false };
        let next = self.lanes.get(&lane).into_iter().flatten().take(offsets.len());
        next.copied().eq(offsets.iter().copied())
    }

    pub(super) fn set(&mut self, offset: i64, fate: Fate) {
        let Some(message) = self.delivered.get_mut(&offset) else { return };
        message.fate = fate;
        let (lane, size) = (message.lane, message.size);
        self.held.remove(&offset);
        self.failed.remove(&offset);
        self.refused.remove(&offset);
        match fate {
            Fate::Held(_) | Fate::Troubled(_) => {
                if let Fate::Held(_) = fate {
                    self.held.insert(offset);
                }
            }
            Fate::Failed => {
                self.failed.insert(offset);
            }
            Fate::Settled | Fate::Forwarded { .. } => {
                let waiting = self.lanes.entry(lane).or_default();
                waiting.remove(&offset);
                if let Fate::Settled = fate
                    && self.unsettled.remove(&offset)
                {
                    self.bytes -= size;
                }
            }
            Fate::Waiting | Fate::Running | Fate::Brought => {}
        }
    }

    /// The position after the last message that is settled with all before it.
    pub(super) fn settled_position(&self) -> Option<i64> {
        let settled = match self.unsettled.first() {
            Some(first) => self.delivered.range(..first).next_back(),
            None => self.delivered.last_key_value(),
        };
        settled.map(|(offset, _)| offset + 1)
    }
}
