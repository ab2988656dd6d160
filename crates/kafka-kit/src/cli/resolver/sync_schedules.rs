//! `resolver sync-schedules`: what a daemon keeps in a scheduler, brought in line with the settings.

use std::fmt::{self, Display};
use std::process::ExitCode;

use clap::Args;
use kafka_core::app::App;
use kafka_resolver::daemon::{ScheduleChange, SyncMode, SyncedSchedule};
use serde::Serialize;

use super::super::command_error::CommandError;
use super::super::output::Output;

/// Create the schedules of the daemon, or bring them up to date; doing so again changes nothing
///
/// A pause that somebody gave a schedule stays. A worker does the same when it begins; do it with a deployment to see that it works.
#[derive(Debug, Args)]
pub(in crate::cli) struct SyncSchedules {
    /// Show what would be done, and do not do it
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
struct Answer {
    schedules: Vec<Line>,
    dry_run: bool,
}

#[derive(Debug, Serialize)]
struct Line {
    schedule: String,
    change: &'static str,
    namespace: String,
    task_queue: String,
    interval_seconds: u64,
}

impl SyncSchedules {
    pub(super) async fn run(self, app: &App, output: &Output) -> Result<ExitCode, CommandError> {
        let resolver = super::installed(app)?;
        let mode = if self.dry_run { SyncMode::DryRun } else { SyncMode::Apply };
        let synced = resolver.sync_schedules(app, mode).await?;
        output.answer(&Answer { schedules: synced.into_iter().map(Line::from).collect(), dry_run: self.dry_run });
        Ok(ExitCode::SUCCESS)
    }
}

impl From<SyncedSchedule> for Line {
    fn from(synced: SyncedSchedule) -> Self {
        Self {
            schedule: synced.id,
            change: synced.change.as_str(),
            namespace: synced.namespace,
            task_queue: synced.task_queue,
            interval_seconds: synced.interval.as_secs(),
        }
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { schedule, change, namespace, task_queue, interval_seconds } in &self.schedules {
            let done = if self.dry_run && *change != ScheduleChange::Unchanged.as_str() { "would be " } else { "" };
            writeln!(f, "{schedule}: {done}{change} (every {interval_seconds} s, task queue {task_queue}, namespace {namespace})")?;
        }
        if self.schedules.is_empty() { write!(f, "the daemon of this application keeps no schedules") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(change: &'static str, dry_run: bool) -> String {
        let line = Line {
            schedule: "shop/find".to_owned(),
            change,
            namespace: "default".to_owned(),
            task_queue: "shop".to_owned(),
            interval_seconds: 5,
        };
        Answer { schedules: vec![line], dry_run }.to_string()
    }

    #[test]
    fn what_would_be_done_is_not_said_to_be_done() {
        assert_eq!(answer("created", false), "shop/find: created (every 5 s, task queue shop, namespace default)\n");
        assert_eq!(answer("updated", true), "shop/find: would be updated (every 5 s, task queue shop, namespace default)\n");
        assert_eq!(answer("unchanged", true), "shop/find: unchanged (every 5 s, task queue shop, namespace default)\n");
        assert_eq!(Answer { schedules: Vec::new(), dry_run: true }.to_string(), "the daemon of this application keeps no schedules");
    }
}
