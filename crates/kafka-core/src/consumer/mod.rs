//! Consumers: a group, its topics, and the loop that keeps their promises.
//!
//! In reading order: [`spec`](ConsumerSpec) is what is declared, `run` is the loop, `partition` what
//! one assignment owns, `lanes` the order within it, `pipeline` the way of a run, `outcome` and
//! `seams` the closed protocol between them and the feature crates, `tracker` what may be stored,
//! `transactions` the mode in which outputs and positions are committed as one, `replay` the way of
//! messages that no poll brought.

#[cfg(feature = "test-kit")]
mod by_hand;
mod client_error;
pub(crate) mod defect;
mod health;
mod lanes;
mod loop_config;
mod outcome;
mod partition;
mod pipeline;
mod replay;
mod reports;
mod run;
mod seams;
mod signal;
mod spawner;
mod spec;
mod state;
mod thread;
mod tracker;
mod transactions;
#[cfg(test)]
#[cfg(feature = "test-kit")]
mod transactions_tests;

#[cfg(feature = "test-kit")]
pub(crate) use by_hand::{Bell, ByHand, Turned};
pub use client_error::{ClientErrorAction, ConsumeError, ErrorHandler};
pub use health::{ConsumerHealth, Reason, Status};
#[cfg(feature = "test-kit")]
pub(crate) use lanes::HeldLane;
pub(crate) use loop_config::LoopConfig;
pub(crate) use outcome::Blame;
pub use outcome::{Ack, Admission, BatchError, Directive, HandlerError, HandlerPanic, Hold, Settlement, Wake, WakeSource};
pub(crate) use pipeline::Pipeline;
pub use replay::{Replayed, TopicAtWork};
pub(crate) use reports::{Command, Report, Reporter};
pub(crate) use run::{ConsumerLoop, Turn};
pub use seams::{
    Admissions, Backoff, Decoding, Failure, FailureHandler, Gate, HoldFailed, OffsetStorage, PositionSource, Returned, Returns,
};
pub(crate) use spawner::Spawner;
pub use spec::{Consumer, ConsumerSpec, DeclaredTopic, Role};
pub use state::{ConsumerState, Flow, PartitionState, Trouble, Work};
pub use thread::{ConsumerHandle, UnknownTopic};
pub(crate) use thread::{Oversight, Parking, start};
pub(crate) use transactions::TransactionSource;
