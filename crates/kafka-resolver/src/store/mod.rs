//! Where parked messages live, as a port: what the gate asks before the handler, what daemons claim, what people look at.

use std::collections::{HashMap, HashSet};
use std::fmt;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use kafka_core::error::BoxError;

use crate::fence::{Fence, FenceId};
use crate::parked::{ParkedMessage, Status, StoredMessage};
use crate::reason::{Reason, ReasonId, Relation};

pub mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod rows;
#[cfg(feature = "sqlite")]
pub mod sqlite;

/// Why the store did not answer. It is asked again with back-off; no message is skipped meanwhile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no connection: the database is down, or its address is wrong.
    #[error("the store of parked messages cannot be reached")]
    Unreachable {
        /// What the driver said.
        #[source]
        source: BoxError,
    },
    /// A statement failed.
    #[error("{doing} failed")]
    Statement {
        /// What was to be done.
        doing: &'static str,
        /// What the database said.
        #[source]
        source: BoxError,
    },
}

/// An answer that a store takes time for.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// A store of parked messages.
///
/// The gate and the daemons rely on this: what [`Store::park`] returned from is durable; one message (group, topic,
/// partition, offset) is stored once; a fence that is claimed cannot be claimed or discarded by anyone else until its claim
/// ended or the session that holds it is gone.
pub trait Store: Send + Sync + fmt::Debug {
    /// Makes the tables, or brings them up to date. Several processes may do so at once.
    fn prepare(&self) -> Answer<'_, ()>;

    /// Whether anything at all waits in the group. It is asked for each run, and mostly the only question; where the answer is
    /// [`Backlog::Possible`], [`Store::waiting`] is asked too. That is the default, for stores that cannot tell at less cost.
    fn backlog<'a>(&'a self, _group: &'a str) -> Answer<'a, Backlog> {
        Box::pin(std::future::ready(Ok(Backlog::Possible)))
    }

    /// Which of these fences are up, and for which of these reasons messages of the topic wait.
    fn waiting<'a>(&'a self, asked: &'a Asked<'a>) -> Answer<'a, Waiting>;

    /// Which of these rows exist.
    fn existing<'a>(&'a self, relations: &'a [Relation]) -> Answer<'a, HashSet<Relation>>;

    /// Which of these rows do not exist: what a gate asks, which mostly misses none. By default what [`Store::existing`] leaves over.
    fn missing<'a>(&'a self, relations: &'a [Relation]) -> Answer<'a, HashSet<Relation>> {
        Box::pin(async move {
            let existing = self.existing(relations).await?;
            Ok(relations.iter().filter(|relation| !existing.contains(relation)).cloned().collect())
        })
    }

    /// Stores the messages; those that are there already stay as they are. One that stands at the same place and is another (its topic was
    /// deleted and made anew) gives way, also where it is being replayed. `up` are those of their fences that have messages
    /// already: if any of them is claimed, nothing at all is stored, and the claimed ones are the answer.
    fn park(&self, messages: Vec<ParkedMessage>, up: Vec<FenceId>) -> Answer<'_, Vec<FenceId>>;

    /// Removes all that waits behind these fences, each unless it is claimed. One answer a fence.
    fn discard<'a>(&'a self, fences: &'a [Fence]) -> Answer<'a, Vec<Discarded>>;

    /// Begins a session that claims fences.
    fn session(&self) -> Answer<'_, Box<dyn Session>>;

    /// A page of the reasons for which messages of the group wait, in the order of their numbers, after this number.
    fn reasons<'a>(&'a self, group: &'a str, after: Option<ReasonId>, limit: usize) -> Answer<'a, Vec<(ReasonId, Reason)>>;

    /// The declared topics of which the group has parked messages.
    fn topics<'a>(&'a self, group: &'a str) -> Answer<'a, Vec<String>>;

    /// Tells all who listen that these exist now.
    fn announce<'a>(&'a self, _relations: &'a [Relation]) -> Answer<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Begins to listen for news. `None`: the store tells none, and the interval has to do.
    fn listen(&self) -> Option<Answer<'_, Box<dyn Listener>>> {
        None
    }

    /// The parked messages that the filter lets through, in the order in which they were parked.
    fn list<'a>(&'a self, filter: &'a Filter) -> Answer<'a, Vec<StoredMessage>>;

    /// Releases by hand all that waits behind the fences of the messages that the filter lets through. Says how many messages.
    fn release<'a>(&'a self, filter: &'a Filter) -> Answer<'a, u64>;

    /// Drops the waiting messages that the filter lets through, for good. Says how many.
    fn drop_messages<'a>(&'a self, filter: &'a Filter) -> Answer<'a, u64>;

    /// How far [`Store::release`] and [`Store::drop_messages`] would go with this filter.
    fn reach<'a>(&'a self, filter: &'a Filter) -> Answer<'a, Reach>;

    /// How many messages wait, by group, declared topic and status.
    fn stats(&self) -> Answer<'_, Vec<Stat>>;
}

