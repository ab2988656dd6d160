//! Transactions of the in-memory broker: records that readers do not see before their end, a position that counts with them, and fencing.
//!
//! Readers are those of committed records: they stop in front of the first open transaction, and see nothing of an aborted one. The end of a
//! transaction takes an offset, as Kafka's marker does. Nothing times out here: what a dead owner left open stays so until its id is taken.
//!
//! A commit waits for a broker that is down. It is answered when records would be acknowledged: until then it has been carried out, and its
//! producer does not know. That must not be aborted.

use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

use futures_util::future::{BoxFuture, FutureExt, poll_fn, ready};

use super::MemoryBroker;
use super::cluster::Cluster;
use super::faults::Acknowledgements;
use super::history::{ClientId, Event};
use super::producer::MemoryProducer;
use crate::broker::{ClientError, Membership, Properties, Remedy, TransactionError, TransactionalClient};
use crate::names::TopicPartition;

/// A transactional producer's state at the broker.
#[derive(Debug)]
pub(super) struct Transactional {
    id: String,
    state: State,
    /// Of a commit that waits.
    waiting: Option<Waker>,
}

#[derive(Debug)]
enum State {
    Idle,
    /// With the first delivery that failed.
    Open(Option<ClientError>),
    /// Committed, and not answered before this instant; `None` until acknowledgements are released.
    Unanswered(Option<Instant>),
}

impl Transactional {
    /// When its commit is answered.
    pub(super) fn next_due(&self) -> Option<Instant> {
        match self.state {
            State::Unanswered(due) => due,
            State::Idle | State::Open(_) => None,
        }
    }
}

/// The end of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Commit,
    Abort,
}

/// What [`Membership`] wraps here.
#[derive(Debug)]
pub(super) struct MemoryMember(pub(super) ClientId);

impl MemoryBroker {
    /// As `Broker::transactional_producer`, with the number of the new client.
    pub(crate) fn new_transactional_producer(
        &self,
        properties: &Properties,
    ) -> Result<(ClientId, Arc<dyn TransactionalClient>), TransactionError> {
        let Some(id) = properties.get("transactional.id").filter(|id| !id.is_empty()) else {
            return Err(failed(Remedy::End, ClientError::fatal("_NOT_CONFIGURED", "`transactional.id` is not set")));
        };
        self.shared.with(|cluster| if cluster.is_down() { Err(failed(Remedy::Repeat, down())) } else { Ok(()) })?;
        let (client, _) = self.new_producer(properties);
        self.shared.with(|cluster| cluster.take_id(id, client));
        Ok((client, Arc::new(MemoryProducer { id: client, shared: Arc::clone(&self.shared) })))
    }
}

impl TransactionalClient for MemoryProducer {
    fn begin(&self) -> Result<(), TransactionError> {
        self.shared.with(|cluster| {
            let transactional = cluster.transactional(self.id)?;
            match transactional.state {
                State::Open(_) | State::Unanswered(_) => Err(failed(Remedy::End, wrong_state("a transaction is open already"))),
                State::Idle => {
                    transactional.state = State::Open(None);
                    Ok(())
                }
            }
        })
    }

    fn commit(&self, partition: TopicPartition, position: i64, member: Membership) -> BoxFuture<'static, Result<(), TransactionError>> {
        let (shared, id) = (Arc::clone(&self.shared), self.id);
        let consumer = member.get::<MemoryMember>().map(|member| member.0);
        poll_fn(move |context| {
            shared.with(|cluster| {
                cluster.send_waiting(id, shared.config.auto_create);
                cluster.acknowledge(id, |_| true, usize::MAX);
                let step = cluster.commit_transaction(id, consumer, &partition, position);
                if let (Poll::Pending, Ok(transactional)) = (&step, cluster.transactional(id)) {
                    transactional.waiting = Some(context.waker().clone());
                }
                step
            })
        })
        .boxed()
    }

    /// At once, also while the broker is down: what it does not hear of then it would abort when it hears of it.
    fn abort(&self) -> BoxFuture<'static, Result<(), TransactionError>> {
        let auto_create = self.shared.config.auto_create;
        let aborted = self.shared.with(|cluster| {
            if let State::Unanswered(_) = cluster.transactional(self.id)?.state {
                return Err(failed(Remedy::End, wrong_state("the transaction is being committed")));
            }
            cluster.send_waiting(self.id, auto_create);
            // While the broker is down: what has not been sent never is.
            cluster.purge(self.id);
            cluster.acknowledge(self.id, |_| true, usize::MAX);
            cluster.end_transaction(self.id, End::Abort);
            Ok(())
        });
        ready(aborted).boxed()
    }
}

impl Cluster {
    /// Gives the id to the client. Who had it is fenced, and what it left open is aborted.
    fn take_id(&mut self, id: &str, client: ClientId) {
        if let Some(former) = self.transactional_ids.insert(id.to_owned(), client) {
            self.end_transaction(former, End::Abort);
            self.wake_commit(former);
            self.history.push(Event::Fenced { client: former });
        }
        if let Some(queued) = self.producers.get_mut(&client) {
            queued.transactional = Some(Transactional { id: id.to_owned(), state: State::Idle, waiting: None });
        }
    }

