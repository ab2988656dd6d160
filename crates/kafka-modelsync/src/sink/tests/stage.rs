//! A table in SQLite, and changes that are written to it in batches.

use std::sync::{Arc, Mutex};

use diesel::connection::SimpleConnection;
use diesel::sql_types::{Nullable, Text};
use diesel::{QueryableByName, RunQueryDsl};

use crate::change::{Change, Operation, SourcePosition};
use crate::model::Model;
use crate::row::{Key, Row};
use crate::sink::database::{Batch, Claim, Database, Ledger, Origin};
use crate::sink::error::{DatabaseError, SinkError};
use crate::sink::event::{Deletions, Place, Reader};
use crate::sink::shape::Shape;
use crate::sink::sqlite::Sqlite;
use crate::table::Table;
use crate::value::Value;

/// A table and who writes to it.
pub(super) struct Stage {
    pub(super) database: Sqlite,
    pub(super) model: Model,
    pub(super) shape: Arc<Shape>,
    pub(super) ledger: Option<(String, i64)>,
    deletions: Mutex<Deletions>,
}

/// What became of changes that were written one batch after the other.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The changes that failed, by their places, and why.
    pub(super) failed: Vec<(usize, SinkError)>,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Nullable<Text>)]
    line: Option<String>,
}

/// What the tests write to unless they say otherwise.
pub(super) const ITEMS: &str = "CREATE TABLE items (id BIGINT PRIMARY KEY NOT NULL, name TEXT NOT NULL CHECK (name <> 'bad'), \
    note TEXT DEFAULT 'none', big TEXT, lsn BIGINT, kafka_partition INTEGER, kafka_offset BIGINT)";

/// The model of that table.
pub(super) fn items() -> Model {
    Model::of(Table::named("items", ["id", "name", "note", "big"], ["id"]))
}

impl Stage {
    pub(super) async fn new(sql: &'static str, model: Model) -> Self {
        let database = Sqlite::open(":memory:").unwrap();
        execute(&database, sql).await;
        let found = database.describe(model.table()).await.unwrap();
        let shape = Arc::new(Shape::new(&model, &found).unwrap());
        Self { database, model, shape, ledger: None, deletions: Mutex::default() }
    }

    /// Writes one batch; how many are done, and what failed. `first` is the offset of the first.
    pub(super) async fn write(&self, first: i64, changes: &[Change]) -> Result<(usize, Option<SinkError>), DatabaseError> {
        self.write_at((0, first), changes).await
    }

    /// The same from any partition.
    pub(super) async fn write_at(
        &self,
        (partition, first): (i32, i64),
        changes: &[Change],
    ) -> Result<(usize, Option<SinkError>), DatabaseError> {
        let (mut events, mut reader) = (Vec::new(), Reader::knowing(*self.deletions.lock().unwrap()));
        let (mut messages, mut broken) = (changes.len(), None);
        for (at, change) in changes.iter().enumerate() {
            let place = Some(Place { partition, offset: first + at as i64 });
            if let Err(error) = reader.read((at, change.clone(), place), &self.model, &self.shape, &mut events) {
                (messages, broken) = (at, Some(error));
                break;
            }
        }
        *self.deletions.lock().unwrap() = reader.deletions();
        let ledger = self.ledger.as_ref().map(|(topic, epoch)| Ledger {
            group: "g".to_owned(),
            topic: topic.clone(),
            partition,
            epoch: *epoch,
            positions: (0..changes.len() as i64).map(|at| first + at + 1).collect(),
        });
        let origin = Origin::Partition { topic: "t".to_owned(), partition };
        let batch = Batch { shape: Arc::clone(&self.shape), events, messages, skip: false, origin, ledger };
        let written = self.database.write(batch).await?;
        Ok((written.done, written.refused.or(broken)))
    }

    /// Writes all, in batches of these sizes in turn; what fails is passed over, as a dead letter is.
    pub(super) async fn write_all(&self, changes: &[Change], sizes: &[usize]) -> Outcome {
        let (mut outcome, mut at, mut sizes) = (Outcome::default(), 0, sizes.iter().cycle());
        while at < changes.len() {
            let end = changes.len().min(at + sizes.next().copied().unwrap_or(1).max(1));
            let (done, failed) = self.write(at as i64, &changes[at..end]).await.unwrap();
            at += done;
            if let Some(error) = failed {
                outcome.failed.push((at, error));
                at += 1;
            }
        }
        outcome
    }

    /// One text for each row of a query with one column.
    pub(super) async fn lines(&self, sql: &'static str) -> Vec<String> {
        let query = move |connection: &mut diesel::SqliteConnection| Ok(diesel::sql_query(sql).load::<Line>(connection).unwrap());
        self.database.run(query).await.unwrap().into_iter().map(|line| line.line.unwrap_or_default()).collect()
    }

    pub(super) async fn execute(&self, sql: &'static str) {
        execute(&self.database, sql).await;
    }

    /// All rows of `items`.
    pub(super) async fn items(&self) -> Vec<String> {
        self.lines("SELECT id || ' ' || name || ' ' || coalesce(note, '-') || ' ' || coalesce(big, '-') AS line FROM items ORDER BY id")
            .await
    }

    pub(super) async fn claim(&self, topic: &str) -> Claim {
        let name = kafka_core::names::TopicPartition::new(kafka_core::names::TopicName::new(topic).unwrap(), 0);
        self.database.claim(&kafka_core::names::GroupId::new("g").unwrap(), std::slice::from_ref(&name)).await.unwrap()[&name]
    }
}

async fn execute(database: &Sqlite, sql: &'static str) {
    let run = move |connection: &mut diesel::SqliteConnection| {
        connection.batch_execute(sql).unwrap();
        Ok(())
    };
    database.run(run).await.unwrap();
}

pub(super) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub(super) fn row(fields: &[(&str, Value)]) -> Row {
    fields.iter().map(|(name, value)| (*name, value.clone())).collect()
}

/// A row is put: its key is in the message's key alone.
pub(super) fn put(id: i64, fields: &[(&str, Value)]) -> Change {
    Change::new(Some(Key::Whole(Value::Int(id))), Operation::Upsert { before: None, after: row(fields) })
}

/// A row is removed, by a null value.
pub(super) fn remove(id: i64) -> Change {
    Change::new(Some(Key::Whole(Value::Int(id))), Operation::Delete { before: None })
}

/// The change at a place in the source's log.
pub(super) fn at(lsn: i64, mut change: Change) -> Change {
    change.position = Some(SourcePosition { lsn: Some(lsn), ..SourcePosition::default() });
    change
}
