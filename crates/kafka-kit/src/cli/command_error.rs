//! Why a command failed, and the exit code that says so.

use std::fmt;
use std::process::ExitCode;

use kafka_core::error::BoxError;

/// A command's failure. Every error converts into it with `?`, and then means [`Exit::Failed`].
///
/// It does not implement `Error` itself; that is what makes `?` work on all others.
pub struct CommandError {
    error: BoxError,
    exit: Exit,
}

/// What a failure means to who called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Something failed while running: exit code 1.
    Failed,
    /// The configuration or the arguments are wrong, and nothing was begun: exit code 2.
    Wrong,
}

impl CommandError {
    /// The configuration or the arguments are wrong: exit code 2.
    pub fn wrong(error: impl Into<BoxError>) -> Self {
        Self { error: error.into(), exit: Exit::Wrong }
    }

    /// Something failed while running: exit code 1.
    pub fn failed(error: impl Into<BoxError>) -> Self {
        Self { error: error.into(), exit: Exit::Failed }
    }

    /// What went wrong.
    #[must_use]
    pub fn error(&self) -> &(dyn std::error::Error + 'static) {
        &*self.error
    }

    /// What it means to who called.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

impl<E: Into<BoxError>> From<E> for CommandError {
    fn from(error: E) -> Self {
        Self::failed(error)
    }
}

impl fmt::Debug for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandError").field("error", &self.error).field("exit", &self.exit).finish()
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Failed => Self::from(1),
            Exit::Wrong => Self::from(2),
        }
    }
}
