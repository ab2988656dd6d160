//! The tracker as a plugin: its consumer, its store, its rule.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use kafka_core::app::{App, AppBuilder, CompanionSource, Plugin, StartStep, State, Tools};
use kafka_core::consumer::{ConsumerSpec, DeclaredTopic, HandlerError};
use kafka_core::error::{BoxError, ConfigErrors};
use kafka_core::names::Subscription;
use kafka_core::retry_policy::{MaxRetries, OffsetTracking, RetryPolicy};
use kafka_core::settings::{RetrySettings, Settings};
use kafka_core::topic::TopicSpec;

use super::consume::NoteOffsets;
use super::rule::{Classify, Found, SkipSuperseded};
use super::store::KeyOffsetStore;
use crate::skip::SkipRule;

/// What the tracker's consumer is called, on the command line and in logs.
const CONSUMER: &str = "key-offset-tracker";

/// So many messages are noted in one statement: the more there are, the fewer rows for each. The bound in bytes holds, too.
const BATCH: NonZeroUsize = NonZeroUsize::new(50_000).unwrap();

/// Skips messages that fail for want of a related row when a newer message of their key follows.
///
/// Topics take part by their retry policy: `retry(…, use_offset_tracker)`, or the settings' `use_offset_tracker` for all.
/// django-kafka's `KeyOffsetTrackerConsumer.enable(group_id=…)`.
///
/// ```
/// use kafka_core::app::App;
/// use kafka_core::settings::Settings;
/// use kafka_retry::key_offset::{KeyOffsetTracker, MemoryKeyOffsets};
///
/// let tracker = KeyOffsetTracker::enable("my-proj-key-offset-tracker").store(MemoryKeyOffsets::default());
/// let app = App::builder(Settings::default()).plugin(tracker);
/// // No topic asks for it: an error that says so.
/// assert!(app.build().unwrap_err().to_string().contains("use_offset_tracker"));
/// ```
#[derive(Clone)]
#[must_use = "install it: `app.plugin(tracker)`"]
pub struct KeyOffsetTracker {
    group: String,
    store: Option<Arc<dyn KeyOffsetStore>>,
    classify: Option<Classify>,
    config: Vec<(String, String)>,
}

impl KeyOffsetTracker {
    /// A tracker whose consumer is in this group, which must be nobody else's.
    pub fn enable(group: impl Into<String>) -> Self {
        Self { group: group.into(), store: None, classify: None, config: Vec::new() }
    }

