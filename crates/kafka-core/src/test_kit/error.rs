//! What can be wrong with a test before anything of the application is.

use std::fmt;

use super::words;
use crate::app::StartError;
use crate::error::ConfigErrors;
use crate::format::DecodeError;
use crate::producer::ProduceError;

/// Why the test kit could not do what a test asked for. Its words say all that led to it, in its `Debug` form too:
/// tests unwrap.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TestError {
    /// The application is not right; everything that is wrong is listed, as it would be in production.
    #[error("the application was not built: {0}")]
    Config(#[from] ConfigErrors),
    /// The application was built and did not start.
    #[error("the application did not start: {}", words(_0))]
    Start(#[from] StartError),
    /// What was to be published does not fit the topic.
    #[error("nothing was published: {}", words(_0))]
    Encode(#[from] ProduceError),
    /// There is no such partition: the topic has fewer.
    #[error("nothing was published: {topic} has no partition {partition}; say how many it has with `TestCluster::topic`")]
    NoPartition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// A record of the topic is not of the topic's formats.
    #[error("the {part} of {topic} [{partition}] at {offset}: {}", words(source))]
    Decode {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset.
        offset: i64,
        /// Key or value.
        part: &'static str,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// A record of the topic has a null key or value; [`TestApp::produced_parts`](super::TestApp::produced_parts) shows those too.
    #[error("the {part} of {topic} [{partition}] at {offset} is null; read it with `produced_parts`")]
    Null {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset.
        offset: i64,
        /// Key or value.
        part: &'static str,
    },
}

impl fmt::Debug for TestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
