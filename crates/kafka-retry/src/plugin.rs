//! Wiring: what the plugin pushes into an application, and what it makes of each declared topic.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use kafka_core::app::{AppBuilder, CompanionSource, FailureHandlerSource, GateSource, Plugin, StartStep, Tools};
use kafka_core::clock::Clock;
use kafka_core::consumer::{ConsumerSpec, Failure, FailureHandler, Gate, OffsetStorage, Role};
use kafka_core::error::ConfigErrors;
use kafka_core::names::{GroupId, Subscription};
use kafka_core::producer::Producer;
use kafka_core::retry_policy::{RetryMode, RetryPolicy};
use kafka_core::settings::Settings;
use kafka_core::topic::TopicSpec;

use crate::forward::Forwarder;
use crate::handler::{Chance, Retries};
use crate::headers::HeaderWriter;
use crate::health::RetryHealth;
use crate::limiter::{Limiter, LimiterGate};
use crate::names::RetryNames;
use crate::policy;
use crate::returns::RetryReturns;
use crate::settings::{DEAD_LETTER, DeadLetterSettings, RETRY_TOPICS, RetryTopicSettings};
use crate::skip::SkipRule;
use crate::targets::Targets;
use crate::topics::{Planned, TopicsExist};

/// Retries and dead letters. Applications built with the umbrella have it without naming it.
#[derive(Clone)]
pub struct Retry {
    chance: Chance,
    health: RetryHealth,
}

impl Retry {
    /// The name under which applications have it.
    pub const NAME: &'static str = "retry";

    /// As it is by default.
    #[must_use]
    pub fn new() -> Self {
        Self { chance: Arc::new(policy::chance), health: RetryHealth::default() }
    }

    /// Spreads jitter by this function, from 0 to below 1. Default: a number that depends on the message's place and the attempt alone,
    /// so that the same history has the same waits.
    #[must_use]
    pub fn jitter_by(mut self, chance: impl Fn(&Failure) -> f64 + Send + Sync + 'static) -> Self {
        self.chance = Arc::new(chance);
        self
    }

    /// How the retries are, and the way to lift dead-letter limits.
    #[must_use]
    pub fn health(&self) -> RetryHealth {
        self.health.clone()
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry").field("health", &self.health).finish_non_exhaustive()
    }
}

impl Plugin for Retry {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn install(self, app: &mut AppBuilder) {
        app.push_health_source(self.health());
        app.insert_state(self.health());
        let wiring = Wiring { retry: self, targets: Arc::default(), planned: Arc::default(), unbatched: Arc::default() };
        app.push_section(RETRY_TOPICS);
        app.push_section(DEAD_LETTER);
        app.push_gate(wiring.clone());
        app.push_companions(wiring.clone());
        app.push_start_step(wiring.clone());
        app.set_failure_handler(wiring);
    }
}

/// What the sources share.
#[derive(Debug, Clone)]
struct Wiring {
    retry: Retry,
    /// Made when the settings are known.
    targets: Arc<OnceLock<(Arc<Targets>, Clock)>>,
    planned: Arc<Mutex<Vec<Planned>>>,
    unbatched: Arc<OnceLock<Producer>>,
}

/// What a topic declares, or the settings for all.
fn policy_of(topic: &TopicSpec, settings: &Settings) -> Option<RetryPolicy> {
    topic.retry.clone().or_else(|| settings.retry_settings.as_ref().map(kafka_core::settings::RetrySettings::policy))
}

/// The name and the group of the declared consumer that this one is, or stands beside.
fn declared(consumer: &ConsumerSpec) -> (&str, &str) {
    match &consumer.role {
        Role::Main => (&consumer.name, &consumer.group),
        Role::Retry { of, group } => (of, group),
    }
}

impl Wiring {
    fn targets(&self, tools: &Tools<'_>) -> Result<Arc<Targets>, ConfigErrors> {
        let (mut errors, settings) = (ConfigErrors::new(), tools.settings);
        let retry_topics = errors.take(RetryTopicSettings::read(settings));
        let dead_letter = errors.take(DeadLetterSettings::read(settings));
        let (Some(retry_topics), Some(dead_letter)) = (retry_topics, dead_letter) else { return Err(errors) };
        let (targets, _) = self.targets.get_or_init(|| (Arc::new(Targets::new(retry_topics, dead_letter)), tools.clock.clone()));
        Ok(Arc::clone(targets))
    }

    fn limiter(&self, consumer: &ConsumerSpec, topic: &TopicSpec, tools: &Tools<'_>) -> Result<Option<Arc<Limiter>>, ConfigErrors> {
        let limit = topic.dead_letter_limit.or(self.targets(tools)?.dead_letter.limit());
        let name = format!("{}/{}", declared(consumer).0, topic.name);
        Ok(limit.map(|limit| self.retry.health.limiter(&name, || Limiter::new(name.clone(), limit, tools.clock.clone()))))
    }
}

