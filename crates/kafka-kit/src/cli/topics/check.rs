//! `topics check`.

use std::fmt::{self, Display};
use std::process::ExitCode;

use serde::Serialize;

use super::survey::{Survey, There};
use crate::cli::command_error::CommandError;
use crate::cli::output::Output;
use crate::cli::program;

#[derive(Debug, Serialize)]
struct Answer<'a> {
    /// Topics that are not there.
    missing: Vec<&'a str>,
    /// Topics that are there and cannot be used.
    wrong: Vec<Wrong<'a>>,
    /// Patterns that match nothing now.
    unmatched: Vec<&'a str>,
    /// How many topics and patterns were looked at.
    checked: usize,
}

#[derive(Debug, Serialize)]
struct Wrong<'a> {
    topic: &'a str,
    reason: &'static str,
}

pub(super) fn run(survey: &Survey, output: &Output) -> Result<ExitCode, CommandError> {
    let answer = Answer::of(survey);
    output.answer(&answer);
    Ok(if answer.missing.is_empty() && answer.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl<'a> Answer<'a> {
    fn of(survey: &'a Survey) -> Self {
        let (mut wrong, mut unmatched) = (Vec::new(), Vec::new());
        for topic in &survey.topics {
            match &topic.there {
                There::Topic { partitions: 1.. } | There::Missing => {}
                There::Topic { .. } => {
                    wrong.push(Wrong {
                        topic: &topic.topic,
                        reason: "it has no partitions: it is being made or deleted, or its leaders are away",
                    });
                }
                There::Pattern { matches } if matches.is_empty() => unmatched.push(topic.topic.as_str()),
                There::Pattern { .. } => {}
            }
        }
        Self { missing: survey.missing().collect(), wrong, unmatched, checked: survey.topics.len() }
    }
}

impl Display for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for topic in &self.missing {
            writeln!(f, "missing: {topic}")?;
        }
        for Wrong { topic, reason } in &self.wrong {
            writeln!(f, "wrong: {topic}: {reason}")?;
        }
        for pattern in &self.unmatched {
            writeln!(f, "note: {pattern} matches no topic now")?;
        }
        match (self.missing.as_slice(), self.wrong.as_slice()) {
            ([], []) => write!(f, "all is well: {} checked", self.checked),
            ([], _) => Ok(()),
            (missing, _) => write!(f, "`{} topics create {}` makes what is missing", program(), missing.join(" ")),
        }
    }
}
