//! `dlt show`.

use std::fmt::{self, Display};
use std::process::ExitCode;

use clap::Args;
use kafka_core::app::App;
use kafka_retry::dead_letters::DeadLetters;
use serde::Serialize;

use super::chosen::Chosen;
use super::failed;
use super::letter::Letter;
use crate::cli::command_error::CommandError;
use crate::cli::output::Output;

/// Show letters: where they came from, why they died, key, value and headers
///
/// Keys and values are shown as the declared formats read them, else as text, else in hexadecimal.
#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    /// The dead-letter topic, or the topic that it belongs to
    topic: String,
    #[command(flatten)]
    chosen: Chosen,
    /// At most so many letters
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    limit: u64,
    /// At most so many bytes of each key and value
    #[arg(long, value_name = "BYTES", default_value_t = 4_096)]
    max_bytes: usize,
}

#[derive(Debug, Serialize)]
struct Answer {
    letters: Vec<Letter>,
}

impl Show {
    pub(super) async fn run(self, app: &App, letters: &DeadLetters<'_>, output: &Output) -> Result<ExitCode, CommandError> {
        let topic = letters.topic(&self.topic).await.map_err(failed)?;
        let mut reading = letters.read(&topic, &self.chosen.filter(app).limit(self.limit))?.shown(self.max_bytes);
        let mut answer = Answer { letters: Vec::new() };
        while let Some(letter) = reading.next().await? {
            answer.letters.push(letter.into());
        }
        output.answer(&answer);
        Ok(ExitCode::SUCCESS)
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.letters.is_empty() {
            return f.write_str("there is no such letter");
        }
        self.letters.iter().try_for_each(|letter| writeln!(f, "{letter}"))
    }
}
