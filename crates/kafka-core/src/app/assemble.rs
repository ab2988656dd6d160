//! The one check: from what was pushed together to an application, or to all that is wrong with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::background::Background;
use super::builder::{AppBuilder, CompanionSource, Discovery, Origin, StartStep, Tools};
use super::component::Components;
use super::consumer::{Address, AssembledConsumer, Assembly};
use super::health::HealthSource;
use super::state::{MissingState, State};
use super::topic::AssembledTopic;
use crate::broker::rdkafka::RdkafkaBroker;
use crate::broker::{Admin, Broker, ClientError, ReadRange, TopicReader};
use crate::clock::Clock;
use crate::consumer::{ConsumerSpec, DeclaredTopic, ErrorHandler, TopicAtWork};
use crate::error::ConfigErrors;
use crate::names::TopicName;
use crate::producer::Producer;
use crate::registry;
use crate::settings::{LayeredProperties, OwnConfig, Settings};
use crate::topic::TopicSpec;

/// An application that was checked and can run.
#[derive(Debug)]
pub struct App {
    pub(crate) settings: Arc<Settings>,
    pub(crate) consumers: Vec<AssembledConsumer>,
    pub(super) producer: Producer,
    framework_producer: Producer,
    /// Topics that are produced to, and the types that declare them.
    pub(super) produced: Vec<(TopicName, &'static str)>,
    pub(super) start_steps: Vec<Arc<dyn StartStep>>,
    pub(super) backgrounds: Vec<Arc<dyn Background>>,
    pub(super) health_sources: Vec<Arc<dyn HealthSource>>,
    pub(super) broker: Arc<dyn Broker>,
    producer_properties: LayeredProperties,
    reader_properties: LayeredProperties,
    pub(super) clock: Clock,
    pub(super) error_handler: ErrorHandler,
    state: State,
}

impl App {
    /// An application with settings from the file and the environment.
    #[must_use]
    pub fn from_env() -> AppBuilder {
        AppBuilder::from_env()
    }

    /// An application with these settings.
    #[must_use]
    pub fn builder(settings: Settings) -> AppBuilder {
        AppBuilder::new(settings)
    }

    /// The application's producer.
    #[must_use]
    pub fn producer(&self) -> &Producer {
        &self.producer
    }

    /// The producer of the framework's own records: no suppression keeps them back, and their size is for the broker to judge.
    #[must_use]
    pub fn framework_producer(&self) -> &Producer {
        &self.framework_producer
    }

    /// Reads ranges of partitions, outside of any group.
    ///
    /// # Errors
    /// When the client cannot be made of the settings.
    pub fn reader(&self, ranges: &[ReadRange]) -> Result<Box<dyn TopicReader>, ClientError> {
        self.broker.reader(&self.reader_properties.properties(), ranges)
    }

    /// The topics of its consumers, those of plugins among them.
    pub fn assembled_topics(&self) -> impl Iterator<Item = AssembledTopic<'_>> {
        let topics = |consumer| move |pipeline| AssembledTopic { consumer, pipeline };
        self.consumers.iter().flat_map(move |consumer| consumer.pipelines.iter().map(topics(consumer)))
    }

    /// The clock that it runs by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// An administration client of its cluster.
    ///
    /// # Errors
    /// When the client cannot be made of the settings.
    pub fn admin(&self) -> Result<Arc<dyn Admin>, ClientError> {
        self.broker.admin(&self.producer_properties.properties())
    }

    /// The settings it was built with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The topics of its consumers, with the handlers that they have.
    #[must_use]
    pub fn topics_at_work(&self) -> Vec<TopicAtWork> {
        let topics = self.consumers.iter().flat_map(|consumer| consumer.pipelines.iter().map(move |pipeline| (consumer, pipeline)));
        topics.map(|(consumer, pipeline)| TopicAtWork::new(consumer.group.clone(), Arc::clone(pipeline))).collect()
    }

    /// A clone of the value of this type: one that was added to the builder, or that a plugin made.
    ///
    /// # Errors
    /// When there is none.
    pub fn state<T: Clone + Send + Sync + 'static>(&self) -> Result<T, MissingState> {
        self.state.get()
    }

    /// The properties that the client of each consumer gets, by the consumer's name.
    pub fn consumer_properties(&self) -> impl Iterator<Item = (&str, &LayeredProperties)> {
        self.consumers.iter().map(|consumer| (consumer.name.as_str(), &consumer.properties))
    }

    /// The properties that the producer's client gets.
    #[must_use]
    pub fn producer_properties(&self) -> &LayeredProperties {
        &self.producer_properties
    }

    /// The names of its consumers.
    pub fn consumers(&self) -> impl Iterator<Item = &str> {
        self.consumers.iter().map(|consumer| consumer.name.as_str())
    }
}

