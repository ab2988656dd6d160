//! A script of `tests/python/`: another client than ours, or another framework. Told in JSON what to do, it answers in JSON.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::Value;

use crate::until::until_some;

/// How long a script may take, unless it is told otherwise: its client library alone takes a second to load.
const LIMIT: Duration = Duration::from_secs(60);

/// A script that is about to be run. It inherits the environment, so it knows where the services are.
#[derive(Debug)]
pub struct Script {
    command: Command,
    name: String,
    input: Option<Value>,
    limit: Duration,
}

impl Script {
    /// A script by its file's name in `tests/python/`.
    ///
    /// # Panics
    /// When the environment names no interpreter: a story that cannot be told must not pass.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
        let mut command = Command::new(interpreter());
        // Scripts import one another; no compiled copies beside them.
        command.arg(dir.join(name)).current_dir(&dir).env("PYTHONDONTWRITEBYTECODE", "1");
        Self { command, name: name.to_owned(), input: None, limit: LIMIT }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, value: impl ToString) -> Self {
        self.command.arg(value.to_string());
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.command.env(name, value.to_string());
        self
    }

    /// What it reads from its standard input, as JSON. Default: nothing.
    #[must_use]
    pub fn input(self, input: Value) -> Self {
        Self { input: Some(input), ..self }
    }

    /// How long it may take. Default: a minute.
    #[must_use]
    pub fn limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Runs it to its end and gives what it printed, as one JSON text; null when it printed nothing.
    ///
    /// # Panics
    /// When it takes longer than it may, ends with anything but 0, or prints what is not JSON. Its standard error is shown.
    #[track_caller]
    #[must_use]
    pub fn run(self) -> Value {
        let (name, said) = self.printed();
        if said.trim().is_empty() {
            return Value::Null;
        }
        json(&name, &said)
    }

    /// Runs it to its end and gives the JSON lines that it printed.
    ///
    /// # Panics
    /// As [`Script::run`].
    #[track_caller]
    #[must_use]
    pub fn lines(self) -> Vec<Value> {
        let (name, said) = self.printed();
        said.lines().map(|line| json(&name, line)).collect()
    }

    #[track_caller]
    fn printed(mut self) -> (String, String) {
        let [mut input, output, errors] = [(); 3].map(|()| tempfile::tempfile().expect("a file for what it reads and prints"));
        if let Some(told) = &self.input {
            input.write_all(told.to_string().as_bytes()).and_then(|()| input.rewind()).expect("a file to write to");
        }
        let copy = |file: &File| file.try_clone().expect("a handle of a file");
        self.command.stdin(input).stdout(copy(&output)).stderr(copy(&errors));
        let mut running = Running { child: self.command.spawn().expect("the interpreter starts"), name: self.name.clone(), errors };
        let what = format!("{} ends", self.name);
        let status = until_some(&what, self.limit, || running.child.try_wait().expect("a child to wait for"));
        assert!(status.success(), "{}: {status}", self.name);
        (self.name, contents(output))
    }
}

/// Runs a script with these arguments to its end, and gives the JSON lines that it printed.
///
/// # Panics
/// As [`Script::run`].
#[track_caller]
#[must_use]
pub fn run(script: &str, arguments: &[&str]) -> Vec<Value> {
    arguments.iter().fold(Script::new(script), |script, argument| script.arg(argument)).lines()
}

fn json(name: &str, text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{name} printed what is not JSON ({error}): {text}"))
}

/// A script at work. Dropping it kills it, and shows what it complained of when the story failed.
struct Running {
    child: Child,
    name: String,
    errors: File,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking()
            && let Ok(errors) = self.errors.try_clone()
        {
            #[allow(clippy::print_stderr, reason = "the complaint of a script that failed")]
            {
                eprintln!("--- standard error of {}\n{}", self.name, contents(errors));
            }
        }
    }
}

/// All of a file, whoever wrote it.
fn contents(mut file: File) -> String {
    let mut bytes = Vec::new();
    // What cannot be read is shown as nothing.
    drop(file.rewind().and_then(|()| file.read_to_end(&mut bytes)));
    String::from_utf8_lossy(&bytes).into_owned()
}

fn interpreter() -> PathBuf {
    match std::env::var_os("KAFKA_TESTS_PYTHON") {
        Some(path) if !path.is_empty() => path.into(),
        _ => panic!(
            "KAFKA_TESTS_PYTHON is not set, and this test needs another client in Python: run `cargo xtask services up python`, \
             then export what `cargo xtask services env` says, or run `cargo xtask test`"
        ),
    }
}
