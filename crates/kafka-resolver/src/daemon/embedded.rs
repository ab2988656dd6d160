//! The daemon that runs inside the application: nothing else to deploy.
//!
//! It looks when a hint comes, and at everything once an interval. What it finds is claimed in batches through one session, replayed
//! by fences side by side (a batch handler gets many fences in one batch), and ended in groups as it comes. Several replicas share the
//! work: what one holds, the others pass over.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use kafka_core::app::Surroundings;
use kafka_core::consumer::Backoff;
use kafka_core::error::BoxError;
use tokio::task::JoinSet;

use super::{Daemon, Parking};
use crate::decision::Met;
use crate::defect::{Defect, planted};
use crate::existence::{Existences, met};
use crate::hints::Hint;
use crate::reason::{Reason, ReasonId};
use crate::replay::{Replays, Strand, Topics};
use crate::store::{Claim, ClaimEnd, Session, Wanted, Which};

/// How often a session is asked whether it still holds its claims, while replays run.
const CHECK: Duration = Duration::from_secs(2);

/// Releases parked messages within the application, on its tokio runtime. The default.
#[derive(Debug, Clone, Copy, Default)]
pub struct EmbeddedDaemon;

impl Daemon for EmbeddedDaemon {
    fn run(self: Arc<Self>, parking: Parking, surroundings: Surroundings) -> BoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            Work::new(parking, surroundings).until_stopped().await;
            Ok(())
        })
    }
}

/// A daemon at work.
#[derive(Debug)]
pub(crate) struct Work {
    parking: Parking,
    surroundings: Surroundings,
    topics: Topics,
    existences: Existences,
    replays: Arc<Replays>,
    /// When the next replay that failed is due.
    due: Mutex<Option<Instant>>,
    /// The topics that were reported as not registered.
    reported: HashSet<(String, String)>,
}

impl Work {
    pub(crate) fn new(parking: Parking, surroundings: Surroundings) -> Self {
        let existences = parking.existences();
        let replays = Replays {
            existences: existences.clone(),
            clock: surroundings.clock.clone(),
            expire_after: parking.settings.expire_after,
            rest: parking.settings.interval,
        };
        let topics = Topics::of(&surroundings.topics);
        Self { existences, replays: Arc::new(replays), topics, due: Mutex::default(), reported: HashSet::new(), parking, surroundings }
    }

    async fn until_stopped(&mut self) {
        let clock = self.surroundings.clock.clone();
        let mut stop = self.surroundings.stop.clone();
        let (mut session, mut troubles) = (None, 0);
        let mut next = clock.now();
        while !stop.is_woken() {
            let until = self.due().map_or(next, |due| due.min(next));
            let hint = tokio::select! {
                biased;
                () = stop.woken() => return,
                hint = self.parking.hints.next() => hint,
                () = clock.sleep_until(until) => Hint::Many,
            };
            match self.answer(&mut session, hint).await {
                Ok(()) => {
                    troubles = 0;
                    if clock.now() >= next {
                        next = clock.now() + self.parking.settings.interval;
                    }
                }
                Err(error) => {
                    // With the session go its claims: they are free for whoever comes first.
                    session = None;
                    troubles += 1;
                    let wait = Backoff::FRAMEWORK.after(troubles);
                    tracing::error!(error = %error, ?wait, "parked messages cannot be released, trying again");
                    tokio::select! {
                        biased;
                        () = stop.woken() => return,
                        () = clock.sleep(wait) => {}
                    }
                    self.parking.hints.many();
                }
            }
        }
    }

