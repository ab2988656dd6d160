//! The gate: asks for a whole run what is missing and what waits, decides for each message, and parks what has to wait.
//!
//! Mostly nothing is missing and nothing of the group waits. Two short questions tell, and nothing else is worked out for the run: no
//! fence, no reason's number, no decision.
//!
//! # Why no message is stranded
//!
//! A parked message is released by a daemon that finds its row, and finds its reason met. Both are looked up anew at every
//! interval, so only the row has to be there: it is committed before the message counts as done, and a message whose row is
//! not committed comes again. That holds for any order of these three:
//!
//! - *the gate asks, the parent's row commits, the gate parks*: the row says "waits for the parent", which exists; the next look
//!   of any daemon releases it;
//! - *the fence's last message is replayed between the question and the parking*: the same; nothing need be ahead of it;
//! - *a daemon gives the fence another reason meanwhile*: the fence then has two reasons, and whichever is met first, the daemon
//!   claims the whole fence, looks at its first message, and gives all the reason of the one that blocks.
//!
//! The interval is the net. To be quick as well, news of a parent wakes daemons at once; and since that news may come between
//! question and parking, when no daemon finds the row yet, the gate looks again after its commit and announces what exists by then.
//! News that comes later finds the row.
//!
//! # Why nothing overtakes
//!
//! Messages of one key pass one lane in order, so a fence gets its rows in order; a fence is up until its last row is gone, and a row
//! goes only after its handler returned, under the fence's lock. A message that sees the fence down is therefore behind all that
//! waited; and where nothing of the group waits, every fence of it is down. What is to be parked behind a message that this very run
//! hands to the handler is asked about again after it, and nothing is put behind a fence while it is claimed. A deletion discards a
//! fence only while nobody holds its lock, and waits otherwise.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use kafka_core::clock::Clock;
use kafka_core::consumer::{Admission, Admissions, Decoding, Gate, Hold, WakeSource};
use kafka_core::error::BoxError;
use kafka_core::message::{MessageRef, Run};
use kafka_core::names::{GroupId, TopicPartition};

use crate::brisk::Brisk;
use crate::decision::{Awaited, Behind, Decide, Decision, Met, Situation};
use crate::defect::{Defect, planted};
use crate::existence::{Existences, met};
use crate::fence::{Fence, FenceId, FenceKey, FenceNumbers};
use crate::hints::Hints;
use crate::parked::ParkedMessage;
use crate::reason::{Reason, ReasonId, Relation};
use crate::relations::{DeclaredRelations, Nature, Needs};
use crate::store::{Asked, Backlog, Discarded, Waiting};

/// The gate of one topic of one consumer.
#[derive(Debug)]
pub(crate) struct RelationGate {
    pub(crate) group: GroupId,
    /// As declared.
    pub(crate) topic: String,
    pub(crate) relations: DeclaredRelations,
    pub(crate) existences: Existences,
    pub(crate) decide: Arc<dyn Decide>,
    pub(crate) clock: Clock,
    /// How long a partition pauses at the longest before it looks again.
    pub(crate) pause: std::time::Duration,
    /// Wakes when messages were replayed.
    pub(crate) drained: Arc<WakeSource>,
    pub(crate) hints: Arc<Hints>,
    /// Whether something of the group is likely to wait: then it is not asked first whether anything does.
    pub(crate) crowded: AtomicBool,
}

impl Gate for RelationGate {
    fn wants_decoded(&self) -> Decoding {
        Decoding::Needed
    }

    fn admit<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Admissions, BoxError>> {
        Box::pin(self.admit_run(run))
    }

    fn outside_transactions(&self) -> &'static str {
        "what waits for relations is parked outside of Kafka's transactions, and its position would not count; leave the relations out, or `exactly_once`"
    }
}

/// What the questions told.
struct Known {
    waiting: Waiting,
    existing: HashSet<Relation>,
    now_ms: i64,
}

/// What is to be done with a run.
#[derive(Default)]
struct Plan {
    verdicts: Vec<Verdict>,
    /// The fences that this run puts up or takes down: the reason of what is to be parked behind them, or `None`.
    fences: HashMap<FenceId, Option<Reason>>,
    /// The fences of which a message of this run goes on to the handler.
    proceeding: HashSet<FenceId>,
}

enum Verdict {
    Proceed,
    Park(Reason),
    /// Goes on once what waits of its key is discarded.
    Supersede,
    /// Was to be parked, and a deletion of this very run supersedes it: done, and never stored.
    Superseded,
    /// It and what is behind it wait.
    Pause,
    /// It and what is behind it are asked about again once what is before it went through the handler.
    Later,
}

