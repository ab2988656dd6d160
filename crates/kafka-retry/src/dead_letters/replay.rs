//! Sending letters again: to their topic, or straight to the handler that failed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU32;
use std::time::Duration;

use futures_util::FutureExt;
use kafka_core::message::Record;
use kafka_core::names::TopicName;
use kafka_core::producer::{ProduceError, Receipt};

use super::read::Step;
use super::{DeadLetter, DeadLetterError, DeadLetterTopic, DeadLetters, Filter};
use crate::headers::{DueTime, begin_anew, go_on};
use crate::names::RetryNames;

/// How many letters may be on their way at once.
const IN_FLIGHT: usize = 1_000;

/// How letters are sent again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replay {
    /// Where to. Default: their topic.
    pub target: ReplayTarget,
    /// At most so many a second. Default: no bound.
    pub rate: Option<NonZeroU32>,
}

/// Where letters are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReplayTarget {
    /// The topic that the group took them from. Every group that reads it gets them, as new messages.
    #[default]
    Topic,
    /// The handler of the group alone, by way of its first retry topic. Their attempts begin again.
    Handler,
}

/// What a replay did.
#[derive(Debug)]
#[non_exhaustive]
pub struct Replayed {
    /// Where the letters went.
    pub target: TopicName,
    /// How many letters were sent and acknowledged.
    pub letters: u64,
    /// Of each partition, the offset that a replay which goes on must begin with: all before it are sent, or were not meant.
    pub next: BTreeMap<i32, i64>,
    /// Whether it came to the end, and why not.
    pub ended: Ended,
}

/// How a replay ended.
#[derive(Debug)]
pub enum Ended {
    /// All letters that were meant are sent.
    Complete,
    /// The limit of the filter was reached.
    Limit,
    /// It was asked to stop.
    Stopped,
    /// Something failed; the letters from [`Replayed::next`] on may be sent again. Some of them may have been sent already.
    Failed(DeadLetterError),
}

/// Letters on their way, in the order of their sending, and those that were passed over between them.
#[derive(Default)]
struct OnTheWay {
    letters: VecDeque<(i32, i64, Option<Receipt>)>,
    /// Partitions of which a letter failed: their place stays before it.
    stuck: BTreeSet<i32>,
}

impl Replay {
    /// Sends letters to the handler of the group alone, by way of its first retry topic.
    #[must_use]
    pub fn to_handler(mut self) -> Self {
        self.target = ReplayTarget::Handler;
        self
    }

    /// Sends at most so many a second.
    #[must_use]
    pub fn rate(mut self, letters: NonZeroU32) -> Self {
        self.rate = Some(letters);
        self
    }
}

