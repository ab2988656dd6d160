//! `settings show`: every value with where it came from, secrets hidden.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::process::ExitCode;

use clap::Subcommand;
use kafka_core::app::App;
use kafka_core::settings::Shown;
use serde::Serialize;

use super::command_error::CommandError;
use super::output::Output;

/// What the application was configured with
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show every setting, and the properties of every client, with where each value came from
    ///
    /// Later layers win: default, code, file, environment variable. Secrets are shown as `…`. The properties of a
    /// client are those that librdkafka gets, global and side-specific tables and the client's own merged.
    Show,
}

impl Command {
    pub(super) fn run(&self, app: &App, output: &Output) -> Result<ExitCode, CommandError> {
        match self {
            Self::Show => output.answer(&Answer::of(app)),
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Debug, Serialize)]
struct Answer {
    settings: Vec<Value>,
    /// The properties of the client of each consumer, by its name.
    consumers: BTreeMap<String, Vec<Value>>,
    producer: Vec<Value>,
}

#[derive(Debug, Serialize)]
struct Value {
    path: String,
    value: String,
    layer: String,
}

impl Answer {
    fn of(app: &App) -> Self {
        Self {
            settings: values(app.settings().show()),
            consumers: app.consumer_properties().map(|(name, properties)| (name.to_owned(), values(properties.show()))).collect(),
            producer: values(app.producer_properties().show()),
        }
    }
}

fn values(shown: Vec<Shown>) -> Vec<Value> {
    shown.into_iter().map(|shown| Value { path: shown.path, value: shown.value, layer: shown.layer.to_string() }).collect()
}

impl Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        section(f, "Settings", &self.settings)?;
        for (name, properties) in &self.consumers {
            section(f, &format!("\nClient of consumer {name}"), properties)?;
        }
        section(f, "\nClient of the producer", &self.producer)
    }
}

fn section(f: &mut fmt::Formatter<'_>, title: &str, values: &[Value]) -> fmt::Result {
    writeln!(f, "{title}")?;
    let width = |part: fn(&Value) -> &str| values.iter().map(|value| part(value).chars().count()).max().unwrap_or(0);
    let (paths, texts) = (width(|value| &value.path), width(|value| &value.value).min(60));
    values.iter().try_for_each(|Value { path, value, layer }| writeln!(f, "  {path:paths$}  {value:texts$}  {layer}"))
}
