//! librdkafka's C interface behind safe types. The only unsafe code of the project.
//!
//! rdkafka's own clients are not used: their poll drops the reason of an error and cannot tell "nothing there" from "one log line
//! served", their drop waits without bound, their headers panic on names that are not UTF-8, and none of them takes messages in
//! batches. What is here is one file per native thing: a [`Handle`] (`rd_kafka_t`), the [`EventQueue`] that events come from, the
//! [`PartitionQueue`]s that messages come from, a [`NativeMessage`], producing, and transactions.

mod conf;
mod error;
mod event;
mod handle;
mod list;
mod message;
#[cfg(feature = "test-kit")]
mod mock;
mod partition;
mod produce;
mod transaction;

pub(crate) use conf::{Conf, check_property, log_line};
#[cfg(feature = "test-kit")]
pub(crate) use error::code_of;
pub(crate) use error::{NativeError, name_of};
pub(crate) use event::{Event, EventQueue};
pub(crate) use handle::Handle;
pub use message::NativeMessage;
#[cfg(feature = "test-kit")]
pub(crate) use mock::MockCluster;
pub(crate) use partition::{FetchBuffer, PartitionQueue, ReadyList};
pub(crate) use produce::Outcome;
pub(crate) use transaction::no_member;
