//! The topic of a sink: from a batch of messages to one write, and from its outcome to what the loop is told.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kafka_connect::skip::{self, Given, Scope};
use kafka_core::app::{MissingState, State};
use kafka_core::consumer::{BatchError, DeclaredTopic};
use kafka_core::error::{BoxError, ConfigErrors};
use kafka_core::format::Decode;
use kafka_core::message::{Delivery, MessageBatch, RawMessage};
use kafka_core::names::TopicPartition;
use kafka_core::settings::Settings;
use kafka_core::topic::{Batched, Concurrency, ConsumeBatch, Handler, KeyOf, Style, Topic, TopicSpec, ValueOf};

use super::database::{Batch, Ledger, Origin, Written};
use super::declare;
use super::error::{DatabaseError, SinkError};
use super::event::{Place, Reader};
use super::patience::Patience;
use super::tables::Tables;
use super::target::{Target, Targets};
use crate::change::{Change, ChangeReader, MovedHeader};
use crate::model::{Model, ModelTopic};

/// Where a message from a retry topic first stood: the contract of retries on the wire.
const ORIGIN: (&str, &str) = ("ORIGIN_PARTITION", "ORIGIN_OFFSET");

/// The same in Spring's dialect, as big-endian numbers.
const SPRINGS_ORIGIN: (&str, &str) = ("kafka_original-partition", "kafka_original-offset");

/// What says that a message comes from a retry topic, whether or not its origin is known.
const RETURNS: [&str; 2] = ["RETRY_TIMESTAMP", "retry_topic-backoff-timestamp"];

/// The topic that writes the messages of `M` into its table: `topics(Sink<Customers>)`. Takes its [`Tables`] from the application's
/// state.
///
/// A batch is one transaction: as many messages as the topic's `batch` says, by default up to 500 of those that are there. Costs a round
/// trip to the database for a batch whose rows have the same columns, and two for a transaction where there are deletions too; a guard
/// costs three more, and so do rows whose key changes. Where a topic carries several tables ([`Model::reroute`]), consecutive messages of
/// one are a transaction. A message that fails has those before it written, and follows the
/// retry rules. While the database is away, the lane holds with back-off.
pub struct Sink<M> {
    tables: Tables,
    targets: Targets,
    reader: ChangeReader,
    concurrency: Concurrency,
    patience: Mutex<Patience>,
    /// The partitions whose last write failed, which may have been carried out all the same.
    doubts: Mutex<HashSet<i32>>,
    messages: PhantomData<fn() -> M>,
}

/// The style of [`Sink`]: batches, with the model checked at build.
#[derive(Debug)]
pub enum Sinking {}

impl<M: ModelTopic> Topic for Sink<M> {
    type Key = M::Key;
    type Value = M::Value;
    type Style = Sinking;

    fn spec() -> TopicSpec {
        declare::declare::<Self>(M::spec(), &M::model())
    }

    fn from_state(state: &State) -> Result<Self, MissingState> {
        Self::new(state, &M::spec(), M::model())
    }
}

impl<M: ModelTopic> Sink<M> {
    fn new(state: &State, spec: &TopicSpec, model: Model) -> Result<Self, MissingState> {
        Ok(Self {
            tables: state.get()?,
            reader: declare::reader(&model),
            targets: Targets::of(model),
            concurrency: spec.concurrency,
            patience: Mutex::default(),
            doubts: Mutex::default(),
            messages: PhantomData,
        })
    }

    /// The topic with another declaration and model than those of `M`, for names that are known only at run time.
    #[must_use]
    pub fn declared(spec: TopicSpec, model: Model) -> DeclaredTopic
    where
        M::Key: Decode,
        M::Value: Decode,
    {
        let own = spec.clone();
        DeclaredTopic::with_handler(declare::declare::<Self>(spec, &model), move |state, settings| {
            let topic = Self::new(state, &own, model.clone()).map_err(|missing| {
                let mut errors = ConfigErrors::new();
                errors.push(format!("topics.{}", own.name), missing.to_string());
                errors
            })?;
            Sinking::handler(Arc::new(topic), settings)
        })
    }
}

impl<M: ModelTopic> Style<Sink<M>> for Sinking
where
    M::Key: Decode,
    M::Value: Decode,
{
    fn handler(topic: Arc<Sink<M>>, settings: &Settings) -> Result<Arc<dyn Handler>, ConfigErrors> {
        let mut errors = ConfigErrors::new();
        for problem in &topic.targets.problems {
            errors.push(format!("topics.{}.model", M::spec().name), problem.clone());
        }
        if errors.is_empty() { <Batched as Style<Sink<M>>>::handler(topic, settings) } else { Err(errors) }
    }
}

