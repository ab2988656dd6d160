//! `consume`: runs consumers until a signal.

use std::process::ExitCode;

use kafka_core::app::{App, Signals, Urgency};
use kafka_core::topic::blocking_calls;

use super::report;

/// Runs the consumers of these names, or all, until SIGTERM or Ctrl-C, and says how it ended.
///
/// The first signal lets handlers finish, bounded by `shutdown_timeout`; the second ends the process at
/// once. A blocking handler that is still at work after the timeout is left behind: the process ends
/// with 0 and a warning, and its message comes again.
pub async fn run(app: App, consumers: &[String]) -> ExitCode {
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return report(&error, ExitCode::FAILURE),
    };
    let mut running = match app.start(consumers).await {
        Ok(running) => running,
        Err(error) => return report(&error, ExitCode::from(2)),
    };
    let handles = running.consumers().to_vec();
    let finished = running.finished();
    tokio::pin!(finished);
    let result = loop {
        tokio::select! {
            result = &mut finished => break result,
            urgency = signals.next() => match urgency {
                Urgency::Soft => {
                    tracing::info!("stopping: handlers may finish; once more ends at once");
                    handles.iter().for_each(kafka_core::consumer::ConsumerHandle::stop);
                }
                Urgency::Hard => end_process(130),
            },
        }
    };
    match result {
        Err(error) => report(&error, ExitCode::FAILURE),
        Ok(()) => {
            let left = blocking_calls();
            if left > 0 {
                tracing::warn!(
                    handlers = left,
                    "blocking handlers did not finish in time and are left behind; their messages will come again"
                );
                // The runtime would wait for their threads without bound.
                end_process(0);
            }
            ExitCode::SUCCESS
        }
    }
}

#[allow(clippy::exit, reason = "what must not wait for handlers cannot return through the runtime")]
fn end_process(code: i32) -> ! {
    std::process::exit(code)
}