pub(super) fn build(mut app: AppBuilder) -> Result<App, ConfigErrors> {
    for plugin in registry::default_plugins().into_iter().filter(|plugin| !app.plugins.contains(&plugin.name)).collect::<Vec<_>>() {
        (plugin.install)(&mut app);
    }
    // Declarations are checked with what could be read of the settings, so that all errors come at once.
    let mut errors = std::mem::replace(&mut app.unread, ConfigErrors::new());
    let settings = Arc::new(std::mem::take(&mut app.settings));
    errors.take(Components::contribute(&mut app, &settings));
    // A broker that was given by hand knows its own address.
    let (broker, address): (Arc<dyn Broker>, _) = match app.broker {
        Some(broker) => (broker, Address::Known),
        None => (Arc::new(RdkafkaBroker::new()), Address::Wanted),
    };
    let sections = [app.sections, app.components.sections()].concat();
    errors.extend(settings.check(&*broker, &sections));

    let producer_properties = errors.take(LayeredProperties::producer(&settings, OwnConfig::default(), &*broker)).unwrap_or_default();
    let producer = Producer::new(Arc::clone(&broker), producer_properties.properties(), Arc::clone(&settings));
    let framework_producer = Producer::framework(Arc::clone(&broker), producer_properties.properties(), Arc::clone(&settings));
    let mut state = app.state;
    state.insert(producer.clone());
    let made = {
        let tools =
            Tools { settings: &settings, state: &state, producer: &producer, framework_producer: &framework_producer, clock: &app.clock };
        errors.take(app.components.build(&tools))
    };
    state.extend(made.unwrap_or_default());

    let reader_properties = errors.take(LayeredProperties::consumer(&settings, OwnConfig::default(), &*broker)).unwrap_or_default();

    if app.discovery == Discovery::On {
        app.produced.extend(registry::produced());
    }
    let mut consumers = gather(app.consumers, app.discovery, &mut errors);
    pushed(app.topics, &mut consumers, &mut errors);
    let tools =
        Tools { settings: &settings, state: &state, producer: &producer, framework_producer: &framework_producer, clock: &app.clock };
    consumers.extend(companions(&app.companions, &consumers, &tools, &mut errors));
    let assembly = Assembly {
        settings: &settings,
        state: &state,
        gates: &app.gates,
        failure_handler: app.failure_handler.as_deref(),
        tools,
        broker: &*broker,
        address,
    };
    let mut assembled = Vec::new();
    for spec in consumers {
        if spec.topics.is_empty() {
            tracing::warn!(consumer = %spec.name, "it has no topics and is skipped; name them in its `topics(…)`");
            continue;
        }
        assembled.extend(errors.take(assembly.consumer(spec)));
    }
    let produced = produced(&app.produced, &mut errors);
    errors.or_ok(App {
        settings,
        consumers: assembled,
        producer,
        framework_producer,
        produced,
        start_steps: app.start_steps,
        backgrounds: app.backgrounds,
        health_sources: app.health_sources,
        broker,
        producer_properties,
        reader_properties,
        clock: app.clock,
        error_handler: app.error_handler,
        state,
    })
}

/// The names of topics that are produced to, once for each type that declares them; a bad one is an error.
fn produced(declared: &[(TopicSpec, &'static str)], errors: &mut ConfigErrors) -> Vec<(TopicName, &'static str)> {
    let mut names: Vec<(TopicName, &str)> = Vec::new();
    for (spec, by) in declared {
        match TopicName::new(&spec.name) {
            Ok(name) if names.iter().all(|known| *known != (name.clone(), *by)) => names.push((name, by)),
            Ok(_) => {}
            Err(error) => errors.push(format!("topics.{}.name", spec.name), error.to_string()),
        }
    }
    names
}

/// Explicit and discovered consumers together; two of one name are an error that names both places.
fn gather(explicit: Vec<(ConsumerSpec, Origin)>, discovery: Discovery, errors: &mut ConfigErrors) -> Vec<ConsumerSpec> {
    let mut all = explicit;
    if discovery == Discovery::On {
        for registration in registry::discovered() {
            let spec = (registration.consumer)();
            // Naming a derived consumer by hand as well is not a second one.
            if all.iter().any(|(known, origin)| *origin == Origin::Explicit && known.name == spec.name && known.group == spec.group) {
                continue;
            }
            tracing::debug!(consumer = %spec.name, module = registration.module, "discovered");
            all.push((spec, Origin::Discovered { module: registration.module }));
        }
    }
    let mut places: BTreeMap<String, Origin> = BTreeMap::new();
    for (spec, origin) in &all {
        if let Some(first) = places.insert(spec.name.clone(), origin.clone()) {
            errors.push(
                format!("consumers.{}", spec.name),
                format!("two consumers have this name, one {first}, one {origin}; name one of them otherwise"),
            );
        }
    }
    all.into_iter().map(|(spec, _)| spec).collect()
}

/// Puts the topics that plugins pushed into their consumers.
fn pushed(topics: Vec<(String, DeclaredTopic)>, consumers: &mut [ConsumerSpec], errors: &mut ConfigErrors) {
    for (name, topic) in topics {
        match consumers.iter_mut().find(|consumer| consumer.name == name) {
            Some(consumer) => consumer.topics.push(topic),
            None => {
                let topic = topic.spec.name;
                errors.push(
                    format!("consumers.{name}"),
                    format!("a plugin adds the topic {topic} to this consumer, and there is none; declare it"),
                );
            }
        }
    }
}

/// The consumers that plugins want beside the declared ones.
fn companions(
    sources: &[Arc<dyn CompanionSource>],
    consumers: &[ConsumerSpec],
    tools: &Tools<'_>,
    errors: &mut ConfigErrors,
) -> Vec<ConsumerSpec> {
    let mut found = Vec::new();
    for source in sources {
        for consumer in consumers {
            found.extend(errors.take(source.companion(consumer, tools.settings, tools.clock)).flatten());
        }
        found.extend(errors.take(source.beside_all(consumers, tools)).flatten());
    }
    found
}