    fn due(&self) -> Option<Instant> {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_due(&self, due: Option<Instant>) {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = due;
    }

    /// Releases what the hint may have made ready.
    pub(crate) async fn answer(&mut self, session: &mut Option<Box<dyn Session>>, hint: Hint) -> Result<(), BoxError> {
        let session = match session {
            Some(session) => session,
            None => session.insert(self.parking.store.session().await?),
        };
        match hint {
            Hint::Appeared(relations) => {
                let existing = self.existences.existing(relations.into_iter().filter(|relation| self.existences.knows(relation))).await?;
                let ready: Vec<ReasonId> = existing.into_iter().map(|relation| Reason::from(relation).id()).collect();
                for (group, topics) in self.topics.groups() {
                    self.release(&mut **session, group, &topics, Which::Reasons(&ready)).await?;
                }
            }
            Hint::Many => {
                self.set_due(None);
                for (group, topics) in self.topics.groups() {
                    if !planted(Defect::AbandonedForever) {
                        self.release(&mut **session, group, &topics, Which::Abandoned).await?;
                    }
                    self.release_ready(&mut **session, group, &topics).await?;
                    if let Some(limit) = self.parking.settings.expire_after {
                        let limit = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
                        let before = self.surroundings.clock.wall_ms().saturating_sub(limit);
                        self.release_once(&mut **session, group, &topics, Which::ParkedBefore(before)).await?;
                    }
                }
                self.report_strangers().await?;
            }
        }
        Ok(())
    }

    /// Goes through all reasons of the group, page by page, and releases what waits for those that are met.
    async fn release_ready(&self, session: &mut dyn Session, group: &str, topics: &[String]) -> Result<(), BoxError> {
        let limit = self.parking.settings.batch_size;
        let mut after = None;
        loop {
            let page = self.parking.store.reasons(group, after, limit).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(*last);
            let relations = page.iter().filter_map(|(_, reason)| reason.relation()).filter(|relation| self.existences.knows(relation));
            let existing = self.existences.existing(relations.cloned()).await?;
            let now_ms = self.surroundings.clock.wall_ms();
            let ready: Vec<ReasonId> =
                page.iter().filter(|(_, reason)| met(reason, &existing, now_ms) == Met::Yes).map(|(id, _)| *id).collect();
            for (_, reason) in &page {
                self.note_due(reason, now_ms);
            }
            self.release(session, group, topics, Which::Reasons(&ready)).await?;
            if page.len() < limit || self.surroundings.stop.is_woken() {
                return Ok(());
            }
        }
    }

    /// Remembers when the earliest of the replays that failed is due.
    fn note_due(&self, reason: &Reason, now_ms: i64) {
        if let Reason::Due { at_ms } = reason
            && let Ok(wait) = u64::try_from(at_ms - now_ms)
        {
            let due = self.surroundings.clock.now() + Duration::from_millis(wait);
            self.set_due(Some(self.due().map_or(due, |known| known.min(due))));
        }
    }

    /// Claims and replays until nothing of this kind is left that can be claimed.
    async fn release(&self, session: &mut dyn Session, group: &str, topics: &[String], which: Which<'_>) -> Result<(), BoxError> {
        if let Which::Reasons([]) = which {
            return Ok(());
        }
        while !self.surroundings.stop.is_woken() && self.release_once(session, group, topics, which).await? > 0 {}
        Ok(())
    }

    /// Claims and replays a batch. Says how many messages were claimed.
    async fn release_once(&self, session: &mut dyn Session, group: &str, topics: &[String], which: Which<'_>) -> Result<usize, BoxError> {
        let wanted = Wanted { group, topics, which, limit: self.parking.settings.batch_size };
        let claims = session.claim(&wanted).await?;
        let claimed = claims.iter().map(|claim| claim.messages.len()).sum();
        if claimed == 0 {
            return Ok(0);
        }
        let with_topic = |claim: Claim| {
            let topic = self.topics.get(group, &claim.messages.first()?.parked.fence.topic)?;
            Some((topic.clone(), claim))
        };
        let strands = self.replays.look(claims.into_iter().filter_map(with_topic).collect()).await?;
        let mut bundles = bundled(strands).into_iter();
        let mut running = JoinSet::new();
        let mut check_at = self.surroundings.clock.now() + CHECK;
        loop {
            while running.len() < self.parking.settings.concurrency
                && let Some(bundle) = bundles.next()
            {
                let (replays, stop) = (Arc::clone(&self.replays), self.surroundings.stop.clone());
                running.spawn(async move { replays.replay(bundle, &stop).await });
            }
            let ended = tokio::select! {
                biased;
                ended = running.join_next() => ended,
                () = self.surroundings.clock.sleep_until(check_at) => {
                    // Without its claims nobody may go on: dropping the set cuts the replays off.
                    session.check().await?;
                    check_at = self.surroundings.clock.now() + CHECK;
                    continue;
                }
            };
            let Some(ended) = ended else { break };
            let mut ends: Vec<ClaimEnd> = ended?;
            while let Some(more) = running.try_join_next() {
                ends.extend(more?);
            }
            let now_ms = self.surroundings.clock.wall_ms();
            ends.iter().filter_map(|end| end.rest.as_ref()).for_each(|reason| self.note_due(reason, now_ms));
            session.end(ends).await?;
            self.parking.drained.wake();
        }
        Ok(claimed)
    }

    /// Says which topics have parked messages that nobody here can replay. They stay where they are.
    async fn report_strangers(&mut self) -> Result<(), BoxError> {
        let mut strangers = Vec::new();
        for (group, known) in self.topics.groups() {
            for topic in self.parking.store.topics(group).await? {
                if !known.contains(&topic) {
                    strangers.push((group.to_owned(), topic));
                }
            }
        }
        for (group, topic) in strangers {
            if self.reported.insert((group.clone(), topic.clone())) {
                tracing::warn!(%group, %topic, "parked messages of a topic that no consumer of this application declares stay parked; declare it, or remove their rows");
            }
        }
        Ok(())
    }
}

/// Strands that are replayed together: those of a topic that takes batches, but what was tried before goes alone.
fn bundled(strands: Vec<Strand>) -> Vec<Vec<Strand>> {
    let mut batches: HashMap<String, Vec<Strand>> = HashMap::new();
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