    /// Keeps the offsets here. Default: in PostgreSQL, by the pool (bb8's, of diesel-async) in the application's state.
    pub fn store(mut self, store: impl KeyOffsetStore + 'static) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Counts errors as relational that say so here, besides those of diesel that are known: for other drivers, and for errors
    /// that hide their source (`#[error(transparent)]` does).
    pub fn relational_when(mut self, classify: impl Fn(&HandlerError) -> bool + Send + Sync + 'static) -> Self {
        self.classify = Some(Arc::new(classify));
        self
    }

    /// Sets a librdkafka property of the tracker's consumer. `auto.offset.reset` is `earliest` unless it is set here.
    pub fn config(mut self, property: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.push((property.into(), value.into()));
        self
    }
}

impl Plugin for KeyOffsetTracker {
    fn install(self, app: &mut AppBuilder) {
        let store = Found::default();
        if let Some(given) = self.store {
            store.set(given).unwrap_or_default();
        }
        let rule: Arc<dyn SkipRule> = Arc::new(SkipSuperseded { store: Arc::clone(&store), classify: self.classify });
        app.insert_state(rule);
        app.push_start_step(Prepare(Arc::clone(&store)));
        app.push_companions(Tracker { group: self.group, store, config: self.config });
    }
}

#[cfg(feature = "postgres")]
fn stored_in_state(state: &State) -> Option<Arc<dyn KeyOffsetStore>> {
    use diesel_async::AsyncPgConnection;
    use diesel_async::pooled_connection::bb8::Pool;

    let pool = state.get::<Pool<AsyncPgConnection>>().ok()?;
    Some(Arc::new(super::PostgresKeyOffsets::new(pool)))
}

#[cfg(not(feature = "postgres"))]
fn stored_in_state(_state: &State) -> Option<Arc<dyn KeyOffsetStore>> {
    None
}

/// Makes the tracker's consumer once all declared ones are known.
#[derive(Debug)]
struct Tracker {
    group: String,
    store: Found,
    config: Vec<(String, String)>,
}

impl CompanionSource for Tracker {
    fn beside_all(&self, consumers: &[ConsumerSpec], tools: &Tools<'_>) -> Result<Option<ConsumerSpec>, ConfigErrors> {
        let mut errors = ConfigErrors::new();
        let path = |field: &str| format!("key_offset_tracker.{field}");
        if self.group.is_empty() {
            errors.push(path("group"), "it has no group; write `KeyOffsetTracker::enable(\"my-proj-key-offset-tracker\")`");
        }
        if let Some(other) = consumers.iter().find(|consumer| consumer.group == self.group) {
            errors.push(
                path("group"),
                format!("the consumer {} is in the group {} too; give the tracker one of its own", other.name, self.group),
            );
        }
        let store = self.store.get().cloned().or_else(|| stored_in_state(tools.state));
        if store.is_none() {
            errors
                .push(path("store"), "it does not know where to keep offsets; add `.store(…)`, or a pool of PostgreSQL to the app's state");
        }
        let topics = tracked(consumers, tools.settings);
        if topics.is_empty() {
            errors.push(path("topics"), "no topic asks for it; write `retry(…, use_offset_tracker)` at one, or leave the tracker out");
        }
        let Some(store) = store.filter(|_| errors.is_empty()) else { return Err(errors) };
        let store = self.store.get_or_init(|| store);
        let mut spec =
            ConsumerSpec::new(CONSUMER, self.group.clone()).config("auto.offset.reset", "earliest").max_in_flight_messages(BATCH);
        spec.config.extend(self.config.iter().cloned());
        spec.topics = topics.into_iter().map(|name| follow(name, store)).collect();
        Ok(Some(spec))
    }
}

/// The topics whose policy asks for the tracker, each once; a literal that a pattern catches is followed by way of that.
pub(super) fn tracked(consumers: &[ConsumerSpec], settings: &Settings) -> Vec<String> {
    let general = settings.retry_settings.as_ref().map(RetrySettings::policy);
    let asks =
        |spec: &TopicSpec| spec.retry.as_ref().or(general.as_ref()).is_some_and(|policy| policy.offset_tracker == OffsetTracking::On);
    let specs = consumers.iter().flat_map(|consumer| &consumer.topics).map(|topic| &topic.spec).filter(|spec| asks(spec));
    let mut names: Vec<_> = specs.map(|spec| spec.name.clone()).collect();
    names.sort();
    names.dedup();
    let patterns: Vec<_> = names.iter().filter(|name| name.starts_with('^')).filter_map(|name| Subscription::parse(name).ok()).collect();
    names.retain(|name| name.starts_with('^') || !patterns.iter().any(|pattern| pattern.matches(name)));
    names
}

/// The same topic, of which only keys are noted. While the store is down its partitions wait; nothing is dead-lettered.
fn follow(name: String, store: &Arc<dyn KeyOffsetStore>) -> DeclaredTopic {
    let wait = RetryPolicy::new(MaxRetries::Forever, Duration::from_millis(500)).backoff().max_delay(Duration::from_secs(30)).log_every(1);
    let store = Arc::clone(store);
    let spec = TopicSpec::named(name).batch(BATCH.get(), Duration::ZERO).retry(wait);
    DeclaredTopic::with_handler(spec, move |_, _| Ok(Arc::new(NoteOffsets { store: Arc::clone(&store) })))
}

/// Makes the store's table before the consumers start.
#[derive(Debug)]
struct Prepare(Found);

impl StartStep for Prepare {
    fn name(&self) -> &'static str {
        "preparing the store of the key offset tracker"
    }

    fn run<'a>(&'a self, _app: &'a App) -> BoxFuture<'a, Result<(), BoxError>> {
        match self.0.get() {
            Some(store) => store.prepare(),
            None => Box::pin(std::future::ready(Ok(()))),
        }
    }
}

impl fmt::Debug for KeyOffsetTracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyOffsetTracker").field("group", &self.group).field("store", &self.store).finish_non_exhaustive()
    }
}