impl RelationGate {
    async fn admit_run(&self, run: &Run) -> Result<Admissions, BoxError> {
        let Some(needs) = self.relations.needs(run) else {
            return Err(format!("topic {} declares relations of other types than its handler decodes", self.topic).into());
        };
        let mut relations: HashSet<&Relation, Brisk> = HashSet::with_capacity_and_hasher(run.len(), Brisk::default());
        relations.extend(needs.iter().flat_map(Needs::relations));
        // Mostly nobody has to know them.
        let fences = LazyLock::new(|| {
            let numbers = FenceNumbers::of(&self.group, &self.topic);
            run.refs().map(|message| numbers.of_message(message.raw().key(), message.partition())).collect::<Vec<_>>()
        });
        // From before the questions.
        let wake = self.drained.subscribe();
        let missing = self.existences.missing(relations.iter().copied().cloned());
        let (waiting, missing) = futures_util::future::try_join(self.waiting(&relations, &fences), missing).await?;
        if waiting.fences.is_empty() && waiting.reasons.is_empty() && missing.is_empty() {
            return Ok(Admissions::AllProceed);
        }
        let existing = relations.into_iter().filter(|relation| !missing.contains(*relation)).cloned().collect();
        let mut known = Known { waiting, existing, now_ms: self.clock.wall_ms() };
        self.ask_inherited(&mut known).await?;
        let messages: Vec<MessageRef> = run.refs().collect();
        let mut plan = self.decide_all(&messages, &needs, &fences, &known);
        self.discard(&mut plan, &messages, &fences).await?;
        // A claim that came in between: what is before it is parked, it and what is behind it wait.
        while let Some(claimed) = self.park(&plan, &messages, &fences, &known).await? {
            plan.verdicts.truncate(claimed);
            plan.verdicts.push(Verdict::Pause);
        }
        let hold = || Hold { until: self.clock.now() + self.pause, wake: Some(wake.clone()) };
        let mut admissions: Vec<Admission> = plan
            .verdicts
            .iter()
            .map(|verdict| match verdict {
                Verdict::Proceed | Verdict::Supersede => Admission::Proceed,
                Verdict::Park(_) | Verdict::Superseded => Admission::Parked,
                Verdict::Pause => Admission::Hold(hold()),
                Verdict::Later => Admission::Hold(Hold::until(self.clock.now())),
            })
            .collect();
        admissions.resize_with(run.len(), || Admission::Hold(hold()));
        Ok(Admissions::Each(admissions))
    }

    /// What waits of what the run touches. Whether anything of the group waits at all is asked first, unless something did lately.
    async fn waiting(&self, relations: &HashSet<&Relation, Brisk>, fences: &[FenceId]) -> Result<Waiting, BoxError> {
        let (store, group) = (&self.existences.store, self.group.as_str());
        let crowded = self.crowded.load(Ordering::Relaxed);
        if !crowded && store.backlog(group).await? == Backlog::Nothing {
            return Ok(Waiting::default());
        }
        let reasons: Vec<ReasonId> = relations.iter().map(|relation| Reason::from((*relation).clone()).id()).collect();
        let fences: Vec<FenceId> = fences.iter().copied().collect::<HashSet<_>>().into_iter().collect();
        let waiting = store.waiting(&Asked { group, topic: &self.topic, fences: &fences, reasons: &reasons }).await?;
        // A backlog that has nothing to do with this run may be gone, or may stay for long.
        let crowded = !crowded || !waiting.fences.is_empty() || !waiting.reasons.is_empty();
        self.crowded.store(crowded, Ordering::Relaxed);
        Ok(waiting)
    }

    /// Looks up what earlier messages of the keys wait for; seldom needed.
    async fn ask_inherited(&self, known: &mut Known) -> Result<(), BoxError> {
        let inherited: HashSet<Relation> = known
            .waiting
            .fences
            .values()
            .filter_map(Reason::relation)
            .filter(|relation| !known.existing.contains(relation) && self.existences.knows(relation))
            .cloned()
            .collect();
        if !inherited.is_empty() {
            known.existing.extend(self.existences.existing(inherited).await?);
        }
        Ok(())
    }

    /// Decides for each message in order, up to the first that pauses.
    fn decide_all(&self, messages: &[MessageRef], needs: &[Needs], fences: &[FenceId], known: &Known) -> Plan {
        let mut plan = Plan::default();
        for ((message, needs), fence) in messages.iter().zip(needs).zip(fences) {
            let behind = match plan.fences.get(fence) {
                _ if planted(Defect::FenceIgnored) => None,
                // What this run parks is not there to be replayed yet.
                Some(Some(reason)) => Some(Behind { reason, met: Met::No }),
                Some(None) => None,
                None => {
                    let reason = known.waiting.fences.get(fence);
                    reason.map(|reason| Behind { reason, met: met(reason, &known.existing, known.now_ms) })
                }
            };
            // A null key names nothing that could be deleted.
            let nature = if message.raw().key().is_none() { Nature::Change } else { needs.nature() };
            // It discarded what was before it when it first came. What waits now came after it, and is not lost by its delay.
            if nature == Nature::Deletion && message.earlier_attempts() > 0 {
                plan.proceeding.insert(*fence);
                plan.verdicts.push(Verdict::Proceed);
                continue;
            }
            let awaited = needs.relations().iter().any(|relation| known.waiting.reasons.contains(&Reason::from(relation.clone()).id()));
            let decision = self.decide.decide(&Situation {
                nature,
                missing: needs.relations().iter().find(|relation| !known.existing.contains(relation)),
                behind,
                awaited: if awaited { Awaited::ByEarlier } else { Awaited::ByNone },
            });
            let verdict = match decision {
                // Parked now, it could be replayed before what this run still has to handle of its key.
                Decision::Skip(_) if plan.proceeding.contains(fence) => Verdict::Later,
                Decision::Continue => {
                    plan.proceeding.insert(*fence);
                    Verdict::Proceed
                }
                Decision::Skip(reason) => {
                    let reason = reason.inherited();
                    plan.fences.insert(*fence, Some(reason.clone()));
                    Verdict::Park(reason)
                }
                Decision::Supersede => {
                    plan.fences.insert(*fence, None);
                    plan.proceeding.insert(*fence);
                    Verdict::Supersede
                }
                Decision::Pause => Verdict::Pause,
            };
            let pauses = matches!(verdict, Verdict::Pause | Verdict::Later);
            plan.verdicts.push(verdict);
            if pauses {
                break;
            }
        }
        plan
    }

