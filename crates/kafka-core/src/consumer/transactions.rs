//! The transactional mode: what a run produces and the position behind it are committed in one Kafka transaction.
//!
//! Each assigned partition has a transactional producer of its own, with an id of group, topic and partition. So the id is the same after a
//! restart and on whichever member the partition comes to, and whoever gets the partition ends at once what a dead owner left open: readers
//! of committed records wait for nobody's timeout. The position is committed with the member's place in the group besides, so that who has
//! been given another generation cannot commit either.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{FutureExt, ready};

use super::defect::{Defect, planted};
use super::outcome::{HandlerError, Hold, Settlement};
use super::pipeline::{Journal, Next, Pipeline};
use super::seams::{Backoff, Failure, contained};
use crate::broker::{Broker, ClientError, Membership, Properties, Remedy, TransactionError, Wanted};
use crate::clock::Clock;
use crate::error::{BoxError, in_full};
use crate::message::{MessageRef, Run};
use crate::names::{GroupId, TopicPartition};
use crate::producer::transaction::{self, Scope};
use crate::topic::{Control, HandlerFailure, HandlerOutcome};

/// What transactional producers of a consumer are made of.
#[derive(Debug, Clone)]
pub(crate) struct TransactionSource {
    pub(crate) broker: Arc<dyn Broker>,
    /// A producer's.
    pub(crate) properties: Properties,
}

/// The transactions of one assignment of one partition.
#[derive(Debug)]
pub(crate) struct Transactions {
    scope: Scope,
    partition: TopicPartition,
    member: Membership,
    /// After so long a run takes no further message.
    pace: Duration,
}

