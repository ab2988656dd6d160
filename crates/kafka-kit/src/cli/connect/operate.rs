//! `connect restart | pause | resume | stop | offsets | plugins | skip-sql`: what is done to what runs.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use kafka_connect::client::ConnectClient;
use kafka_connect::connectors::{DeclaredConnector, DeclaredConnectors};
use kafka_connect::error::ConnectError;
use kafka_connect::rest::Restart;
use kafka_connect::skip::migration::SkipMigration;
use kafka_connect::wire::{Offsets, PartitionOffset, Plugin};
use serde::Serialize;

use super::super::command_error::CommandError;
use super::super::output::Output;

#[derive(Debug, Subcommand)]
pub(super) enum Operation {
    /// Restart connectors with all of their tasks; the worker answers before it is done
    Restart {
        #[command(flatten)]
        named: Named,
        /// Only what has failed of them
        #[arg(long, conflicts_with = "task")]
        only_failed: bool,
        /// Only this task
        #[arg(long)]
        task: Option<u32>,
    },
    /// Pause connectors: their tasks keep what they hold
    Pause(Named),
    /// Let paused or stopped connectors go on
    Resume(Named),
    /// Stop connectors: their tasks are given up, their offsets can be changed
    Stop(Named),
    /// The offsets of a connector
    #[command(subcommand)]
    Offsets(OffsetsOperation),
    /// List the plugins of the worker
    Plugins,
    /// Print the SQL that gives tables the column kafka_skip
    SkipSql {
        /// The tables, with or without schema
        #[arg(required = true, value_name = "TABLE")]
        tables: Vec<String>,
        /// With triggers that apply the rule to every writer
        #[arg(long)]
        triggers: bool,
    },
}

/// Which connectors.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// The connectors: declared ones with or without prefix, others by their whole names
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum OffsetsOperation {
    /// Show how far it is
    Show {
        /// The connector, with or without prefix
        name: String,
    },
    /// Set how far it is; it must be stopped
    Alter {
        /// The connector, with or without prefix
        name: String,
        /// A file with the JSON that `offsets show --output json` gives, changed as wanted
        #[arg(long)]
        file: PathBuf,
    },
    /// Forget how far it is; it must be stopped
    Reset {
        /// The connector, with or without prefix
        name: String,
    },
}

impl Operation {
    pub(super) async fn run(self, declared: &DeclaredConnectors, output: &Output) -> Result<ExitCode, CommandError> {
        if let Self::SkipSql { tables, triggers } = &self {
            output.raw(&tables.iter().map(|table| migration(table, *triggers).up()).collect::<String>());
            return Ok(ExitCode::SUCCESS);
        }
        let client = declared.client().map_err(CommandError::wrong)?;
        let name = |name: &str| declared.get(name).map_or(name, DeclaredConnector::name).to_owned();
        match self {
            Self::Restart { named, only_failed, task } => {
                let what = if only_failed { Restart::Failed } else { Restart::All };
                let restart = async |connector: &str| match task {
                    Some(task) => client.restart_task(connector, task).await,
                    None => client.restart(connector, what).await,
                };
                asked(named, name, restart, "restarted", output).await?;
            }
            Self::Pause(named) => asked(named, name, async |connector: &str| client.pause(connector).await, "paused", output).await?,
            Self::Resume(named) => asked(named, name, async |connector: &str| client.resume(connector).await, "resumed", output).await?,
            Self::Stop(named) => asked(named, name, async |connector: &str| client.stop(connector).await, "stopped", output).await?,
            Self::Offsets(operation) => operation.run(&client, name, output).await?,
            Self::Plugins => output.answer(&Plugins { plugins: client.plugins().await? }),
            Self::SkipSql { .. } => {}
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Asks the worker for something of each connector.
async fn asked(
    named: Named,
    full: impl Fn(&str) -> String,
    ask: impl AsyncFn(&str) -> Result<(), ConnectError>,
    done: &str,
    output: &Output,
) -> Result<(), CommandError> {
    let connectors: Vec<String> = named.names.iter().map(|name| full(name)).collect();
    for connector in &connectors {
        ask(connector).await?;
        output.aside(format!("{connector}: it was asked to be {done}"));
    }
    output.answer_json(&serde_json::json!({ done: connectors }));
    Ok(())
}

impl OffsetsOperation {
    async fn run(self, client: &ConnectClient, full: impl Fn(&str) -> String, output: &Output) -> Result<(), CommandError> {
        match self {
            Self::Show { name } => output.answer(&Shown(client.offsets(&full(&name)).await?)),
            Self::Alter { name, file } => {
                let refuse = |problem: String| CommandError::wrong(format!("{}: {problem}", file.display()));
                let text = std::fs::read_to_string(&file).map_err(|error| refuse(error.to_string()))?;
                let offsets: Offsets = serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))?;
                output.answer(&Said { message: client.alter_offsets(&full(&name), &offsets).await? });
            }
            Self::Reset { name } => output.answer(&Said { message: client.reset_offsets(&full(&name)).await? }),
        }
        Ok(())
    }
}

fn migration(table: &str, triggers: bool) -> SkipMigration {
    let migration = SkipMigration::of(table);
    if triggers { migration.with_triggers() } else { migration }
}

#[derive(Debug, Serialize)]
struct Plugins {
    plugins: Vec<Plugin>,
}

impl fmt::Display for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.plugins.iter().try_for_each(|plugin| {
            let version = plugin.version.as_deref().unwrap_or("");
            writeln!(f, "{:<16} {} {version}", plugin.kind, plugin.class)
        })
    }
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Shown(Offsets);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.offsets.is_empty() {
            return writeln!(f, "no offsets");
        }
        self.0.offsets.iter().try_for_each(|PartitionOffset { partition, offset }| writeln!(f, "{partition}: {offset}"))
    }
}

#[derive(Debug, Serialize)]
struct Said {
    message: String,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
