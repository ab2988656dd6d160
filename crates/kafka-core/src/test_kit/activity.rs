//! Which tasks of an application can go on right now: counted from the moment one is woken until it waits again.
//!
//! So the test kit knows exactly when nothing moves any more, without a look at the clock.

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// The tasks of one process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Activity(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Tasks that are woken or at work.
    ready: AtomicUsize,
    aborts: Mutex<Vec<AbortHandle>>,
    changed: Arc<Notify>,
}

/// Waits for somebody to wake it.
const WAITS: u8 = 0;
/// Will be polled.
const READY: u8 = 1;
const RUNS: u8 = 2;
/// Was woken while it was polled, and will be polled again.
const RUNS_AGAIN: u8 = 3;
const OVER: u8 = 4;

impl Activity {
    /// Rings whenever tasks came to rest, or [`Activity::ring`] is called.
    pub(crate) fn new(changed: Arc<Notify>) -> Self {
        Self(Arc::new(Shared { changed, ..Shared::default() }))
    }

    /// How many tasks can go on.
    pub(crate) fn ready(&self) -> usize {
        self.0.ready.load(Ordering::SeqCst)
    }

    pub(crate) fn track<T>(&self, task: impl Future<Output = T> + Send + 'static) -> Tracked<T> {
        self.0.ready.fetch_add(1, Ordering::SeqCst);
        let state = Arc::new(TaskWaker { state: AtomicU8::new(READY), shared: Arc::clone(&self.0), outer: Mutex::new(None) });
        Tracked { task: Box::pin(task), waker: Waker::from(Arc::clone(&state)), state }
    }

    /// Keeps what ends the task.
    pub(crate) fn keep(&self, abort: AbortHandle) {
        let mut aborts = self.0.aborts.lock().unwrap_or_else(PoisonError::into_inner);
        aborts.retain(|abort| !abort.is_finished());
        aborts.push(abort);
    }

    /// Ends all its tasks where they stand.
    pub(crate) fn abort(&self) {
        let aborts = std::mem::take(&mut *self.0.aborts.lock().unwrap_or_else(PoisonError::into_inner));
        aborts.iter().for_each(AbortHandle::abort);
    }
}

/// A task that is counted while it can go on.
pub(crate) struct Tracked<T> {
    task: Pin<Box<dyn Future<Output = T> + Send>>,
    state: Arc<TaskWaker>,
    waker: Waker,
}

struct TaskWaker {
    state: AtomicU8,
    shared: Arc<Shared>,
    outer: Mutex<Option<Waker>>,
}

impl TaskWaker {
    fn rests(&self) {
        if self.shared.ready.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.shared.changed.notify_one();
        }
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Counted before it can be polled.
        self.shared.ready.fetch_add(1, Ordering::SeqCst);
        let woken = self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |state| match state {
            WAITS => Some(READY),
            RUNS => Some(RUNS_AGAIN),
            _ => None,
        });
        if woken != Ok(WAITS) {
            self.rests();
        }
        let outer = self.outer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        outer.into_iter().for_each(Waker::wake);
    }
}

impl<T> Future for Tracked<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        *self.state.outer.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        if self.state.state.swap(RUNS, Ordering::SeqCst) == WAITS {
            self.state.shared.ready.fetch_add(1, Ordering::SeqCst);
        }
        let waker = self.waker.clone();
        let polled = self.task.as_mut().poll(&mut Context::from_waker(&waker));
        match polled {
            Poll::Ready(_) => self.over(),
            Poll::Pending => {
                let waits = self.state.state.compare_exchange(RUNS, WAITS, Ordering::SeqCst, Ordering::SeqCst);
                if waits.is_ok() {
                    self.state.rests();
                } else {
                    self.state.state.store(READY, Ordering::SeqCst);
                }
            }
        }
        polled
    }
}

impl<T> Tracked<T> {
    fn over(&self) {
        if !matches!(self.state.state.swap(OVER, Ordering::SeqCst), WAITS | OVER) {
            self.state.rests();
        }
    }
}

impl<T> Drop for Tracked<T> {
    fn drop(&mut self) {
        self.over();
    }
}
