//! The repository's commands: `cargo xtask services | test | ci | sim | bench | tidy | codegen`.
//!
//! This file holds the flags only. xtask is compiled first on a fresh machine, so it stays small and knows none of our libraries.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "speaking to a terminal is what this program is for")]

mod ci;
mod codegen;
mod interrupt;
mod process;
mod programs;
mod repo;
mod services;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::repo::Repo;

/// The repository's commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Real servers for tests, run natively from .services/ (no containers).
    ///
    /// Ports are set by SERVICES_<NAME>_PORT (SERVICES_KAFKA_PORT, SERVICES_REGISTRY_PORT, …); without it they are the usual
    /// ones, or free ones where another process holds these.
    #[command(subcommand)]
    Services(services::Command),
    /// Every test, with the services it needs; the last line is `N passed, M failed`.
    Test(test::Options),
    /// Everything that must hold before a change is merged.
    Ci,
    /// The simulation: the consume loop on an in-memory broker, driven by seeds.
    Sim(programs::Sim),
    /// Measurements against a baseline, interleaved in one run.
    Bench(programs::Bench),
    /// The house rules that the compiler does not check.
    Tidy,
    /// Pages of the documentation that are written from the source.
    Codegen(codegen::Options),
}

fn main() -> ExitCode {
    match run(Args::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Tells whether the command found everything well.
fn run(command: Command) -> Result<bool> {
    let repo = Repo::here()?;
    match command {
        Command::Services(command) => services::run(&repo, command).map(|()| true),
        Command::Test(options) => test::run(&repo, &options),
        Command::Ci => ci::run(&repo),
        Command::Sim(sim) => sim.run(&repo),
        Command::Bench(bench) => bench.run(&repo),
        Command::Tidy => tidy::run(&repo),
        Command::Codegen(options) => codegen::run(&repo, &options),
    }
}
