//! What the loop of one consumer is told when it is made.

use std::sync::Arc;
use std::time::Duration;

use super::ErrorHandler;
use super::pipeline::Pipeline;
use super::seams::OffsetStorage;
use super::spawner::Spawner;
use super::transactions::TransactionSource;
use crate::clock::Clock;
use crate::names::GroupId;

/// What the loop needs to know of its consumer.
#[derive(Debug)]
pub(crate) struct LoopConfig {
    pub(crate) name: String,
    pub(crate) group: GroupId,
    pub(crate) topics: Vec<Arc<Pipeline>>,
    pub(crate) storage: OffsetStorage,
    /// What the producers of the transactional mode are made of.
    pub(crate) transactions: Option<TransactionSource>,
    pub(crate) error_handler: ErrorHandler,
    pub(crate) clock: Clock,
    pub(crate) spawner: Spawner,
    /// How long messages in flight may finish before a revoked partition is given up.
    pub(crate) revoke_timeout: Duration,
    /// The same at shutdown.
    pub(crate) shutdown_timeout: Duration,
    /// The longest time between two polls.
    pub(crate) poll_interval: Duration,
    /// Bound of memory in flight over all partitions.
    pub(crate) max_in_flight_bytes: usize,
    /// Bound of messages in flight for each partition.
    pub(crate) max_in_flight_messages: usize,
}
