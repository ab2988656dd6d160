//! `topics list`.

use std::fmt::{self, Display};
use std::process::ExitCode;

use super::survey::Survey;
use crate::cli::command_error::CommandError;
use crate::cli::output::Output;

pub(super) fn run(survey: Survey, output: &Output) -> Result<ExitCode, CommandError> {
    output.answer(&survey);
    Ok(ExitCode::SUCCESS)
}

impl Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.topics.is_empty() {
            return f.write_str("the application declares no topics");
        }
        self.topics.iter().try_for_each(|topic| writeln!(f, "{topic}"))
    }
}
