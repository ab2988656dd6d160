//! `cargo xtask test`: every tier, on real services that are started and stopped around it.

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::interrupt::Runner;
use crate::repo::Repo;
use crate::services::{self, Afterwards, Session};
use crate::tools::{Missing, Tool};

/// The package of the tests that need services; the other packages' tests need none.
const SERVICES_PACKAGE: &str = "kafka-tests";

/// What the stories talk to.
const SERVICES: &[&str] = &["postgres", "kafka", "registry", "connect", "temporal", "python"];

/// Temporal's SDK, a third of all there is to compile. It is built with everything that has the stories in it, so that one build serves
/// all tests, and not without them: the pure tier stays quick.
const STORIES_OF_TEMPORAL: &[&str] = &["--features", "kafka-tests/temporal"];

/// Flags of `cargo xtask test`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Leave the services up.
    #[arg(long)]
    keep: bool,
    /// Run one tier only.
    #[arg(long, value_name = "TIER")]
    only: Option<Tier>,
    /// Passed to `cargo test`.
    #[arg(last = true)]
    rest: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tier {
    /// Unit, property, simulation and embedded tests: no server.
    Pure,
    /// The stories on real servers.
    Services,
}

/// What the test runner counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
}

impl Tally {
    /// Adds a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; …`; other lines count nothing.
    fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        let count = |word: &str| {
            let before = result.split(';').find_map(|part| part.trim_end().strip_suffix(word));
            before.and_then(|part| part.split_whitespace().last()?.parse().ok()).unwrap_or(0)
        };
        self.passed += count(" passed");
        self.failed += count(" failed");
    }
}

/// Runs the tests; the last line is `N passed, M failed`. Tells whether all is well.
pub(crate) fn run(repo: &Repo, options: &Options) -> Result<bool> {
    let runner = Runner::install()?;
    let afterwards = if options.keep { Afterwards::Keep } else { Afterwards::Stop };
    let names: &[&str] = if options.only == Some(Tier::Pure) { &[] } else { SERVICES };
    let session = Session::open(repo, names, &[Tool::CCompiler, Tool::TlsHeaders], Missing::Install, afterwards)?;
    let mut tally = Tally::default();
    let outcome = tiers(repo, options, &runner, &session, &mut tally);
    let closed = session.close();
    let mut complaints: Vec<String> = Vec::new();
    match outcome {
        Ok(failures) => complaints.extend(failures),
        Err(error) => complaints.push(format!("{error:#}")),
    }
    complaints.extend(closed.err().map(|error| format!("{error:#}")));
    if tally.passed == 0 {
        complaints.push("no test passed".to_owned());
    }
    complaints.iter().for_each(|complaint| eprintln!("error: {complaint}"));
    println!("{} passed, {} failed", tally.passed, tally.failed);
    Ok(complaints.is_empty() && tally.failed == 0)
}

/// Runs `cargo test`; returns what failed.
fn tiers(repo: &Repo, options: &Options, runner: &Runner, session: &Session, tally: &mut Tally) -> Result<Vec<String>> {
    let mut failures = Vec::new();
    let mut test = repo.cargo();
    test.args(["test", "--no-fail-fast"]).args(packages(options)).args(features(options));
    if options.only == Some(Tier::Pure) {
        services::env(repo).iter().for_each(|(name, _)| {
            test.env_remove(name);
        });
    }
    test.args(&options.rest);
    // The stories mostly wait, for timeouts and for restarts: more of them side by side than there are processors.
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        test.env("RUST_TEST_THREADS", "4");
    }
    session.tell(&mut test);
    if !runner.run(&mut test, |line| tally.add(line))?.success() {
        failures.push("cargo test failed".to_owned());
    }
    Ok(failures)
}

/// Which packages `cargo test` is told to take.
fn packages(options: &Options) -> &'static [&'static str] {
    let by_caller = |word: &String| word.starts_with("-p") || word.starts_with("--package");
    match options.only {
        _ if options.rest.iter().any(by_caller) => &[],
        None => &["--workspace"],
        Some(Tier::Pure) => &["--workspace", "--exclude", SERVICES_PACKAGE],
        Some(Tier::Services) => &["--package", SERVICES_PACKAGE],
    }
}

/// Which features it is told to take.
fn features(options: &Options) -> &'static [&'static str] {
    match (options.only, packages(options)) {
        // Whoever names packages names their features too.
        (Some(Tier::Pure), _) | (_, []) => &[],
        (None | Some(Tier::Services), _) => STORIES_OF_TEMPORAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_summed() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test result: ok. 19 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.12s",
            "test result: FAILED. 2 passed; 1 failed; 4 ignored; 0 measured; 7 filtered out; finished in 1.00s",
            "a test said: test result: ok. 5 passed; 5 failed",
        ] {
            tally.add(line);
        }
        assert_eq!(tally, Tally { passed: 21, failed: 1 });
    }

    #[test]
    fn the_tiers_are_packages() {
        let options = |only, rest: &[&str]| Options { keep: false, only, rest: rest.iter().map(|&word| word.to_owned()).collect() };
        assert_eq!(packages(&options(None, &["name"])), ["--workspace"]);
        assert_eq!(packages(&options(Some(Tier::Services), &[])), ["--package", "kafka-tests"]);
        assert!(packages(&options(None, &["-p", "xtask"])).is_empty());
        assert_eq!(features(&options(None, &[])), STORIES_OF_TEMPORAL);
        assert!(features(&options(Some(Tier::Pure), &[])).is_empty() && features(&options(None, &["-pxtask"])).is_empty());
    }
}