/// Whether anything waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backlog {
    /// Nothing does.
    Nothing,
    /// Something may.
    Possible,
}

/// What a gate asks of a run.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The group.
    pub group: &'a str,
    /// The topic as declared.
    pub topic: &'a str,
    /// The fences of the run's messages.
    pub fences: &'a [FenceId],
    /// What its messages need.
    pub reasons: &'a [ReasonId],
}

/// What a gate is told.
#[derive(Debug, Default)]
pub struct Waiting {
    /// The fences that are up, each with the reason of its first message.
    pub fences: HashMap<FenceId, Reason>,
    /// The reasons for which messages wait.
    pub reasons: HashSet<ReasonId>,
}

/// What came of discarding what waits behind a fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discarded {
    /// Nothing waits there any more; so many messages were removed.
    Gone(u64),
    /// Its messages are being replayed; nothing was removed.
    Claimed,
}

/// Claims fences, and settles what became of their messages. What a session holds is free once the session is gone.
pub trait Session: Send + fmt::Debug {
    /// Claims fences: marks their first messages *resolving*, durably, and locks the fences. Those that another session holds
    /// are passed over.
    fn claim<'a>(&'a mut self, wanted: &'a Wanted<'a>) -> Answer<'a, Vec<Claim>>;

    /// Ends claims: removes what is done, and lets the rest wait.
    fn end(&mut self, ends: Vec<ClaimEnd>) -> Answer<'_, ()>;

    /// An error when the session has lost its claims.
    fn check(&mut self) -> Answer<'_, ()>;
}

/// Which fences are wanted.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The group.
    pub group: &'a str,
    /// The declared topics that can be replayed here.
    pub topics: &'a [String],
    /// What their messages have in common.
    pub which: Which<'a>,
    /// At most so many messages.
    pub limit: usize,
}

/// What the messages of wanted fences have in common.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// They wait for one of these.
    Reasons(&'a [ReasonId]),
    /// They are marked *resolving*, and nobody holds their fence.
    Abandoned,
    /// They were parked before this time, in milliseconds since the epoch.
    ParkedBefore(i64),
}

/// A claimed fence and its first messages in order; with a long fence not all of them.
#[derive(Debug)]
pub struct Claim {
    /// The fence's number.
    pub fence: FenceId,
    /// Its first messages in order of replay, never empty.
    pub messages: Vec<StoredMessage>,
}

/// What became of a claim.
#[derive(Debug)]
pub struct ClaimEnd {
    /// The fence's number.
    pub fence: FenceId,
    /// The messages that are through.
    pub done: Vec<i64>,
    /// What the rest of the fence waits for from now on; `None` is what it waited for before.
    pub rest: Option<Reason>,
    /// The message that failed, and the attempt that its next replay is.
    pub failed: Option<(i64, u32)>,
}

/// Hears news of a store.
pub trait Listener: Send + fmt::Debug {
    /// The next piece of news.
    fn next(&mut self) -> Answer<'_, News>;

    /// An error when news would not be heard any more. Asked once an interval in which there are none. By default it hears.
    fn check(&mut self) -> Answer<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// What a listener hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// This exists now.
    Appeared(Relation),
    /// Many rows appeared at once: all reasons are worth a look.
    Many,
    /// Messages were replayed: who paused may look again.
    Drained,
}

/// Which parked messages somebody means.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Filter {
    /// Those of this group.
    pub group: Option<String>,
    /// Those of this declared topic.
    pub topic: Option<String>,
    /// Those with this key.
    pub key: Option<Bytes>,
    /// Those that wait for one of these; `None` is all.
    pub reasons: Option<Vec<Reason>>,
    /// Those whose reason has this in its written form: a table's name, `due`, part of a note.
    pub reason_contains: Option<String>,
    /// Those that wait, or those that are being replayed.
    pub status: Option<Status>,
    /// Those that were parked before this time, in milliseconds since the epoch.
    pub parked_before_ms: Option<i64>,
    /// The one with this number.
    pub id: Option<i64>,
    /// At most so many; `None` is all.
    pub limit: Option<u32>,
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl Filter {
    fn reason_ids(&self) -> Option<Vec<i64>> {
        self.reasons.as_ref().map(|reasons| reasons.iter().map(|reason| reason.id().0).collect())
    }
}

/// How far a release and a drop go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// The messages that a drop removes.
    pub dropped: u64,
    /// The messages that a release lets go: these, and all that wait with them behind their fences.
    pub released: u64,
}

/// A line of the statistics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// The group.
    pub group: String,
    /// The declared topic.
    pub topic: String,
    /// Waiting or resolving.
    pub status: Status,
    /// How many messages.
    pub messages: u64,
    /// When the oldest was parked, in milliseconds since the epoch.
    pub oldest_ms: i64,
}
