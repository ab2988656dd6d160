//! `topics`: what the application declares, beside what the cluster has.

mod check;
mod create;
mod list;
mod survey;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use kafka_core::app::App;

use self::create::Create;
use self::survey::Survey;
use super::command_error::CommandError;
use super::output::Output;

/// The topics that the application consumes and produces to
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List them with who uses them, and what the cluster has of them
    ///
    /// A pattern is shown with the topics that it matches now.
    List(Chosen),
    /// Check that the cluster has them; exit code 1 when something is missing or wrong
    ///
    /// A pattern that matches nothing is told, and is not missing: its topics may come later.
    Check(Chosen),
    Create(Create),
}

/// Which topics.
#[derive(Debug, Args)]
pub(super) struct Chosen {
    /// Only these of the declared topics; all when none is given
    #[arg(value_name = "TOPIC")]
    topics: Vec<String>,
}

impl Command {
    pub(super) async fn run(self, app: &App, output: &Output) -> Result<ExitCode, CommandError> {
        match self {
            Self::List(chosen) => list::run(Survey::make(app, &chosen.topics).await?, output),
            Self::Check(chosen) => check::run(&Survey::make(app, &chosen.topics).await?, output),
            Self::Create(create) => create.run(app, output).await,
        }
    }
}
