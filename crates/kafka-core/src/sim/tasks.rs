//! The lane tasks of one member, polled one by one and only when the simulation says so.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use tokio::runtime::{Builder, Handle, Runtime};

/// A runtime without threads and without timers: nothing in it moves unless it is polled.
#[derive(Debug)]
pub(super) struct Tasks {
    runtime: Runtime,
    rest: Arc<Mutex<Rest>>,
}

/// Whether any task can go on.
#[derive(Debug, Default)]
struct Rest {
    reached: bool,
    /// Who wants to know.
    waiting: Option<Waker>,
}

impl Tasks {
    pub(super) fn new() -> Self {
        let rest = Arc::<Mutex<Rest>>::default();
        let at_rest = Arc::clone(&rest);
        let runtime = Builder::new_current_thread()
            // One poll of a task at a time.
            .event_interval(1)
            // The thread would park when no task can go on.
            .on_thread_park(move || {
                let mut rest = at_rest.lock().unwrap_or_else(PoisonError::into_inner);
                rest.reached = true;
                rest.waiting.take().into_iter().for_each(Waker::wake);
            })
            .build()
            .expect("a runtime without drivers needs nothing of the system");
        Self { runtime, rest }
    }

    pub(super) fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    /// How many tasks have not ended.
    pub(super) fn alive(&self) -> usize {
        self.runtime.metrics().num_alive_tasks()
    }

    /// Polls tasks so many times, as far as any can go on.
    pub(super) fn poll(&self, times: usize) {
        let mut left = times;
        // Woken at once each time, it is polled between any two polls of tasks.
        self.runtime.block_on(poll_fn(|context| {
            if left == 0 {
                return Poll::Ready(());
            }
            left -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        }));
    }

    /// Polls until no task can go on.
    pub(super) fn rest(&self) {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner).reached = false;
        self.runtime.block_on(poll_fn(|context| {
            let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
            if rest.reached {
                return Poll::Ready(());
            }
            rest.waiting = Some(context.waker().clone());
            Poll::Pending
        }));
    }
}
