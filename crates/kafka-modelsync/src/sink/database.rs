//! What a sink wants of a database. Implemented by PostgreSQL and SQLite.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use kafka_core::names::{GroupId, TopicPartition};

use super::cell::RowKey;
use super::error::{DatabaseError, SinkError};
use super::event::{Act, Event};
use super::moving::Unpaid;
use super::shape::{Description, Shape};
use crate::model::TypeTable;
use crate::table::Table;

/// A database that rows are written to.
pub(crate) trait Database: Send + Sync + fmt::Debug {
    /// What the database says of a table; no columns if there is none.
    fn describe<'a>(&'a self, table: &'a Table) -> BoxFuture<'a, Result<Description, DatabaseError>>;

    /// The ids and names that a table of types has, as texts.
    fn types<'a>(&'a self, table: &'a TypeTable) -> BoxFuture<'a, Result<Vec<(String, String)>, DatabaseError>>;

    /// Writes a batch in one transaction: all of it, or what comes before the first message that is refused.
    fn write(&self, batch: Batch) -> BoxFuture<'_, Result<Written, DatabaseError>>;

    /// The stored position, if the partition is still ours. Waits for who is about to move it: a commit whose answer was lost may be
    /// under way yet.
    fn stored<'a>(&'a self, ledger: &'a Ledger) -> BoxFuture<'a, Result<Option<i64>, DatabaseError>>;

    /// Takes partitions over: whoever had them before writes no more.
    fn claim<'a>(
        &'a self,
        group: &'a GroupId,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, Result<HashMap<TopicPartition, Claim>, DatabaseError>>;
}

/// Events of consecutive messages of one partition.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) shape: Arc<Shape>,
    pub(crate) events: Vec<Event>,
    /// How many messages they come from; some may come from none.
    pub(crate) messages: usize,
    /// What `kafka_skip` is to be, in tables that have it.
    pub(crate) skip: bool,
    /// Whether to see that nobody else writes what is older at the same time.
    pub(crate) origin: Origin,
    pub(crate) ledger: Option<Ledger>,
}

/// Where a batch comes from: a guard lets only those write at once that cannot have the same keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A partition of the declared topic.
    Partition { topic: String, partition: i32 },
    /// Anything else, a retry topic for example.
    Elsewhere,
}

/// The position that goes into the same transaction.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    pub(crate) group: String,
    pub(crate) topic: String,
    pub(crate) partition: i32,
    /// Who holds the partition: the number of the claim.
    pub(crate) epoch: i64,
    /// The next offset to read after each of the messages.
    pub(crate) positions: Vec<i64>,
}

/// A partition as it was when it was taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) position: Option<i64>,
    pub(crate) epoch: i64,
}

/// What came of a batch.
#[derive(Debug)]
pub(crate) struct Written {
    /// So many messages from the front are written.
    pub(crate) done: usize,
    /// Why the one after them is not.
    pub(crate) refused: Option<SinkError>,
}

/// Why a message is not written.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The database does not like its row.
    Database(diesel::result::Error),
    /// Its row had another key, and what it held is not to be had.
    Unpaid(Unpaid),
}

impl From<diesel::result::Error> for Refusal {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Unpaid> for Refusal {
    fn from(unpaid: Unpaid) -> Self {
        Self::Unpaid(unpaid)
    }
}

impl Ledger {
    /// That of some of the messages.
    pub(crate) fn of(&self, messages: std::ops::Range<usize>) -> Self {
        Self { positions: self.positions[messages].to_vec(), group: self.group.clone(), topic: self.topic.clone(), ..*self }
    }
}

impl Batch {
    /// Leaves out what an earlier attempt has written, by the position that it stored.
    pub(crate) fn leave_out(&mut self, stored: i64) {
        let written = self.ledger.as_ref().and_then(|ledger| ledger.positions.iter().position(|position| *position == stored));
        if let Some(last) = written {
            self.events.retain(|event| event.at > last);
        }
    }

    /// The position after so many messages.
    pub(crate) fn position_after(&self, done: usize) -> Option<i64> {
        let ledger = self.ledger.as_ref()?;
        done.checked_sub(1).and_then(|last| ledger.positions.get(last)).copied()
    }

    /// Whether rows of it change their keys.
    pub(crate) fn moves(&self) -> bool {
        self.events.iter().any(Event::moves)
    }

    /// A refusal of the message at this place.
    pub(crate) fn refused(&self, at: usize, events: &[Event], refusal: Refusal) -> Written {
        let mut of_message = events.iter().filter(|event| event.at == at);
        let table = self.shape.name.clone();
        let error = match refusal {
            Refusal::Database(source) => {
                let key = of_message.next().and_then(Event::key);
                SinkError::Refused { table, row: key.map_or_else(|| "(all)".to_owned(), RowKey::to_text), source }
            }
            Refusal::Unpaid(unpaid) => {
                let arriving = of_message.find_map(|event| if let Act::Arrive(row) = &event.act { Some(row) } else { None });
                let row = arriving.map(|row| row.key.to_text()).unwrap_or_default();
                let former = arriving.and_then(|row| row.from.as_ref());
                let former = former.map_or_else(|| "(which cannot be read)".to_owned(), RowKey::to_text);
                let owed = arriving.iter().flat_map(|row| &row.owed).map(|owed| format!("`{}`", self.shape.columns[*owed].name));
                let columns = owed.collect::<Vec<_>>().join(", ");
                match unpaid {
                    Unpaid::Early => SinkError::AwaitsFormerRow { table, row, former, columns },
                    Unpaid::Lost => SinkError::FormerRowLost { table, row, former, columns },
                }
            }
        };
        Written { done: at, refused: Some(error) }
    }
}

/// The events of these messages.
pub(crate) fn of_messages(events: &[Event], messages: &std::ops::Range<usize>) -> std::ops::Range<usize> {
    let place = |message: usize| events.partition_point(|event| event.at < message);
    place(messages.start)..place(messages.end)
}
