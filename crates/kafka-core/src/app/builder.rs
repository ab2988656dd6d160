//! What is pushed together before the one check.

use std::any::type_name;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::assemble::{self, App};
use super::background::Background;
use super::component::{Component, Components};
use super::health::HealthSource;
use super::state::State;
use crate::broker::Broker;
use crate::clock::Clock;
use crate::consumer::{Consumer, ConsumerSpec, DeclaredTopic, ErrorHandler, FailureHandler, Gate};
use crate::error::{BoxError, ConfigErrors};
use crate::producer::Producer;
use crate::registry;
use crate::settings::Settings;
use crate::topic::{Produce, TopicSpec};

/// Assembles an application: settings, state, consumers, plugins.
#[derive(Debug)]
pub struct AppBuilder {
    /// With defaults in place of what could not be read.
    pub(super) settings: Settings,
    /// What could not be read.
    pub(super) unread: ConfigErrors,
    pub(super) state: State,
    pub(super) consumers: Vec<(ConsumerSpec, Origin)>,
    /// Topics that plugins push into consumers, by the name of the consumer.
    pub(super) topics: Vec<(String, DeclaredTopic)>,
    pub(super) produced: Vec<(TopicSpec, &'static str)>,
    pub(super) discovery: Discovery,
    pub(super) gates: Vec<Arc<dyn GateSource>>,
    pub(super) failure_handler: Option<Arc<dyn FailureHandlerSource>>,
    pub(super) companions: Vec<Arc<dyn CompanionSource>>,
    pub(super) start_steps: Vec<Arc<dyn StartStep>>,
    pub(super) backgrounds: Vec<Arc<dyn Background>>,
    pub(super) components: Components,
    pub(super) health_sources: Vec<Arc<dyn HealthSource>>,
    /// The settings sections that plugins read.
    pub(super) sections: Vec<&'static str>,
    /// The plugins that were installed by hand.
    pub(super) plugins: Vec<&'static str>,
    pub(super) error_handler: ErrorHandler,
    pub(super) broker: Option<Arc<dyn Broker>>,
    pub(super) clock: Clock,
}

/// Whether derived consumers and produced topics are taken without being named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Discovery {
    On,
    Off,
}

/// Where a consumer was declared, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    Explicit,
    Discovered { module: &'static str },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Explicit => f.write_str("added to the app by hand"),
            Self::Discovered { module } => write!(f, "derived in {module}"),
        }
    }
}

/// Adds something to an application at assembly. Wiring only; it runs before anything is checked.
pub trait Plugin {
    /// What it is called. One that applications have by default stands back for one of the same name.
    fn name(&self) -> &'static str {
        type_name::<Self>()
    }

    /// Pushes what it has into the builder.
    fn install(self, app: &mut AppBuilder);
}

/// What a plugin's sources may use when the application is built.
#[derive(Debug)]
pub struct Tools<'a> {
    /// The application's settings.
    pub settings: &'a Settings,
    /// What was added to the application's state.
    pub state: &'a State,
    /// The application's producer.
    pub producer: &'a Producer,
    /// The producer of the framework's own records: no suppression keeps them back, and their size is for the broker to judge.
    pub framework_producer: &'a Producer,
    /// The application's clock.
    pub clock: &'a Clock,
}

/// Makes gates for the topics that want one.
pub trait GateSource: Send + Sync + fmt::Debug {
    /// The gate of this topic in this consumer; `None` costs nothing at run time.
    ///
    /// # Errors
    /// When the topic's declarations do not fit the gate.
    fn gate(&self, consumer: &ConsumerSpec, topic: &TopicSpec, tools: &Tools<'_>) -> Result<Option<Arc<dyn Gate>>, ConfigErrors>;
}

/// Makes the failure handler of each topic.
pub trait FailureHandlerSource: Send + Sync + fmt::Debug {
    /// The failure handler of this topic in this consumer.
    ///
    /// # Errors
    /// When the topic's retry policy cannot be carried out.
    fn failure_handler(
        &self,
        consumer: &ConsumerSpec,
        topic: &TopicSpec,
        tools: &Tools<'_>,
    ) -> Result<Arc<dyn FailureHandler>, ConfigErrors>;
}

/// Makes consumers beside those that were declared, when all of these are known.
pub trait CompanionSource: Send + Sync + fmt::Debug {
    /// The consumer that runs beside this one; it starts with it. Default: none.
    ///
    /// # Errors
    /// When the consumer's declarations do not allow it.
    fn companion(&self, consumer: &ConsumerSpec, settings: &Settings, clock: &Clock) -> Result<Option<ConsumerSpec>, ConfigErrors> {
        let _ = (consumer, settings, clock);
        Ok(None)
    }

    /// The one consumer that runs beside all of these. Asked before any gate or failure handler is made. Default: none.
    ///
    /// # Errors
    /// When the consumers' declarations do not allow it.
    fn beside_all(&self, consumers: &[ConsumerSpec], tools: &Tools<'_>) -> Result<Option<ConsumerSpec>, ConfigErrors> {
        let _ = (consumers, tools);
        Ok(None)
    }
}

/// Something to be done after the build and before the first poll: topics made or checked, tables migrated.
pub trait StartStep: Send + Sync + fmt::Debug {
    /// What it does, for the error that says it failed: `creating retry topics`.
    fn name(&self) -> &'static str;

    /// Does it. An error keeps the application from starting, and says all that is missing.
    fn run<'a>(&'a self, app: &'a App) -> BoxFuture<'a, Result<(), BoxError>>;
}

impl Default for AppBuilder {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl AppBuilder {
    /// An application with these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self::of(settings, ConfigErrors::new())
    }

