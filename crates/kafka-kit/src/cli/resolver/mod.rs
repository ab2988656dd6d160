//! `resolver`: the messages that wait for what they need.

mod chosen;
mod discard;
mod list;
mod parked;
mod release;
mod run;
mod stats;
mod sync_schedules;
#[cfg(test)]
mod tests;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use kafka_core::app::App;
use kafka_resolver::InstalledResolver;
use kafka_resolver::store::Store;

use self::discard::Drop;
use self::list::{List, Show};
use self::release::Release;
use self::run::Run;
use self::stats::Stats;
use self::sync_schedules::SyncSchedules;
use super::command_error::CommandError;
use super::output::Output;

/// The messages that wait for what they need, and what releases them
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Run(Run),
    List(List),
    Show(Show),
    Release(Release),
    Drop(Drop),
    Stats(Stats),
    SyncSchedules(SyncSchedules),
}

impl Command {
    pub(super) async fn run(self, app: App, output: &Output) -> Result<ExitCode, CommandError> {
        match self {
            Self::Run(run) => run.run(app, output).await,
            Self::List(list) => list.run(&app, output).await,
            Self::Show(show) => show.run(&app, output).await,
            Self::Release(release) => release.run(&app, output).await,
            Self::Drop(drop) => drop.run(&app, output).await,
            Self::Stats(stats) => stats.run(&app, output).await,
            Self::SyncSchedules(sync) => sync.run(&app, output).await,
        }
    }
}

fn installed(app: &App) -> Result<InstalledResolver, CommandError> {
    app.state().map_err(|_missing| {
        CommandError::wrong("the application has no resolver; install one: `App::from_env().plugin(RelationResolver::new(store))`")
    })
}

async fn store(app: &App) -> Result<Arc<dyn Store>, CommandError> {
    Ok(installed(app)?.store().await?)
}

fn counted(messages: u64) -> String {
    format!("{messages} message{}", if messages == 1 { "" } else { "s" })
}
