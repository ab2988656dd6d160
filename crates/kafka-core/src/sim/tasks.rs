//! The tasks of one member, polled one by one and only when the simulation says so.

use std::future::poll_fn;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};

/// How long real threads of an application may take until their time counts as time that they wait for.
const PATIENCE: Duration = Duration::from_millis(200);

/// A runtime without threads: nothing in it moves unless it is polled, and its time stands still unless it is moved.
#[derive(Debug)]
pub(super) struct Tasks {
    runtime: Runtime,
    rest: Arc<Mutex<Rest>>,
    blocking: Arc<Blocking>,
    /// Where its own timers stand.
    at: Option<Instant>,
}

/// Whether any task can go on.
#[derive(Debug, Default)]
struct Rest {
    reached: bool,
    /// Who wants to know.
    waiting: Option<Waker>,
}

/// The threads on which blocking code is at work.
#[derive(Debug, Default)]
struct Blocking {
    threads: Mutex<Threads>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Threads {
    alive: usize,
    /// They were waited for, and wait themselves for something that only the simulation can give.
    waiting: bool,
}

impl Tasks {
    /// For tasks of the framework alone, which have no timers but the clock's.
    pub(super) fn new() -> Self {
        Self::built(None)
    }

    /// For tasks of an application: tokio's timers work and move with [`Tasks::advance_to`].
    pub(super) fn of_an_app(now: Instant) -> Self {
        Self::built(Some(now))
    }

    fn built(at: Option<Instant>) -> Self {
        let (rest, blocking) = (Arc::<Mutex<Rest>>::default(), Arc::<Blocking>::default());
        let (at_rest, begun, ended) = (Arc::clone(&rest), Arc::clone(&blocking), Arc::clone(&blocking));
        let mut builder = Builder::new_current_thread();
        builder
            // One poll of a task at a time.
            .event_interval(1)
            // The thread would park when no task can go on. Whoever waits is woken, so it never does, and tokio
            // does not move its paused time by itself.
            .on_thread_park(move || {
                let mut rest = at_rest.lock().unwrap_or_else(PoisonError::into_inner);
                rest.reached = true;
                rest.waiting.take().into_iter().for_each(Waker::wake);
            })
            // A thread for each piece of blocking work, named when the work is handed over: so none goes unnoticed.
            .thread_keep_alive(Duration::ZERO)
            .thread_name_fn(move || {
                begun.change(|threads| threads.alive += 1);
                "simulated".to_owned()
            })
            .on_thread_stop(move || ended.change(|threads| threads.alive -= 1));
        if at.is_some() {
            builder.enable_time().start_paused(true);
        }
        let runtime = builder.build().expect("a runtime without threads and sockets needs nothing of the system");
        Self { runtime, rest, blocking, at }
    }

    pub(super) fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Sees a future through that needs no time.
    pub(super) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// How many tasks have not ended.
    pub(super) fn alive(&self) -> usize {
        self.runtime.metrics().num_alive_tasks()
    }

    /// Moves tokio's time, if the tasks have it, and wakes whoever is due.
    pub(super) fn advance_to(&mut self, to: Instant) {
        let Some(at) = self.at.replace(to) else {
            self.at = None;
            return;
        };
        let by = to.saturating_duration_since(at);
        if !by.is_zero() {
            self.runtime.block_on(tokio::time::advance(by));
        }
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

    /// Polls until no task can go on, and no blocking work is under way.
    pub(super) fn rest(&self) {
        loop {
            self.rest.lock().unwrap_or_else(PoisonError::into_inner).reached = false;
            self.runtime.block_on(poll_fn(|context| {
                let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
                if rest.reached {
                    return Poll::Ready(());
                }
                rest.waiting = Some(context.waker().clone());
                Poll::Pending
            }));
            if !self.blocking.settled() {
                return;
            }
        }
    }

    /// Ends the runtime as the end of a process does: nobody waits for anything.
    pub(super) fn vanish(self) {
        self.runtime.shutdown_background();
    }
}

impl Blocking {
    fn change(&self, change: impl FnOnce(&mut Threads)) {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut threads);
        threads.waiting = false;
        self.ended.notify_all();
    }

    /// Waits for blocking work under way. Whether any came to an end, and tasks may go on.
    fn settled(&self) -> bool {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let before = threads.alive;
        if before == 0 || threads.waiting {
            return false;
        }
        let waited = self.ended.wait_timeout_while(threads, PATIENCE, |threads| threads.alive == before);
        let (mut threads, over) = waited.unwrap_or_else(PoisonError::into_inner);
        threads.waiting = over.timed_out();
        !over.timed_out()
    }
}
