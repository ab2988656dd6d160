//! `resolver release`.

use std::fmt::{self, Display};
use std::process::ExitCode;

use clap::Args;
use kafka_core::app::App;
use serde::Serialize;

use super::chosen::Chosen;
use super::{counted, store};
use crate::cli::command_error::CommandError;
use crate::cli::output::Output;

/// Release messages without a look at what they wait for, and all that wait with them: those of the same key
///
/// A daemon replays them in order, as soon as one runs. What they miss then, their handler has to stand; a failure goes by the topic's
/// retry rules. Messages that are being replayed just then are left alone.
#[derive(Debug, Args)]
pub(in crate::cli) struct Release {
    #[command(flatten)]
    chosen: Chosen,
    /// Release all that wait
    #[arg(long)]
    all: bool,
    /// Only say how many messages would be released
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
struct Answer {
    messages: u64,
    dry_run: bool,
}

impl Release {
    pub(super) async fn run(self, app: &App, output: &Output) -> Result<ExitCode, CommandError> {
        let filter = self.chosen.meant(self.all, app)?;
        let store = store(app).await?;
        let messages = if self.dry_run { store.reach(&filter).await?.released } else { store.release(&filter).await? };
        output.answer(&Answer { messages, dry_run: self.dry_run });
        Ok(ExitCode::SUCCESS)
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", counted(self.messages), if self.dry_run { "would be released" } else { "released" })
    }
}
