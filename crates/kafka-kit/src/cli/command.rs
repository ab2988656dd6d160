//! The commands there are. A new one is a module with its arguments and a `run`, and two lines here.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use kafka_core::app::App;

use super::command_error::CommandError;
use super::completions::Completions;
#[cfg(feature = "connect")]
use super::connect::Connect;
use super::consume::Consume;
#[cfg(feature = "retry")]
use super::dlt;
use super::output::{Form, Output};
#[cfg(feature = "resolver")]
use super::resolver;
use super::{settings, topics};

const EXIT_CODES: &str = "\
Exit codes:
  0    all went well; `consume` ended softly
  1    something failed while running, or a check found something missing
  2    the configuration or the command line is wrong; nothing was begun
  130  the second Ctrl-C or SIGTERM ended `consume` at once

Environment:
  KAFKA_KIT_SETTINGS  the settings file; default kafka-kit.toml, if there is one
  KAFKA_KIT_…         any setting, in capitals; two underscores go one table deeper
  RUST_LOG            what is logged; info by default";

#[derive(Debug, Parser)]
#[command(
    about = "A service on Apache Kafka",
    version = concat!("on kafka-kit ", env!("CARGO_PKG_VERSION")),
    after_help = EXIT_CODES,
    arg_required_else_help = true
)]
pub(super) struct Arguments {
    /// How to answer: text for people, or one JSON object on standard output, with logs and errors as JSON lines on standard error
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORM")]
    pub(super) output: Form,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Consume(Consume),
    #[cfg(feature = "connect")]
    Connect(Connect),
    #[command(subcommand)]
    Topics(topics::Command),
    #[cfg(feature = "retry")]
    #[command(subcommand)]
    Dlt(dlt::Command),
    #[cfg(feature = "resolver")]
    #[command(subcommand)]
    Resolver(resolver::Command),
    #[command(subcommand)]
    Settings(settings::Command),
    Completions(Completions),
}

impl Command {
    pub(super) async fn run(self, app: App, output: &Output) -> Result<ExitCode, CommandError> {
        match self {
            Self::Consume(consume) => super::consume::run(app, &consume.consumers, output).await,
            #[cfg(feature = "connect")]
            Self::Connect(connect) => connect.run(&app, output).await,
            Self::Topics(command) => command.run(&app, output).await,
            #[cfg(feature = "retry")]
            Self::Dlt(command) => command.run(&app, output).await,
            #[cfg(feature = "resolver")]
            Self::Resolver(command) => command.run(app, output).await,
            Self::Settings(command) => command.run(&app, output),
            Self::Completions(completions) => Ok(completions.run(output)),
        }
    }
}
