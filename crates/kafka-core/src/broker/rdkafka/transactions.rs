//! A producer client with transactions. librdkafka's calls block: each runs on a thread for that, and is made again until it is known
//! what became of it, or nobody waits any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::native::{Handle, no_member};
use super::producer::RdkafkaProducer;
use crate::broker::{ClientError, Membership, Properties, Remedy, TransactionError, TransactionalClient, Wanted};
use crate::names::TopicPartition;

/// How long one call may take before it is looked whether somebody still waits.
const STEP: Duration = Duration::from_secs(5);

/// The same for taking an id: who is not to have it any more must not hold up its next owner, or fence it.
const TAKE_STEP: Duration = Duration::from_secs(1);

/// Tells a blocking call that nobody waits for it any more.
struct GivenUp(Arc<AtomicBool>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Makes the call until it is not to be repeated, on a thread that may block.
async fn until_known(mut call: impl FnMut() -> Result<(), TransactionError> + Send + 'static) -> Result<(), TransactionError> {
    let given_up = GivenUp(Arc::default());
    let watched = Arc::clone(&given_up.0);
    let work = tokio::task::spawn_blocking(move || {
        loop {
            match call() {
                Err(error) if error.remedy == Remedy::Repeat && !watched.load(Ordering::Relaxed) => {
                    tracing::debug!(code = %error.source.code, "a step of a transaction is tried again: {}", error.source.message);
                }
                result => return result,
            }
        }
    });
    let died = |error: tokio::task::JoinError| {
        Err(TransactionError { remedy: Remedy::End, source: ClientError::fatal("_FAIL", error.to_string()) })
    };
    work.await.unwrap_or_else(died)
}

/// A producer that has taken its transactional id.
pub(super) async fn producer(properties: Properties, wanted: Wanted) -> Result<Arc<dyn TransactionalClient>, TransactionError> {
    let end = |source| TransactionError { remedy: Remedy::End, source };
    let producer = Arc::new(RdkafkaProducer::new(&properties).map_err(end)?);
    let handle = Arc::clone(producer.handle());
    let taken = until_known(move || {
        if !wanted.is_wanted() {
            return Err(end(ClientError::transient("_STATE", "nobody wants the transactional id any more")));
        }
        handle.init_transactions(TAKE_STEP)
    });
    taken.await?;
    Ok(producer)
}

impl TransactionalClient for RdkafkaProducer {
    fn begin(&self) -> Result<(), TransactionError> {
        self.handle().begin_transaction()
    }

    fn commit(&self, partition: TopicPartition, position: i64, member: Membership) -> BoxFuture<'static, Result<(), TransactionError>> {
        let handle = Arc::clone(self.handle());
        let offset = {
            let handle = Arc::clone(&handle);
            move || {
                // Asked anew each time: a rebalance changes it. The consumer may be gone by now.
                let consumer = member.get::<Weak<Handle>>().and_then(Weak::upgrade);
                let metadata = consumer.and_then(|consumer| consumer.group_metadata()).ok_or_else(no_member)?;
                handle.send_offset(&partition, position, &metadata, STEP)
            }
        };
        Box::pin(async move {
            until_known(offset).await?;
            until_known(move || handle.commit_transaction(STEP)).await
        })
    }

    fn abort(&self) -> BoxFuture<'static, Result<(), TransactionError>> {
        let handle = Arc::clone(self.handle());
        Box::pin(until_known(move || {
            // Records whose partition is not yet of the transaction must not be thrown away: librdkafka would then end a transaction that the
            // coordinator has not begun, which breaks the client for good (INVALID_TXN_STATE). Whether they are delivered is of no account.
            let _delivered_or_not = handle.flush(STEP);
            // What has to be aborted is no reason not to abort.
            handle.abort_transaction(STEP).map_err(|error| match error.remedy {
                Remedy::Abort | Remedy::Reject => TransactionError { remedy: Remedy::Repeat, ..error },
                Remedy::Repeat | Remedy::End => error,
            })
        }))
    }
}
