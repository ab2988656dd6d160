//! `cargo xtask sim` and `cargo xtask bench`: release builds of the simulation and of the benchmarks.

use std::process::Command;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::interrupt::Runner;
use crate::repo::Repo;
use crate::services::{Afterwards, Session};
use crate::tools::Missing;

/// Flags of `cargo xtask sim`.
#[derive(Debug, Args)]
pub(crate) struct Sim {
    /// How many seeds of each scenario.
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// The first seed.
    #[arg(long, value_name = "S")]
    from: Option<u64>,
    /// One scenario only.
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
    /// Passed on.
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Flags of `cargo xtask bench`.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// What is measured.
    what: What,
    /// The form of the results on stdout; everything else goes to stderr.
    #[arg(long, default_value = "text")]
    format: Format,
    /// Passed on.
    #[arg(last = true)]
    rest: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Consume,
    Produce,
    Lanes,
    Retry,
    Resolver,
    Modelsync,
    Overhead,
}

impl What {
    fn services(self) -> &'static [&'static str] {
        match self {
            Self::Consume | Self::Produce | Self::Lanes | Self::Overhead => &["kafka"],
            Self::Retry | Self::Resolver => &["kafka", "postgres"],
            Self::Modelsync => &["kafka", "postgres", "registry", "connect"],
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One object per line.
    Json,
}

impl Sim {
    /// Tells whether there was no violation.
    pub(crate) fn run(&self, repo: &Repo) -> Result<bool> {
        let runner = Runner::install()?;
        Ok(runner.run(&mut self.command(repo), |_line| ())?.success())
    }

    fn command(&self, repo: &Repo) -> Command {
        let mut command = program(repo, SIMULATION);
        let numbers = [("--seeds", self.seeds), ("--from", self.from)];
        for (flag, number) in numbers {
            command.args(number.map(|number| format!("{flag}={number}")));
        }
        command.args(self.scenario.as_ref().map(|name| format!("--scenario={name}")));
        command.args(&self.rest);
        command
    }
}

impl Bench {
    /// Starts the services it needs, runs it, and stops what was started. Tells whether it succeeded.
    pub(crate) fn run(&self, repo: &Repo) -> Result<bool> {
        let runner = Runner::install()?;
        let services = self.what.services();
        let session = Session::open(repo, services, &[], Missing::Name, Afterwards::Stop)?;
        let mut command = self.command(repo);
        session.tell(&mut command);
        let outcome = runner.run(&mut command, |_line| ());
        session.close()?;
        Ok(outcome?.success())
    }

    fn command(&self, repo: &Repo) -> Command {
        let mut command = program(repo, BENCHMARKS);
        command.args(self.what.to_possible_value().map(|what| what.get_name().to_owned()));
        if self.format == Format::Json {
            command.arg("--format=json");
        }
        command.args(&self.rest);
        command
    }
}

/// Where the simulation lives: at the umbrella, where applications have all plugins.
const SIMULATION: &[&str] = &["--package", "kafka-kit", "--example", "sim"];

/// Where the benchmarks live: outside of the framework, as its users do.
const BENCHMARKS: &[&str] = &["--package", "kafka-tests", "--bin", "bench"];

/// Cargo's own words go to stderr.
fn program(repo: &Repo, place: &[&str]) -> Command {
    let mut command = repo.cargo();
    command.args(["run", "--release", "--quiet"]).args(place).arg("--");
    command
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::services::variables;

    fn arguments(command: &Command) -> String {
        let arguments: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        arguments.join(" ").split_once(" -- ").unwrap().1.to_owned()
    }

    #[test]
    fn flags_are_passed_on() {
        let repo = Repo::here().unwrap();
        let scenario = Some("crash".to_owned());
        let sim = Sim { seeds: Some(5), from: None, scenario, rest: vec!["-v".to_owned()] };
        assert_eq!(arguments(&sim.command(&repo)), "--seeds=5 --scenario=crash -v");
        let bench = Bench { what: What::Modelsync, format: Format::Json, rest: Vec::new() };
        assert_eq!(arguments(&bench.command(&repo)), "modelsync --format=json");
    }

    #[test]
    fn benchmarks_have_the_services_whose_addresses_they_read() {
        let repo = Repo::here().unwrap();
        for what in What::value_variants() {
            let name = what.to_possible_value().unwrap().get_name().to_owned();
            let text = sources(&repo.root().join("tests/src/bin/bench").join(&name));
            let there = variables(&repo, what.services());
            for variable in variables(&repo, &[]).into_iter().filter(|variable| text.contains(&format!("\"{variable}\""))) {
                assert!(there.contains(&variable), "bench {name} reads {variable} and starts only {:?}", what.services());
            }
        }
    }

    /// A module's text: its file, or those of its folder.
    fn sources(module: &Path) -> String {
        if !module.is_dir() {
            return fs::read_to_string(module.with_extension("rs")).unwrap();
        }
        let files = fs::read_dir(module).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
        files.collect()
    }
}
