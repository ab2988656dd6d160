//! The dead-letter limiter: a topic whose messages all fail pauses, instead of being emptied into its dead-letter topic.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use kafka_core::clock::Clock;
use kafka_core::consumer::{Admission, Admissions, Gate, Hold, WakeSource};
use kafka_core::error::BoxError;
use kafka_core::message::Run;
use kafka_core::topic::DeadLetterLimit;

/// A ratio says nothing before so many messages were seen.
const SEEN_AT_LEAST: u32 = 100;

/// A held lane looks again so often, should a lifting ever be missed.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Counts the dead letters of one topic of one consumer, from its retry topics too.
pub(crate) struct Limiter {
    /// The consumer and the topic, for whoever reads of it.
    pub(crate) name: String,
    limit: DeadLetterLimit,
    clock: Clock,
    counts: Mutex<Counts>,
    tripped: AtomicBool,
    lifted: WakeSource,
}

#[derive(Debug, Default)]
struct Counts {
    in_a_row: u32,
    handled: u32,
    dead: u32,
    reason: Option<String>,
}

impl Limiter {
    pub(crate) fn new(name: String, limit: DeadLetterLimit, clock: Clock) -> Self {
        Self { name, limit, clock, counts: Mutex::default(), tripped: AtomicBool::new(false), lifted: WakeSource::default() }
    }

    /// Counts messages that were handled.
    pub(crate) fn handled(&self, messages: usize) {
        let mut counts = self.counts();
        counts.in_a_row = 0;
        counts.handled = counts.handled.saturating_add(u32::try_from(messages).unwrap_or(u32::MAX));
        counts.forget(self.limit.window);
    }

    /// Counts a dead letter, or says that it is one too many: then it must wait, with all that stands behind it.
    pub(crate) fn spend(&self) -> Result<(), Hold> {
        if let Some(hold) = self.hold() {
            return Err(hold);
        }
        let mut counts = self.counts();
        if let Some(limit) = self.limit.consecutive
            && counts.in_a_row >= limit
        {
            let reason = format!("{limit} messages in a row became dead letters (`max_consecutive`)");
            return Err(self.trip(counts, reason));
        }
        let (dead, all) = (counts.dead.saturating_add(1), counts.handled.saturating_add(counts.dead).saturating_add(1));
        if let Some(limit) = self.limit.ratio
            && all >= SEEN_AT_LEAST.min(self.limit.window)
            && f64::from(dead) > limit * f64::from(all)
        {
            let reason = format!("{dead} of the last {all} messages became dead letters, more than a part of {limit} (`max_ratio`)");
            return Err(self.trip(counts, reason));
        }
        counts.in_a_row += 1;
        counts.dead = dead;
        counts.forget(self.limit.window);
        Ok(())
    }

    /// Why the topic pauses, while it does.
    pub(crate) fn reason(&self) -> Option<String> {
        self.counts().reason.clone()
    }

    /// Lets the topic go on. Counting begins anew.
    pub(crate) fn lift(&self) {
        let mut counts = self.counts();
        *counts = Counts::default();
        // Under the lock: who trips now is not lifted without being told.
        self.tripped.store(false, Ordering::SeqCst);
        drop(counts);
        self.lifted.wake();
    }

    fn trip(&self, mut counts: MutexGuard<'_, Counts>, reason: String) -> Hold {
        tracing::error!(
            topic = %self.name, reason,
            "the topic pauses, nothing more of it is dead-lettered; mend what fails, then lift the limit or restart"
        );
        counts.reason = Some(reason);
        // Subscribed while nobody can lift: the signal is not missed.
        let wake = self.lifted.subscribe();
        self.tripped.store(true, Ordering::SeqCst);
        Hold { until: self.clock.now() + LOOK_AGAIN, wake: Some(wake) }
    }

    fn hold(&self) -> Option<Hold> {
        if !self.tripped.load(Ordering::SeqCst) {
            return None;
        }
        let wake = self.lifted.subscribe();
        // Looked at once more after the subscription.
        self.tripped.load(Ordering::SeqCst).then(|| Hold { until: self.clock.now() + LOOK_AGAIN, wake: Some(wake) })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// Halves what is counted once the window is full, so that what is old weighs less and less.
    fn forget(&mut self, window: u32) {
        while self.handled.saturating_add(self.dead) >= window.saturating_mul(2) {
            self.handled /= 2;
            self.dead /= 2;
        }
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("name", &self.name)
            .field("limit", &self.limit)
            .field("reason", &self.reason())
            .finish_non_exhaustive()
    }
}

/// Holds every message of the topic while it pauses.
#[derive(Debug)]
pub(crate) struct LimiterGate(pub(crate) Arc<Limiter>);

impl Gate for LimiterGate {
    fn admit<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Admissions, BoxError>> {
        let admissions = match self.0.hold() {
            None => Admissions::AllProceed,
            Some(hold) => Admissions::Each(vec![Admission::Hold(hold); run.len()]),
        };
        Box::pin(std::future::ready(Ok(admissions)))
    }

    fn outside_transactions(&self) -> &'static str {
        "Kafka's transactions ask nobody before they handle a message, so a limit of dead letters would not pause the topic; leave `dead_letter_limit` out (and the limits of the settings' `dead_letter`), or `exactly_once`"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(limit: DeadLetterLimit) -> Limiter {
        Limiter::new("billing/orders".to_owned(), limit, Clock::manual().0)
    }

    #[test]
    fn so_many_in_a_row_are_let_through() {
        let limiter = limiter(DeadLetterLimit::consecutive(3));
        for _ in 0..5 {
            assert!((0..3).all(|_| limiter.spend().is_ok()));
            limiter.handled(1);
        }
        assert!((0..3).all(|_| limiter.spend().is_ok()));
        let mut hold = limiter.spend().unwrap_err();
        assert!(limiter.spend().is_err() && limiter.hold().is_some());
        assert!(limiter.reason().is_some_and(|reason| reason.starts_with("3 messages in a row")));
        limiter.handled(1);
        assert!(limiter.spend().is_err(), "only lifting lets it go on");

        limiter.lift();
        let wake = hold.wake.as_mut().map(kafka_core::consumer::Wake::woken);
        assert!(futures_util::FutureExt::now_or_never(wake.unwrap()).is_some(), "whoever was held is woken");
        assert!(limiter.reason().is_none() && limiter.hold().is_none() && limiter.spend().is_ok());
    }

    #[test]
    fn a_ratio_looks_at_the_last_messages() {
        let limiter = limiter(DeadLetterLimit { window: 200, ..DeadLetterLimit::ratio(0.5) });
        assert!((0..99).all(|_| limiter.spend().is_ok()), "too few to say");
        assert!(limiter.spend().is_err());
        limiter.lift();
        limiter.handled(100_000);
        let let_through = (0..).take_while(|_| limiter.spend().is_ok()).count();
        assert!((100..100_000).contains(&let_through), "what is old is forgotten: {let_through}");
    }
}