/// A record that a handler produced was not taken, and would not be if it were sent again.
#[derive(Debug, thiserror::Error)]
#[error("a record that the handler produced is refused")]
struct RecordRefused(#[source] ClientError);

/// How a transaction went that did not go well.
enum Broken {
    /// The transaction is aborted; the work is to be done again.
    Again(BoxError),
    /// The transaction is aborted; a record of it will never be taken.
    Rejected(ClientError),
    /// The member has to end.
    End(BoxError),
}

impl Broken {
    fn next(self) -> Next {
        match self {
            Self::Again(error) => Next::Trouble(error),
            Self::Rejected(error) => Next::Trouble(RecordRefused(error).into()),
            Self::End(error) => Next::Stop(error),
        }
    }
}

/// How long a transaction may be open, in milliseconds; Kafka's default is a minute. Who takes the partition over waits for none of it.
const TRANSACTION_TIMEOUT_MS: u32 = 300_000;

/// The longest that a run takes messages into its transactions, unless a tenth of the timeout is less: readers of committed records wait for
/// the slowest, and a transaction that the coordinator ends by itself fences its member.
const PACE: Duration = Duration::from_secs(10);

/// How long a run takes messages with these properties.
fn pace(properties: &Properties) -> Duration {
    let timeout = properties.get("transaction.timeout.ms").and_then(|text| text.parse().ok()).unwrap_or(u64::from(TRANSACTION_TIMEOUT_MS));
    PACE.min(Duration::from_millis(timeout / 10))
}

/// The id of a partition's transactional producers. Neither topics nor partitions have a slash in their names.
fn transactional_id(group: &GroupId, partition: &TopicPartition) -> String {
    format!("{group}/{}/{}", partition.topic, partition.partition)
}

impl TransactionSource {
    /// Takes over the partition: from here on nobody else can commit a transaction for it. Tries until it is done; none if it is not wanted
    /// any more, for then it may be another's.
    ///
    /// # Errors
    /// When it never will be: the properties are wrong, or the group may not use the id.
    pub(crate) async fn take_over(
        self,
        group: GroupId,
        partition: TopicPartition,
        member: Membership,
        clock: Clock,
        wanted: Wanted,
    ) -> Result<Option<Transactions>, BoxError> {
        let mut properties = self.properties;
        let address = transaction::address(&properties).map(Arc::from);
        let mut id = transactional_id(&group, &partition);
        if planted(Defect::NoFencing) {
            static OWNERS: AtomicU64 = AtomicU64::new(0);
            id = format!("{id}/{}", OWNERS.fetch_add(1, Ordering::Relaxed));
        }
        properties.insert("transactional.id".to_owned(), id);
        properties.insert("enable.idempotence".to_owned(), "true".to_owned());
        // A delivery may take as long as its transaction, and librdkafka refuses a longer one.
        for key in ["delivery.timeout.ms", "message.timeout.ms"] {
            properties.remove(key);
        }
        // A transaction that the coordinator ends by itself fences its member: it has to outlast the slowest run of a handler.
        properties.entry("transaction.timeout.ms".to_owned()).or_insert_with(|| TRANSACTION_TIMEOUT_MS.to_string());
        let pace = pace(&properties);
        let mut tries = 0;
        loop {
            if !wanted.is_wanted() {
                return Ok(None);
            }
            match self.broker.transactional_producer(&properties, wanted.clone()).await {
                Ok(client) => {
                    let scope = Scope { client, broker: self.broker, address };
                    return Ok(Some(Transactions { scope, partition, member, pace }));
                }
                Err(_) if !wanted.is_wanted() => return Ok(None),
                Err(error) if error.remedy == Remedy::End => return Err(error.into()),
                Err(error) => {
                    tries += 1;
                    let wait = Backoff::FRAMEWORK.after(tries);
                    tracing::warn!(%partition, error = %in_full(&error), ?wait, "a partition's transactions could not be taken over, it waits");
                    clock.sleep(wait).await;
                }
            }
        }
    }
}

impl Transactions {
    fn begin(&self) -> Result<(), Broken> {
        match self.scope.client.begin() {
            Err(_) if planted(Defect::AbortSkipped) => Ok(()),
            begun => begun.map_err(|error| Broken::End(error.into())),
        }
    }

    async fn abort(&self) -> Result<(), Broken> {
        if planted(Defect::AbortSkipped) {
            return Ok(());
        }
        self.abort_broken().await
    }

    /// Of what cannot be committed any more.
    async fn abort_broken(&self) -> Result<(), Broken> {
        self.scope.client.abort().await.map_err(|error| Broken::End(error.into()))
    }

    async fn commit(&self, position: i64) -> Result<(), Broken> {
        let mut commit = self.scope.client.commit(self.partition.clone(), position, self.member.clone());
        if planted(Defect::UnknownCommitAborted) {
            let unknown = || Broken::Again("the commit is not answered".into());
            let Some(answer) = (&mut commit).now_or_never() else { return Err(self.abort_broken().await.err().unwrap_or_else(unknown)) };
            commit = ready(answer).boxed();
        }
        match commit.await {
            Ok(()) => Ok(()),
            Err(error) if error.remedy == Remedy::End => Err(Broken::End(error.into())),
            Err(error) => self.given_up(error).await,
        }
    }

    async fn given_up(&self, error: TransactionError) -> Result<(), Broken> {
        self.abort_broken().await?;
        Err(if error.remedy == Remedy::Reject { Broken::Rejected(error.source) } else { Broken::Again(error.into()) })
    }
}

/// The position behind the first `count` messages of a run.
fn position_behind(run: &Run, count: usize) -> Option<i64> {
    run.iter().take(count).last().map(|message| message.offset() + 1)
}

impl Pipeline {
    /// Handles the first `count` messages of the run, each call of the handler in a transaction with the position behind what is done.
    ///
    /// What a failed message produced is thrown away, and what was done in front of it is done again without it: a transaction is had whole
    /// or not at all. Whoever settles the failure produces in a transaction too.
    pub(super) async fn handle_once(
        &self,
        run: &mut Run,
        count: usize,
        journal: &mut Journal,
        control: &Control,
        transactions: &Transactions,
    ) -> Next {
        let count = match self.due(run, count) {
            Ok(count) => count,
            Err(due) => return Next::HoldGated(Hold::until(due)),
        };
        match self.transact(run, count, journal, control, transactions).await {
            Ok(next) => next,
            Err(broken) => broken.next(),
        }
    }

    /// How many messages at the front are due, or when the first is. What comes back is taken in the order of its partition too.
    fn due(&self, run: &Run, count: usize) -> Result<usize, Instant> {
        let Some(returns) = &self.returns else { return Ok(count) };
        let now = self.clock.now();
        let later = |(at, message): (usize, MessageRef)| {
            let due = returns.returned(message.topic(), message.raw()).due.filter(|due| *due > now)?;
            Some((at, due))
        };
        match run.refs().take(count).enumerate().find_map(later) {
            Some((0, due)) => Err(due),
            Some((at, _)) => Ok(at),
            None => Ok(count),
        }
    }

    /// A call of the handler. Once its time is over it takes no further message.
    async fn work(&self, run: &mut Run, count: usize, control: &Control, transactions: &Transactions) -> HandlerOutcome {
        let over = self.clock.now() + transactions.pace;
        let work = transactions.scope.clone().scope(self.handler.handle(run, count, control));
        let mut work = pin!(async { if self.suppression.is_empty() { work.await } else { self.suppression.clone().scope(work).await } });
        tokio::select! {
            biased;
            outcome = &mut work => return outcome,
            () = self.clock.sleep_until(over) => control.stop(),
        }
        work.await
    }

    async fn transact(
        &self,
        run: &mut Run,
        mut count: usize,
        journal: &mut Journal,
        control: &Control,
        transactions: &Transactions,
    ) -> Result<Next, Broken> {
        let mut tried = count;
        while count > 0 {
            transactions.begin()?;
            if planted(Defect::PositionOutsideTransaction)
                && let Some(position) = position_behind(run, tried)
            {
                transactions.commit(position).await?;
                transactions.begin()?;
            }
            control.begin();
            let HandlerOutcome { done, failure } = self.work(run, tried, control, transactions).await;
            control.set_done(0);
            let error = match failure {
                None => {
                    let Some(position) = position_behind(run, done) else {
                        transactions.abort().await?;
                        return Ok(Next::GoOn);
                    };
                    match transactions.commit(position).await {
                        Ok(()) => {
                            journal.settle(run, done);
                            self.failure_handler.handled(done);
                            count -= done;
                            if done < tried || control.stopping() {
                                return Ok(Next::GoOn);
                            }
                            tried = count;
                            continue;
                        }
                        // Whose record it is, halving tells: the refusal came after the handler had gone on.
                        Err(Broken::Rejected(_)) if done > 1 => {
                            tried = done / 2;
                            continue;
                        }
                        Err(Broken::Rejected(error)) => HandlerError::from(RecordRefused(error)),
                        Err(broken) => return Err(broken),
                    }
                }
                Some(_) if done > 0 => {
                    transactions.abort().await?;
                    tried = done;
                    continue;
                }
                Some(HandlerFailure::Trouble(error)) => {
                    transactions.abort().await?;
                    return Ok(Next::Trouble(error));
                }
                Some(HandlerFailure::Message(error)) => {
                    transactions.abort().await?;
                    error
                }
            };
            let (Some(message), Some(position)) = (run.first(), position_behind(run, 1)) else { return Ok(Next::GoOn) };
            let failure = Failure { message, topic: Arc::clone(&self.spec), attempt: run.attempt(), error };
            transactions.begin()?;
            let settled = transactions.scope.clone().scope(async {
                match contained(|| self.failure_handler.resolve(&failure)).await {
                    Ok(Settlement::Pending(ack)) => contained(|| ack).await.map(|()| Settlement::Done),
                    other => other,
                }
            });
            match settled.await {
                Ok(Settlement::Done | Settlement::Pending(_)) => {
                    transactions.commit(position).await?;
                    journal.settle(run, 1);
                }
                Ok(Settlement::Hold(hold)) => {
                    transactions.abort().await?;
                    return Ok(Next::HoldFailed(hold));
                }
                Ok(Settlement::Stop(error)) => {
                    transactions.abort().await?;
                    return Ok(Next::Stop(error));
                }
                Err(error) => {
                    transactions.abort().await?;
                    return Ok(Next::Trouble(error));
                }
            }
            count -= 1;
            tried = count;
            if control.stopping() {
                return Ok(Next::GoOn);
            }
        }
        Ok(Next::GoOn)
    }
}
