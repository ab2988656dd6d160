//! `dlt list`.

use std::fmt::{self, Display};
use std::process::ExitCode;

use clap::Args;
use kafka_retry::dead_letters::{DeadLetterTopic, DeadLetters, ErrorGroup, Filter};
use serde::Serialize;

use super::chosen::time;
use super::failed;
use crate::cli::command_error::CommandError;
use crate::cli::output::Output;

/// List the dead-letter topics, with how many letters they have
///
/// The topics are those of the application's groups that are on the cluster now.
#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// Only these, by the name of the dead-letter topic or of the topic that it belongs to; all when none is given
    #[arg(value_name = "TOPIC")]
    topics: Vec<String>,
    /// Read the letters, and count them by error
    #[arg(long)]
    by_error: bool,
}

#[derive(Debug, Serialize)]
struct Answer {
    topics: Vec<Listed>,
}

#[derive(Debug, Serialize)]
struct Listed {
    topic: String,
    group: String,
    source: String,
    /// None when the source is no longer declared.
    consumer: Option<String>,
    letters: u64,
    /// None without `--by-error`.
    errors: Option<Vec<Counted>>,
}

#[derive(Debug, Serialize)]
struct Counted {
    error: Option<String>,
    error_type: Option<String>,
    letters: u64,
    first: Option<i64>,
    last: Option<i64>,
}

impl List {
    pub(super) async fn run(self, letters: &DeadLetters<'_>, output: &Output) -> Result<ExitCode, CommandError> {
        let mut topics = Vec::new();
        for wanted in &self.topics {
            topics.push(letters.topic(wanted).await.map_err(failed)?);
        }
        if self.topics.is_empty() {
            topics = letters.topics().await?;
        }
        let mut answer = Answer { topics: Vec::new() };
        for topic in topics {
            let errors = if self.by_error { Some(letters.errors(&topic, &Filter::default()).await?) } else { None };
            answer.topics.push(Listed::new(topic, errors));
        }
        output.answer(&answer);
        Ok(ExitCode::SUCCESS)
    }
}

impl Listed {
    fn new(topic: DeadLetterTopic, errors: Option<Vec<ErrorGroup>>) -> Self {
        let letters = topic.letters();
        let counted = |group: ErrorGroup| Counted {
            error: group.summary,
            error_type: group.error_type,
            letters: group.letters,
            first: group.first,
            last: group.last,
        };
        let errors = errors.map(|errors| errors.into_iter().map(counted).collect());
        Self { topic: topic.name.to_string(), group: topic.group, source: topic.source, consumer: topic.consumer, letters, errors }
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.topics.is_empty() {
            return f.write_str("there is no dead-letter topic yet");
        }
        self.topics.iter().try_for_each(|topic| topic.fmt(f))
    }
}

impl Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let consumer = self.consumer.as_deref().unwrap_or("no consumer, the topic is not declared any more");
        writeln!(f, "{}: {} ({consumer})", self.topic, counted(self.letters))?;
        for error in self.errors.iter().flatten() {
            let times = error.first.zip(error.last).map(|(first, last)| format!(", {} to {}", time(first), time(last)));
            let what = error.error.as_deref().or(error.error_type.as_deref()).unwrap_or("(no error is told)");
            writeln!(f, "  {} × {what}{}", error.letters, times.unwrap_or_default())?;
        }
        Ok(())
    }
}

/// So many letters, in words.
pub(super) fn counted(letters: u64) -> String {
    if letters == 1 { "1 letter".to_owned() } else { format!("{letters} letters") }
}
