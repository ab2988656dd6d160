//! Forwarding: a failed message becomes a record of a retry or dead-letter topic, and counts as dealt with once the broker has it.

use std::borrow::Cow;
use std::sync::Arc;

use kafka_core::broker::ClientError;
use kafka_core::consumer::Ack;
use kafka_core::error::BoxError;
use kafka_core::message::{Headers, MessageRef, Record};
use kafka_core::producer::{ProduceError, Producer, Receipt};

use crate::headers::HeaderWriter;
use crate::health::Troubles;
use crate::targets::{Purpose, Target, Targets};

/// Sends failed messages on.
#[derive(Debug, Clone)]
pub(crate) struct Forwarder {
    pub(crate) producer: Producer,
    /// For what is refused as too large, which may be so only together with others.
    pub(crate) unbatched: Producer,
    pub(crate) targets: Arc<Targets>,
    pub(crate) writer: HeaderWriter,
    pub(crate) troubles: Arc<Troubles>,
}

/// A message on its way, and what may still be left away of it.
struct Parcel {
    message: MessageRef,
    target: Target,
    headers: Headers,
    droppable: Droppable,
}

/// What a record that is too large can do without, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Droppable {
    /// Others in the same batch.
    Company,
    Detail,
    Summary,
    Nothing,
}

/// Why a message could not be forwarded whatever was left away of it.
#[derive(Debug, thiserror::Error)]
#[error(
    "a record for {topic} is too large even without what we add; raise `max.message.bytes` of that topic above that of its source \
     (and the cluster's `replica.fetch.max.bytes` if it is lower)"
)]
pub(crate) struct TooLarge {
    topic: String,
    #[source]
    source: ProduceError,
}

impl Forwarder {
    /// Hands the record over, in order with all others, and gives its acknowledgement. Waits while the local queue is full.
    pub(crate) async fn forward(&self, message: &MessageRef, target: Target, headers: Headers) -> Result<Ack, BoxError> {
        self.targets.ensure(&target).await?;
        let mut parcel = Parcel { message: message.clone(), target, headers, droppable: Droppable::Company };
        let receipt = self.submit(&mut parcel).await?;
        let forwarder = self.clone();
        Ok(Box::pin(async move {
            match receipt.await {
                Ok(_) => {
                    forwarder.troubles.over(parcel.target.name.as_str());
                    Ok(())
                }
                // Boxed, so that what waits for the broker stays small.
                Err(error) => Box::pin(forwarder.refused(parcel, error)).await,
            }
        }))
    }

    /// Hands over what the client takes of it.
    async fn submit(&self, parcel: &mut Parcel) -> Result<Receipt, BoxError> {
        loop {
            let producer = if parcel.droppable == Droppable::Company { &self.producer } else { &self.unbatched };
            match producer.submit(self.record(parcel)).await {
                Ok(receipt) => return Ok(receipt),
                Err(error) => self.mend(parcel, error)?,
            }
        }
    }

    /// Sends again what was refused for something that can be mended here, and waits for the broker.
    async fn refused(self, mut parcel: Parcel, mut error: ProduceError) -> Result<(), BoxError> {
        loop {
            self.mend(&mut parcel, error)?;
            // In a transaction nothing is taken any more after a refusal; the one of a failure holds this record alone.
            self.producer.start_over().await?;
            match self.submit(&mut parcel).await?.await {
                Ok(_) => {
                    self.troubles.over(parcel.target.name.as_str());
                    return Ok(());
                }
                Err(again) => error = again,
            }
        }
    }

    fn record<'a>(&self, parcel: &'a Parcel) -> Record<'a> {
        let raw = parcel.message.raw();
        Record {
            topic: parcel.target.name.clone(),
            partition: self.targets.partition(&parcel.target.name, parcel.message.partition()),
            key: raw.key().map(Cow::Borrowed),
            value: raw.value().map(Cow::Borrowed),
            headers: parcel.headers.clone(),
            // The time of forwarding: retention counts from here, and the first time stands in the headers.
            timestamp: None,
        }
    }

    /// Changes the parcel so that it may be taken, or gives the error.
    fn mend(&self, parcel: &mut Parcel, error: ProduceError) -> Result<(), BoxError> {
        let code = client_error(&error).map_or("", |error| error.code.as_str());
        let partition = parcel.message.partition();
        match (code, parcel.droppable) {
            ("_UNKNOWN_PARTITION", _) if self.targets.partition(&parcel.target.name, partition).is_some() => {
                self.targets.has_no_partition(&parcel.target.name, partition);
                Ok(())
            }
            ("MSG_SIZE_TOO_LARGE" | "RECORD_LIST_TOO_LARGE", Droppable::Company) => {
                parcel.droppable = Droppable::Detail;
                Ok(())
            }
            ("MSG_SIZE_TOO_LARGE" | "RECORD_LIST_TOO_LARGE", Droppable::Detail) => {
                self.writer.drop_detail(&mut parcel.headers);
                parcel.droppable = Droppable::Summary;
                Ok(())
            }
            ("MSG_SIZE_TOO_LARGE" | "RECORD_LIST_TOO_LARGE", Droppable::Summary) => {
                self.writer.drop_summary(&mut parcel.headers);
                parcel.droppable = Droppable::Nothing;
                Ok(())
            }
            ("MSG_SIZE_TOO_LARGE" | "RECORD_LIST_TOO_LARGE", Droppable::Nothing) => {
                let topic = parcel.target.name.to_string();
                Err(self.trouble(parcel, TooLarge { topic, source: error }))
            }
            _ => Err(self.trouble(parcel, error)),
        }
    }

    /// Keeps the trouble readable while the partition holds.
    fn trouble(&self, parcel: &Parcel, error: impl Into<BoxError>) -> BoxError {
        let error = error.into();
        let what = match parcel.target.purpose {
            Purpose::Retry => "a retry",
            Purpose::DeadLetter => "a dead letter",
        };
        let raw = parcel.message.raw();
        let place = format!("{}/{} at offset {}", parcel.message.topic(), parcel.message.partition(), raw.offset());
        self.troubles.began(
            parcel.target.name.as_str(),
            format!("{place} holds: {what} for {} was refused: {}", parcel.target.name, chain(&*error)),
        );
        error
    }
}

fn client_error(error: &ProduceError) -> Option<&ClientError> {
    match error {
        ProduceError::Client { source, .. } | ProduceError::Unacknowledged { source, .. } => Some(source),
        _ => None,
    }
}

/// The error and its sources on one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let all = std::iter::successors(Some(error), |error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
