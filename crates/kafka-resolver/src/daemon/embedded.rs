//! The daemon that runs inside the application: nothing else to deploy.
//!
//! It looks when a hint comes, and at everything once an interval. What it finds is released through one session, a batch after the
//! other. Several replicas share the work: what one holds, the others pass over.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use kafka_core::app::Surroundings;
use kafka_core::consumer::Backoff;
use kafka_core::error::{BoxError, in_full};

use super::release::{Released, Releases, STORE};
use super::{Daemon, Parking};
use crate::defect::{Defect, planted};
use crate::hints::Hint;
use crate::reason::{Reason, ReasonId};
use crate::store::{Session, Which};

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
    releases: Releases,
    surroundings: Surroundings,
    /// When the next replay that failed is due.
    due: Mutex<Option<Instant>>,
}

impl Work {
    pub(crate) fn new(parking: Parking, surroundings: Surroundings) -> Self {
        Self { releases: Releases::new(parking, &surroundings), surroundings, due: Mutex::default() }
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
                // Before the hints: their stream may never end, and what nobody hints at must not wait for that.
                () = clock.sleep_until(until) => Hint::Many,
                hint = self.releases.parking.hints.next() => hint,
            };
            let all = hint == Hint::Many;
            match self.answer(&mut session, hint).await {
                Ok(()) => {
                    troubles = 0;
                    if all {
                        next = clock.now() + self.releases.parking.settings.interval;
                    }
                }
                Err(error) => {
                    // With the session go its claims: they are free for whoever comes first.
                    session = None;
                    troubles += 1;
                    let wait = Backoff::FRAMEWORK.after(troubles);
                    tracing::error!(error = %in_full(&*error), ?wait, "parked messages cannot be released, trying again");
                    tokio::select! {
                        biased;
                        () = stop.woken() => return,
                        () = clock.sleep(wait) => {}
                    }
                    self.releases.parking.hints.many();
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
        let releases = &self.releases;
        let session = match session {
            Some(session) => session,
            None => session.insert(releases.sight.outside(STORE, releases.parking.store.session()).await?),
        };
        match hint {
            Hint::Appeared(relations) => {
                let existing = releases.existing(relations).await?;
                let ready: Vec<ReasonId> = existing.into_iter().map(|relation| Reason::from(relation).id()).collect();
                for (group, topics) in releases.topics.groups() {
                    self.note(&releases.release(&mut **session, group, &topics, Which::Reasons(&ready)).await?);
                }
            }
            Hint::Many => {
                self.set_due(None);
                for (group, topics) in releases.topics.groups() {
                    if !planted(Defect::AbandonedForever) {
                        self.note(&releases.release(&mut **session, group, &topics, Which::Abandoned).await?);
                    }
                    self.release_ready(&mut **session, group, &topics).await?;
                    if let Some(before) = releases.expired_before() {
                        self.note(&releases.release_once(&mut **session, group, &topics, Which::ParkedBefore(before)).await?);
                    }
                }
                releases.report_strangers().await?;
            }
        }
        Ok(())
    }

    /// Goes through all reasons of the group, page by page, and releases what waits for those that are met.
    async fn release_ready(&self, session: &mut dyn Session, group: &str, topics: &[String]) -> Result<(), BoxError> {
        let mut after = None;
        loop {
            let page = self.releases.page(group, after).await?;
            page.due_ms.iter().for_each(|at_ms| self.note_due(*at_ms));
            let ready: Vec<ReasonId> = page.ready.iter().map(|(id, _)| *id).collect();
            self.note(&self.releases.release(session, group, topics, Which::Reasons(&ready)).await?);
            after = page.next;
            if after.is_none() || self.surroundings.stop.is_woken() {
                return Ok(());
            }
        }
    }

    fn note(&self, released: &Released) {
        released.due_ms.iter().for_each(|at_ms| self.note_due(*at_ms));
    }

    /// Remembers when the earliest of the replays that failed is due.
    fn note_due(&self, at_ms: i64) {
        let wait = at_ms.saturating_sub(self.surroundings.clock.wall_ms());
        if let Ok(wait) = u64::try_from(wait) {
            let due = self.surroundings.clock.now() + Duration::from_millis(wait);
            self.set_due(Some(self.due().map_or(due, |known| known.min(due))));
        }
    }
}
