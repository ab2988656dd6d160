//! `consume`: runs consumers until a signal.

use std::process::ExitCode;

use clap::Args;
use kafka_core::app::{App, Signals, Urgency};
use kafka_core::topic::blocking_calls;
use serde::Serialize;

use super::command_error::CommandError;
use super::output::Output;

/// Run consumers until SIGTERM or Ctrl-C; a second one ends at once
///
/// The first signal lets handlers finish, bounded by `shutdown_timeout`, commits, and leaves the groups. When one
/// consumer fails, the others are stopped softly and the exit code is 1.
///
/// With --output json the log is JSON lines on standard error, and one object on standard output closes the run.
#[derive(Debug, Args)]
pub(super) struct Consume {
    /// The consumers to run, by name; all when none is given
    #[arg(value_name = "CONSUMER")]
    pub(super) consumers: Vec<String>,
}

/// What `consume` says last, to programs.
#[derive(Debug, Serialize)]
struct Closing<'a> {
    consumers: &'a [String],
    ended: Ended,
    /// Blocking handlers that did not finish in time; their messages will come again.
    left_behind: usize,
}

/// How it ended.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Ended {
    /// Softly, as asked.
    Stopped,
    /// A consumer failed, or what was to be sent could not be flushed.
    Failed,
    /// At once, by the second signal.
    AtOnce,
}

pub(super) async fn run(app: App, consumers: &[String], output: &Output) -> Result<ExitCode, CommandError> {
    let mut signals = Signals::listen()?;
    // A cluster that is away may keep it at the start for long; no consumer runs before it returns.
    let mut running = tokio::select! {
        started = app.start(consumers) => started.map_err(CommandError::wrong)?,
        urgency = signals.next() => end_before_it_began(urgency, output),
    };
    let stopper = running.stopper();
    let names: Vec<_> = running.consumers().iter().map(|handle| handle.name().to_owned()).collect();
    let close = |ended| output.answer_json(&Closing { consumers: &names, ended, left_behind: blocking_calls() });
    let finished = running.finished();
    tokio::pin!(finished);
    let result = loop {
        tokio::select! {
            result = &mut finished => break result,
            urgency = signals.next() => match urgency {
                Urgency::Soft => {
                    tracing::info!("stopping: handlers may finish; once more ends at once");
                    stopper.stop();
                }
                Urgency::Hard => {
                    close(Ended::AtOnce);
                    end_process(130)
                }
            },
        }
    };
    close(if result.is_ok() { Ended::Stopped } else { Ended::Failed });
    result?;
    let left = blocking_calls();
    if left > 0 {
        tracing::warn!(handlers = left, "blocking handlers did not finish in time and are left behind; their messages will come again");
        // The runtime would wait for their threads without bound.
        end_process(0);
    }
    Ok(ExitCode::SUCCESS)
}

/// The runtime would wait for the client's calls that are under way.
fn end_before_it_began(urgency: Urgency, output: &Output) -> ! {
    let (ended, code) = match urgency {
        Urgency::Soft => (Ended::Stopped, 0),
        Urgency::Hard => (Ended::AtOnce, 130),
    };
    tracing::info!("stopping before the start was done: no consumer has begun");
    output.answer_json(&Closing { consumers: &[], ended, left_behind: 0 });
    end_process(code)
}

#[allow(clippy::exit, reason = "what must not wait for handlers cannot return through the runtime")]
fn end_process(code: i32) -> ! {
    std::process::exit(code)
}
