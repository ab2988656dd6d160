//! `resolver run`: the daemon alone, until a signal.

use std::process::ExitCode;

use clap::Args;
use kafka_core::app::{App, Signals};
use serde::Serialize;

use super::installed;
use crate::cli::command_error::CommandError;
use crate::cli::output::Output;

/// Release what waits, in this process alone, until SIGTERM or Ctrl-C
///
/// No consumer is started. Messages are replayed through the handlers of this application; what is being replayed when the signal comes
/// may finish, bounded by `shutdown_timeout`. Any number of such processes share the work. Let consumers leave it to them by
/// `RelationResolver::without_daemon`.
///
/// With --output json the log is JSON lines on standard error, and one object on standard output closes the run.
#[derive(Debug, Args)]
pub(in crate::cli) struct Run {}

#[derive(Debug, Serialize)]
struct Closing {
    ended: &'static str,
}

impl Run {
    pub(super) async fn run(self, app: App, output: &Output) -> Result<ExitCode, CommandError> {
        let mut signals = Signals::listen()?;
        installed(&app)?.release_here();
        let mut running = tokio::select! {
            started = app.start_backgrounds() => started?,
            _ = signals.next() => {
                output.answer_json(&Closing { ended: "stopped" });
                return Ok(ExitCode::SUCCESS);
            }
        };
        tracing::info!("releasing what waits; SIGTERM or Ctrl-C ends it");
        let result = running
            .finished_or(async {
                signals.next().await;
                tracing::info!("stopping: what is being replayed may finish");
            })
            .await;
        output.answer_json(&Closing { ended: if result.is_ok() { "stopped" } else { "failed" } });
        result?;
        Ok(ExitCode::SUCCESS)
    }
}
