//! `dlt replay`.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::num::NonZeroU32;
use std::process::ExitCode;

use clap::Args;
use kafka_core::app::{App, Signals};
use kafka_retry::dead_letters::{self, DeadLetters, Ended, ReplayTarget};
use serde::Serialize;

use super::chosen::Chosen;
use super::failed;
use super::list::counted;
use crate::cli::command_error::CommandError;
use crate::cli::output::Output;

/// Send letters again: to their topic, or with --to-handler to the handler that failed
///
/// Key, value and the message's own headers go along as they are; each letter counts when the broker has acknowledged it, and all
/// stay in the dead-letter topic until `dlt purge`. A replay that ends early, by Ctrl-C or by an error, says with which arguments
/// it goes on; letters that were on their way then may be sent twice.
#[derive(Debug, Args)]
pub(in crate::cli) struct Replay {
    /// The dead-letter topic, or the topic that it belongs to
    topic: String,
    #[command(flatten)]
    chosen: Chosen,
    /// At most so many letters
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    /// Only to the handler of the group that failed, by way of its first retry topic; its retries must be non-blocking
    #[arg(long)]
    to_handler: bool,
    /// At most so many letters a second
    #[arg(long, value_name = "LETTERS")]
    rate: Option<NonZeroU32>,
    /// Only say how many letters would be sent, and where to
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
struct Answer {
    topic: String,
    target: String,
    letters: u64,
    dry_run: bool,
    ended: &'static str,
    error: Option<String>,
    /// Where a replay that goes on begins, by partition; empty when this one is complete.
    next: BTreeMap<i32, i64>,
    /// The arguments that go on.
    #[serde(skip)]
    go_on: Option<String>,
}

impl Replay {
    pub(super) async fn run(self, app: &App, letters: &DeadLetters<'_>, output: &Output) -> Result<ExitCode, CommandError> {
        let topic = letters.topic(&self.topic).await.map_err(failed)?;
        let mut filter = self.chosen.filter(app);
        filter.limit = self.limit;
        let target = if self.to_handler { ReplayTarget::Handler } else { ReplayTarget::Topic };
        let mut answer = Answer {
            topic: topic.name.to_string(),
            target: letters.replay_target(&topic, target).await.map_err(failed)?.0.to_string(),
            letters: 0,
            dry_run: self.dry_run,
            ended: "complete",
            error: None,
            next: BTreeMap::new(),
            go_on: None,
        };
        if self.dry_run {
            let mut reading = letters.read(&topic, &filter)?;
            while reading.next().await?.is_some() {
                answer.letters += 1;
            }
            output.answer(&answer);
            return Ok(ExitCode::SUCCESS);
        }
        let mut how = dead_letters::Replay::default();
        how.target = target;
        how.rate = self.rate;
        let mut progress = output.progress(format!("letters sent to {}", answer.target), None);
        let mut told = 0;
        let mut signals = Signals::listen()?;
        let stop = async {
            signals.next().await;
        };
        let replayed = letters.replay(&topic, &filter, how, stop, |letters| {
            progress.advance(letters - std::mem::replace(&mut told, letters));
        });
        let replayed = replayed.await.map_err(failed)?;
        progress.finish();
        answer.letters = replayed.letters;
        let (ended, error) = match replayed.ended {
            Ended::Complete => ("complete", None),
            Ended::Limit => ("limit", None),
            Ended::Stopped => ("stopped", None),
            Ended::Failed(error) => ("failed", Some(error)),
        };
        answer.ended = ended;
        if ended != "complete" {
            answer.next = replayed.next;
            answer.go_on = Some(self.go_on(&answer));
        }
        answer.error = error.as_ref().map(chain);
        output.answer(&answer);
        match error {
            Some(error) => Err(error.into()),
            None => Ok(ExitCode::SUCCESS),
        }
    }

    /// The command line that goes on where this one ended.
    fn go_on(&self, answer: &Answer) -> String {
        let places: String = answer.next.iter().map(|(partition, offset)| format!(" --from {partition}:{offset}")).collect();
        let handler = if self.to_handler { " --to-handler" } else { "" };
        let rate = self.rate.map(|rate| format!(" --rate {rate}")).unwrap_or_default();
        format!("{} dlt replay {}{handler}{rate}{}{places}", crate::cli::program(), answer.topic, self.chosen.said_again())
    }
}

fn chain(error: &impl std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source()).map(ToString::to_string);
    std::iter::once(error.to_string()).chain(causes).collect::<Vec<_>>().join(": ")
}

impl Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = if self.dry_run { "would be sent" } else { "sent" };
        write!(f, "{} {done} from {} to {}", counted(self.letters), self.topic, self.target)?;
        match (self.ended, &self.go_on) {
            (ended, Some(go_on)) => write!(f, "\n{}; to go on: {go_on}", if ended == "failed" { "it failed" } else { ended }),
            _ => Ok(()),
        }
    }
}
