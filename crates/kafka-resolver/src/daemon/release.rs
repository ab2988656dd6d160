//! Claiming and replaying, as every daemon does it: what is found through one session is replayed by fences side by side (a batch
//! handler gets many fences in one batch), and ended in groups as it comes.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kafka_core::app::{Sight, Surroundings};
use kafka_core::clock::Clock;
use kafka_core::consumer::Wake;
use kafka_core::error::BoxError;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Parking;
use crate::decision::Met;
use crate::existence::{Existences, met};
use crate::reason::{Reason, ReasonId, Relation};
use crate::replay::{Replays, Strand, Topics};
use crate::store::{Claim, ClaimEnd, Session, StoreError, Wanted, Which};

/// How often a session is asked whether it still holds its claims, while replays run.
const CHECK: Duration = Duration::from_secs(2);

/// How long a session may take to answer while replays rest on its claims.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Whom a test waits for.
pub(super) const STORE: &str = "the store of parked messages";

/// What releasing needs, in one place for all that a process releases.
#[derive(Debug)]
pub(crate) struct Releases {
    pub(crate) parking: Parking,
    pub(crate) clock: Clock,
    pub(crate) stop: Wake,
    pub(crate) sight: Sight,
    pub(crate) topics: Topics,
    pub(crate) existences: Existences,
    replays: Arc<Replays>,
    /// As many replays as the settings allow, of all releases together.
    places: Arc<Semaphore>,
    /// The topics that were reported as not registered.
    reported: Mutex<HashSet<(String, String)>>,
}

/// What came of a release.
#[derive(Debug, Default)]
pub(crate) struct Released {
    /// How many messages were claimed.
    pub(crate) claimed: usize,
    /// How many of these are through.
    pub(crate) done: usize,
    /// When what failed is due again, in milliseconds since the epoch.
    pub(crate) due_ms: BTreeSet<i64>,
    /// Whether looking again may find more.
    more: More,
}

/// Whether another look at the same reasons is worth it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum More {
    /// What was claimed is through, or waits for something else now.
    Worth,
    /// Nothing was claimed, or all of it waits for the same as before: what it needs is gone again.
    #[default]
    Pointless,
}

/// A page of the reasons for which messages of a group wait.
#[derive(Debug)]
pub(crate) struct Page {
    /// Those that are met.
    pub(crate) ready: Vec<(ReasonId, Reason)>,
    /// When replays that failed are due; only those that are not due yet.
    pub(crate) due_ms: Vec<i64>,
    /// Where the next page begins; `None` after the last.
    pub(crate) next: Option<ReasonId>,
}

impl Releases {
    pub(crate) fn new(parking: Parking, surroundings: &Surroundings) -> Self {
        let existences = parking.existences();
        let replays = Replays {
            existences: existences.clone(),
            clock: surroundings.clock.clone(),
            expire_after: parking.settings.expire_after,
            rest: parking.settings.interval,
        };
        Self {
            existences,
            replays: Arc::new(replays),
            topics: Topics::of(&surroundings.topics),
            clock: surroundings.clock.clone(),
            stop: surroundings.stop.clone(),
            sight: surroundings.sight.clone(),
            places: Arc::new(Semaphore::new(parking.settings.concurrency)),
            reported: Mutex::default(),
            parking,
        }
    }

    /// A page of the group's reasons, after this one.
    pub(crate) async fn page(&self, group: &str, after: Option<ReasonId>) -> Result<Page, BoxError> {
        let limit = self.parking.settings.batch_size;
        let reasons = self.sight.outside(STORE, self.parking.store.reasons(group, after, limit)).await?;
        let next = if reasons.len() < limit { None } else { reasons.last().map(|(last, _)| *last) };
        let relations = reasons.iter().filter_map(|(_, reason)| reason.relation().cloned()).collect();
        let existing = self.existing(relations).await?;
        let now_ms = self.clock.wall_ms();
        let mut page = Page { ready: Vec::new(), due_ms: Vec::new(), next };
        for (id, reason) in reasons {
            match met(&reason, &existing, now_ms) {
                Met::Yes => page.ready.push((id, reason)),
                Met::No => page.due_ms.extend(reason.due_ms()),
            }
        }
        Ok(page)
    }

    /// Which of the relations exist; those of a kind that nobody here knows do not.
    pub(crate) async fn existing(&self, mut relations: Vec<Relation>) -> Result<HashSet<Relation>, BoxError> {
        relations.retain(|relation| self.existences.knows(relation));
        self.sight.outside(STORE, self.existences.existing(relations)).await
    }

    /// Claims and replays until nothing of this kind is left that can be claimed.
    pub(crate) async fn release(
        &self,
        session: &mut dyn Session,
        group: &str,
        topics: &[String],
        which: Which<'_>,
    ) -> Result<Released, BoxError> {
        let mut all = Released::default();
        if let Which::Reasons([]) = which {
            return Ok(all);
        }
        while !self.stop.is_woken() {
            let batch = self.release_once(session, group, topics, which).await?;
            all.claimed += batch.claimed;
            all.done += batch.done;
            all.due_ms.extend(batch.due_ms);
            if batch.more == More::Pointless {
                break;
            }
        }
        Ok(all)
    }

