//! One consumer of the application: from its declaration to pipelines that can run, or to all that is wrong with it.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::builder::{FailureHandlerSource, GateSource, Tools};
use super::state::State;
use crate::broker::{Broker, Properties};
use crate::consumer::{ConsumerSpec, DeclaredTopic, FailureHandler, Gate, HoldFailed, OffsetStorage, Pipeline, Role};
use crate::error::ConfigErrors;
use crate::names::{GroupId, Subscription};
use crate::producer::suppression::Suppression;
use crate::settings::{LayeredProperties, OwnConfig, Settings};
use crate::topic::Concurrency;

/// A consumer with its pipelines, ready to be started.
#[derive(Debug)]
pub(crate) struct AssembledConsumer {
    pub(crate) name: String,
    pub(super) role: Role,
    pub(crate) group: GroupId,
    pub(super) properties: LayeredProperties,
    pub(crate) pipelines: Vec<Arc<Pipeline>>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) storage: OffsetStorage,
    pub(super) max_in_flight_messages: usize,
}

/// What every consumer of the application is assembled with.
pub(super) struct Assembly<'a> {
    pub(super) settings: &'a Settings,
    pub(super) state: &'a State,
    pub(super) gates: &'a [Arc<dyn GateSource>],
    pub(super) failure_handler: Option<&'a dyn FailureHandlerSource>,
    pub(super) tools: Tools<'a>,
    pub(super) broker: &'a dyn Broker,
    pub(super) address: Address,
}

/// Whether the cluster's address must be among the properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    Known,
    Wanted,
}

impl Assembly<'_> {
    pub(super) fn consumer(&self, spec: ConsumerSpec) -> Result<AssembledConsumer, ConfigErrors> {
        let mut errors = ConfigErrors::new();
        let path = format!("consumers.{}", spec.name);
        let group = GroupId::new(&spec.group).map_err(|error| errors.push(format!("{path}.group"), error.to_string())).ok();
        let own_path = format!("{path}.config");
        let own = OwnConfig { path: &own_path, properties: &spec.config };
        let layered = match spec.role {
            Role::Main => LayeredProperties::consumer(self.settings, own, self.broker),
            Role::Retry { .. } => LayeredProperties::retry_consumer(self.settings, own, self.broker),
        };
        let properties = errors.take(layered);
        if let (Some(properties), Address::Wanted) = (&properties, self.address)
            && let Err(error) = properties.require_bootstrap_servers()
        {
            errors.extend(error.into());
        }
        overlaps(&spec, &mut errors);
        if let OffsetStorage::Transactions = spec.offset_storage {
            transactable(&spec, properties.as_ref(), self.tools.framework_producer.properties(), &mut errors);
        }
        let (mut pipelines, mut subscriptions) = (Vec::new(), Vec::new());
        for topic in &spec.topics {
            pipelines.extend(errors.take(self.pipeline(&spec, topic)));
            subscriptions
                .extend(topic.subscription().map_err(|error| errors.push(format!("{path}.topics.{}", topic.spec.name), error.to_string())));
        }
        match (group, properties) {
            (Some(group), Some(properties)) if errors.is_empty() => Ok(AssembledConsumer {
                name: spec.name,
                group,
                properties: match spec.role {
                    Role::Main => with_own_topics_left_out(properties, &subscriptions, &spec.group, self.settings),
                    Role::Retry { .. } => properties,
                },
                role: spec.role,
                pipelines,
                subscriptions,
                storage: spec.offset_storage,
                max_in_flight_messages: spec.max_in_flight_messages.map_or(self.settings.max_in_flight_messages, NonZeroUsize::get),
            }),
            _ => Err(errors),
        }
    }

    fn pipeline(&self, consumer: &ConsumerSpec, topic: &DeclaredTopic) -> Result<Arc<Pipeline>, ConfigErrors> {
        let mut errors = topic.spec.problems();
        let handler = errors.take(topic.handler(self.state, self.settings));
        let mut gates = Vec::new();
        for source in self.gates {
            gates.extend(errors.take(source.gate(consumer, &topic.spec, &self.tools)).flatten());
        }
        // A retry consumer has the topics of its main one, which is told.
        if let (OffsetStorage::Transactions, Role::Main) = (&consumer.offset_storage, &consumer.role) {
            let path = format!("consumers.{}.topics.{}", consumer.name, topic.spec.name);
            gates.iter().for_each(|gate: &Arc<dyn Gate>| errors.push(&path, gate.outside_transactions()));
        }
        let failure_handler: Option<Arc<dyn FailureHandler>> = match self.failure_handler {
            Some(source) => errors.take(source.failure_handler(consumer, &topic.spec, &self.tools)),
            None if topic.spec.retry.is_some() => {
                errors.push(
                    format!("topics.{}.retry", topic.spec.name),
                    "it declares retries and nothing carries them out; turn on the feature `retry`",
                );
                None
            }
            None => Some(Arc::new(HoldFailed::new(self.tools.clock.clone()))),
        };
        let spec = Arc::new(topic.spec.clone());
        match (handler, failure_handler, topic.subscription()) {
            (Some(handler), Some(failure_handler), Ok(subscription)) if errors.is_empty() => {
                let suppression = Suppression::default().with(&consumer.suppress).with(&topic.spec.suppress);
                let returns = topic.returning.as_ref().map(|returning| Arc::clone(&returning.reads));
                Ok(Arc::new(Pipeline {
                    spec,
                    type_name: topic.type_name,
                    subscription,
                    returns,
                    handler,
                    gates,
                    failure_handler,
                    suppression,
                    clock: self.tools.clock.clone(),
                }))
            }
            _ => Err(errors),
        }
    }
}

