//! A level that only rises, and tasks that wait for it.
//!
//! Wakes those who wait in the order in which they came; tokio's `watch` picks that order by chance, and then
//! one seed of the simulation would have many histories.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(super) struct Signal {
    level: AtomicU64,
    risen: Notify,
}

impl Signal {
    pub(super) fn level(&self) -> u64 {
        self.level.load(Ordering::SeqCst)
    }

    /// Rises to the level; never falls.
    pub(super) fn rise_to(&self, level: u64) {
        if self.level.fetch_max(level, Ordering::SeqCst) < level {
            self.risen.notify_waiters();
        }
    }

    /// Rises by one.
    pub(super) fn rise(&self) {
        self.level.fetch_add(1, Ordering::SeqCst);
        self.risen.notify_waiters();
    }

    /// Resolves once the level is reached.
    pub(super) async fn reached(&self, level: u64) {
        while self.level() < level {
            // Made before the second look, it hears of whatever rises after that.
            let risen = self.risen.notified();
            if self.level() < level {
                risen.await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn waits_for_the_level_and_never_falls() {
        let signal = Signal::default();
        let mut second = Box::pin(signal.reached(2));
        signal.rise();
        assert!(second.as_mut().now_or_never().is_none());
        signal.rise_to(5);
        signal.rise_to(3);
        assert!(second.now_or_never().is_some());
        assert_eq!(signal.level(), 5);
        assert!(signal.reached(5).now_or_never().is_some());
    }
}
