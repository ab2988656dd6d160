//! What plugins do beside the consumers: started after them, and told to stop with them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::sight::Sight;
use crate::clock::Clock;
use crate::consumer::{TopicAtWork, Wake, WakeSource};
use crate::error::{BoxError, in_full};

/// A plugin's own task in a running application.
pub trait Background: Send + Sync + fmt::Debug {
    /// What it is called in logs and errors.
    fn name(&self) -> &'static str;

    /// Does its work until it is told to stop. Trouble that may pass is its own to wait out: an error stops the application.
    ///
    /// When it outlives the stop by more than `shutdown_timeout`, it is dropped at an await point.
    fn run(self: Arc<Self>, surroundings: Surroundings) -> BoxFuture<'static, Result<(), BoxError>>;
}

/// What a background task has around it.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The topics of all consumers of the application, with their handlers.
    pub topics: Arc<[TopicAtWork]>,
    /// The application's clock.
    pub clock: Clock,
    /// Wakes when the task is to stop.
    pub stop: Wake,
    /// What a test sees of the task.
    pub sight: Sight,
}

/// The tasks that run.
#[derive(Debug)]
pub(crate) struct Backgrounds {
    tasks: JoinSet<Result<(), (&'static str, BoxError)>>,
    stop: Arc<WakeSource>,
    /// From before anyone could stop them.
    stopped: Wake,
    clock: Clock,
}

impl Backgrounds {
    pub(super) fn start(tasks: &[Arc<dyn Background>], topics: Vec<TopicAtWork>, clock: &Clock, runtime: &Handle, sight: &Sight) -> Self {
        let (stop, topics): (_, Arc<[TopicAtWork]>) = (Arc::new(WakeSource::default()), topics.into());
        let mut set = JoinSet::new();
        for task in tasks {
            let surroundings =
                Surroundings { topics: Arc::clone(&topics), clock: clock.clone(), stop: stop.subscribe(), sight: sight.clone() };
            let task = Arc::clone(task);
            tracing::debug!(task = task.name(), "starting");
            let run = async move {
                let name = task.name();
                task.run(surroundings).await.map_err(|error| (name, error))
            };
            set.spawn_on(sight.task(run), runtime);
        }
        Self { tasks: set, stopped: stop.subscribe(), stop, clock: clock.clone() }
    }

    /// What tells them to stop.
    pub(super) fn stopper(&self) -> Arc<WakeSource> {
        Arc::clone(&self.stop)
    }

    /// Wakes once they were told to stop.
    pub(super) fn stopped(&self) -> Wake {
        self.stopped.clone()
    }

    /// Resolves when one failed; never when none does.
    pub(super) async fn failed(&mut self) -> (&'static str, BoxError) {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(Err(failed))) => return failed,
                Some(Err(error)) if error.is_panic() => return ("a task of a plugin", error.into()),
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Tells them to stop, and does not wait.
    #[cfg(feature = "test-kit")]
    pub(crate) fn stop(&self) {
        self.stop.wake();
    }

    /// How many have not ended by now.
    #[cfg(feature = "test-kit")]
    pub(crate) fn left(&mut self) -> Result<usize, (&'static str, BoxError)> {
        loop {
            match self.tasks.try_join_next() {
                Some(Ok(Err(failed))) => return Err(failed),
                Some(Err(error)) if error.is_panic() => return Err(("a task of a plugin", error.into())),
                Some(_) => {}
                None => return Ok(self.tasks.len()),
            }
        }
    }

    /// Tells them to stop, and waits for them no longer than this.
    pub(super) async fn end(&mut self, limit: Duration) {
        self.stop.wake();
        let ended = async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Ok(Err((task, error))) = ended {
                    tracing::warn!(task, error = %in_full(&*error), "failed while stopping");
                }
            }
        };
        tokio::select! {
            biased;
            () = ended => {}
            () = self.clock.sleep(limit) => tracing::warn!("tasks of plugins did not stop in time and are cut off"),
        }
        self.tasks.abort_all();
    }
}
