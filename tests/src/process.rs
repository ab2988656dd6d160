//! The example `ledger`, or another program, as a process: started, ended softly or by `kill -9`, and asked for its exit code.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

use crate::until::until_some;

/// A ledger that is about to be started.
#[derive(Debug)]
pub struct Ledger {
    command: Command,
    log: PathBuf,
}

/// A process at work. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Ledger {
    /// A ledger with these arguments; its log goes to the file `log`.
    #[must_use]
    pub fn new(bootstrap: &str, topic: &str, group: &str, out: &Path, log: PathBuf) -> Self {
        let mut command = Command::new(program());
        command.args(["--bootstrap-servers", bootstrap, "--topic", topic, "--group", group, "--out"]).arg(out);
        Self::program(command, log)
    }

    /// A program that keeps a ledger in its own way; its log goes to the file `log`.
    #[must_use]
    pub fn program(mut command: Command, log: PathBuf) -> Self {
        command.env("RUST_LOG", "info").env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::null());
        Self { command, log }
    }

    /// Adds a flag with its value.
    #[must_use]
    pub fn flag(mut self, name: &str, value: impl ToString) -> Self {
        self.command.arg(name).arg(value.to_string());
        self
    }

    /// Tries failed messages again, `blocking` or `non-blocking`; -1 is for ever.
    #[must_use]
    pub fn retrying(self, how: &str, most: i64, delay_ms: u64) -> Self {
        self.flag("--retry", how).flag("--max-retries", most).flag("--delay-ms", delay_ms)
    }

    /// Sets a property of the consumer's client.
    #[must_use]
    pub fn set(self, property: &str, value: impl ToString) -> Self {
        self.flag("--set", format!("{property}={}", value.to_string()))
    }

    /// Sets properties of the consumer's client.
    #[must_use]
    pub fn set_all(self, properties: &[(&str, &str)]) -> Self {
        properties.iter().fold(self, |ledger, (property, value)| ledger.set(property, value))
    }

    /// Starts it.
    ///
    /// # Panics
    /// When the system does not.
    #[must_use]
    pub fn start(mut self) -> Running {
        Running::start(&mut self.command, self.log)
    }
}

impl Running {
    /// Starts a program; its log goes to the file `log`.
    ///
    /// # Panics
    /// When the system does not.
    #[must_use]
    pub fn start(command: &mut Command, log: PathBuf) -> Self {
        let file = File::create(&log).expect("a file for the log");
        let child = command.stderr(file).spawn().expect("the program starts");
        Self { child, log }
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How many lines of its log have this in them.
    #[must_use]
    pub fn logged(&self, words: &str) -> usize {
        self.log().lines().filter(|line| line.contains(words)).count()
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to end softly.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Presses Ctrl-C.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Freezes it, as a machine that swaps or a paused container does.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after a freeze.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends it as a crash would, and waits until it is gone.
    pub fn kill_9(mut self) {
        self.signal(Signal::KILL);
        drop(self.child.wait());
    }

    /// Waits for its end. The exit code; `None` when a signal ended it.
    ///
    /// # Panics
    /// When it goes on for longer.
    #[track_caller]
    pub fn ended(&mut self, limit: Duration) -> Option<i32> {
        let status = until_some("the process ends", limit, || self.child.try_wait().expect("a child to wait for"));
        status.code()
    }

    /// Asks it to end softly and waits until it has.
    ///
    /// # Panics
    /// When it takes longer, or ends with anything but 0.
    #[track_caller]
    pub fn stop(mut self, limit: Duration) {
        self.terminate();
        assert_eq!(self.ended(limit), Some(0), "a soft end is exit code 0");
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // One that has ended needs no signal.
            let _gone = kill_process(pid, signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let log = self.log();
            let from = log.lines().count().saturating_sub(40);
            let tail: Vec<&str> = log.lines().skip(from).collect();
            #[allow(clippy::print_stderr, reason = "the log of a story that failed")]
            {
                eprintln!("--- end of {}\n{}", self.log.display(), tail.join("\n"));
            }
        }
    }
}

/// The program: built already beside these tests, or built now. `KAFKA_TESTS_LEDGER` names another one.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| match std::env::var_os("KAFKA_TESTS_LEDGER") {
        Some(path) => path.into(),
        None => example("kafka-kit", "ledger"),
    })
}

/// An example of a package: built already beside these tests and newer than the sources, or built now.
pub(crate) fn example(package: &str, name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of the tests");
    let profile = test.parent().and_then(Path::parent).expect("tests run from target/PROFILE/deps");
    let program = profile.join("examples").join(name);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace");
    let built = fs::metadata(&program).and_then(|metadata| metadata.modified()).ok();
    if built.is_some_and(|built| built >= newest(&root.join("crates")).max(newest(&root.join("tests")))) {
        return program;
    }
    let profile = match profile.file_name().and_then(|name| name.to_str()) {
        None | Some("debug") => "dev",
        Some(name) => name,
    };
    let mut cargo = Command::new(env!("CARGO"));
    // Together with these tests, so that it has the features they have, TLS for one.
    let packages = ["--package", "kafka-kit", "--package", "kafka-tests"];
    cargo.current_dir(root).args(["build", "--quiet", "--example", name, "--profile", profile]).args(packages);
    if cfg!(feature = "temporal") {
        cargo.args(["--features", "kafka-tests/temporal"]);
    }
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "cargo build --package {package} --example {name} failed");
    program
}

/// When the newest source below this directory was written.
fn newest(dir: &Path) -> SystemTime {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let times = entries.filter_map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return Some(newest(&path));
        }
        let is_source = path.extension().is_some_and(|ending| ending == "rs" || ending == "toml");
        if is_source { entry.metadata().and_then(|metadata| metadata.modified()).ok() } else { None }
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}
