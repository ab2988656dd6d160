//! The command line of an application: one call in its `main`.
//!
//! [`AppMain::main`] reads the arguments, builds the application, and runs the command; all commands are listed in
//! `command.rs`. A command gets the [`App`] and the [`Output`], answers through the latter, and gives an exit code
//! or a [`CommandError`].
//!
//! # What goes where
//! The answer of a command goes to standard output, alone. Logs, progress and errors go to standard error.
//! With `--output json` the answer is one JSON object on one line, and logs, progress and errors are JSON lines too.
//! Only a wrong command line is told in plain text always: its `--output` could not be read.

mod command;
mod command_error;
mod completions;
#[cfg(feature = "connect")]
mod connect;
mod consume;
#[cfg(feature = "retry")]
mod dlt;
mod output;
mod progress;
#[cfg(feature = "resolver")]
mod resolver;
mod settings;
#[cfg(test)]
mod tests;
mod topics;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use kafka_core::app::{App, AppBuilder};

use command::{Arguments, Command};
pub use command_error::{CommandError, Exit};
pub use output::{Form, Output, log_to_stderr};
pub use progress::Progress;

/// Runs an application from its command line.
pub trait AppMain {
    /// Reads the command line, checks the application, and does what was asked. Logs go to standard error,
    /// as `RUST_LOG` says (default `info`).
    ///
    /// | exit code | when |
    /// | --- | --- |
    /// | 0 | all went well; `consume` ended softly |
    /// | 1 | something failed while running, or a check found something missing |
    /// | 2 | the configuration or the command line is wrong; nothing was begun |
    /// | 130 | the second Ctrl-C or SIGTERM ended `consume` at once |
    fn main(self) -> impl Future<Output = ExitCode>;

    /// The same with these arguments, the program's name among them: for programs that have arguments of their own beside.
    fn main_from<A: Into<OsString> + Clone>(self, arguments: impl IntoIterator<Item = A>) -> impl Future<Output = ExitCode>;
}

impl AppMain for AppBuilder {
    async fn main(self) -> ExitCode {
        self.main_from(std::env::args_os()).await
    }

    async fn main_from<A: Into<OsString> + Clone>(self, arguments: impl IntoIterator<Item = A>) -> ExitCode {
        let matches = Arguments::command().display_name(program()).get_matches_from(arguments);
        let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        let output = Output::to_terminal(arguments.output);
        let command = match arguments.command {
            Command::Completions(completions) => return completions.run(&output),
            command => command,
        };
        output.log();
        let result = match self.build() {
            Ok(app) => command.run(app, &output).await,
            Err(errors) => Err(CommandError::wrong(errors)),
        };
        result.unwrap_or_else(|error| output.fail(&error))
    }
}

/// Runs the consumers of these names, or all, until SIGTERM or Ctrl-C, and says how it ended.
///
/// The first signal lets handlers finish, bounded by `shutdown_timeout`; the second ends the process at
/// once. A blocking handler that is still at work after the timeout is left behind: the process ends
/// with 0 and a warning, and its message comes again.
pub async fn run(app: App, consumers: &[String]) -> ExitCode {
    let output = Output::to_terminal(Form::Text);
    consume::run(app, consumers, &output).await.unwrap_or_else(|error| output.fail(&error))
}

/// What this program was called as, for advice that can be pasted.
fn program() -> String {
    let path = std::env::args_os().next().unwrap_or_default();
    std::path::Path::new(&path).file_name().map_or_else(|| "app".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Prints an error to standard error and gives the exit code of wrong configuration, 2.
pub fn fail(error: impl Into<kafka_core::error::BoxError>) -> ExitCode {
    Output::to_terminal(Form::Text).fail(&CommandError::wrong(error))
}
