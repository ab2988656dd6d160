//! `dlt purge`.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::process::ExitCode;

use clap::{ArgGroup, Args};
use kafka_core::app::App;
use kafka_retry::dead_letters::{DeadLetters, Purged, Trim};
use serde::Serialize;

use super::chosen::{At, When};
use super::failed;
use super::list::counted;
use crate::cli::command_error::CommandError;
use crate::cli::output::Output;

/// Remove letters for good
///
/// Kafka can only cut a partition off at its start: letters cannot be picked by key or error. To keep some of those that would go,
/// replay them first, or purge up to them. Without --yes nothing is removed.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(false))]
pub(in crate::cli) struct Purge {
    /// The dead-letter topic, or the topic that it belongs to
    topic: String,
    /// Remove all that are there now
    #[arg(long, group = "what")]
    all: bool,
    /// Remove those before the first letter from then on: a time such as 2026-11-24T08:00:00Z, or so long ago, such as 30d
    #[arg(long, value_name = "TIME", group = "what")]
    before: Option<When>,
    /// Remove those of this partition before this offset, such as 0:17; may be given again
    #[arg(long, value_name = "PARTITION:OFFSET", group = "what")]
    up_to: Vec<At>,
    /// Only say how many letters would go
    #[arg(long)]
    dry_run: bool,
    /// Remove them: the letters cannot be had back
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Serialize)]
struct Answer {
    topic: String,
    letters: u64,
    dry_run: bool,
    /// Of each partition that loses letters: the first offset that went, and the first that stays.
    partitions: BTreeMap<i32, (i64, i64)>,
}

impl Purge {
    pub(super) async fn run(self, app: &App, letters: &DeadLetters<'_>, output: &Output) -> Result<ExitCode, CommandError> {
        let topic = letters.topic(&self.topic).await.map_err(failed)?;
        let trim = match self.before {
            Some(when) => Trim::Before(when.millis(app.clock().wall_ms())),
            None if self.up_to.is_empty() => Trim::All,
            None => Trim::Offsets(self.up_to.iter().map(|at| (at.partition, at.offset)).collect()),
        };
        if !self.dry_run && !self.yes {
            let plan = letters.plan_purge(&topic, &trim).await?;
            let what = format!(
                "{} of {} would be removed for good; say --yes to do it, or --dry-run to see which",
                counted(plan.letters()),
                topic.name
            );
            return Err(CommandError::wrong(what));
        }
        let purged = if self.dry_run { letters.plan_purge(&topic, &trim).await? } else { letters.purge(&topic, &trim).await? };
        output.answer(&Answer::new(topic.name.to_string(), self.dry_run, &purged));
        Ok(ExitCode::SUCCESS)
    }
}

impl Answer {
    fn new(topic: String, dry_run: bool, purged: &Purged) -> Self {
        let partitions = purged.partitions.iter().map(|(partition, offsets)| (*partition, (offsets.start, offsets.end))).collect();
        Self { topic, letters: purged.letters(), dry_run, partitions }
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = if self.dry_run { "would be removed" } else { "removed" };
        write!(f, "{} {done} from {}", counted(self.letters), self.topic)?;
        self.partitions.iter().try_for_each(|(partition, (from, to))| write!(f, "\n  {partition}: {from} to {}", to - 1))
    }
}