    /// Discards what waits of the keys that are deleted. A deletion whose key is being replayed pauses, and what is behind it.
    async fn discard(&self, plan: &mut Plan, messages: &[MessageRef], fences: &[FenceId]) -> Result<(), BoxError> {
        let deletions: Vec<usize> =
            plan.verdicts.iter().enumerate().filter(|(_, verdict)| matches!(verdict, Verdict::Supersede)).map(|(at, _)| at).collect();
        if deletions.is_empty() {
            return Ok(());
        }
        let discarded: Vec<Fence> = deletions.iter().map(|at| self.fence(&messages[*at])).collect();
        let answers = self.existences.store.discard(&discarded).await?;
        for (at, answer) in deletions.into_iter().zip(answers) {
            match answer {
                Discarded::Gone(gone) => {
                    tracing::debug!(topic = %self.topic, messages = gone, "a deletion superseded what waited of its key");
                    for (earlier, fence) in plan.verdicts[..at].iter_mut().zip(fences) {
                        if *fence == fences[at] && matches!(earlier, Verdict::Park(_)) {
                            *earlier = Verdict::Superseded;
                        }
                    }
                }
                Discarded::Claimed if planted(Defect::DeletionIgnoresClaim) => {}
                Discarded::Claimed => {
                    plan.verdicts.truncate(at);
                    plan.verdicts.push(Verdict::Pause);
                    break;
                }
            }
        }
        Ok(())
    }

    fn fence(&self, message: &MessageRef) -> Fence {
        let key = message.raw().key().map(Bytes::copy_from_slice);
        Fence { group: self.group.clone(), topic: self.topic.clone(), key: FenceKey::of(key, message.partition()) }
    }

    /// Parks, durably, and looks again: news of what they wait for may have come before they were there to be found. When a
    /// fence that is up is being replayed, nothing is parked, and the answer is the first message of such a fence: stored behind
    /// the claim's back, it would be replayed after what it belongs before, should it be one that comes again.
    async fn park(&self, plan: &Plan, messages: &[MessageRef], fences: &[FenceId], known: &Known) -> Result<Option<usize>, BoxError> {
        let now_ms = self.clock.wall_ms();
        let (mut parked, mut reasons, mut up) = (Vec::new(), HashSet::new(), HashSet::new());
        for ((verdict, message), fence) in plan.verdicts.iter().zip(messages).zip(fences) {
            let Verdict::Park(reason) = verdict else { continue };
            reasons.insert(reason.clone());
            up.extend(known.waiting.fences.contains_key(fence).then_some(*fence));
            parked.push(ParkedMessage {
                fence: self.fence(message),
                place: TopicPartition::new(message.topic().clone(), message.partition()),
                message: message.raw().detach(),
                attempt: message.earlier_attempts().saturating_add(1),
                reason: reason.clone(),
                parked_at_ms: now_ms,
            });
        }
        if parked.is_empty() {
            return Ok(None);
        }
        let count = parked.len();
        if planted(Defect::OffsetBeforeParkedRow) {
            let store = Arc::clone(&self.existences.store);
            drop(tokio::spawn(async move { store.park(parked, Vec::new()).await }));
            return Ok(None);
        }
        let up = if planted(Defect::ParkedBehindClaim) { Vec::new() } else { up.into_iter().collect() };
        let claimed = self.existences.store.park(parked, up).await?;
        if !claimed.is_empty() {
            let first = |(verdict, fence): (&Verdict, &FenceId)| matches!(verdict, Verdict::Park(_)) && claimed.contains(fence);
            return Ok(plan.verdicts.iter().zip(fences).position(first));
        }
        tracing::debug!(topic = %self.topic, messages = count, "parked");
        if planted(Defect::NoLookAfterParking) {
            return Ok(None);
        }
        let relations = reasons.iter().filter_map(Reason::relation).filter(|relation| self.existences.knows(relation)).cloned();
        let appeared: Vec<Relation> = self.existences.existing(relations).await?.into_iter().collect();
        if !appeared.is_empty() {
            self.hints.appeared(appeared.iter().cloned());
            self.existences.store.announce(&appeared).await?;
        }
        Ok(None)
    }
}