impl<M: ModelTopic> ConsumeBatch for Sink<M> {
    async fn consume_batch(&self, batch: MessageBatch<KeyOf<Self>, ValueOf<Self>>) -> Result<(), BatchError> {
        let (origin, said) = Self::said_beside(&batch);
        let ledger = self.ledger(&batch).map_err(|error| BatchError::unavailable(0, error))?;
        let (mut read, mut broken) = (Vec::with_capacity(batch.len()), None);
        for ((key, value), beside) in batch.into_parts().into_iter().zip(said) {
            match self.read(key, value, beside) {
                Ok(change) => read.push(change),
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
        }
        let (mut read, mut done) = (read.into_iter().peekable(), 0);
        while let Some(Read { target, .. }) = read.peek() {
            let target = *target;
            // Their order among each other counts where one table refers to another.
            let run: Vec<Read> = std::iter::from_fn(|| read.next_if(|read| read.target == target)).collect();
            let messages = run.len();
            let ledger = ledger.as_ref().map(|ledger| ledger.of(done..done + messages));
            self.write(self.targets.at(target), run, (origin.clone(), ledger)).await.map_err(|failed| {
                self.targets.look_again();
                failed.behind(done)
            })?;
            done += messages;
        }
        broken.map_or(Ok(()), |error| Err(BatchError::at(done, error)))
    }
}

/// A message that was read.
struct Read {
    /// Whose row it is about.
    target: usize,
    change: Change,
    place: Option<Place>,
}

/// How far a run came.
struct Failed {
    done: usize,
    why: Why,
}

enum Why {
    Message(Box<SinkError>),
    /// Nobody's failure: it waits.
    Waits(BoxError),
}

impl Failed {
    /// Behind so many messages of the batch.
    fn behind(self, before: usize) -> BatchError {
        match self.why {
            Why::Message(error) => BatchError::at(before + self.done, *error),
            Why::Waits(error) => BatchError::unavailable(before + self.done, error),
        }
    }
}

impl<M: ModelTopic> Sink<M> {
    fn read(&self, key: Option<KeyOf<Self>>, value: Option<ValueOf<Self>>, beside: Beside) -> Result<Read, SinkError> {
        let unreadable = |source: BoxError| SinkError::Unreadable { table: self.targets.own().model.table.to_string(), source };
        let Beside { place, moved } = beside;
        let moved = moved.and_then(|header| self.reader.moved(&header, key.as_ref()));
        let change = self.reader.read(key, value).map_err(|error| unreadable(error.into()))?;
        let target = self.targets.place_of(&change).map_err(|error| unreadable(error.into()))?;
        Ok(Read { target, change: Change { moved, ..change }, place })
    }

    /// Writes consecutive messages of one table.
    async fn write(&self, target: &Target, run: Vec<Read>, (origin, ledger): (Origin, Option<Ledger>)) -> Result<(), Failed> {
        let waits = |done, error: BoxError| Failed { done, why: Why::Waits(error) };
        let shape = target.shape(&self.tables).await.map_err(|error| waits(0, error.into()))?;
        let (mut events, mut reader) = (Vec::with_capacity(run.len()), Reader::knowing(target.deletions()));
        let places: Vec<_> = run.iter().map(|read| read.place).collect();
        let mut changes: Vec<_> = run.into_iter().map(|read| read.change).collect();
        let mut broken = None;
        if !target.model.transforms.is_empty() {
            let failures = target.model.transforms.apply(&mut changes).await;
            if let Some((at, source)) = failures.into_iter().enumerate().find_map(|(at, failure)| Some((at, failure?))) {
                changes.truncate(at);
                broken = Some(SinkError::Transforms { table: shape.name.clone(), source });
            }
        }
        let mut messages = changes.len();
        for (at, change) in changes.into_iter().enumerate() {
            if let Err(error) = reader.read((at, change, places[at]), &target.model, &shape, &mut events) {
                (messages, broken) = (at, Some(error));
                break;
            }
        }
        target.seen(reader.deletions());
        if messages > 0 {
            let skip = skip::flag(Scope::here(), Given::Nothing);
            let written = self.write_batch(Batch { shape, events, messages, skip, origin, ledger }).await;
            let written = written.map_err(|error| waits(0, error.into()))?;
            if let Some(error) = written.refused {
                // What they lack is another partition's to bring.
                let awaited = match &error {
                    SinkError::AwaitsFormerRow { .. } => true,
                    SinkError::FormerRowLost { .. } => self.patience().lasts(places[written.done]),
                    _ => false,
                };
                return Err(if awaited {
                    waits(written.done, error.into())
                } else {
                    Failed { done: written.done, why: Why::Message(Box::new(error)) }
                });
            }
        }
        broken.map_or(Ok(()), |error| Err(Failed { done: messages, why: Why::Message(Box::new(error)) }))
    }

