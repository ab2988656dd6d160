//! Administration by way of librdkafka's admin client.
//!
//! The one place that uses rdkafka's own client: its requests are few, and its futures are right for them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures_util::future::BoxFuture;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic as NativeTopic, OwnedResourceSpecifier, ResourceSpecifier, TopicReplication};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::oneshot;

use super::native::{self, name_of};
use crate::broker::{Admin, ClientError, CreateTopicsError, NewTopic, Properties, TopicConfigs};
use crate::clock::Clock;
use crate::names::{TopicName, TopicPartition};

/// How long to wait before a partition without a leader is asked for again.
const LEADER_WAIT: Duration = Duration::from_millis(100);

/// How long the cluster may take to answer.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) struct RdkafkaAdmin(Arc<AdminClient<Logs>>);

impl RdkafkaAdmin {
    pub(super) fn new(properties: &Properties) -> Result<Self, ClientError> {
        let mut config = ClientConfig::new();
        config.extend(properties.iter().map(|(name, value)| (name.clone(), value.clone())));
        config.create_with_context(Logs).map(|client| Self(Arc::new(client))).map_err(|error| translate(&error))
    }
}

impl Admin for RdkafkaAdmin {
    fn topics(&self) -> BoxFuture<'_, Result<BTreeMap<TopicName, i32>, ClientError>> {
        let client = Arc::clone(&self.0);
        Box::pin(async move {
            // Not one of tokio's threads: a runtime that ends would wait for a cluster that does not answer.
            let (sender, answer) = oneshot::channel();
            let ask = move || drop(sender.send(client.inner().fetch_metadata(None, TIMEOUT)));
            let asking = thread::Builder::new().name("kafka-kit-metadata".to_owned()).spawn(ask);
            asking.map_err(|error| ClientError::transient("_FAIL", error.to_string()))?;
            let metadata = answer.await.map_err(|error| ClientError::transient("_FAIL", error.to_string()))?;
            let metadata = metadata.map_err(|error| translate(&error))?;
            let count = |partitions: usize| i32::try_from(partitions).unwrap_or(i32::MAX);
            Ok(metadata.topics().iter().map(|topic| (TopicName::from_broker(topic.name()), count(topic.partitions().len()))).collect())
        })
    }

    fn topic_configs<'a>(&'a self, topics: &'a [TopicName]) -> BoxFuture<'a, Result<TopicConfigs, ClientError>> {
        Box::pin(async move {
            let asked: Vec<_> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic.as_str())).collect();
            let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
            let answers = self.0.describe_configs(&asked, &options).await.map_err(|error| translate(&error))?;
            let told = answers.into_iter().flatten().filter_map(|resource| match resource.specifier {
                OwnedResourceSpecifier::Topic(name) => {
                    let entries = resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?)));
                    Some((TopicName::from_broker(&name), entries.collect()))
                }
                _ => None,
            });
            Ok(told.collect())
        })
    }

    fn create_topics<'a>(&'a self, topics: &'a [NewTopic]) -> BoxFuture<'a, Result<(), CreateTopicsError>> {
        Box::pin(async move {
            let native: Vec<_> = topics
                .iter()
                .map(|topic| {
                    // −1 asks for the cluster's default.
                    let replication = TopicReplication::Fixed(topic.replication.unwrap_or(-1));
                    let native = NativeTopic::new(topic.name.as_str(), topic.partitions, replication);
                    topic.config.iter().fold(native, |native, (name, value)| native.set(name, value))
                })
                .collect();
            let options = AdminOptions::new().operation_timeout(Some(TIMEOUT)).request_timeout(Some(TIMEOUT));
            let results = self.0.create_topics(&native, &options).await.map_err(|error| translate(&error))?;
            let refused: Vec<_> = results
                .into_iter()
                .filter_map(|result| match result {
                    Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => None,
                    Err((name, code)) => Some((TopicName::from_broker(&name), code.to_string())),
                })
                .collect();
            if refused.is_empty() { Ok(()) } else { Err(CreateTopicsError::Refused { refused }) }
        })
    }

    fn bounds<'a>(&'a self, topics: &'a [TopicName]) -> BoxFuture<'a, Result<BTreeMap<TopicPartition, Range<i64>>, ClientError>> {
        Box::pin(async move {
            let known = self.topics().await?;
            let partitions: Vec<_> = topics
                .iter()
                .filter_map(|topic| known.get(topic).map(|count| (topic, *count)))
                .flat_map(|(topic, count)| (0..count).map(|partition| TopicPartition::new(topic.clone(), partition)))
                .collect();
            let client = Arc::clone(&self.0);
            let ask = move |partition: TopicPartition| {
                let deadline = Clock::System.now() + TIMEOUT;
                loop {
                    match client.inner().fetch_watermarks(partition.topic.as_str(), partition.partition, TIMEOUT) {
                        Ok((start, end)) => return Ok((partition, start..end)),
                        // A topic that was just made, or whose leader moves: known once the metadata is.
                        Err(error) if is_without_leader(&error) && Clock::System.now() < deadline => {
                            thread::park_timeout(LEADER_WAIT);
                            drop(client.inner().fetch_metadata(Some(partition.topic.as_str()), TIMEOUT));
                        }
                        Err(error) => return Err(translate(&error)),
                    }
                }
            };
            let asked = tokio::task::spawn_blocking(move || partitions.into_iter().map(ask).collect());
            asked.await.unwrap_or_else(|error| Err(ClientError::transient("_FAIL", error.to_string())))
        })
    }

    fn delete_records<'a>(&'a self, before: &'a BTreeMap<TopicPartition, i64>) -> BoxFuture<'a, Result<(), ClientError>> {
        Box::pin(async move {
            let mut list = TopicPartitionList::new();
            for (partition, offset) in before {
                let added = list.add_partition_offset(partition.topic.as_str(), partition.partition, Offset::Offset(*offset));
                added.map_err(|error| translate(&error))?;
            }
            let options = AdminOptions::new().operation_timeout(Some(TIMEOUT)).request_timeout(Some(TIMEOUT));
            let deleted = self.0.delete_records(&list, &options).await.map_err(|error| translate(&error))?;
            let refused = deleted.elements().into_iter().find_map(|element| {
                let at = (element.topic().to_owned(), element.partition());
                element.error().err().map(|error| (at, error))
            });
            match refused {
                None => Ok(()),
                Some(((topic, partition), error)) => {
                    let client = translate(&error);
                    Err(ClientError { message: format!("records of {topic}/{partition} were not removed: {}", client.message), ..client })
                }
            }
        })
    }
}

impl std::fmt::Debug for RdkafkaAdmin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RdkafkaAdmin")
    }
}

/// Sends librdkafka's lines to `tracing`, where those of the other clients go.
struct Logs;

impl ClientContext for Logs {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        native::log_line(level as i32, "admin", facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(target: "librdkafka", %error, reason, "the admin client has trouble");
    }
}

fn is_without_leader(error: &KafkaError) -> bool {
    let waits = [RDKafkaErrorCode::NotLeaderForPartition, RDKafkaErrorCode::LeaderNotAvailable, RDKafkaErrorCode::UnknownTopicOrPartition];
    error.rdkafka_error_code().is_some_and(|code| waits.contains(&code))
}

fn translate(error: &KafkaError) -> ClientError {
    let code = error.rdkafka_error_code();
    let code = code.map_or_else(|| "_FAIL".to_owned(), |code| name_of(code as i32));
    ClientError::transient(code, error.to_string())
}
