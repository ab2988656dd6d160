//! Messages that wait for what they need: parked in a store, released in order.
//!
//! A message that comes before the row it refers to fails its handler, or worse, stops its partition. Here it is *parked*: its row is
//! stored, its offset goes on, and it is replayed through its own handler once what it needs is there. What has the same key waits
//! behind it.
//!
//! ```text
//!             ┌─ gate: what it needs exists?  ── yes ─▶ handler
//! message ────┤        anything before it?
//!             └─ no: parked under a reason ─▶ store ─▶ daemon: reason met? claims the key, replays in order ─▶ handler
//! ```
//!
//! In reading order: [`Reason`] and [`Relation`] are what a message waits for, [`Relations`] how it says so, [`Fence`] what keeps its
//! order, [`decision`] what is done with it, `gate` who asks and parks, [`store`] where it waits, [`daemon`] and `replay` how it comes
//! back, [`RelationResolver`] the plugin that puts it together.
//!
//! The store and the daemons know reasons, not only relations: a replay that failed waits for a time, and what somebody parked by hand
//! waits for that somebody.

mod brisk;
pub mod daemon;
pub mod decision;
#[doc(hidden)]
pub mod defect;
mod existence;
mod fence;
mod gate;
mod hints;
mod parked;
mod plugin;
mod reason;
mod relations;
mod replay;
mod settings;
mod stable_hash;
pub mod store;
#[cfg(test)]
mod tests;

#[cfg(feature = "temporal")]
pub use daemon::TemporalDaemon;
pub use daemon::{Daemon, EmbeddedDaemon, Parking};
pub use existence::{Existence, UnknownKind};
pub use fence::{Fence, FenceId, FenceKey};
pub use hints::{Hint, Hints};
pub use parked::{ParkedMessage, Status, StoredMessage};
pub use plugin::{InstalledResolver, RelationResolver};
pub use reason::{Reason, ReasonId, Relation, RelationValue};
pub use relations::{DeclaredRelations, DeletionMark, Nature, Needs, RelationKey, Relations, RelationsOf};
pub use replay::Expired;
pub use settings::ResolverSettings;

/// What derives write against. Not for use by hand; names may change with any release.
#[doc(hidden)]
pub mod __private {
    pub use crate::relations::{DeclaredRelations, DeletionMark, Needs, Relations};
}