/// What the transactional mode needs of topics and properties.
fn transactable(spec: &ConsumerSpec, properties: Option<&LayeredProperties>, producer: &Properties, errors: &mut ConfigErrors) {
    let unordered = spec.topics.iter().filter(|topic| topic.spec.concurrency != Concurrency::Partition);
    for topic in unordered {
        let path = format!("consumers.{}.topics.{}", spec.name, topic.spec.name);
        errors.push(path, "a transaction commits the position behind all that it holds, so messages must be handled in the order of their partition; leave `concurrency` out, or `exactly_once`");
    }
    let wrong = |name: &str, value: &str| match name {
        "acks" | "request.required.acks" => !matches!(value, "all" | "-1"),
        "enable.idempotence" => !matches!(value.to_ascii_lowercase().as_str(), "true" | "t" | "1"),
        "transactional.id" => true,
        _ => false,
    };
    for (name, value) in producer.iter().filter(|(name, value)| wrong(name, value)) {
        let what = format!(
            "`{value}` is not possible in transactions, which the consumer {} is set to by `exactly_once`; leave it out",
            spec.name
        );
        errors.push(format!("producer_config.{name}"), what);
    }
    let isolation = properties.and_then(|properties| properties.properties().get("isolation.level").cloned());
    if isolation.as_deref() == Some("read_uncommitted") {
        let path = format!("consumers.{}.config.isolation.level", spec.name);
        errors.push(path, "with `read_uncommitted` the consumer would begin before positions that a former owner is committing; leave it out, or `exactly_once`");
    }
}

/// Keeps a pattern from catching the group's own retry and dead-letter topics.
fn with_own_topics_left_out(
    mut properties: LayeredProperties,
    subscriptions: &[Subscription],
    group: &str,
    settings: &Settings,
) -> LayeredProperties {
    if subscriptions.iter().any(|subscription| matches!(subscription, Subscription::Pattern(_))) {
        let [group, retry, dead_letter] = [group, &settings.retry_topic_suffix, &settings.dead_letter_topic_suffix].map(regex::escape);
        let own = format!("^{group}\\..*\\.({retry}\\.[0-9]+|{dead_letter})$");
        properties.append("topic.blacklist", &own);
    }
    properties
}

/// Topics of one consumer that would fight over messages.
fn overlaps(spec: &ConsumerSpec, errors: &mut ConfigErrors) {
    for (at, topic) in spec.topics.iter().enumerate() {
        for earlier in &spec.topics[..at] {
            let path = format!("consumers.{}.topics.{}", spec.name, topic.spec.name);
            if earlier.spec.name == topic.spec.name {
                errors.push(path, format!("{} and {} both take it; a consumer takes each topic once", earlier.type_name, topic.type_name));
                continue;
            }
            let (Ok(one), Ok(other)) = (earlier.spec.subscription(), topic.spec.subscription()) else { continue };
            let caught = match (&one, &other) {
                (Subscription::Pattern(_), Subscription::Exact(name)) => one.matches(name.as_str()),
                (Subscription::Exact(name), Subscription::Pattern(_)) => other.matches(name.as_str()),
                (Subscription::Exact(_), Subscription::Exact(_)) | (Subscription::Pattern(_), Subscription::Pattern(_)) => false,
            };
            if caught {
                errors.push(path, format!("{} and {} both match it; narrow the pattern", one.as_str(), other.as_str()));
            }
        }
    }
}
