//! Replaying claimed messages through the handlers of their topics, in order, below the gates.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use kafka_core::clock::Clock;
use kafka_core::consumer::{HandlerError, Replayed, TopicAtWork, Wake};
use kafka_core::error::{BoxError, in_full};
use kafka_core::message::Run;
use kafka_core::topic::Control;

use crate::decision::Met;
use crate::defect::{Defect, planted};
use crate::existence::{Existences, met};
use crate::parked::StoredMessage;
use crate::reason::{Reason, Relation};
use crate::relations::{DeclaredRelations, Needs};
use crate::store::{Claim, ClaimEnd};

/// A parked message waited longer than the settings allow.
#[derive(Debug, thiserror::Error)]
#[error("it waited {waited:?} for {reason}, longer than `relation_resolver.expire_after`")]
pub struct Expired {
    /// How long.
    pub waited: Duration,
    /// What it waited for.
    pub reason: String,
}

/// What replays have in common.
#[derive(Debug)]
pub(crate) struct Replays {
    pub(crate) existences: Existences,
    pub(crate) clock: Clock,
    pub(crate) expire_after: Option<Duration>,
    /// How long a fence rests whose replay met trouble of the framework's own.
    pub(crate) rest: Duration,
}

/// A claim on its way: what may be replayed of it, and what becomes of the rest.
#[derive(Debug)]
pub(crate) struct Strand {
    topic: TopicAtWork,
    ready: Vec<StoredMessage>,
    end: ClaimEnd,
    /// The message behind the ready ones that waited too long.
    expired: Option<StoredMessage>,
}

impl Strand {
    /// Whether it may be replayed together with others: the handler takes batches, and nothing of it was tried before.
    pub(crate) fn in_batches(&self) -> bool {
        self.topic.takes_batches() && self.ready.iter().all(|message| message.parked.attempt == 1)
    }

    pub(crate) fn topic_name(&self) -> &str {
        &self.topic.spec().name
    }
}

impl Replays {
    /// Looks at what claimed messages need, all in one go, and says of each claim how far it may be replayed.
    pub(crate) async fn look(&self, claims: Vec<(TopicAtWork, Claim)>) -> Result<Vec<Strand>, BoxError> {
        let mut asked = Vec::with_capacity(claims.len());
        for (topic, claim) in &claims {
            let needs = needs(topic, &claim.messages).await;
            asked.push(needs.inspect_err(|error| {
                let topic = &topic.spec().name;
                tracing::warn!(%topic, error = %in_full(&**error), "parked messages cannot be decoded at present, their key waits");
            }));
        }
        let relations: HashSet<&Relation> = asked.iter().flatten().flatten().flat_map(Needs::relations).collect();
        let known = relations.into_iter().filter(|relation| self.existences.knows(relation)).cloned();
        let existing = self.existences.existing(known).await?;
        let now_ms = self.clock.wall_ms();
        let strands = claims.into_iter().zip(asked).map(|((topic, claim), needs)| {
            let mut end = ClaimEnd { fence: claim.fence, done: Vec::new(), rest: None, failed: None };
            let (mut ready, mut expired) = (Vec::new(), None);
            let Ok(needs) = needs else {
                let at_ms = later(now_ms, self.rest);
                end.rest = claim.messages.first().and_then(|first| rested(&first.parked.reason, at_ms));
                return Strand { topic, ready, end, expired };
            };
            for (message, needs) in claim.messages.into_iter().zip(needs) {
                match blocked(&message.parked.reason, &needs, &existing, now_ms) {
                    None => ready.push(message),
                    Some(_) if planted(Defect::ReplayPastBlocked) => {}
                    Some(reason) => {
                        expired = (ends_by_age(&reason) && self.is_expired(&message, now_ms)).then_some(message);
                        end.rest = Some(reason);
                        break;
                    }
                }
            }
            if planted(Defect::ReplayOutOfOrder) {
                ready.reverse();
            }
            Strand { topic, ready, end, expired }
        });
        Ok(strands.collect())
    }

    fn is_expired(&self, message: &StoredMessage, now_ms: i64) -> bool {
        let limit = self.expire_after.and_then(|limit| i64::try_from(limit.as_millis()).ok());
        limit.is_some_and(|limit| now_ms.saturating_sub(message.parked.parked_at_ms) >= limit)
    }

