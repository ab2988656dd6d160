//! The daemon on Temporal: workflows find and release what waits, and a Temporal server remembers what is to be done.
//!
//! ```text
//! schedule, once an interval ─▶ find: which reasons are met? ─┐
//! hint in a process (a row appeared) ─────────────────────────┴▶ release, one workflow for each group and reason ─▶ claim, replay
//! ```
//!
//! The id of a release says what it releases, so that starts of the same collapse into one. Its activity claims and replays exactly as the
//! [`EmbeddedDaemon`](super::EmbeddedDaemon) does, through a session of the store. What is parked lives in the store alone: a
//! server that is away or has lost its memory delays messages, and loses none.
//!
//! *A worker that dies* takes its session with it, and with the session its claims. The server hears no heartbeat of its activities and
//! gives them to others; a search takes up what still says *resolving*. *Two attempts at once* exclude each other by their
//! sessions. *A release that is started while the one before it ends* is one with it and may come too late for what was parked that
//! moment; the next search finds that.

mod activities;
mod errands;
mod names;
mod schedule;
mod settings;
mod thread;
mod workflows;

use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;
use kafka_core::app::Surroundings;
use kafka_core::error::{BoxError, ConfigErrors};
use kafka_core::settings::{Secret, Settings};

use self::settings::Said;
use super::schedules::{SyncMode, SyncedSchedule};
use super::{Daemon, Parking};
use crate::settings::ResolverSettings;

pub(crate) use self::settings::SECTIONS;
pub use self::settings::TemporalSettings;

/// Releases parked messages by workflows on a Temporal server: `RelationResolver::new(store).daemon(TemporalDaemon::new())`.
///
/// What is not said here comes from the settings `temporal_address`, `temporal_namespace`, `temporal_task_queue` and
/// `temporal_api_key`; see [`TemporalSettings`]. Every process with it is a worker. It makes the schedule `{task_queue}/find`
/// when it begins, with the interval of `relation_resolver`, rounded down to whole seconds and at least one. While the server is away it warns and
/// tries again, and parked messages stay parked.
///
/// Costs a thread, a workflow of some eleven events for each relation that appears and is waited for, and up to
/// `relation_resolver.concurrency` database connections. The values of relations and the names of groups are seen by the server; keys
/// and values of messages are not.
#[derive(Debug, Default)]
pub struct TemporalDaemon {
    said: Said,
    settings: OnceLock<TemporalSettings>,
}

/// Why Temporal was of no use. The daemon tries again with back-off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TemporalError {
    /// The server is down, its address is wrong, or it does not know who we are.
    #[error("Temporal cannot be reached at {address}")]
    Unreachable {
        /// The address.
        address: String,
        /// What the client said.
        #[source]
        source: BoxError,
    },
    /// The server refused something about the schedule. Does the namespace exist?
    #[error("the schedule {id} cannot be looked at or changed")]
    Schedule {
        /// The schedule.
        id: String,
        /// What the server said.
        #[source]
        source: BoxError,
    },
    /// Somebody else changed the schedule at the same time, otherwise: are there two settings for one task queue?
    #[error("the schedule {id} is not as it was just made; somebody else changes it too")]
    ScheduleCrossed {
        /// The schedule.
        id: String,
    },
}

impl TemporalDaemon {
    /// A daemon as the settings have it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Where the server is, instead of the setting `temporal_address`.
    #[must_use]
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.said.address = Some(address.into());
        self
    }

    /// The namespace, instead of the setting `temporal_namespace`.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.said.namespace = Some(namespace.into());
        self
    }

    /// The task queue, instead of the setting `temporal_task_queue`.
    #[must_use]
    pub fn task_queue(mut self, task_queue: impl Into<String>) -> Self {
        self.said.task_queue = Some(task_queue.into());
        self
    }

    /// The key for Temporal Cloud, instead of the setting `temporal_api_key`.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<Secret>) -> Self {
        self.said.api_key = Some(key.into());
        self
    }

    fn settings(&self) -> Result<TemporalSettings, BoxError> {
        Ok(self.settings.get().cloned().ok_or("the daemon was not configured: it is run by an application, or after `configure`")?)
    }
}

impl Daemon for TemporalDaemon {
    fn configure(&self, settings: &Settings) -> Result<(), ConfigErrors> {
        let read = self.said.over(settings)?;
        // Set once: an application is built once.
        drop(self.settings.set(read));
        Ok(())
    }

    fn run(self: Arc<Self>, parking: Parking, surroundings: Surroundings) -> BoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move { thread::serve(self.settings()?, parking, surroundings).await })
    }

    fn sync_schedules<'a>(
        &'a self,
        resolver: &'a ResolverSettings,
        mode: SyncMode,
    ) -> BoxFuture<'a, Result<Vec<SyncedSchedule>, BoxError>> {
        Box::pin(async move {
            let settings = self.settings()?;
            let client = thread::connect(&settings).await?;
            Ok(vec![schedule::sync(&client, &settings, resolver.interval, mode).await?])
        })
    }
}

/// An error with all that lies behind it, on one line.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source()).map(|cause| format!(": {cause}"));
    format!("{error}{}", causes.collect::<String>())
}
