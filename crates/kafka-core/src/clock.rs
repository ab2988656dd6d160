//! Time as a port: the system's clock, or one that a test moves by hand.
//!
//! The only file that reads a clock or sleeps; everything else is handed a [`Clock`].

use std::collections::BinaryHeap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

/// Where the framework takes its time from. Cheap to clone.
#[derive(Clone, Default)]
pub enum Clock {
    /// The machine's clock, with tokio's timers.
    #[default]
    System,
    /// A clock that stands still until it is moved.
    Manual(Arc<ManualClock>),
}

/// A clock for tests and the simulation: time passes when [`ManualClock::advance_to`] says so.
pub struct ManualClock {
    start: Instant,
    inner: Mutex<Inner>,
}

struct Inner {
    now: Instant,
    sleepers: BinaryHeap<Sleeper>,
    next: u64,
}

struct Sleeper {
    until: Instant,
    order: u64,
    waker: Waker,
}

impl Clock {
    /// A new manual clock.
    #[must_use]
    pub fn manual() -> (Self, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::default());
        (Self::Manual(Arc::clone(&clock)), clock)
    }

    /// The present instant.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn now(&self) -> Instant {
        match self {
            Self::System => Instant::now(),
            Self::Manual(clock) => clock.now(),
        }
    }

    /// The present wall-clock time, in milliseconds since the epoch.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn wall_ms(&self) -> i64 {
        match self {
            Self::System => SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
            Self::Manual(clock) => i64::try_from(clock.elapsed().as_millis()).unwrap_or(i64::MAX) + ManualClock::EPOCH_MS,
        }
    }

    /// The present wall-clock time since the epoch.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn wall(&self) -> Duration {
        match self {
            Self::System => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
            Self::Manual(clock) => Duration::from_millis(ManualClock::EPOCH_MS.unsigned_abs()) + clock.elapsed(),
        }
    }

    /// Resolves at the given instant.
    #[allow(clippy::disallowed_methods, reason = "the one place that sleeps")]
    pub async fn sleep_until(&self, until: Instant) {
        match self {
            Self::System => tokio::time::sleep_until(until.into()).await,
            Self::Manual(clock) => Until { clock: Arc::clone(clock), until, registered: None }.await,
        }
    }

    /// Resolves after the given time.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now() + duration).await;
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "Clock::System",
            Self::Manual(_) => "Clock::Manual",
        })
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualClock").field("elapsed", &self.elapsed()).finish()
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        let start = Clock::System.now();
        Self { start, inner: Mutex::new(Inner { now: start, sleepers: BinaryHeap::new(), next: 0 }) }
    }
}

impl ManualClock {
    /// What the wall clock shows when a manual clock is made: 2026-01-01T00:00:00Z.
    pub const EPOCH_MS: i64 = 1_767_225_600_000;

    /// The present instant of this clock.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.lock().now
    }

    /// How far it has been moved since it was made.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now() - self.start
    }

    /// When the next sleeper wants to wake, if anyone sleeps.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        self.lock().sleepers.peek().map(|sleeper| sleeper.until)
    }

    /// Moves to the instant and wakes whoever is due, the earliest first. Never moves back.
    pub fn advance_to(&self, to: Instant) {
        let mut due = Vec::new();
        {
            let mut inner = self.lock();
            inner.now = inner.now.max(to);
            while inner.sleepers.peek().is_some_and(|sleeper| sleeper.until <= inner.now) {
                due.extend(inner.sleepers.pop().map(|sleeper| sleeper.waker));
            }
        }
        due.into_iter().for_each(Waker::wake);
    }

    /// Moves on by the duration.
    pub fn advance(&self, by: Duration) {
        self.advance_to(self.now() + by);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(feature = "test-kit")]
thread_local! {
    static LAST_SLEEP: std::cell::Cell<Option<Instant>> = const { std::cell::Cell::new(None) };
}

/// Until when the last one sleeps that went to sleep on this thread by a manual clock, since this was asked last.
#[cfg(feature = "test-kit")]
pub(crate) fn last_sleep() -> Option<Instant> {
    LAST_SLEEP.take()
}

struct Until {
    clock: Arc<ManualClock>,
    until: Instant,
    registered: Option<Waker>,
}

impl Future for Until {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let clock = Arc::clone(&self.clock);
        let mut inner = clock.lock();
        if inner.now >= self.until {
            return Poll::Ready(());
        }
        if !self.registered.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            let order = inner.next;
            inner.next += 1;
            inner.sleepers.push(Sleeper { until: self.until, order, waker: cx.waker().clone() });
            self.registered = Some(cx.waker().clone());
            #[cfg(feature = "test-kit")]
            LAST_SLEEP.set(Some(self.until));
        }
        Poll::Pending
    }
}

// The heap gives its greatest first: the earliest instant, and among equals the first to sleep.
impl Ord for Sleeper {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.until, other.order).cmp(&(self.until, self.order))
    }
}

impl PartialOrd for Sleeper {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Sleeper {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Sleeper {}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn a_manual_sleeper_wakes_exactly_when_time_reaches_it() {
        let (clock, hand) = Clock::manual();
        let mut sleep = Box::pin(clock.sleep(Duration::from_secs(2)));
        assert!(sleep.as_mut().now_or_never().is_none());
        hand.advance(Duration::from_millis(1_999));
        assert!(sleep.as_mut().now_or_never().is_none());
        hand.advance(Duration::from_millis(1));
        assert!(sleep.now_or_never().is_some());
        assert_eq!(clock.wall_ms(), ManualClock::EPOCH_MS + 2_000);
    }
}