impl FailureHandlerSource for Wiring {
    fn failure_handler(
        &self,
        consumer: &ConsumerSpec,
        topic: &TopicSpec,
        tools: &Tools<'_>,
    ) -> Result<Arc<dyn FailureHandler>, ConfigErrors> {
        let targets = self.targets(tools)?;
        let names = RetryNames::new(declared(consumer).1, tools.settings);
        let policy = policy_of(topic, tools.settings);
        // What is wrong with these is said by whoever checks groups and topics.
        if let (Role::Main, Ok(subscription)) = (&consumer.role, topic.subscription()) {
            let planned = Planned { names: names.clone(), subscription, policy: policy.clone() };
            check_names(&planned, topic, targets.retry_topics.max)?;
            self.planned.lock().unwrap_or_else(PoisonError::into_inner).push(planned);
        }
        let group = GroupId::new(declared(consumer).1).map_err(|error| ConfigErrors::from(at(topic, &error.to_string())))?;
        let writer = HeaderWriter::new(targets.dead_letter.headers).detail_limit(targets.dead_letter.detail_bytes);
        let troubles = Arc::clone(&self.retry.health.troubles);
        Ok(Arc::new(Retries {
            policy,
            names,
            group,
            forwarder: Forwarder {
                producer: tools.framework_producer.clone(),
                unbatched: self.unbatched.get_or_init(|| tools.framework_producer.unbatched()).clone(),
                targets,
                writer,
                troubles,
            },
            limiter: self.limiter(consumer, topic, tools)?,
            skip: tools.state.get::<Arc<dyn SkipRule>>().ok(),
            chance: Arc::clone(&self.retry.chance),
            clock: tools.clock.clone(),
        }))
    }
}

/// A name that Kafka would not take is found before the first message fails.
fn check_names(planned: &Planned, topic: &TopicSpec, most: u32) -> Result<(), ConfigErrors> {
    let checked = match &planned.subscription {
        Subscription::Exact(name) => planned.targets(name, most).map(drop),
        Subscription::Pattern(_) => planned.names.dead_letter("any").map(drop),
    };
    checked.map_err(|error| at(topic, &format!("the names of its retry and dead-letter topics begin with the group, and {error}")).into())
}

fn at(topic: &TopicSpec, problem: &str) -> kafka_core::error::ConfigError {
    kafka_core::error::ConfigError::new(format!("topics.{}.retry", topic.name), problem)
}

impl GateSource for Wiring {
    fn gate(&self, consumer: &ConsumerSpec, topic: &TopicSpec, tools: &Tools<'_>) -> Result<Option<Arc<dyn Gate>>, ConfigErrors> {
        Ok(self.limiter(consumer, topic, tools)?.map(|limiter| Arc::new(LimiterGate(limiter)) as Arc<dyn Gate>))
    }
}

impl CompanionSource for Wiring {
    fn companion(&self, consumer: &ConsumerSpec, settings: &Settings, clock: &Clock) -> Result<Option<ConsumerSpec>, ConfigErrors> {
        let names = RetryNames::new(&consumer.group, settings);
        let mut companion = ConsumerSpec::new(format!("{}.{}", consumer.name, settings.retry_topic_suffix), names.retry_group());
        companion.role = Role::Retry { of: consumer.name.clone(), group: consumer.group.clone() };
        companion.config.clone_from(&consumer.config);
        companion.suppress = consumer.suppress.clone();
        if matches!(consumer.offset_storage, OffsetStorage::Transactions) {
            companion = companion.exactly_once();
        }
        companion.max_in_flight_messages = consumer.max_in_flight_messages;
        for topic in &consumer.topics {
            // A name that cannot be subscribed is told of with the declared consumer.
            let Ok(subscription) = topic.spec.subscription() else { continue };
            if policy_of(&topic.spec, settings).is_some_and(|policy| policy.mode == RetryMode::NonBlocking) {
                let returns = RetryReturns { names: names.clone(), clock: clock.clone() };
                companion.topics.push(topic.clone().returning(names.retry_pattern(&subscription), Arc::new(returns)));
            }
        }
        Ok((!companion.topics.is_empty()).then_some(companion))
    }
}

impl StartStep for Wiring {
    fn name(&self) -> &'static str {
        "seeing to retry and dead-letter topics"
    }

    fn run<'a>(&'a self, app: &'a kafka_core::app::App) -> futures_util::future::BoxFuture<'a, Result<(), kafka_core::error::BoxError>> {
        Box::pin(async move {
            // Without a topic there is nothing to see to.
            let Some((targets, clock)) = self.targets.get() else { return Ok(()) };
            let step = TopicsExist { targets: Arc::clone(targets), planned: Arc::clone(&self.planned), clock: clock.clone() };
            step.run(app).await
        })
    }
}
