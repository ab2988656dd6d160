//! The workbench for dead letters: what there is, what it says, sending it again, removing it.
//!
//! Nothing here consumes: letters are read without a group, and stay where they are until they are purged or the topic's
//! retention takes them.

mod error;
mod filter;
mod letter;
mod purge;
mod read;
mod replay;
mod topic;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use kafka_core::app::App;
use kafka_core::broker::Admin;

pub use error::DeadLetterError;
pub use filter::{Filter, Offsets};
pub use letter::{DeadLetter, PayloadForm, ShownPayload};
pub use purge::{Purged, Trim};
pub use read::{ErrorGroup, Reading};
pub use replay::{Ended, Replay, ReplayTarget, Replayed};
pub use topic::DeadLetterTopic;

/// The dead letters of an application's consumers.
#[derive(Clone)]
pub struct DeadLetters<'a> {
    app: &'a App,
    admin: Arc<dyn Admin>,
}

impl<'a> DeadLetters<'a> {
    /// Those of this application. Connects to nothing yet.
    ///
    /// # Errors
    /// When no client can be made of the settings.
    pub fn of(app: &'a App) -> Result<Self, DeadLetterError> {
        let admin =
            app.admin().map_err(|source| DeadLetterError::Client { doing: "making an administration client".to_owned(), source })?;
        Ok(Self { app, admin })
    }
}

impl fmt::Debug for DeadLetters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters").field("admin", &self.admin).finish_non_exhaustive()
    }
}
