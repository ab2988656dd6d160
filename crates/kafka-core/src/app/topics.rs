//! The topics that an application has to do with, as it declares them.

use super::assemble::App;
use crate::names::{GroupId, Subscription};

/// A topic, or a pattern of topics, and what the application does with it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TopicUse {
    /// The topic's name or pattern.
    pub subscription: Subscription,
    /// What is done with it.
    pub part: Part,
}

/// What an application does with a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// A consumer takes it.
    Consumed {
        /// The consumer's name.
        consumer: String,
        /// Its group.
        group: GroupId,
    },
    /// It is produced to.
    Produced {
        /// The Rust type that declares it.
        by: &'static str,
    },
}

impl App {
    /// Every topic that it declares: those of its consumers, in their order, then those that it produces to.
    /// One that is both, or that several consumers take, is there for each.
    pub fn topics(&self) -> impl Iterator<Item = TopicUse> {
        let consumed = self.consumers.iter().flat_map(|consumer| {
            consumer.subscriptions.iter().map(|subscription| TopicUse {
                subscription: subscription.clone(),
                part: Part::Consumed { consumer: consumer.name.clone(), group: consumer.group.clone() },
            })
        });
        let produced = self
            .produced
            .iter()
            .map(|(name, by)| TopicUse { subscription: Subscription::Exact(name.clone()), part: Part::Produced { by } });
        consumed.chain(produced)
    }
}
