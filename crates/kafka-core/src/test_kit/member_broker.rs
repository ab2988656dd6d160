//! The broker as one process has it: remembers the clients it made, so that they can vanish with the process.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;

use crate::broker::memory::{ClientId, MemoryBroker};
use crate::broker::rdkafka::RdkafkaBroker;
use crate::broker::{
    Admin, Broker, ClientError, ConsumerClient, PollWaker, ProducerClient, Properties, ReadRange, TopicReader, TransactionError,
    TransactionalClient, Wanted,
};
use crate::names::{GroupId, Subscription};

/// A broker in memory, for the clients of one process. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct MemberBroker {
    broker: MemoryBroker,
    /// Set on every consumer of the process, unless it is there.
    defaults: Properties,
    clients: Arc<Mutex<Vec<(Kind, ClientId)>>>,
    judge: Arc<RdkafkaBroker>,
}

/// What a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Consumer,
    Producer,
}

impl MemberBroker {
    pub(crate) fn new(broker: MemoryBroker, defaults: Properties) -> Self {
        Self { broker, defaults, clients: Arc::default(), judge: Arc::new(RdkafkaBroker::new()) }
    }

    /// The clients that were made of it, in order.
    pub(crate) fn clients(&self, kind: Kind) -> Vec<ClientId> {
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.iter().filter(|(of, _)| *of == kind).map(|(_, id)| *id).collect()
    }

    /// All its clients vanish as by `kill -9`.
    pub(crate) fn crash(&self) {
        let clients = [Kind::Producer, Kind::Consumer].into_iter().flat_map(|kind| self.clients(kind));
        clients.for_each(|client| self.broker.crash(client));
    }

    fn made(&self, kind: Kind, id: ClientId) {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).push((kind, id));
    }
}

impl Broker for MemberBroker {
    fn consumer(
        &self,
        group: &GroupId,
        properties: &Properties,
        subscriptions: &[Subscription],
        wake: PollWaker,
    ) -> Result<Box<dyn ConsumerClient>, ClientError> {
        let mut all = self.defaults.clone();
        all.extend(properties.clone());
        if all.contains_key("group.protocol") {
            all.remove("partition.assignment.strategy");
        }
        let (id, client) = self.broker.new_consumer(group, &all, subscriptions, wake)?;
        self.made(Kind::Consumer, id);
        Ok(client)
    }

    fn producer(&self, properties: &Properties) -> Result<Arc<dyn ProducerClient>, ClientError> {
        let (id, client) = self.broker.new_producer(properties);
        self.made(Kind::Producer, id);
        Ok(client)
    }

    fn transactional_producer(
        &self,
        properties: &Properties,
        _wanted: Wanted,
    ) -> BoxFuture<'static, Result<Arc<dyn TransactionalClient>, TransactionError>> {
        let made = self.broker.new_transactional_producer(properties).map(|(id, client)| {
            self.made(Kind::Producer, id);
            client
        });
        Box::pin(std::future::ready(made))
    }

    fn admin(&self, properties: &Properties) -> Result<Arc<dyn Admin>, ClientError> {
        self.broker.admin(properties)
    }

    fn reader(&self, properties: &Properties, ranges: &[ReadRange]) -> Result<Box<dyn TopicReader>, ClientError> {
        self.broker.reader(properties, ranges)
    }

    /// As in production: what librdkafka would refuse is refused in a test.
    fn check_property(&self, name: &str, value: &str) -> Option<String> {
        self.judge.check_property(name, value)
    }
}
