//! librdkafka behind the broker ports. The only folder that names rdkafka.
//!
//! [`RdkafkaBroker`] makes clients of a real cluster, [`EmbeddedBroker`] brings a cluster in process for tests. What the ports
//! promise is in [`broker`](super); how librdkafka is made to keep it is in `consumer` and `producer`; every unsafe line is in
//! `native`.

mod admin;
mod connect;
mod consumer;
#[cfg(feature = "test-kit")]
mod embedded;
#[allow(unsafe_code, reason = "librdkafka's batch and produce calls; rdkafka's clients copy each message and panic on headers")]
mod native;
mod probe;
mod producer;
mod reader;
mod repeats;
mod transactions;

use std::sync::Arc;

#[cfg(feature = "test-kit")]
pub use embedded::{EmbeddedBroker, Request};
pub use native::NativeMessage;

use futures_util::future::BoxFuture;

use super::{
    Admin, Broker, ClientError, ConnectionError, ConsumerClient, PollWaker, ProducerClient, Properties, ReadRange, TopicReader,
    TransactionError, TransactionalClient, Wanted,
};
use crate::names::{GroupId, Subscription};
use consumer::RdkafkaConsumer;
use producer::RdkafkaProducer;
use reader::RdkafkaReader;

/// A Kafka cluster by way of librdkafka. Which one, the property `bootstrap.servers` says.
#[derive(Debug, Clone, Copy, Default)]
pub struct RdkafkaBroker;

impl RdkafkaBroker {
    /// A cluster; its clients know which one.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Broker for RdkafkaBroker {
    fn consumer(
        &self,
        group: &GroupId,
        properties: &Properties,
        subscriptions: &[Subscription],
        wake: PollWaker,
    ) -> Result<Box<dyn ConsumerClient>, ClientError> {
        Ok(Box::new(RdkafkaConsumer::new(group, properties, subscriptions, wake)?))
    }

    fn producer(&self, properties: &Properties) -> Result<Arc<dyn ProducerClient>, ClientError> {
        Ok(Arc::new(RdkafkaProducer::new(properties)?))
    }

    fn transactional_producer(
        &self,
        properties: &Properties,
        wanted: Wanted,
    ) -> BoxFuture<'static, Result<Arc<dyn TransactionalClient>, TransactionError>> {
        Box::pin(transactions::producer(properties.clone(), wanted))
    }

    fn admin(&self, properties: &Properties) -> Result<Arc<dyn Admin>, ClientError> {
        Ok(Arc::new(admin::RdkafkaAdmin::new(properties)?))
    }

    fn check_connection(&self, properties: &Properties) -> BoxFuture<'static, Result<(), ConnectionError>> {
        connect::check(properties)
    }

    fn connection(&self, properties: &Properties) -> Properties {
        connect::connection(properties)
    }

    fn reader(&self, properties: &Properties, ranges: &[ReadRange]) -> Result<Box<dyn TopicReader>, ClientError> {
        Ok(Box::new(RdkafkaReader::new(properties, ranges)?))
    }

    fn check_property(&self, name: &str, value: &str) -> Option<String> {
        native::check_property(name, value)
    }
}
