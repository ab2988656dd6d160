//! What the activities do, with the application's store, topics and handlers.
//!
//! An activity may run twice at a time: the server gives it to another worker when this one is cut off from it, and this one works on.
//! That harms nothing. Each attempt claims through a session of its own, and what one session holds no other gets.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use kafka_core::clock::Clock;
use kafka_core::error::BoxError;
use temporalio_client::errors::WorkflowStartError;
use temporalio_client::{Client, WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowStartOptions};

use super::names;
use super::workflows::{Errand, FindWaiting, ReleaseWaiting};
use crate::daemon::release::Releases;
use crate::reason::{Reason, Relation};
use crate::store::{Asked, Session, Which};

/// So many attempts are made to find a worker whose application has the group.
const PATIENCE: u32 = 10;

/// Finds and releases, and starts the workflows that do.
#[derive(Debug)]
pub(super) struct Errands {
    releases: Releases,
    task_queue: String,
    /// Sessions that hold nothing, for whoever comes next.
    idle: Mutex<Vec<Box<dyn Session>>>,
}

/// An attempt that did not come to its end, and is made again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfinished {
    /// The process is told to stop: another goes on.
    #[error("this worker is stopping")]
    Stopping,
    /// The application of this process has no consumer of the group; another on the same task queue may.
    #[error("no consumer of this worker's application has the group {group:?}; give each application a task queue of its own")]
    Stranger {
        /// The group.
        group: String,
    },
    /// The store, the server or a handler's surroundings failed.
    #[error("{what}")]
    Failed {
        /// The error with its causes: the server keeps texts alone.
        what: String,
    },
}

impl Errands {
    pub(super) fn new(releases: Releases, task_queue: String) -> Self {
        Self { releases, task_queue, idle: Mutex::default() }
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.releases.clock
    }

    /// Releases what waits for the errand's reason. An attempt that is not the first takes up what the one before it left behind.
    pub(super) async fn release(&self, client: &Client, errand: &Errand, attempt: u32) -> Result<u64, BoxError> {
        let Errand { group, reason, .. } = errand;
        let reason = Reason::from_text(reason);
        let Some((_, topics)) = self.releases.topics.groups().find(|(known, _)| known == group) else {
            if attempt < PATIENCE {
                return Err(Unfinished::Stranger { group: group.clone() }.into());
            }
            // A search of an application that has the group begins it anew.
            return Ok(0);
        };
        if let Some(at_ms) = reason.due_ms() {
            // The server's clock is not ours.
            self.releases.clock.sleep(self.until(at_ms)).await;
        }
        // Lost with an error, and with it what it holds.
        let mut session = self.session().await?;
        let mut released = self.releases.release(&mut *session, group, &topics, Which::Reasons(&[reason.id()])).await?;
        if attempt > 1 {
            let abandoned = self.releases.release(&mut *session, group, &topics, Which::Abandoned).await?;
            released.done += abandoned.done;
            released.due_ms.extend(abandoned.due_ms);
        }
        self.keep(session);
        self.start_due(client, group, released.due_ms).await?;
        self.unless_stopped(u64::try_from(released.done).unwrap_or(u64::MAX))
    }

