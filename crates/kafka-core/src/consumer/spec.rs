//! What a consumer declares, as data.

use std::any::type_name;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use super::seams::{OffsetStorage, Returns};
use crate::app::State;
use crate::error::ConfigErrors;
use crate::names::{NameError, Subscription};
use crate::settings::Settings;
use crate::topic::{Handler, Style, Suppress, Topic, TopicSpec};

/// A declared consumer. Written by `#[derive(Consumer)]`.
pub trait Consumer: 'static {
    /// Group, topics and configuration.
    fn spec() -> ConsumerSpec;
}

/// A consumer's declarations: a group id, topics that share one client, and that client's configuration.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConsumerSpec {
    /// What the command line and the logs call it.
    pub name: String,
    /// `group.id`.
    pub group: String,
    /// The topics it takes.
    pub topics: Vec<DeclaredTopic>,
    /// The consumer's own librdkafka properties, the last layer.
    pub config: Vec<(String, String)>,
    /// Which produces of its handlers are suppressed.
    pub suppress: Suppress,
    /// Who keeps its positions. Default: the group.
    pub offset_storage: OffsetStorage,
    /// How many messages of one partition it holds at most, in place of the setting `max_in_flight_messages`; the bound in bytes
    /// stays. Default: the setting.
    pub max_in_flight_messages: Option<NonZeroUsize>,
    /// What it is for.
    pub role: Role,
}

/// What a consumer is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Role {
    /// It was declared.
    #[default]
    Main,
    /// It reads the retry topics of another one, is configured by `retry_consumer_config` too, and starts with that one.
    Retry {
        /// The name of the other.
        of: String,
        /// The group of the other.
        group: String,
    },
}

/// A topic of a consumer, and how its handler is made.
#[derive(Clone)]
pub struct DeclaredTopic {
    /// What it declares.
    pub spec: TopicSpec,
    /// The Rust type, for messages.
    pub type_name: &'static str,
    /// Set when its messages come back by other topics.
    pub(crate) returning: Option<Returning>,
    make: Arc<MakeHandler>,
}

/// Where a topic's messages come back by, and who reads what they bring from earlier.
#[derive(Debug, Clone)]
pub(crate) struct Returning {
    pub(crate) pattern: String,
    pub(crate) reads: Arc<dyn Returns>,
}

/// Makes a topic's handler when the application is built.
type MakeHandler = dyn Fn(&State, &Settings) -> Result<Arc<dyn Handler>, ConfigErrors> + Send + Sync;

impl fmt::Debug for DeclaredTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeclaredTopic").field("spec", &self.spec).field("type_name", &self.type_name).finish_non_exhaustive()
    }
}

impl DeclaredTopic {
    /// The topic of this type, made from the application's state.
    #[must_use]
    pub fn of<T: Topic<Style: Style<T>>>() -> Self {
        let make = |state: &State, settings: &Settings| {
            let topic = T::from_state(state).map_err(|missing| {
                let mut errors = ConfigErrors::new();
                errors.push(format!("topics.{}", T::spec().name), missing.to_string());
                errors
            })?;
            <T::Style as Style<T>>::handler(Arc::new(topic), settings)
        };
        Self { spec: T::spec(), type_name: type_name::<T>(), returning: None, make: Arc::new(make) }
    }

    /// A topic whose handler exists already, or is made by other means.
    pub fn with_handler(
        spec: TopicSpec,
        make: impl Fn(&State, &Settings) -> Result<Arc<dyn Handler>, ConfigErrors> + Send + Sync + 'static,
    ) -> Self {
        Self { spec, type_name: "(handler)", returning: None, make: Arc::new(make) }
    }

    /// The same topic with the same handler, whose messages come from the topics of this pattern instead of its own.
    #[must_use]
    pub fn returning(mut self, pattern: impl Into<String>, reads: Arc<dyn Returns>) -> Self {
        self.returning = Some(Returning { pattern: pattern.into(), reads });
        self
    }

    /// What it reads.
    ///
    /// # Errors
    /// When the name or the pattern cannot be subscribed.
    pub fn subscription(&self) -> Result<Subscription, NameError> {
        self.returning.as_ref().map_or_else(|| self.spec.subscription(), |returning| Subscription::parse(&returning.pattern))
    }

    pub(crate) fn handler(&self, state: &State, settings: &Settings) -> Result<Arc<dyn Handler>, ConfigErrors> {
        (self.make)(state, settings)
    }
}

impl ConsumerSpec {
    /// A consumer of this name in this group, without topics.
    pub fn new(name: impl Into<String>, group: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            group: group.into(),
            topics: Vec::new(),
            config: Vec::new(),
            suppress: Suppress::Nothing,
            offset_storage: OffsetStorage::Group,
            max_in_flight_messages: None,
            role: Role::Main,
        }
    }

    /// Adds a topic.
    #[must_use]
    pub fn topic<T: Topic<Style: Style<T>>>(mut self) -> Self {
        self.topics.push(DeclaredTopic::of::<T>());
        self
    }

    /// Adds a topic that was declared by hand.
    #[must_use]
    pub fn declared(mut self, topic: DeclaredTopic) -> Self {
        self.topics.push(topic);
        self
    }

    /// Sets a librdkafka property of this consumer's client. Any may be set but `group.id` and those
    /// that the loop depends on; the last value given wins.
    #[must_use]
    pub fn config(mut self, property: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.push((property.into(), value.into()));
        self
    }

    /// Suppresses every produce of its handlers.
    #[must_use]
    pub fn suppress_all(mut self) -> Self {
        self.suppress = Suppress::All;
        self
    }

    /// Suppresses its handlers' produces to these topics.
    #[must_use]
    pub fn suppress<T: Into<String>>(mut self, topics: impl IntoIterator<Item = T>) -> Self {
        self.suppress = Suppress::Topics(topics.into_iter().map(Into::into).collect());
        self
    }

    /// Holds so many messages of one partition at most, for batches that the setting `max_in_flight_messages` would never let grow.
    #[must_use]
    pub fn max_in_flight_messages(mut self, messages: NonZeroUsize) -> Self {
        self.max_in_flight_messages = Some(messages);
        self
    }

    /// Commits what its handlers produce and its positions in one Kafka transaction: see [`OffsetStorage::Transactions`].
    ///
    /// The consumer ends with an error when it is fenced: another process has taken its partitions. Messages that come back by a
    /// retry topic are handled in transactions too, and there in the order of their partition: one that is not due holds those behind it.
    #[must_use]
    pub fn exactly_once(mut self) -> Self {
        self.offset_storage = OffsetStorage::Transactions;
        self
    }

    /// Sets who keeps its positions.
    #[must_use]
    pub fn offset_storage(mut self, storage: OffsetStorage) -> Self {
        self.offset_storage = storage;
        self
    }
}
