//! The port to Kafka's transactions: records and a group's offset that count together, or not at all.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;

use super::{ClientError, ProducerClient};
use crate::names::TopicPartition;

/// A producer client whose records are written in transactions, one after the other.
pub trait TransactionalClient: ProducerClient {
    /// Begins a transaction: all records sent from here on are of it. Never blocks.
    ///
    /// # Errors
    /// When the client is in no state to begin one.
    fn begin(&self) -> Result<(), TransactionError>;

    /// Commits the transaction with the group's position (the next offset to read) of a partition in it. Tries again until it is known
    /// what became of it; dropped before, the transaction may still be committed.
    fn commit(&self, partition: TopicPartition, position: i64, member: Membership) -> BoxFuture<'static, Result<(), TransactionError>>;

    /// Aborts the transaction: nobody who reads committed records only sees any of it. Tries again until it is done.
    fn abort(&self) -> BoxFuture<'static, Result<(), TransactionError>>;
}

/// A consumer client's place in its group, as it is when it is asked: a commit by who is no member of the present generation is refused.
#[derive(Clone)]
pub struct Membership(Arc<dyn Any + Send + Sync>);

/// Why a step of a transaction failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the transaction failed")]
pub struct TransactionError {
    /// What is to be done.
    pub remedy: Remedy,
    /// What the client said.
    #[source]
    pub source: ClientError,
}

/// What is to be done about a failed transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The same call again.
    Repeat,
    /// Abort, and do the work again.
    Abort,
    /// Abort, and do without a record of it: the broker refuses it, and would refuse it again.
    Reject,
    /// Nothing: another client has taken the transactional id, or this one is broken. The member has to end.
    End,
}

/// Whether somebody still wants a producer that is being made. Cheap to clone; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Wanted(Arc<AtomicBool>);

impl Wanted {
    /// Nobody wants it any more.
    pub fn give_up(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether somebody does.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        !self.0.load(Ordering::SeqCst)
    }
}

/// What a broker says of a record that it would refuse again, however often it is sent: as librdkafka names it.
const REFUSALS: [&str; 12] = [
    "MSG_SIZE_TOO_LARGE",
    "RECORD_LIST_TOO_LARGE",
    "INVALID_MSG_SIZE",
    "INVALID_MSG",
    "INVALID_RECORD",
    "INVALID_TIMESTAMP",
    "POLICY_VIOLATION",
    "TOPIC_EXCEPTION",
    "TOPIC_AUTHORIZATION_FAILED",
    "UNKNOWN_TOPIC_OR_PART",
    "_UNKNOWN_TOPIC",
    "_UNKNOWN_PARTITION",
];

impl TransactionError {
    /// A transaction that must be aborted because a record was not delivered, for this reason.
    #[must_use]
    pub fn of_delivery(source: ClientError) -> Self {
        let remedy = if REFUSALS.contains(&source.code.as_str()) { Remedy::Reject } else { Remedy::Abort };
        Self { remedy, source }
    }
}

impl Membership {
    /// Wraps what the client's own producers know to read.
    pub fn new(member: impl Any + Send + Sync) -> Self {
        Self(Arc::new(member))
    }

    /// What was wrapped, if it is of this type.
    #[must_use]
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Membership")
    }
}
