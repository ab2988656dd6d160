//! `resolver list` and `resolver show`.

use std::fmt::{self, Display};
use std::process::ExitCode;

use clap::Args;
use kafka_core::app::App;
use kafka_resolver::StoredMessage;
use serde::Serialize;

use super::chosen::Chosen;
use super::parked::{Line, Parked};
use super::store;
use crate::cli::command_error::CommandError;
use crate::cli::output::Output;

/// List parked messages in the order in which they were parked: what each waits for, and since when
#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    chosen: Chosen,
    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: u32,
}

/// Show parked messages with their values and headers
///
/// What is no text is shown in hexadecimal, as --key takes it.
#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    #[command(flatten)]
    chosen: Chosen,
    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    limit: u32,
}

#[derive(Debug, Serialize)]
struct Answer<M> {
    messages: Vec<M>,
    /// Whether there are more than the limit let through.
    more: bool,
}

impl List {
    pub(super) async fn run(self, app: &App, output: &Output) -> Result<ExitCode, CommandError> {
        answer::<Line>(&self.chosen, self.limit, app, output).await
    }
}

impl Show {
    pub(super) async fn run(self, app: &App, output: &Output) -> Result<ExitCode, CommandError> {
        answer::<Parked>(&self.chosen, self.limit, app, output).await
    }
}

async fn answer<M>(chosen: &Chosen, limit: u32, app: &App, output: &Output) -> Result<ExitCode, CommandError>
where
    M: for<'m> From<&'m StoredMessage> + Display + Serialize,
{
    let mut filter = chosen.filter(app);
    filter.limit = Some(limit.saturating_add(1));
    let mut stored = store(app).await?.list(&filter).await?;
    let more = stored.len() > limit as usize;
    stored.truncate(limit as usize);
    output.answer(&Answer { messages: stored.iter().map(M::from).collect(), more });
    Ok(ExitCode::SUCCESS)
}

impl<M: Display> Display for Answer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.messages.is_empty() {
            return f.write_str("no such message waits");
        }
        self.messages.iter().try_for_each(|message| writeln!(f, "{}", message.to_string().trim_end()))?;
        if self.more { f.write_str("there are more; see `resolver stats`, or say --limit") } else { Ok(()) }
    }
}
