//! Stories on real servers, and what they are told with. Publishes nothing.
//!
//! In reading order: a [`Story`](story::Story) has a topic and a group of its own and a directory;
//! [`produce`] fills the topic by a client that is not ours; [`process`] runs the example `ledger` and
//! ends it softly or by `kill -9`; [`calls`] reads what its handler wrote down; [`checks`] judges it.
//! [`warehouse`] runs the example of that name on a schema of its own, which [`database`] looks into.
//! `temporal` asks a Temporal server what it knows. [`until`] waits with a deadline, [`proxy`] cuts connections, [`wire`] sends what no client will, [`python`] runs a client
//! in another language.

pub mod calls;
pub mod checks;
pub mod cluster;
pub mod connectors;
pub mod database;
pub mod mirror;
pub mod process;
pub mod produce;
pub mod proxy;
pub mod python;
pub mod read;
pub mod story;
#[cfg(feature = "temporal")]
pub mod temporal;
pub mod until;
pub mod warehouse;
pub mod wire;
