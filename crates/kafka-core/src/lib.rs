//! The vocabulary and the one consume loop of kafka-kit.
//!
//! Users depend on the umbrella crate `kafka-kit`; this crate is for those who extend the framework.
//!
//! ```text
//! Kafka ─▶ broker/rdkafka ─▶ consumer/run ─▶ lanes ─▶ pipeline ─┬─▶ gates
//!          one poll thread        ▲                             ├─▶ handler: decode ─▶ the user's consume()
//!          owns the client        │                             └─▶ failure handler
//!                                 └──────── what is settled ────┘
//! ```
//!
//! In reading order: [`names`] and [`message`] are the words, [`mod@format`] and [`topic`] what a user
//! declares, [`consumer`] the loop, [`producer`] the way out, [`broker`] the ports to a cluster,
//! [`settings`] and [`app`] the assembly.

pub mod app;
pub mod broker;
pub mod clock;
pub mod consumer;
pub mod error;
pub mod format;
pub mod message;
pub mod names;
#[doc(hidden)]
pub mod planted;
pub mod producer;
pub mod registry;
pub mod retry_policy;
#[cfg(feature = "__registry")]
pub mod schema_registry;
pub mod settings;
#[cfg(feature = "test-kit")]
pub mod sim;
#[cfg(feature = "test-kit")]
pub mod test_kit;
pub mod topic;

/// What derives write against. Not for use by hand; names may change with any release.
#[doc(hidden)]
pub mod __private {
    pub use inventory;

    pub use crate::app::{MissingState, State};
    pub use crate::consumer::{Consumer, ConsumerSpec};
    pub use crate::format::Text;
    #[cfg(feature = "avro")]
    pub use crate::format::{AvroSchema, SchemaScope, TypeSchema};
    pub use crate::registry::{ProducedTopic, Registration};
    pub use crate::retry_policy::{ErrorKind, MaxRetries, RetryPolicy};
    pub use crate::settings::SubjectStrategy;
    pub use crate::topic::{Batched, Blocking, Concurrency, DeadLetterLimit, Produce, Single, Topic, TopicSpec};
}
