//! What happened, in order: the broker's own history with what handlers, gates and the loops' drivers saw between.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::ledger::Ledger;
use crate::broker::memory::{ClientId, Event, MemoryBroker};
use crate::clock::ManualClock;
use crate::names::TopicPartition;

/// No simulation that ends has as many entries.
const ENDLESS: usize = 1_000_000;

/// One thing that happened, and how long after the beginning.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) at: Duration,
    pub(super) what: Happening,
}

/// What happened. Members are known by their clients.
#[derive(Debug, Clone)]
pub(super) enum Happening {
    /// The broker's own word.
    Broker(Event),
    /// A message was written.
    Appended {
        partition: TopicPartition,
        offset: i64,
        key: Option<u8>,
        size: usize,
        readable: bool,
    },
    /// A member's loop is turned.
    Turned {
        member: ClientId,
    },
    /// A member's loop ended; with what words, if not well.
    Finished {
        member: ClientId,
        trouble: Option<String>,
    },
    /// The thread of a member's loop would have died.
    Died {
        member: ClientId,
        how: String,
    },
    /// A member was told something.
    Told {
        member: ClientId,
        order: Order,
    },
    /// The tasks of a member get no time until they are fed again.
    Starved {
        member: ClientId,
    },
    Fed {
        member: ClientId,
    },
    /// No task of a member that gets time can go on; so many of its tasks have not ended.
    Rested {
        member: ClientId,
        alive: usize,
    },
    // The number of a call leads from its beginning to its end.
    /// A handler was called.
    Started {
        member: ClientId,
        call: u64,
        partition: TopicPartition,
        offsets: Vec<i64>,
        attempt: u32,
    },
    /// The call ended.
    Ended {
        member: ClientId,
        call: u64,
        partition: TopicPartition,
        offsets: Vec<i64>,
        outcome: Outcome,
    },
    /// A background task called a handler, or that call ended.
    Replay {
        member: ClientId,
        call: u64,
        /// Of the first message.
        partition: TopicPartition,
        offsets: Vec<i64>,
        outcome: Option<Outcome>,
    },
    /// A gate was asked for messages of one lane.
    Asked {
        member: ClientId,
        call: u64,
        partition: TopicPartition,
        offsets: Vec<i64>,
    },
    /// It answered, or was dropped before it did.
    Answered {
        member: ClientId,
        call: u64,
        partition: TopicPartition,
        offsets: Vec<i64>,
        answer: Option<Answer>,
    },
    /// A failed attempt came before the failure handler.
    Brought {
        member: ClientId,
        call: u64,
        partition: TopicPartition,
        offset: i64,
        attempt: u32,
    },
    /// It settled it, or was dropped before it did.
    Resolved {
        member: ClientId,
        call: u64,
        partition: TopicPartition,
        offset: i64,
        verdict: Option<Verdict>,
    },
    /// A forwarded record was acknowledged, or was not; the call is the one that forwarded it.
    Acknowledged {
        member: ClientId,
        call: u64,
        partition: TopicPartition,
        offset: i64,
        durable: bool,
    },
    /// A position source answered.
    Positions {
        member: ClientId,
        positions: BTreeMap<TopicPartition, i64>,
    },
    /// Everybody who waits for it is woken.
    Woken,
    /// From here on nothing is broken and every handler succeeds.
    Healed,
}

/// What a member can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    Stop,
    Abort,
    Pause(String),
    Resume(String),
    /// An error of its client.
    Error {
        fatal: bool,
    },
    /// Its next such call will be refused.
    Refuse(&'static str),
}

/// How a call of a handler ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Fine,
    /// The first so many are done, the next one failed.
    Failed {
        done: usize,
    },
    /// One of several, and nobody knows which.
    FailedWhole,
    /// Its future was dropped.
    Dropped,
}

/// What a gate says.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// For each message.
    Each(Vec<Word>),
    /// It has trouble of its own.
    Trouble,
}

/// What a gate says of one message.
#[derive(Debug, Clone, Copy)]
pub(super) enum Word {
    Proceed,
    Parked,
    Hold(Wait),
}

/// A hold's end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait {
    pub(super) until: Duration,
    pub(super) wakes: bool,
}

/// What the failure handler says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verdict {
    Done,
    Pending,
    Hold(Wait),
    Trouble,
    Stop,
}

/// The history while it is written. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct History {
    clock: Arc<ManualClock>,
    broker: MemoryBroker,
    written: Arc<Mutex<Written>>,
}

