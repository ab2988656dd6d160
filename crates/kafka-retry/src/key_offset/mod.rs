//! The key offset tracker: skips a message that fails for want of a related row when a newer message of its key follows.
//!
//! A consumer of its own group reads the keys of every topic whose retry policy says `use_offset_tracker`, and keeps the latest
//! offset of each key in a database. When such a topic's handler fails with a *relational* error, and a later offset of the key is
//! known, the message is skipped: counted, logged, neither retried nor dead-lettered. The newer state of that key follows anyway.

mod consume;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod relational;
mod rule;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
#[cfg(test)]
mod tests;
mod tracker;

pub use memory::MemoryKeyOffsets;
#[cfg(feature = "postgres")]
pub use postgres::PostgresKeyOffsets;
pub use rule::{SkippedMessages, skipped_messages};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteKeyOffsets;
pub use store::{KeyOffset, KeyOffsetStore, Latest};
pub use tracker::KeyOffsetTracker;
