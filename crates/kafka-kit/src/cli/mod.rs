//! The command line of an application: one call in its `main`.

mod run;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use kafka_core::app::{App, AppBuilder};
use tracing_subscriber::EnvFilter;

pub use run::run;

/// Runs an application from its command line.
pub trait AppMain {
    /// Reads the command line, checks the application, and does what was asked. Logs go to standard error,
    /// as `RUST_LOG` says (default `info`).
    ///
    /// The exit code is 0 after a soft end, 1 when something failed while running, 2 when the
    /// configuration or the command line is wrong, 130 after the second Ctrl-C.
    fn main(self) -> impl Future<Output = ExitCode>;
}

impl AppMain for AppBuilder {
    async fn main(self) -> ExitCode {
        let arguments = Arguments::parse();
        log_to_stderr();
        let app = match self.build() {
            Ok(app) => app,
            Err(errors) => return report(&errors, ExitCode::from(2)),
        };
        arguments.command.run(app).await
    }
}

#[derive(Debug, Parser)]
#[command(about = "A service on Apache Kafka", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run consumers until SIGTERM or Ctrl-C; a second Ctrl-C ends at once
    Consume {
        /// The consumers to run, by name; all when none is given
        consumers: Vec<String>,
    },
}

impl Command {
    async fn run(self, app: App) -> ExitCode {
        match self {
            Self::Consume { consumers } => run(app, &consumers).await,
        }
    }
}

/// Sends logs to standard error, unless the program has set up its own.
pub fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // A subscriber that is there already was put there on purpose.
    drop(tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init());
}

/// Prints an error to standard error and gives the exit code of wrong configuration, 2.
pub fn fail(error: impl Into<kafka_core::error::BoxError>) -> ExitCode {
    report(&*error.into(), ExitCode::from(2))
}

/// Prints an error and its sources to standard error.
#[allow(clippy::print_stderr, reason = "the answer of a command")]
fn report(error: &dyn Error, code: ExitCode) -> ExitCode {
    eprintln!("error: {error}");
    let mut source = error.source();
    while let Some(error) = source {
        eprintln!("  caused by: {error}");
        source = error.source();
    }
    code
}
