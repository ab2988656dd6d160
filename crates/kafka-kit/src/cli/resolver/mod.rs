//! `resolver`: the messages that wait for what they need.

mod sync_schedules;

use std::process::ExitCode;

use clap::Subcommand;
use kafka_core::app::App;

use self::sync_schedules::SyncSchedules;
use super::command_error::CommandError;
use super::output::Output;

/// The messages that wait for what they need, and what releases them
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    SyncSchedules(SyncSchedules),
}

impl Command {
    pub(super) async fn run(self, app: &App, output: &Output) -> Result<ExitCode, CommandError> {
        match self {
            Self::SyncSchedules(sync) => sync.run(app, output).await,
        }
    }
}
