//! Daemons: they find what waits for something that exists by now, and replay it.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use kafka_core::app::Surroundings;
use kafka_core::consumer::WakeSource;
use kafka_core::error::{BoxError, ConfigErrors};
use kafka_core::settings::Settings;

use crate::existence::Existence;
use crate::existence::Existences;
use crate::hints::Hints;
use crate::settings::ResolverSettings;
use crate::store::Store;

pub(crate) mod embedded;
pub(crate) mod listening;
pub(crate) mod release;
mod schedules;
#[cfg(feature = "temporal")]
pub(crate) mod temporal;

pub use embedded::EmbeddedDaemon;
pub use schedules::{ScheduleChange, SyncMode, SyncedSchedule};
#[cfg(feature = "temporal")]
pub use temporal::{TemporalDaemon, TemporalError, TemporalSettings};

/// Releases parked messages. Any number of them may run, in any number of processes.
///
/// One of your own claims fences by [`Store::session`], replays their messages in order by
/// [`TopicAtWork::replay`](kafka_core::consumer::TopicAtWork::replay), and ends the claims.
pub trait Daemon: Send + Sync + fmt::Debug {
    /// Does its work until it is told to stop. It waits trouble out itself: an error stops the application.
    fn run(self: Arc<Self>, parking: Parking, surroundings: Surroundings) -> BoxFuture<'static, Result<(), BoxError>>;

    /// Reads its own settings, when the application is built; connects to nothing. By default there are none.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    fn configure(&self, _settings: &Settings) -> Result<(), ConfigErrors> {
        Ok(())
    }

    /// Creates the schedules that it keeps outside of the application, or brings them up to date; doing so again changes nothing. By
    /// default there are none.
    fn sync_schedules<'a>(
        &'a self,
        _settings: &'a ResolverSettings,
        _mode: SyncMode,
    ) -> BoxFuture<'a, Result<Vec<SyncedSchedule>, BoxError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

/// What a daemon works with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Parking {
    /// Where parked messages are.
    pub store: Arc<dyn Store>,
    /// The user's own kinds of relations.
    pub kinds: Vec<Arc<dyn Existence>>,
    /// Wake it after messages were replayed: who paused looks again.
    pub drained: Arc<WakeSource>,
    /// What is worth a look at once.
    pub hints: Arc<Hints>,
    /// The settings.
    pub settings: ResolverSettings,
}

impl Parking {
    pub(crate) fn existences(&self) -> Existences {
        Existences::new(Arc::clone(&self.store), self.kinds.clone())
    }
}