    /// An application with settings from the file and the environment. What is wrong with them is reported by [`AppBuilder::build`].
    #[must_use]
    pub fn from_env() -> Self {
        let (settings, unread) = Settings::default().load_what_can_be_read();
        Self::of(settings, unread)
    }

    /// An application with settings that may have failed to load; [`AppBuilder::build`] then says why.
    #[must_use]
    pub fn with_settings(settings: Result<Settings, ConfigErrors>) -> Self {
        match settings {
            Ok(settings) => Self::new(settings),
            Err(unread) => Self::of(Settings::default(), unread),
        }
    }

    fn of(settings: Settings, unread: ConfigErrors) -> Self {
        Self {
            settings,
            unread,
            state: State::default(),
            consumers: Vec::new(),
            topics: Vec::new(),
            produced: Vec::new(),
            discovery: Discovery::On,
            gates: Vec::new(),
            failure_handler: None,
            companions: Vec::new(),
            start_steps: Vec::new(),
            backgrounds: Vec::new(),
            components: Components::default(),
            health_sources: Vec::new(),
            sections: Vec::new(),
            plugins: Vec::new(),
            error_handler: ErrorHandler::default(),
            broker: None,
            clock: Clock::System,
        }
    }

    /// Adds a value that topics may ask for by its type, a connection pool for example. The application's
    /// [`Producer`] is there without being added.
    #[must_use]
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.state.insert(value);
        self
    }

    /// Adds a consumer by its type. Derived ones are found without this.
    #[must_use]
    pub fn consumer<C: Consumer>(self) -> Self {
        self.consumer_spec(C::spec())
    }

    /// Adds a consumer that was declared by hand.
    #[must_use]
    pub fn consumer_spec(mut self, spec: ConsumerSpec) -> Self {
        self.consumers.push((spec, Origin::Explicit));
        self
    }

    /// Says that the application produces to this topic, so that `topics list | check | create` cover it. Nothing else depends on it.
    /// Derived topics with `produce` alone are found without this.
    #[must_use]
    pub fn produces<T: Produce>(mut self) -> Self {
        self.produced.push(registry::declare::<T>());
        self
    }

    /// Takes only the consumers and the produced topics that are added by hand.
    #[must_use]
    pub fn without_discovery(mut self) -> Self {
        self.discovery = Discovery::Off;
        self
    }

    /// As [`AppBuilder::state`], from a plugin.
    pub fn insert_state<T: Clone + Send + Sync + 'static>(&mut self, value: T) {
        self.state.insert(value);
    }

    /// Installs a plugin.
    #[must_use]
    pub fn plugin(mut self, plugin: impl Plugin) -> Self {
        self.plugins.push(plugin.name());
        plugin.install(&mut self);
        self
    }

    /// Adds a gate before handlers. Gates are asked in the order they were added.
    pub fn push_gate(&mut self, source: impl GateSource + 'static) {
        self.gates.push(Arc::new(source));
    }

    /// Sets who deals with failed messages. Default: they hold their lane and are tried again.
    pub fn set_failure_handler(&mut self, source: impl FailureHandlerSource + 'static) {
        self.failure_handler = Some(Arc::new(source));
    }

    /// Adds who makes consumers beside the declared ones.
    pub fn push_companions(&mut self, source: impl CompanionSource + 'static) {
        self.companions.push(Arc::new(source));
    }

    /// Says that a plugin reads this section of the settings; see [`Settings::read_section`].
    pub fn push_section(&mut self, name: &'static str) {
        self.sections.push(name);
    }

    /// Adds a task that runs beside the consumers.
    pub fn push_background(&mut self, task: Arc<dyn Background>) {
        self.backgrounds.push(task);
    }

    /// Adds something to be done before the consumers start. Steps are taken in the order they were added.
    pub fn push_start_step(&mut self, step: impl StartStep + 'static) {
        self.start_steps.push(Arc::new(step));
    }

    /// The component of this type, made when it is first asked for. Plugins push into it in any order; it becomes values of the
    /// application's state when the application is built.
    pub fn component<C: Component + Default>(&mut self) -> &mut C {
        self.components.get()
    }

    /// Adds something that is asked when someone asks for the application's health.
    pub fn push_health_source(&mut self, source: impl HealthSource + 'static) {
        self.health_sources.push(Arc::new(source));
    }

    /// Adds a consumer from a plugin.
    pub fn push_consumer(&mut self, spec: ConsumerSpec) {
        self.consumers.push((spec, Origin::Explicit));
    }

    /// Adds a topic to the consumer of this name, which may be declared before or after, by hand or by a derive. That there is none is
    /// reported by [`AppBuilder::build`].
    pub fn push_topic(&mut self, consumer: impl Into<String>, topic: DeclaredTopic) {
        self.topics.push((consumer.into(), topic));
    }

    /// Decides about errors of clients. Default: a fatal one stops its consumer.
    #[must_use]
    pub fn error_handler(mut self, handler: ErrorHandler) -> Self {
        self.error_handler = handler;
        self
    }

    /// Uses this broker instead of the cluster that the settings name: an embedded one, or one in memory.
    #[must_use]
    pub fn broker(mut self, broker: Arc<dyn Broker>) -> Self {
        self.broker = Some(broker);
        self
    }

    /// Uses this schema registry instead of the one that the settings name.
    #[cfg(all(feature = "test-kit", feature = "__registry"))]
    pub(crate) fn registry(mut self, registry: crate::schema_registry::Shared) -> Self {
        self.settings.registry = registry;
        self
    }

    /// Takes the time from this clock.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Checks everything and makes the application. Connects to nothing yet.
    ///
    /// # Errors
    /// All that is wrong with settings, declarations and state, each with its path.
    pub fn build(self) -> Result<App, ConfigErrors> {
        assemble::build(self)
    }
}
