//! A topic of an assembled application, for those who look at it from outside: the command line, the dead-letter workbench.

use std::sync::Arc;

use super::consumer::AssembledConsumer;
use crate::consumer::{OffsetStorage, Pipeline, Role};
use crate::format::{DecodeError, Part};
use crate::names::GroupId;
use crate::topic::TopicSpec;

/// A topic of one of the application's consumers.
#[derive(Debug, Clone, Copy)]
pub struct AssembledTopic<'a> {
    pub(super) consumer: &'a AssembledConsumer,
    pub(super) pipeline: &'a Arc<Pipeline>,
}

impl<'a> AssembledTopic<'a> {
    /// The consumer's name.
    #[must_use]
    pub fn consumer(&self) -> &'a str {
        &self.consumer.name
    }

    /// The consumer's group.
    #[must_use]
    pub fn group(&self) -> &'a GroupId {
        &self.consumer.group
    }

    /// What the consumer is for.
    #[must_use]
    pub fn role(&self) -> &'a Role {
        &self.consumer.role
    }

    /// Who keeps the consumer's positions.
    #[must_use]
    pub fn offset_storage(&self) -> &'a OffsetStorage {
        &self.consumer.storage
    }

    /// What the topic declares.
    #[must_use]
    pub fn spec(&self) -> &'a TopicSpec {
        &self.pipeline.spec
    }

    /// Whether the consumer reads a topic of this name for it: the topic itself, or for a retry consumer a retry topic.
    #[must_use]
    pub fn reads(&self, topic: &str) -> bool {
        self.pipeline.subscription.matches(topic)
    }

    /// A key or a value as text for people, as the topic's format reads it; `None` leaves it to guess from the bytes.
    ///
    /// # Errors
    /// When the bytes are not of the format, or what decoding needs is not available.
    pub async fn show(&self, part: Part<'_>) -> Result<Option<String>, DecodeError> {
        self.pipeline.handler.show(part).await
    }
}
