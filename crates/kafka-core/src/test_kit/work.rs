//! Work of an application that the test kit waits for: calls of handlers, gates and failure handlers.
//!
//! For each it is known whether it waits for something that only the test can give: the clock, or an acknowledgement.
//! Whatever else it waits for is real, and will come.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use crate::clock::last_sleep;

/// The number of a piece of work. Never used twice in a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WorkId(u64);

thread_local! {
    static CURRENT: Cell<Option<WorkId>> = const { Cell::new(None) };
}

/// The work that is being polled on this thread.
pub(crate) fn current() -> Option<WorkId> {
    CURRENT.get()
}

/// All work of one application. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Works {
    inner: Arc<Mutex<Inner>>,
    /// Rings when work has ended.
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    at_work: BTreeMap<WorkId, Work>,
}

#[derive(Debug)]
struct Work {
    what: String,
    sleeps_until: Option<Instant>,
}

impl Works {
    pub(crate) fn new(changed: Arc<Notify>) -> Self {
        Self { inner: Arc::default(), changed }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a piece of work; it ends when the entry is dropped.
    pub(crate) fn begin(&self, what: String) -> AtWork {
        let mut inner = self.lock();
        inner.next += 1;
        let id = WorkId(inner.next);
        inner.at_work.insert(id, Work { what, sleeps_until: None });
        AtWork { works: self.clone(), id }
    }

    /// What is at work and waits for something real, as the broker and the clock stand.
    pub(crate) fn real(&self, now: Instant, unacknowledged: &[Option<WorkId>]) -> Vec<String> {
        // Sent from a task or a thread of its own: whose work it is nobody knows, so it may be anybody's.
        let anybody = unacknowledged.contains(&None);
        let waits =
            |id: &WorkId, work: &Work| anybody || unacknowledged.contains(&Some(*id)) || work.sleeps_until.is_some_and(|until| until > now);
        let inner = self.lock();
        inner.at_work.iter().filter(|(id, work)| !waits(id, work)).map(|(_, work)| work.what.clone()).collect()
    }
}

/// Work that has begun and not ended.
#[derive(Debug)]
pub(crate) struct AtWork {
    works: Works,
    id: WorkId,
}

impl AtWork {
    /// Sees the work through, noting at each poll what it waits for.
    pub(crate) async fn see<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        poll_fn(|context| self.poll(|| work.as_mut().poll(context))).await
    }

    /// Runs one poll of the work, and notes what it waits for.
    pub(crate) fn poll<T>(&self, poll: impl FnOnce() -> T) -> T {
        /// Back to whatever was polled around it, also after a panic.
        struct Back(Option<WorkId>);
        impl Drop for Back {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        last_sleep();
        let polled = {
            let _back = Back(CURRENT.replace(Some(self.id)));
            poll()
        };
        if let (Some(until), Some(work)) = (last_sleep(), self.works.lock().at_work.get_mut(&self.id)) {
            work.sleeps_until = Some(until);
        }
        polled
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.works.lock().at_work.remove(&self.id);
        self.works.changed.notify_one();
    }
}
