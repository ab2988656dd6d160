//! Daemons: they find what waits for something that exists by now, and replay it.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use kafka_core::app::Surroundings;
use kafka_core::consumer::WakeSource;
use kafka_core::error::BoxError;

use crate::existence::Existence;
use crate::existence::Existences;
use crate::hints::Hints;
use crate::settings::ResolverSettings;
use crate::store::Store;

pub(crate) mod embedded;
pub(crate) mod listening;

pub use embedded::EmbeddedDaemon;

/// Releases parked messages. Any number of them may run, in any number of processes.
///
/// One of your own claims fences by [`Store::session`], replays their messages in order by
/// [`TopicAtWork::replay`](kafka_core::consumer::TopicAtWork::replay), and ends the claims.
pub trait Daemon: Send + Sync + fmt::Debug {
    /// Does its work until it is told to stop. It waits trouble out itself: an error stops the application.
    fn run(self: Arc<Self>, parking: Parking, surroundings: Surroundings) -> BoxFuture<'static, Result<(), BoxError>>;
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
        Existences { store: Arc::clone(&self.store), own: self.kinds.clone() }
    }
}