#[derive(Debug, Default)]
struct Written {
    entries: Vec<Entry>,
    /// How much of the broker's history stands in `entries`.
    seen: usize,
    ledger: Ledger,
    calls: u64,
    /// Members of which nothing is heard any more.
    gone: BTreeSet<ClientId>,
}

impl History {
    pub(super) fn new(clock: Arc<ManualClock>, broker: MemoryBroker) -> Self {
        Self { clock, broker, written: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down what the broker saw since, and then this.
    pub(super) fn push(&self, what: Happening) {
        let mut written = self.lock();
        let at = self.clock.elapsed();
        self.catch_up(&mut written);
        written.ledger.observe(&what);
        written.entries.push(Entry { at, what });
        if written.entries.len() > ENDLESS {
            // A lane that goes round without waiting would never come to rest; its task ends here.
            drop(written);
            std::panic::resume_unwind(Box::new("the history never ends"));
        }
    }

    fn catch_up(&self, written: &mut Written) {
        let news = self.broker.history_since(written.seen);
        written.seen += news.len();
        written.entries.extend(news.into_iter().map(|entry| Entry {
            at: Duration::from_millis(u64::try_from(entry.at_ms - ManualClock::EPOCH_MS).unwrap_or(0)),
            what: Happening::Broker(entry.event),
        }));
    }

    /// Nothing of the member is written down from here on: its process is gone.
    pub(super) fn silence(&self, member: ClientId) {
        self.lock().gone.insert(member);
    }

    pub(super) fn is_silent(&self, member: ClientId) -> bool {
        self.lock().gone.contains(&member)
    }

    pub(super) fn next_call(&self) -> u64 {
        let mut written = self.lock();
        written.calls += 1;
        written.calls
    }

    /// How far from the beginning the clock is.
    pub(super) fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Looks at what is dealt with.
    pub(super) fn ledger<R>(&self, look: impl FnOnce(&Ledger) -> R) -> R {
        look(&self.lock().ledger)
    }

    /// Everything so far.
    pub(super) fn take(&self) -> Vec<Entry> {
        let mut written = self.lock();
        self.catch_up(&mut written);
        std::mem::take(&mut written.entries)
    }
}

impl Happening {
    /// Whether it is about the partition (and, when one is given, the offset).
    pub(super) fn concerns(&self, partition: &TopicPartition) -> bool {
        match self {
            Self::Appended { partition: other, .. }
            | Self::Started { partition: other, .. }
            | Self::Ended { partition: other, .. }
            | Self::Replay { partition: other, .. }
            | Self::Asked { partition: other, .. }
            | Self::Answered { partition: other, .. }
            | Self::Brought { partition: other, .. }
            | Self::Resolved { partition: other, .. }
            | Self::Acknowledged { partition: other, .. } => other == partition,
            Self::Broker(event) => match event {
                Event::Assigned { partition: other, .. }
                | Event::Unassigned { partition: other, .. }
                | Event::Fetched { partition: other, .. }
                | Event::Stored { partition: other, .. }
                | Event::Committed { partition: other, .. }
                | Event::CommitFailed { partition: other, .. } => other == partition,
                Event::Revoked { partitions, .. } | Event::Lost { partitions, .. } => partitions.contains(partition),
                Event::Produced { .. } => false,
                _ => true,
            },
            Self::Turned { .. } | Self::Rested { .. } => false,
            _ => true,
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10.3} ms  {}", self.at.as_secs_f64() * 1_000.0, self.what)
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broker(event) => write!(f, "broker: {event:?}"),
            Self::Started { member, call, partition, offsets, attempt } => {
                write!(f, "{member}: call {call} of {partition} {offsets:?}, attempt {attempt}")
            }
            Self::Ended { member, call, partition, offsets, outcome } => {
                write!(f, "{member}: call {call} of {partition} {offsets:?} ended {outcome:?}")
            }
            Self::Replay { member, call, partition, offsets, outcome } => {
                write!(f, "{member}: call {call}, replay of {partition} {offsets:?}: {outcome:?}")
            }
            Self::Asked { member, call, partition, offsets } => write!(f, "{member}: call {call}, gate asked for {partition} {offsets:?}"),
            Self::Answered { member, call, partition, offsets, answer } => {
                write!(f, "{member}: call {call}, gate on {partition} {offsets:?}: {answer:?}")
            }
            Self::Brought { member, call, partition, offset, attempt } => {
                write!(f, "{member}: call {call}, {partition} [{offset}] failed at attempt {attempt}")
            }
            Self::Resolved { member, call, partition, offset, verdict } => {
                write!(f, "{member}: call {call}, {partition} [{offset}] resolved {verdict:?}")
            }
            other => write!(f, "{other:?}"),
        }
    }
}
