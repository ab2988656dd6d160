//! The consumers of one process, each with its loop in hand and its pipelines watched, and the tasks of plugins beside them.

use std::sync::{Arc, OnceLock};

use super::member_broker::{Kind, MemberBroker};
use super::watch::{Way, Witness, watched};
use crate::app::{App, AssembledConsumer, Backgrounds, Sight, StartError};
use crate::broker::memory::{ClientId, MemoryBroker};
use crate::consumer::{Bell, ByHand, Oversight, Spawner, TopicAtWork};
use crate::names::{Subscription, TopicName};

/// A consumer whose loop is turned by hand.
#[derive(Debug)]
pub(crate) struct InHand {
    /// As it was assembled.
    pub(crate) assembled: AssembledConsumer,
    pub(crate) id: ClientId,
    /// What its handle needs to know.
    pub(crate) oversight: Oversight,
    pub(crate) by_hand: ByHand,
}

/// The number of a consumer's client, once it is made.
pub(crate) type ItsClient = Arc<OnceLock<ClientId>>;

/// A process that has begun.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) consumers: Vec<InHand>,
    pub(crate) backgrounds: Backgrounds,
}

/// Makes the clients of all consumers, and the loops over them, and starts the tasks of plugins beside them. `ring` is called whenever a
/// loop is woken.
pub(crate) fn begin(
    mut app: App,
    broker: &MemberBroker,
    spawner: &Spawner,
    sight: &Sight,
    ring: &(impl Fn() + Clone + Send + Sync + 'static),
    witness: impl Fn(&AssembledConsumer, &ItsClient, Way) -> Arc<dyn Witness>,
) -> Result<Begun, StartError> {
    let (mut consumers, mut topics) = (Vec::new(), Vec::new());
    for mut assembled in std::mem::take(&mut app.consumers) {
        let client = ItsClient::default();
        let seen = |way| {
            let witness = witness(&assembled, &client, way);
            assembled.pipelines.iter().map(|pipeline| Arc::new(watched(pipeline, &witness))).collect::<Vec<_>>()
        };
        topics.extend(seen(Way::Replay).into_iter().map(|pipeline| TopicAtWork::new(assembled.group.clone(), pipeline)));
        assembled.pipelines = seen(Way::Lane);
        let bell = Bell::new();
        let (consumer_loop, reporter) = app.consumer_loop(&assembled, bell.waker(ring.clone()), spawner.clone())?;
        let id = *broker.clients(Kind::Consumer).last().expect("its client was made just now");
        client.set(id).expect("it is set here only");
        consumers.push(InHand { oversight: app.oversight(&assembled), assembled, id, by_hand: ByHand::new(consumer_loop, reporter, bell) });
    }
    if consumers.is_empty() {
        return Err(StartError::Nothing);
    }
    Ok(Begun { consumers, backgrounds: app.start_beside(topics, spawner.runtime(), sight) })
}

/// Makes the topics that the application names and that are not there yet, as an administrator would have.
pub(crate) fn make_topics(app: &App, broker: &MemoryBroker, partitions: impl Fn(&TopicName) -> i32) {
    for subscription in app.consumers.iter().flat_map(|consumer| &consumer.subscriptions) {
        if let Subscription::Exact(topic) = subscription
            && !broker.topics().contains_key(topic)
        {
            broker.create_topic(topic, partitions(topic));
        }
    }
}
