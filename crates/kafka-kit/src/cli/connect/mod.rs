//! `connect`: the application's connectors, beside what a Kafka Connect worker runs.

mod operate;
mod report;
mod steps;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod worker;

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use kafka_connect::connectors::{DeclaredConnector, DeclaredConnectors};
use kafka_core::app::App;

use self::operate::Operation;
use self::steps::Steps;
use super::command::Arguments;
use super::command_error::CommandError;
use super::output::Output;
use super::program;

/// Validate, publish and check the application's connectors, or operate what runs
///
/// What is asked for is done in the order list, validate, publish, check-status. A step with failures ends the run with exit code 1.
#[derive(Debug, Args)]
#[command(subcommand_precedence_over_arg = true)]
pub(super) struct Connect {
    /// Only these of the declared connectors, with or without prefix; all when none is given
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// List the declared connectors with their configs; secrets are hidden
    #[arg(long)]
    list: bool,
    /// Have the worker check the configs; shows what is wrong field by field
    #[arg(long)]
    validate: bool,
    /// Create, update and delete (where marked for removal) on the worker, and wait until they run
    #[arg(long)]
    publish: bool,
    /// Check that the connectors and all of their tasks run; shows the traces of those that failed
    #[arg(long)]
    check_status: bool,
    /// Go on after failures, and exit with 0 all the same
    #[arg(long)]
    ignore_failures: bool,
    /// Show what publish would do, and do not do it
    #[arg(long)]
    dry_run: bool,
    #[command(subcommand)]
    operation: Option<Operation>,
}

impl Connect {
    pub(super) async fn run(self, app: &App, output: &Output) -> Result<ExitCode, CommandError> {
        let declared: DeclaredConnectors = app.state().map_err(CommandError::wrong)?;
        let is_step = self.list || self.validate || self.publish || self.check_status || self.dry_run;
        // Not left to clap: it would take an operation behind `--output json` for the name of a connector.
        if self.operation.is_some() && (is_step || self.ignore_failures || !self.names.is_empty()) {
            return Err(CommandError::wrong("names and steps are one command, operations such as `restart` another; write one of the two"));
        }
        if let Some(operation) = self.operation {
            return operation.run(&declared, output).await;
        }
        if !is_step {
            let mut arguments = Arguments::command().bin_name(program());
            arguments.build();
            if let Some(connect) = arguments.find_subcommand_mut("connect") {
                output.raw(&connect.render_help().to_string());
            }
            return Ok(ExitCode::from(2));
        }
        let chosen = chosen(&declared, &self.names)?;
        Steps { declared: &declared, chosen, arguments: &self, output }.run().await
    }
}

/// The connectors of these names, or all.
fn chosen<'a>(declared: &'a DeclaredConnectors, names: &[String]) -> Result<Vec<&'a DeclaredConnector>, CommandError> {
    if names.is_empty() {
        return Ok(declared.iter().collect());
    }
    let mut unknown = Vec::new();
    let mut found: Vec<&DeclaredConnector> = Vec::new();
    for name in names {
        match declared.get(name) {
            Some(connector) if found.iter().all(|known| known.name() != connector.name()) => found.push(connector),
            Some(_) => {}
            None => unknown.push(name.as_str()),
        }
    }
    if unknown.is_empty() {
        return Ok(found);
    }
    let known: Vec<&str> = declared.iter().map(DeclaredConnector::name).collect();
    Err(CommandError::wrong(format!("no connector is declared as {}; there are: {}", unknown.join(", "), known.join(", "))))
}
