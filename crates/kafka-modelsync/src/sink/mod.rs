//! Topics into tables: many messages in one transaction, the last state of each row, and what is refused alone.
//!
//! ```text
//! messages ─▶ changes ─▶ event: rows to put or remove ─▶ guard: too old? ─▶ reduce: last state of each key, same columns together
//!                                                                             │
//!                       position, in the same transaction ─▶ database ◀───────┘  refused? search: up to the message that fails
//! ```
//!
//! A batch is one transaction. A state that a later message of the batch replaces is not written, and so not judged. What the database refuses is halved until the message that fails is alone: those before it are written,
//! and it is its topic's retry rules that say what follows, as for any other handler. A database that is away is nobody's failure: the
//! lane holds until it is back.
//!
//! In reading order: [`Sink`] is the topic, `shape` the table as the database has it, `target` which table a message is for, `event` what a message does to rows, `convert` (with `literal`) from
//! values to what is bound, `guard` and `reduce` and `search` as above, `moving` rows whose key changes and `patience` how long one waits, `database` the port to a database and its two implementations,
//! [`Tables`] what an application adds, `declare` what the topic says to others, `needs` which rows a message waits for: by its model, by `referral` what the database says, by
//! `types` polymorphic references.

#![cfg_attr(not(all(feature = "postgres", feature = "sqlite")), allow(dead_code, reason = "what one database alone has no use for"))]

mod cell;
mod convert;
mod database;
mod declare;
mod error;
mod event;
mod guard;
mod literal;
mod moving;
mod needs;
mod patience;
#[cfg(feature = "postgres")]
mod postgres;
mod reduce;
mod referral;
mod search;
mod shape;
#[cfg(feature = "sqlite")]
mod sqlite;
mod tables;
mod target;
#[cfg(test)]
mod tests;
mod topic;
mod types;

pub use error::{DatabaseError, SinkError};
pub use tables::Tables;
pub use topic::{Sink, Sinking};
