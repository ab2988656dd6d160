//! How a command speaks: its answer to standard output, all else to standard error.

use std::fmt::{self, Display};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use clap::ValueEnum;
use kafka_core::error::ConfigErrors;
use serde::Serialize;
use serde_json::json;
use tracing_subscriber::EnvFilter;

use super::command_error::CommandError;
use super::progress::Progress;

/// The form of answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Where a command's words go. Cheap to clone.
#[derive(Clone)]
pub struct Output {
    form: Form,
    answers: Stream,
    asides: Stream,
    audience: Audience,
}

type Stream = Arc<Mutex<dyn Write + Send>>;

/// Who reads standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    Terminal,
    File,
}

impl Output {
    /// Answers to standard output, all else to standard error.
    #[must_use]
    pub fn to_terminal(form: Form) -> Self {
        let audience = if std::io::stderr().is_terminal() { Audience::Terminal } else { Audience::File };
        Self { form, answers: Arc::new(Mutex::new(std::io::stdout())), asides: Arc::new(Mutex::new(std::io::stderr())), audience }
    }

    /// Answers and all else into these, for tests.
    pub fn to_writers(form: Form, answers: impl Write + Send + 'static, asides: impl Write + Send + 'static) -> Self {
        Self { form, answers: Arc::new(Mutex::new(answers)), asides: Arc::new(Mutex::new(asides)), audience: Audience::File }
    }

    /// The form of answers.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    /// The answer of a command: its text, or one line of JSON. Said once, at the end.
    pub fn answer<A: Display + Serialize>(&self, answer: &A) {
        match self.form {
            Form::Text => write(&self.answers, &answer.to_string()),
            Form::Json => self.answer_json(answer),
        }
    }

    /// The answer of a command that has nothing to say to people.
    pub fn answer_json(&self, answer: &impl Serialize) {
        if self.form == Form::Json {
            // A value that serde cannot write is a defect of ours; an empty answer would hide it.
            let line = serde_json::to_string(answer).unwrap_or_else(|error| json!({ "error": error.to_string() }).to_string());
            write(&self.answers, &line);
        }
    }

    /// An answer that has a form of its own, a script for example.
    pub fn raw(&self, text: &str) {
        write(&self.answers, text);
    }

    /// Something that is not the answer: what is going on, or what to do next. Text only; programs know.
    pub fn aside(&self, text: impl Display) {
        if self.form == Form::Text {
            write(&self.asides, &text.to_string());
        }
    }

    /// Shows how far long work is: a bar on a terminal, plain lines elsewhere. Without a total it counts.
    #[must_use]
    pub fn progress(&self, what: impl Into<String>, total: Option<u64>) -> Progress {
        match (self.form, self.audience) {
            (Form::Text, Audience::Terminal) => Progress::bar(what.into(), total),
            (Form::Text | Form::Json, _) => Progress::lines(what.into(), total, self.clone()),
        }
    }

    pub(super) fn progress_line(&self, what: &str, done: u64, total: Option<u64>) {
        let line = match (self.form, total) {
            (Form::Json, total) => json!({ "progress": what, "done": done, "total": total }).to_string(),
            (Form::Text, Some(total)) => format!("{what}: {done} of {total}"),
            (Form::Text, None) => format!("{what}: {done}"),
        };
        write(&self.asides, &line);
    }

    /// Tells an error with all that lies behind it, and gives its exit code.
    pub fn fail(&self, error: &CommandError) -> ExitCode {
        let sources: Vec<_> = std::iter::successors(error.error().source(), |error| error.source()).map(ToString::to_string).collect();
        let text = match self.form {
            Form::Text => {
                let sources = sources.iter().map(|source| format!("\n  caused by: {source}"));
                format!("error: {}{}", error.error(), sources.collect::<String>())
            }
            Form::Json => {
                let errors = error.error().downcast_ref::<ConfigErrors>();
                let problems = errors.into_iter().flat_map(ConfigErrors::iter);
                let problems: Vec<_> = problems.map(|error| json!({ "path": error.path(), "problem": error.problem() })).collect();
                json!({ "error": error.error().to_string(), "causes": sources, "problems": problems }).to_string()
            }
        };
        write(&self.asides, &text);
        error.exit().into()
    }

    /// Sends logs to standard error in this form, unless the program has set up its own.
    pub(super) fn log(&self) {
        match self.form {
            Form::Text => log_to_stderr(),
            // A subscriber that is there already was put there on purpose.
            Form::Json => {
                drop(tracing_subscriber::fmt().json().with_env_filter(filter()).with_writer(std::io::stderr).try_init());
            }
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("form", &self.form).field("audience", &self.audience).finish_non_exhaustive()
    }
}

/// Sends logs to standard error, unless the program has set up its own.
pub fn log_to_stderr() {
    // A subscriber that is there already was put there on purpose.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    drop(tracing_subscriber::fmt().with_env_filter(filter()).with_ansi(colours).with_writer(std::io::stderr).try_init());
}

fn filter() -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"))
}

/// Writes a line. A reader that has gone away, `head` for example, is no error.
fn write(stream: &Stream, text: &str) {
    let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
    drop(writeln!(stream, "{}", text.trim_end_matches('\n')).and_then(|()| stream.flush()));
}