impl DeadLetters<'_> {
    /// Sends the letters that the filter means again. Each counts when the broker has acknowledged it; all stay in the
    /// dead-letter topic. `progress` is told how many were; when `stop` resolves, what is on its way is awaited
    /// and no more is sent.
    ///
    /// Key, value and the message's own headers go along byte for byte; see [`begin_anew`] and [`go_on`] for ours. The
    /// partition is the one that the message first stood in, where that is known and there, else the key's.
    ///
    /// # Errors
    /// When there is nowhere to send them, before any is sent. What fails later is told by [`Replayed::ended`].
    pub async fn replay(
        &self,
        topic: &DeadLetterTopic,
        filter: &Filter,
        replay: Replay,
        stop: impl Future<Output = ()>,
        mut progress: impl FnMut(u64),
    ) -> Result<Replayed, DeadLetterError> {
        let (target, partitions) = self.replay_target(topic, replay.target).await?;
        let mut reading = self.read(topic, filter)?;
        let next = reading.ranges().iter().map(|(partition, offsets)| (*partition, offsets.start)).collect();
        let mut replayed = Replayed { target: target.clone(), letters: 0, next, ended: Ended::Complete };
        let mut on_the_way = OnTheWay::default();
        let (clock, producer) = (self.app.clock(), self.app.framework_producer());
        let (started, mut sent) = (clock.now(), 0_u32);
        tokio::pin!(stop);
        loop {
            let step = tokio::select! {
                biased;
                () = &mut stop => {
                    replayed.ended = Ended::Stopped;
                    break;
                }
                step = reading.step() => step,
            };
            let letter = match step {
                Ok(Step::Letter(letter)) => letter,
                Ok(Step::PassedOver { partition, offset }) => {
                    on_the_way.letters.push_back((partition, offset, None));
                    continue;
                }
                Ok(Step::End) => {
                    if !reading.exhausted() {
                        replayed.ended = Ended::Limit;
                    }
                    break;
                }
                Err(error) => {
                    replayed.ended = Ended::Failed(error);
                    break;
                }
            };
            if let Some(rate) = replay.rate {
                let due = started + Duration::from_secs(1) * sent / rate.get();
                tokio::select! {
                    biased;
                    () = &mut stop => {
                        replayed.ended = Ended::Stopped;
                        break;
                    }
                    () = clock.sleep_until(due) => {}
                }
            }
            let record = self.record(&letter, topic, &target, partitions, replay.target);
            match producer.submit(record).await {
                Ok(receipt) => on_the_way.letters.push_back((letter.partition, letter.offset, Some(receipt))),
                Err(source) => {
                    let (partition, offset) = (letter.partition, letter.offset);
                    replayed.ended = Ended::Failed(DeadLetterError::Produce { partition, offset, source });
                    break;
                }
            }
            sent += 1;
            if let Err(error) = on_the_way.settle_some(&mut replayed).await {
                replayed.ended = Ended::Failed(error);
                break;
            }
            progress(replayed.letters);
        }
        on_the_way.settle_all(&mut replayed).await;
        progress(replayed.letters);
        if matches!(replayed.ended, Ended::Complete) {
            // What no letter stands at is done with too.
            replayed.next = reading.ranges().iter().map(|(partition, offsets)| (*partition, offsets.end)).collect();
        }
        tracing::info!(topic = %topic.name, %target, letters = replayed.letters, "dead letters sent again");
        Ok(replayed)
    }

    /// Where letters would go: the topic, and how many partitions it has.
    ///
    /// # Errors
    /// When there is no such place.
    pub async fn replay_target(&self, topic: &DeadLetterTopic, target: ReplayTarget) -> Result<(TopicName, i32), DeadLetterError> {
        let name = match target {
            ReplayTarget::Topic => TopicName::from_broker(&topic.source),
            ReplayTarget::Handler => {
                let retry_topic = RetryNames::new(topic.group.as_str(), self.app.settings()).retry(&topic.source, 1)?;
                let is_read = self.app.assembled_topics().any(|reader| reader.reads(retry_topic.as_str()));
                if !is_read {
                    let (source_topic, group) = (topic.source.clone(), topic.group.clone());
                    return Err(DeadLetterError::NoRetryConsumer { retry_topic: retry_topic.to_string(), source_topic, group });
                }
                retry_topic
            }
        };
        let known = self.admin.topics().await.map_err(DeadLetterError::client("listing the topics"))?;
        match known.get(&name) {
            Some(partitions) => Ok((name, *partitions)),
            None => Err(DeadLetterError::MissingTarget { topic: name }),
        }
    }

    fn record<'a>(
        &self,
        letter: &'a DeadLetter,
        topic: &DeadLetterTopic,
        target: &TopicName,
        partitions: i32,
        to: ReplayTarget,
    ) -> Record<'a> {
        let mut record = Record::new(target.clone());
        record.key = letter.key.as_deref().map(Into::into);
        record.value = letter.value.as_deref().map(Into::into);
        record.headers = match to {
            ReplayTarget::Topic => begin_anew(&letter.headers),
            ReplayTarget::Handler => go_on(&letter.headers, &topic.source, DueTime::from_millis(self.app.clock().wall_ms())),
        };
        let known = [&letter.provenance.origin, &letter.provenance.last_hop].into_iter().flatten();
        let first = known.filter(|place| place.topic == topic.source).find_map(|place| place.partition);
        record.partition = first.filter(|partition| (0..partitions).contains(partition));
        record
    }
}

impl OnTheWay {
    /// Counts the letters that are acknowledged by now, and waits for some while too many are on their way.
    async fn settle_some(&mut self, replayed: &mut Replayed) -> Result<(), DeadLetterError> {
        while let Some((_, _, receipt)) = self.letters.front_mut() {
            let acknowledged = match receipt {
                None => Ok(()),
                Some(receipt) => match receipt.now_or_never() {
                    None if self.letters.len() < IN_FLIGHT => return Ok(()),
                    None => {
                        self.settle_first(replayed).await?;
                        continue;
                    }
                    Some(result) => result.map(|_| replayed.letters += 1),
                },
            };
            self.pass(acknowledged, replayed)?;
        }
        Ok(())
    }

    /// Awaits all; those after one that failed count too.
    async fn settle_all(&mut self, replayed: &mut Replayed) {
        while !self.letters.is_empty() {
            if let Err(error) = self.settle_first(replayed).await
                && !matches!(replayed.ended, Ended::Failed(_))
            {
                replayed.ended = Ended::Failed(error);
            }
        }
    }

    async fn settle_first(&mut self, replayed: &mut Replayed) -> Result<(), DeadLetterError> {
        let acknowledged = match self.letters.front_mut() {
            Some((_, _, Some(receipt))) => receipt.await.map(|_| replayed.letters += 1),
            _ => Ok(()),
        };
        self.pass(acknowledged, replayed)
    }

    /// Takes the first letter off, and moves the place of its partition on unless it failed.
    fn pass(&mut self, acknowledged: Result<(), ProduceError>, replayed: &mut Replayed) -> Result<(), DeadLetterError> {
        let Some((partition, offset, _)) = self.letters.pop_front() else { return Ok(()) };
        if let Err(source) = acknowledged {
            self.stuck.insert(partition);
            return Err(DeadLetterError::Produce { partition, offset, source });
        }
        if !self.stuck.contains(&partition) {
            replayed.next.insert(partition, offset + 1);
        }
        Ok(())
    }
}