    /// Replays strands of one topic: their messages together in order, as long as none fails. One that fails takes its own
    /// strand out, and the others go on.
    pub(crate) async fn replay(&self, mut strands: Vec<Strand>, stop: &Wake) -> Vec<ClaimEnd> {
        let Some(topic) = strands.first().map(|strand| strand.topic.clone()) else { return Vec::new() };
        let mut left: Vec<(usize, StoredMessage)> = Vec::new();
        for (at, strand) in strands.iter_mut().enumerate() {
            left.extend(std::mem::take(&mut strand.ready).into_iter().map(|message| (at, message)));
        }
        if strands.len() > 1 {
            left.sort_by(|(_, one), (_, other)| one.order().cmp(&other.order()));
        }
        let most = if topic.takes_batches() { topic.spec().batch.max } else { usize::MAX };
        while !left.is_empty() && !stop.is_woken() {
            // A message that was tried before goes alone to the front of its run: only there an attempt counts.
            let tried = left.iter().skip(1).position(|(_, message)| message.parked.attempt > 1).map_or(usize::MAX, |at| at + 1);
            let size = left.len().min(most).min(tried);
            let mut run = run(&topic, left[..size].iter().map(|(_, message)| message));
            let replayed = self.replay_run(&topic, &mut run, stop).await;
            let settled = size - run.len();
            for (at, message) in left.drain(..settled) {
                strands[at].end.done.push(message.id);
            }
            let Some((at, message)) = left.first() else { break };
            let (at, attempt, id, reason) = (*at, message.parked.attempt, message.id, message.parked.reason.clone());
            let (due, failed) = match replayed {
                Replayed::Done if run.is_empty() => continue,
                Replayed::Done => break,
                Replayed::Hold(hold) => {
                    let wait = hold.until.saturating_duration_since(self.clock.now());
                    tracing::warn!(topic = %topic.spec().name, fence = %message.parked.fence, offset = message.parked.message.offset, attempt, ?wait, "a replayed message failed, its key waits");
                    (wait, Some((id, attempt.saturating_add(1))))
                }
                Replayed::Trouble(error) => {
                    tracing::error!(topic = %topic.spec().name, error = %in_full(&*error), "a replay met trouble of the framework's own, its key waits");
                    (self.rest, None)
                }
                Replayed::Stop(error) => {
                    tracing::error!(topic = %topic.spec().name, error = %in_full(&*error), "a replayed message wants the consumer stopped, its key waits");
                    (self.rest, None)
                }
            };
            strands[at].end.rest = rested(&reason, later(self.clock.wall_ms(), due));
            strands[at].end.failed = failed;
            strands[at].expired = None;
            left.retain(|(other, _)| *other != at);
        }
        // What was not begun waits for what it waited for.
        for (at, _) in &left {
            (strands[*at].end.rest, strands[*at].expired) = (None, None);
        }
        for strand in &mut strands {
            self.expire(strand).await;
        }
        strands.into_iter().map(|strand| strand.end).collect()
    }

    /// Hands a run to the handler. A stop is passed on: the handler ends before its next message.
    async fn replay_run(&self, topic: &TopicAtWork, run: &mut Run, stop: &Wake) -> Replayed {
        let control = Control::default();
        let (mut stop, work) = (stop.clone(), topic.replay(run, &control));
        tokio::pin!(work);
        tokio::select! {
            biased;
            replayed = &mut work => return replayed,
            () = stop.woken() => control.stop(),
        }
        work.await
    }

    /// Gives what waited too long to the failure handler.
    async fn expire(&self, strand: &mut Strand) {
        let Some(message) = strand.expired.take() else { return };
        let waited = u64::try_from(self.clock.wall_ms().saturating_sub(message.parked.parked_at_ms)).unwrap_or(0);
        let error = Expired { waited: Duration::from_millis(waited), reason: message.parked.reason.to_string() };
        tracing::warn!(topic = %strand.topic.spec().name, fence = %message.parked.fence, offset = message.parked.message.offset, error = %error, "expired");
        let Some(refused) = run(&strand.topic, [&message]).first() else { return };
        match strand.topic.refuse(refused, message.parked.attempt, HandlerError::permanent(error)).await {
            Replayed::Done => {
                strand.end.done.push(message.id);
                // What is behind it says for itself what it waits for, at the next look.
                strand.end.rest = Some(Reason::Due { at_ms: self.clock.wall_ms() });
            }
            Replayed::Hold(_) => {}
            Replayed::Trouble(error) | Replayed::Stop(error) => {
                tracing::error!(error = %error, "an expired message could not be handed over; it goes on waiting");
            }
        }
    }
}

