//! `resolver stats`.

use std::fmt::{self, Display};
use std::process::ExitCode;

use clap::Args;
use kafka_core::app::App;
use serde::Serialize;

use super::parked::time;
use super::{counted, store};
use crate::cli::command_error::CommandError;
use crate::cli::output::Output;

/// Count parked messages by group, topic and status, and say since when the oldest waits
#[derive(Debug, Args)]
pub(in crate::cli) struct Stats {}

#[derive(Debug, Serialize)]
struct Answer {
    messages: u64,
    topics: Vec<Counted>,
}

#[derive(Debug, Serialize)]
struct Counted {
    group: String,
    topic: String,
    status: &'static str,
    messages: u64,
    oldest: i64,
}

impl Stats {
    pub(super) async fn run(self, app: &App, output: &Output) -> Result<ExitCode, CommandError> {
        let stats = store(app).await?.stats().await?;
        let topics: Vec<Counted> = stats
            .into_iter()
            .map(|stat| Counted {
                group: stat.group,
                topic: stat.topic,
                status: stat.status.as_str(),
                messages: stat.messages,
                oldest: stat.oldest_ms,
            })
            .collect();
        output.answer(&Answer { messages: topics.iter().map(|counted| counted.messages).sum(), topics });
        Ok(ExitCode::SUCCESS)
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.topics.is_empty() {
            return f.write_str("nothing waits");
        }
        self.topics.iter().try_for_each(|Counted { group, topic, status, messages, oldest }| {
            writeln!(f, "{topic} ({group}): {} {status}, the oldest since {}", counted(*messages), time(*oldest))
        })
    }
}
