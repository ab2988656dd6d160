//! `topics create`.

use std::fmt::{self, Display};
use std::process::ExitCode;

use clap::{Args, value_parser};
use kafka_core::app::App;
use kafka_core::broker::{CreateTopicsError, NewTopic};
use kafka_core::names::TopicName;
use serde::Serialize;

use super::Chosen;
use super::survey::{Survey, There, count};
use crate::cli::command_error::CommandError;
use crate::cli::output::Output;

/// Create those that are missing
///
/// What exists is left as it is. Patterns create nothing.
#[derive(Debug, Args)]
pub(in crate::cli) struct Create {
    #[command(flatten)]
    chosen: Chosen,
    /// How many partitions; the cluster's default when not given
    #[arg(long, value_name = "COUNT", value_parser = value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// On how many brokers each partition stands; the cluster's default when not given
    #[arg(long, value_name = "COUNT", value_parser = value_parser!(i32).range(1..))]
    replication: Option<i32>,
    /// A configuration of the new topics, such as retention.ms=86400000; may be given again
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    config: Vec<(String, String)>,
    /// Only say what would be created
    #[arg(long)]
    dry_run: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE, for example retention.ms=86400000".to_owned()),
    }
}

#[derive(Debug, Serialize)]
struct Answer {
    created: Vec<String>,
    /// What was there before.
    existing: Vec<String>,
    refused: Vec<Refused>,
    partitions: Option<i32>,
    dry_run: bool,
}

#[derive(Debug, Serialize)]
struct Refused {
    topic: String,
    reason: String,
}

impl Create {
    pub(super) async fn run(self, app: &App, output: &Output) -> Result<ExitCode, CommandError> {
        let survey = Survey::make(app, &self.chosen.topics).await?;
        let wanted = survey.missing().map(TopicName::new).collect::<Result<Vec<_>, _>>()?;
        let refused = if self.dry_run || wanted.is_empty() { Vec::new() } else { self.create(app, &wanted).await? };
        let answer = Answer {
            created: wanted.iter().map(ToString::to_string).filter(|name| refused.iter().all(|refused| refused.topic != *name)).collect(),
            existing: survey
                .topics
                .iter()
                .filter(|topic| matches!(topic.there, There::Topic { .. }))
                .map(|topic| topic.topic.clone())
                .collect(),
            refused,
            partitions: self.partitions,
            dry_run: self.dry_run,
        };
        output.answer(&answer);
        Ok(if answer.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Creates them; gives those that the cluster refused.
    async fn create(&self, app: &App, names: &[TopicName]) -> Result<Vec<Refused>, CommandError> {
        let new = |name: &TopicName| {
            let topic = NewTopic::new(name.clone(), self.partitions.unwrap_or(NewTopic::CLUSTER_DEFAULT));
            let topic = self.replication.into_iter().fold(topic, NewTopic::replication);
            self.config.iter().fold(topic, |topic, (name, value)| topic.config(name, value))
        };
        let topics: Vec<_> = names.iter().map(new).collect();
        match app.admin().map_err(CommandError::wrong)?.create_topics(&topics).await {
            Ok(()) => Ok(Vec::new()),
            Err(CreateTopicsError::Refused { refused }) => {
                Ok(refused.into_iter().map(|(name, reason)| Refused { topic: name.to_string(), reason }).collect())
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = if self.dry_run { "would create" } else { "created" };
        let partitions = self.partitions.map_or_else(|| "the cluster's default of partitions".to_owned(), count);
        for topic in &self.created {
            writeln!(f, "{done} {topic} with {partitions}")?;
        }
        for Refused { topic, reason } in &self.refused {
            writeln!(f, "refused: {topic}: {reason}")?;
        }
        if self.created.is_empty() && self.refused.is_empty() { write!(f, "nothing to create: all is there") } else { Ok(()) }
    }
}