    /// Starts a release for each reason that is met, takes up what was left behind, and gives up what waited too long.
    pub(super) async fn find(&self, client: &Client) -> Result<u64, BoxError> {
        let mut started = 0;
        for (group, _) in self.releases.topics.groups() {
            let mut after = None;
            loop {
                let page = self.releases.page(group, after).await?;
                let ready: Vec<Reason> = page.ready.into_iter().map(|(_, reason)| reason).collect();
                started += self.start(client, group, &ready).await?;
                started += self.start_due(client, group, page.due_ms).await?;
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        self.releases.report_strangers().await?;
        let mut session = self.session().await?;
        for (group, topics) in self.releases.topics.groups() {
            let abandoned = self.releases.release(&mut *session, group, &topics, Which::Abandoned).await?;
            let mut due_ms = abandoned.due_ms;
            if let Some(before) = self.releases.expired_before() {
                let expired = self.releases.release_once(&mut *session, group, &topics, Which::ParkedBefore(before)).await?;
                due_ms.extend(expired.due_ms);
            }
            self.start_due(client, group, due_ms).await?;
        }
        self.keep(session);
        self.unless_stopped(started)
    }

    /// Starts a release for each of these that exist, and that messages wait for.
    pub(super) async fn appeared(&self, client: &Client, relations: Vec<Relation>) -> Result<(), BoxError> {
        let reasons: Vec<Reason> = relations.into_iter().map(Reason::from).collect();
        let ids: Vec<_> = reasons.iter().map(Reason::id).collect();
        for (group, topics) in self.releases.topics.groups() {
            let mut waited_for = HashSet::new();
            for topic in &topics {
                let asked = Asked { group, topic, fences: &[], reasons: &ids };
                waited_for.extend(self.releases.parking.store.waiting(&asked).await?.reasons);
            }
            let waited_for = reasons.iter().filter(|reason| waited_for.contains(&reason.id()));
            let existing = self.releases.existing(waited_for.filter_map(Reason::relation).cloned().collect()).await?;
            self.start(client, group, &existing.into_iter().map(Reason::from).collect::<Vec<_>>()).await?;
        }
        Ok(())
    }

    /// Starts a search for all that is ready, unless one that was started so runs.
    pub(super) async fn search(&self, client: &Client) -> Result<(), BoxError> {
        client.start_workflow(FindWaiting::run, (), self.options(names::search(&self.task_queue))).await?;
        Ok(())
    }

    /// Starts the releases that wait until their replay is due. What is due beyond the next interval is left to a later search, and so is
    /// what was released by hand.
    async fn start_due(&self, client: &Client, group: &str, due_ms: impl IntoIterator<Item = i64>) -> Result<u64, BoxError> {
        let soon = due_ms.into_iter().filter(|at_ms| self.until(*at_ms) <= self.releases.parking.settings.interval);
        let soon: Vec<Reason> = soon.map(|at_ms| Reason::Due { at_ms }).collect();
        self.start(client, group, &soon).await
    }

    /// Starts a release for each reason; those that run are not started again.
    async fn start(&self, client: &Client, group: &str, reasons: &[Reason]) -> Result<u64, BoxError> {
        let start = |reason: &Reason| {
            let after = reason.due_ms().map_or(Duration::ZERO, |at_ms| self.until(at_ms));
            let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            let errand = Errand { group: group.to_owned(), reason: reason.to_text(), after_ms };
            let options = self.options(names::release(&self.task_queue, group, reason));
            async move { client.start_workflow(ReleaseWaiting::run, errand, options).await.map(|_handle| 1) }
        };
        let starts = stream::iter(reasons.iter().map(start)).buffer_unordered(self.releases.parking.settings.concurrency);
        let started: Result<Vec<u64>, WorkflowStartError> = starts.try_collect().await;
        Ok(started?.into_iter().sum())
    }

    /// Concurrent starts of one id are one run; a later one is a new run.
    fn options(&self, id: String) -> WorkflowStartOptions {
        WorkflowStartOptions::new(self.task_queue.as_str(), id)
            .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
            .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
            .build()
    }

    fn until(&self, at_ms: i64) -> Duration {
        Duration::from_millis(u64::try_from(at_ms.saturating_sub(self.releases.clock.wall_ms())).unwrap_or(0))
    }

    async fn session(&self) -> Result<Box<dyn Session>, BoxError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(mut session) = idle {
            // The database may have been away since.
            if session.check().await.is_ok() {
                return Ok(session);
            }
        }
        Ok(self.releases.parking.store.session().await?)
    }

    /// Only one that has ended all of its claims.
    fn keep(&self, session: Box<dyn Session>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }

    fn unless_stopped(&self, done: u64) -> Result<u64, BoxError> {
        if self.releases.stop.is_woken() { Err(Unfinished::Stopping.into()) } else { Ok(done) }
    }
}
