//! `dlt`: the dead letters of the application's consumers.

mod chosen;
mod letter;
mod list;
mod purge;
mod replay;
mod show;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::Subcommand;
use kafka_core::app::App;
use kafka_retry::dead_letters::{DeadLetterError, DeadLetters};

use self::list::List;
use self::purge::Purge;
use self::replay::Replay;
use self::show::Show;
use super::command_error::CommandError;
use super::output::Output;

/// The dead letters of the application's consumers: look at them, send them again, remove them
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    List(List),
    Show(Show),
    Replay(Replay),
    Purge(Purge),
}

impl Command {
    pub(super) async fn run(self, app: &App, output: &Output) -> Result<ExitCode, CommandError> {
        let letters = DeadLetters::of(app).map_err(CommandError::wrong)?;
        match self {
            Self::List(list) => list.run(&letters, output).await,
            Self::Show(show) => show.run(app, &letters, output).await,
            Self::Replay(replay) => replay.run(app, &letters, output).await,
            Self::Purge(purge) => purge.run(app, &letters, output).await,
        }
    }
}

/// A name that means nothing is a wrong command line; all else failed.
fn failed(error: DeadLetterError) -> CommandError {
    match error {
        DeadLetterError::UnknownTopic { .. } | DeadLetterError::Ambiguous { .. } | DeadLetterError::NoRetryConsumer { .. } => {
            CommandError::wrong(error)
        }
        error => error.into(),
    }
}