fn run<'a>(topic: &TopicAtWork, messages: impl IntoIterator<Item = &'a StoredMessage>) -> Run {
    let mut attempt = None;
    let messages = messages.into_iter().map(|message| {
        attempt.get_or_insert(message.parked.attempt);
        (message.parked.place.clone(), message.parked.message.clone())
    });
    let messages = messages.collect();
    Run::by_hand(topic.group(), messages, attempt.unwrap_or(1))
}

/// What each message needs; nothing when the topic declares no relations any more.
async fn needs(topic: &TopicAtWork, messages: &[StoredMessage]) -> Result<Vec<Needs>, BoxError> {
    let nothing = || vec![Needs::default(); messages.len()];
    let Some(declared) = topic.spec().declared::<DeclaredRelations>() else { return Ok(nothing()) };
    let mut run = run(topic, messages);
    topic.decode(&mut run).await?;
    Ok(declared.needs(&run).unwrap_or_else(nothing))
}

/// What keeps a message from being replayed.
fn blocked(reason: &Reason, needs: &Needs, existing: &HashSet<Relation>, now_ms: i64) -> Option<Reason> {
    match reason {
        Reason::Due { .. } | Reason::ReleasedDue { .. } | Reason::Manual { .. } | Reason::Unknown(_)
            if met(reason, existing, now_ms) == Met::No =>
        {
            Some(reason.clone())
        }
        Reason::Released | Reason::ReleasedDue { .. } => None,
        // What it was parked for may be another message's, or declared no more: its own needs count.
        Reason::Due { .. } | Reason::Manual { .. } | Reason::Unknown(_) | Reason::Relation(_) => {
            needs.relations().iter().find(|relation| !existing.contains(relation)).map(|relation| relation.clone().into())
        }
    }
}

/// What a fence waits for until this time, so that it can be tried again; `None` where it waits for somebody anyway.
fn rested(reason: &Reason, at_ms: i64) -> Option<Reason> {
    match reason {
        Reason::Relation(_) | Reason::Due { .. } => Some(Reason::Due { at_ms }),
        Reason::Released | Reason::ReleasedDue { .. } => Some(Reason::ReleasedDue { at_ms }),
        Reason::Manual { .. } | Reason::Unknown(_) => None,
    }
}

fn later(now_ms: i64, wait: Duration) -> i64 {
    now_ms.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

/// Whether what waits for this has waited too long at some time. A replay that failed has its attempts to the end.
fn ends_by_age(reason: &Reason) -> bool {
    match reason {
        Reason::Relation(_) | Reason::Manual { .. } | Reason::Unknown(_) => true,
        Reason::Due { .. } | Reason::Released | Reason::ReleasedDue { .. } => false,
    }
}

/// The topics of an application by group and declared name.
#[derive(Debug, Default)]
pub(crate) struct Topics(BTreeMap<String, BTreeMap<String, TopicAtWork>>);

impl Topics {
    pub(crate) fn of(topics: &Arc<[TopicAtWork]>) -> Self {
        let mut all = Self::default();
        for topic in topics.iter() {
            all.0.entry(topic.group().to_string()).or_default().insert(topic.spec().name.clone(), topic.clone());
        }
        all
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = (&str, Vec<String>)> {
        self.0.iter().map(|(group, topics)| (group.as_str(), topics.keys().cloned().collect()))
    }

    pub(crate) fn get(&self, group: &str, topic: &str) -> Option<&TopicAtWork> {
        self.0.get(group)?.get(topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_waits_for_something_ends_by_its_age() {
        let waits = [Relation::row("a", "id", 1).into(), Reason::Manual { note: String::new() }, Reason::Unknown(String::new())];
        assert!(waits.iter().all(ends_by_age));
        assert!(![Reason::Due { at_ms: 1 }, Reason::Released, Reason::ReleasedDue { at_ms: 1 }].iter().any(ends_by_age));
    }
}