    /// A transactional producer that nobody has fenced.
    fn transactional(&mut self, client: ClientId) -> Result<&mut Transactional, TransactionError> {
        let gone = || failed(Remedy::End, ClientError::fatal("_DESTROY", "the producer crashed"));
        if self.is_fenced(client) {
            return Err(failed(Remedy::End, fenced()));
        }
        self.producers.get_mut(&client).and_then(|queued| queued.transactional.as_mut()).ok_or_else(gone)
    }

    /// Whether another client has taken the producer's id.
    pub(super) fn is_fenced(&self, client: ClientId) -> bool {
        let id = self.producers.get(&client).and_then(|queued| Some(&queued.transactional.as_ref()?.id));
        id.is_some_and(|id| self.transactional_ids.get(id) != Some(&client))
    }

    /// Whether what the client writes is of an open transaction.
    pub(super) fn is_in_transaction(&self, client: ClientId) -> bool {
        let transactional = self.producers.get(&client).and_then(|queued| queued.transactional.as_ref());
        transactional.is_some_and(|transactional| matches!(transactional.state, State::Open(_)))
    }

    /// Notes a record that was not delivered: its transaction cannot be committed any more.
    pub(super) fn fail_transaction(&mut self, client: ClientId, error: &ClientError) {
        if let Some(Transactional { state: State::Open(failed), .. }) =
            self.producers.get_mut(&client).and_then(|queued| queued.transactional.as_mut())
        {
            failed.get_or_insert_with(|| error.clone());
        }
    }

    /// One step of a commit: it waits for the broker, is carried out, and is answered.
    fn commit_transaction(
        &mut self,
        client: ClientId,
        consumer: Option<ClientId>,
        partition: &TopicPartition,
        position: i64,
    ) -> Poll<Result<(), TransactionError>> {
        let (is_down, now, acknowledgements) = (self.is_down(), self.now, self.faults.acknowledgements);
        let transactional = self.transactional(client)?;
        match &transactional.state {
            State::Idle => return Poll::Ready(Err(failed(Remedy::End, wrong_state("no transaction is open")))),
            State::Open(Some(error)) => return Poll::Ready(Err(TransactionError::of_delivery(error.clone()))),
            State::Open(None) | State::Unanswered(_) if is_down => return Poll::Pending,
            State::Unanswered(Some(due)) if *due <= now => {
                transactional.state = State::Idle;
                return Poll::Ready(Ok(()));
            }
            State::Unanswered(_) => return Poll::Pending,
            State::Open(None) => {}
        }
        let group = consumer.and_then(|consumer| self.consumers.get(&consumer)).and_then(|group| self.groups.get_mut(group));
        let Some(group) = group.filter(|group| group.owners.get(partition).copied() == consumer) else {
            let source = ClientError::transient("ILLEGAL_GENERATION", format!("the consumer is no member that owns {partition}"));
            return Poll::Ready(Err(failed(Remedy::Abort, source)));
        };
        group.committed.insert(partition.clone(), position);
        let group = group.id.clone();
        self.history.push(Event::Committed { client: consumer, group, partition: partition.clone(), position });
        self.end_transaction(client, End::Commit);
        let due = match acknowledgements {
            Acknowledgements::AtOnce => return Poll::Ready(Ok(())),
            Acknowledgements::After(delay) => Some(now + delay),
            Acknowledgements::Held => None,
        };
        self.transactional(client)?.state = State::Unanswered(due);
        Poll::Pending
    }

    /// Lets commits that wait look whether they can go on.
    pub(super) fn wake_commits(&mut self) {
        let producers: Vec<_> = self.producers.keys().copied().collect();
        producers.into_iter().for_each(|client| self.wake_commit(client));
    }

    /// Answers commits whose answers are held back.
    pub(super) fn release_commits(&mut self) {
        let now = self.now;
        for transactional in self.producers.values_mut().filter_map(|queued| queued.transactional.as_mut()) {
            if let State::Unanswered(due) = &mut transactional.state {
                *due = Some(now);
            }
        }
        self.wake_commits();
    }

    fn wake_commit(&mut self, client: ClientId) {
        let transactional = self.producers.get_mut(&client).and_then(|queued| queued.transactional.as_mut());
        if let Some(waiting) = transactional.and_then(|transactional| transactional.waiting.take()) {
            self.outbox.wake_tasks(&mut vec![waiting]);
        }
    }

    fn end_transaction(&mut self, client: ClientId, end: End) {
        if let Some(transactional) = self.producers.get_mut(&client).and_then(|queued| queued.transactional.as_mut()) {
            transactional.state = State::Idle;
        }
        for partition in self.log.end_transaction(client, end) {
            self.wake_readers(&partition);
        }
    }
}

/// The words of it.
pub(crate) const FENCED: &str = "another producer has taken the transactional id";

/// What a fenced producer is told.
pub(super) fn fenced() -> ClientError {
    ClientError::fatal("_FENCED", FENCED)
}

fn failed(remedy: Remedy, source: ClientError) -> TransactionError {
    TransactionError { remedy, source }
}

fn down() -> ClientError {
    ClientError::transient("_TRANSPORT", "the broker is down")
}

fn wrong_state(what: &str) -> ClientError {
    ClientError::fatal("_STATE", what)
}
