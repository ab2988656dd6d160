//! What a message carries on its way through retry topics and into the dead-letter topic, and how it is read back.
//!
//! [`HeaderWriter`] writes one dialect; [`Provenance`] reads every one that is known. The names stand in [`names`].

mod due;
mod error_text;
pub mod names;
mod provenance;
mod replay;
mod spring;
mod writer;

pub use due::DueTime;
pub use provenance::{Framework, Place, Provenance, attempt, due_time, origin};
pub use replay::{begin_anew, go_on};
pub use writer::{HeaderDialect, HeaderWriter, Hop, Next, Stage};
