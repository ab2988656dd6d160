//! The activities: what the workflows have done. Here is how they run; what they do is in `errands.rs`.

#![allow(unreachable_pub, reason = "the attributes want public types, which nobody outside can name")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kafka_core::error::BoxError;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::errands::{Errands, Unfinished};
use super::told;
use super::workflows::{Errand, HEARTBEAT_TIMEOUT};

/// An activity says so many times within the timeout that it is alive.
const BEATS: u32 = 4;

/// What activities work with.
#[derive(Debug)]
pub struct Activities {
    pub(super) errands: Arc<Errands>,
    /// The application's runtime: handlers run where its pools and clients live.
    pub(super) home: Handle,
    pub(super) at_work: Arc<AtWork>,
}

/// How many activities run.
#[derive(Debug, Default)]
pub(super) struct AtWork {
    count: AtomicUsize,
    fewer: Notify,
}

/// An activity that runs.
#[derive(Debug)]
struct Busy<'a>(&'a AtWork);

/// Work on the application's runtime that ends with who waits for it.
#[derive(Debug)]
pub(super) struct Spawned<T>(pub(super) JoinHandle<T>);

#[activities]
impl Activities {
    /// Releases what a group has waiting for one reason. Gives the number of messages that are through.
    #[activity(name = "kafka-kit.release")]
    pub async fn release(self: Arc<Self>, ctx: ActivityContext, errand: Errand) -> Result<u64, ActivityError> {
        let (errands, client, attempt) = (Arc::clone(&self.errands), ctx.client(), ctx.info().attempt);
        self.alive(&ctx, async move { errands.release(&client, &errand, attempt).await }).await
    }

    /// Starts a release for each reason that is met, takes up what was left behind, and gives up what waited too long.
    /// Gives the number of releases.
    #[activity(name = "kafka-kit.find")]
    pub async fn find(self: Arc<Self>, ctx: ActivityContext) -> Result<u64, ActivityError> {
        let (errands, client) = (Arc::clone(&self.errands), ctx.client());
        self.alive(&ctx, async move { errands.find(&client).await }).await
    }
}

impl Activities {
    /// Does the work on the application's runtime, and tells the server meanwhile that somebody does. Cancelled, it is cut off: its
    /// session goes with it, and with the session its claims.
    async fn alive(
        &self,
        ctx: &ActivityContext,
        work: impl Future<Output = Result<u64, BoxError>> + Send + 'static,
    ) -> Result<u64, ActivityError> {
        let _busy = self.at_work.busy();
        let mut work = Spawned(self.home.spawn(work));
        loop {
            tokio::select! {
                biased;
                done = &mut work.0 => return done.unwrap_or_else(|panic| Err(panic.into())).map_err(attempt_again),
                () = ctx.cancelled() => return Err(ActivityError::cancelled()),
                () = self.errands.clock().sleep(HEARTBEAT_TIMEOUT / BEATS) => ctx.record_heartbeat(()).await?,
            }
        }
    }
}

/// Every failure of an attempt is one after which the server has another made.
fn attempt_again(error: BoxError) -> ActivityError {
    match error.downcast::<Unfinished>() {
        Ok(unfinished) => (*unfinished).into(),
        Err(error) => {
            let what = told(&*error);
            tracing::error!(error = %what, "parked messages cannot be released, Temporal tries again");
            Unfinished::Failed { what }.into()
        }
    }
}

impl AtWork {
    fn busy(&self) -> Busy<'_> {
        self.count.fetch_add(1, Ordering::SeqCst);
        Busy(self)
    }

    /// Resolves when nothing runs.
    pub(super) async fn nothing(&self) {
        loop {
            let fewer = self.fewer.notified();
            if self.count.load(Ordering::SeqCst) == 0 {
                return;
            }
            fewer.await;
        }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::SeqCst);
        self.0.fewer.notify_waiters();
    }
}

impl<T> Drop for Spawned<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
