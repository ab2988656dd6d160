//! The repository's commands: `cargo xtask services | test | ci | sim | bench | tidy`.
//!
//! This file holds the flags only. xtask is compiled first on a fresh machine, so it stays small and knows none of our libraries.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "speaking to a terminal is what this program is for"
)]

mod process;
mod repo;
mod services;
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
    #[command(subcommand)]
    Services(services::Command),
}

fn main() -> ExitCode {
    match run(Args::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:?}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    let repo = Repo::here()?;
    match command {
        Command::Services(command) => services::run(&repo, command).map(|()| ExitCode::SUCCESS),
    }
}
