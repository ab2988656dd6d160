//! `resolver drop`.

use std::fmt::{self, Display};
use std::process::ExitCode;

use clap::Args;
use kafka_core::app::App;
use serde::Serialize;

use super::chosen::Chosen;
use super::{counted, store};
use crate::cli::command_error::CommandError;
use crate::cli::output::Output;

/// Drop messages for good: no handler will see them
///
/// Messages of the same key that are not chosen go on waiting. Messages that are being replayed just then are left alone. Without
/// --yes nothing is dropped.
#[derive(Debug, Args)]
pub(in crate::cli) struct Drop {
    #[command(flatten)]
    chosen: Chosen,
    /// Drop all that wait
    #[arg(long)]
    all: bool,
    /// Only say how many messages would be dropped
    #[arg(long)]
    dry_run: bool,
    /// Drop them: the messages cannot be had back
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Serialize)]
struct Answer {
    messages: u64,
    dry_run: bool,
}

impl Drop {
    pub(super) async fn run(self, app: &App, output: &Output) -> Result<ExitCode, CommandError> {
        let filter = self.chosen.meant(self.all, app)?;
        let store = store(app).await?;
        let messages = match (self.dry_run, self.yes) {
            (true, _) => store.reach(&filter).await?.dropped,
            (false, true) => store.drop_messages(&filter).await?,
            (false, false) => {
                let messages = counted(store.reach(&filter).await?.dropped);
                let what = format!("{messages} would be dropped for good; say --yes to do it, or look at them with `resolver show`");
                return Err(CommandError::wrong(what));
            }
        };
        output.answer(&Answer { messages, dry_run: self.dry_run });
        Ok(ExitCode::SUCCESS)
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", counted(self.messages), if self.dry_run { "would be dropped" } else { "dropped" })
    }
}
