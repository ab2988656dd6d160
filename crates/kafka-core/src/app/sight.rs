//! What a test sees of a background task, so that it knows when nothing moves any more. In production nobody looks.

use std::fmt;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

#[cfg(feature = "test-kit")]
use crate::test_kit::activity::Activity;
#[cfg(feature = "test-kit")]
use crate::test_kit::work::Works;

/// Shows a test what a background task is at. In production nobody looks, and it costs next to nothing.
///
/// The task itself, and the handlers that it calls, are seen anyway, and a sleep by the clock is rest. What nobody could know is shown by
/// this: that a database will answer, and which tasks are the task's own. What is not shown counts as rest, so a test of it ends too early.
/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Sight {
    #[cfg(feature = "test-kit")]
    seen: Option<(Activity, Works)>,
}

impl Sight {
    /// For an application under test.
    #[cfg(feature = "test-kit")]
    pub(crate) fn of(activity: Activity, works: Works) -> Self {
        Self { seen: Some((activity, works)) }
    }

    /// Awaits an answer from outside of the application, such as a database's. A test that runs the application until it is idle waits for
    /// it; `what` is its name when it never comes.
    pub async fn outside<T>(&self, what: &'static str, answer: impl Future<Output = T>) -> T {
        #[cfg(feature = "test-kit")]
        if let Some((_, works)) = &self.seen {
            return works.begin(what.to_owned()).see(answer).await;
        }
        let _ = what;
        answer.await
    }

    /// A task that the background task spawns; what becomes of it is for whoever spawns it.
    pub fn task<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> BoxFuture<'static, T> {
        #[cfg(feature = "test-kit")]
        if let Some((activity, _)) = &self.seen {
            return activity.track(task).boxed();
        }
        task.boxed()
    }
}

impl fmt::Debug for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sight")
    }
}
