//! Where the tasks of lanes run: on the application's runtime, seen by the test kit when it runs the application.

use std::fmt;

use tokio::runtime::Handle;

#[cfg(feature = "test-kit")]
use crate::test_kit::activity::Activity;

/// Spawns tasks that nobody joins. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Spawner {
    runtime: Handle,
    #[cfg(feature = "test-kit")]
    activity: Option<Activity>,
}

impl Spawner {
    pub(crate) fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            #[cfg(feature = "test-kit")]
            activity: None,
        }
    }

    /// Tasks are seen from their beginning to their end.
    #[cfg(feature = "test-kit")]
    pub(crate) fn seen(runtime: Handle, activity: Activity) -> Self {
        Self { runtime, activity: Some(activity) }
    }

    #[cfg(feature = "test-kit")]
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        #[cfg(feature = "test-kit")]
        if let Some(activity) = &self.activity {
            let task = self.runtime.spawn(activity.track(task));
            return activity.keep(task.abort_handle());
        }
        self.runtime.spawn(task);
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spawner")
    }
}
