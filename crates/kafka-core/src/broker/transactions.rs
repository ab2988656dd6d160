//! The port to Kafka's transactions: records and a group's offset that count together, or not at all.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

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
    /// Nothing: another client has taken the transactional id, or this one is broken. The member has to end.
    End,
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
