//! What is wrong right now, for whoever asks after the application's health.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kafka_core::app::HealthSource;

use crate::limiter::Limiter;

/// Forwards that are refused, by the topic that they are for.
#[derive(Debug, Default)]
pub(crate) struct Troubles(Mutex<BTreeMap<String, String>>);

impl Troubles {
    pub(crate) fn began(&self, topic: &str, reason: String) {
        self.lock().insert(topic.to_owned(), reason);
    }

    pub(crate) fn over(&self, topic: &str) {
        let mut troubles = self.lock();
        if !troubles.is_empty() {
            troubles.remove(topic);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How an application's retries are, and the way to lift its dead-letter limits. Cheap to clone; found in the application's
/// state, and given by [`Retry::health`](crate::Retry::health).
#[derive(Debug, Clone, Default)]
pub struct RetryHealth {
    pub(crate) troubles: Arc<Troubles>,
    limiters: Arc<Mutex<Vec<Arc<Limiter>>>>,
}

impl RetryHealth {
    /// Why messages do not go on, one line for each reason; none is healthy.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let paused = self
            .limiters()
            .iter()
            .filter_map(|limiter| Some(format!("{} pauses: {}", limiter.name, limiter.reason()?)))
            .collect::<Vec<_>>();
        self.troubles.lock().values().cloned().chain(paused).collect()
    }

    /// Lifts the dead-letter limit of a topic, as declared, in all consumers: it goes on with the message that it stopped at.
    pub fn lift(&self, topic: &str) {
        let of_topic = |limiter: &&Arc<Limiter>| limiter.name.split_once('/').is_some_and(|(_, name)| name == topic);
        self.limiters().iter().filter(of_topic).for_each(|limiter| limiter.lift());
    }

    /// The limiter of this name, or a new one.
    pub(crate) fn limiter(&self, name: &str, make: impl FnOnce() -> Limiter) -> Arc<Limiter> {
        let mut limiters = self.limiters();
        if let Some(known) = limiters.iter().find(|limiter| limiter.name == name) {
            return Arc::clone(known);
        }
        let made = Arc::new(make());
        limiters.push(Arc::clone(&made));
        made
    }

    fn limiters(&self) -> MutexGuard<'_, Vec<Arc<Limiter>>> {
        self.limiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HealthSource for RetryHealth {
    fn name(&self) -> &'static str {
        "retries and dead letters"
    }

    fn problems(&self) -> Vec<String> {
        self.reasons()
    }
}