    fn patience(&self) -> MutexGuard<'_, Patience> {
        self.patience.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a batch, but not what an attempt before it has written whose commit was never answered.
    async fn write_batch(&self, mut batch: Batch) -> Result<Written, DatabaseError> {
        let Some(ledger) = &batch.ledger else { return self.tables.database.write(batch).await };
        let partition = ledger.partition;
        if self.doubts().contains(&partition) {
            if let Some(stored) = self.tables.database.stored(ledger).await? {
                batch.leave_out(stored);
            }
            self.doubts().remove(&partition);
        }
        let written = self.tables.database.write(batch).await;
        if written.is_err() {
            self.doubts().insert(partition);
        }
        written
    }

    fn doubts(&self) -> MutexGuard<'_, HashSet<i32>> {
        self.doubts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What stands beside the messages: where they first stood, and headers that count.
    fn said_beside<K, V>(batch: &MessageBatch<K, V>) -> (Origin, Vec<Beside>) {
        let mut origin = None;
        let said = batch.iter().map(|message| {
            let (topic, partition) = (message.topic().as_str(), message.partition());
            let Headers { returned, moved } = headers(message.raw());
            if let Some(place) = returned {
                origin = Some(Origin::Elsewhere);
                return Beside { place, moved };
            }
            match &origin {
                None => origin = Some(Origin::Partition { topic: topic.to_owned(), partition }),
                Some(Origin::Partition { topic: first, partition: number }) if first == topic && *number == partition => {}
                Some(_) => origin = Some(Origin::Elsewhere),
            }
            Beside { place: Some(Place { partition, offset: message.offset() }), moved }
        });
        let said = said.collect();
        (origin.unwrap_or(Origin::Elsewhere), said)
    }

    /// The position that the batch moves, if it is kept in the database. What comes back by hand moves none: it stands before it, or in
    /// a partition that somebody else reads.
    fn ledger<K, V>(&self, batch: &MessageBatch<K, V>) -> Result<Option<Ledger>, DatabaseError> {
        if batch.delivery() == Delivery::ByHand {
            return Ok(None);
        }
        let Some(first) = batch.iter().next() else { return Ok(None) };
        let (topic, partition) = (first.topic(), first.partition());
        let Some(epoch) = self.tables.claims.epoch(first.group(), &TopicPartition::new(topic.clone(), partition)) else { return Ok(None) };
        if self.concurrency != Concurrency::Partition {
            return Err(DatabaseError::Table { problem: declare::side_by_side(topic.as_str()) });
        }
        let positions = batch.iter().map(|message| message.offset() + 1).collect();
        Ok(Some(Ledger { group: first.group().as_str().to_owned(), topic: topic.to_string(), partition, epoch, positions }))
    }
}

/// What stands beside a message's key and value.
struct Beside {
    place: Option<Place>,
    moved: Option<MovedHeader>,
}

/// The headers of a message that count.
struct Headers {
    /// Whether it comes back from a retry topic or from the dead letters, and where it first stood.
    returned: Option<Option<Place>>,
    moved: Option<MovedHeader>,
}

fn headers(message: &RawMessage) -> Headers {
    let (mut seen, mut partition, mut offset, mut moved) = (false, None, None, None);
    message.visit_headers(&mut |name, value| {
        let number = || std::str::from_utf8(value?).ok()?.parse::<i64>().ok();
        let big_endian =
            || value.filter(|bytes| bytes.len() <= 8).map(|bytes| bytes.iter().fold(0_i64, |sum, byte| sum << 8 | i64::from(*byte)));
        if name == SPRINGS_ORIGIN.0.as_bytes() {
            (seen, partition) = (true, big_endian().and_then(|number| i32::try_from(number).ok()));
        } else if name == SPRINGS_ORIGIN.1.as_bytes() {
            (seen, offset) = (true, big_endian());
        } else if RETURNS.iter().any(|header| name == header.as_bytes()) {
            seen = true;
        } else if name == ORIGIN.0.as_bytes() {
            (seen, partition) = (true, number().and_then(|number| i32::try_from(number).ok()));
        } else if name == ORIGIN.1.as_bytes() {
            (seen, offset) = (true, number());
        } else if let Some(header) = value.and_then(|value| MovedHeader::of(name, value)) {
            moved = Some(header);
        }
    });
    Headers { returned: seen.then(|| Some(Place { partition: partition?, offset: offset? })), moved }
}

impl<M> fmt::Debug for Sink<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink")
            .field("table", &self.targets.own().model.table.to_string())
            .field("tables", &self.tables)
            .finish_non_exhaustive()
    }
}