    /// Claims and replays a batch.
    pub(crate) async fn release_once(
        &self,
        session: &mut dyn Session,
        group: &str,
        topics: &[String],
        which: Which<'_>,
    ) -> Result<Released, BoxError> {
        let wanted = Wanted { group, topics, which, limit: self.parking.settings.batch_size };
        let claims = self.answered(session.claim(&wanted)).await?;
        let claimed = claims.iter().map(|claim| claim.messages.len()).sum();
        let mut released = Released { claimed, ..Released::default() };
        if claimed == 0 {
            return Ok(released);
        }
        let with_topic = |claim: Claim| {
            let topic = self.topics.get(group, &claim.messages.first()?.parked.fence.topic)?;
            Some((topic.clone(), claim))
        };
        let claims = claims.into_iter().filter_map(with_topic).collect();
        let strands = self.sight.outside(STORE, self.replays.look(claims)).await?;
        // Looking takes as long as the registry and others take; meanwhile the claims may have gone to somebody else.
        self.answered(session.check()).await?;
        let mut bundles = bundled(strands).into_iter();
        let mut running = JoinSet::new();
        let mut check_at = self.clock.now() + CHECK;
        loop {
            while running.len() < self.parking.settings.concurrency
                && let Some(bundle) = bundles.next()
            {
                let (replays, places, stop) = (Arc::clone(&self.replays), Arc::clone(&self.places), self.stop.clone());
                running.spawn(self.sight.task(async move {
                    // Never closed; without a place there would be no bound.
                    let _place = places.acquire_owned().await;
                    replays.replay(bundle, &stop).await
                }));
            }
            let ended = tokio::select! {
                biased;
                ended = running.join_next() => ended,
                () = self.clock.sleep_until(check_at) => {
                    // Without its claims nobody may go on: dropping the set cuts the replays off.
                    self.answered(session.check()).await?;
                    check_at = self.clock.now() + CHECK;
                    continue;
                }
            };
            let Some(ended) = ended else { break };
            let mut ends: Vec<ClaimEnd> = ended?;
            while let Some(more) = running.try_join_next() {
                ends.extend(more?);
            }
            ends.iter().for_each(|end| released.note(end, which));
            self.answered(session.end(ends)).await?;
            self.parking.drained.wake();
        }
        Ok(released)
    }

    /// A session that does not answer may have lost its claims already, and the replays that rest on them must end.
    async fn answered<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, BoxError> {
        tokio::select! {
            biased;
            answer = self.sight.outside(STORE, call) => Ok(answer?),
            () = self.clock.sleep(PATIENCE) => Err(format!("the store has not answered for {PATIENCE:?}").into()),
        }
    }

    /// Says which topics have parked messages that nobody here can replay. They stay where they are.
    pub(crate) async fn report_strangers(&self) -> Result<(), BoxError> {
        let mut strangers = Vec::new();
        for (group, known) in self.topics.groups() {
            for topic in self.sight.outside(STORE, self.parking.store.topics(group)).await? {
                if !known.contains(&topic) {
                    strangers.push((group.to_owned(), topic));
                }
            }
        }
        for (group, topic) in strangers {
            let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
            if reported.insert((group.clone(), topic.clone())) {
                tracing::warn!(%group, %topic, "parked messages of a topic that no consumer of this application declares stay parked; declare it, or remove their rows");
            }
        }
        Ok(())
    }

    /// What was parked before this has waited too long; `None` when nothing ever has.
    pub(crate) fn expired_before(&self) -> Option<i64> {
        let limit = i64::try_from(self.parking.settings.expire_after?.as_millis()).unwrap_or(i64::MAX);
        Some(self.clock.wall_ms().saturating_sub(limit))
    }
}

impl Released {
    fn note(&mut self, end: &ClaimEnd, which: Which<'_>) {
        self.done += end.done.len();
        self.due_ms.extend(end.rest.as_ref().and_then(Reason::due_ms));
        let waits_for_the_same = match (which, &end.rest) {
            (Which::Reasons(reasons), Some(rest)) => reasons.contains(&rest.id()),
            (Which::Reasons(_), None) => true,
            // These are claimed for what they are, not for what they wait for, and are it no more once their claim has ended.
            (Which::Abandoned | Which::ParkedBefore(_), _) => false,
        };
        if !end.done.is_empty() || !waits_for_the_same {
            self.more = More::Worth;
        }
    }
}

/// Strands that are replayed together: those of a topic that takes batches, but what was tried before goes alone.
fn bundled(strands: Vec<Strand>) -> Vec<Vec<Strand>> {
    let mut batches: BTreeMap<String, Vec<Strand>> = BTreeMap::new();
    let mut bundles = Vec::new();
    for strand in strands {
        if strand.in_batches() {
            batches.entry(strand.topic_name().to_owned()).or_default().push(strand);
        } else {
            bundles.push(vec![strand]);
        }
    }
    bundles.extend(batches.into_values());
    bundles
}
