//! Benchmarks: ours beside a baseline, in turn, within one run. `cargo xtask bench WHAT [--format json]`.
//!
//! Each side of each round is a process of its own, so that neither its memory nor its threads touch the
//! other's. What counts is the ratio; single figures depend on the machine and its other work.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program whose output is its purpose")]

mod avro;
mod consume;
mod family;
mod lanes;
mod modelsync;
mod overhead;
mod produce;
mod raw_batch;
mod report;
mod resolver;
mod retry;
mod side;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use report::Format;

/// Ours beside a baseline, in turn, within one run.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Plan {
    /// What is measured.
    what: What,
    /// The form of the results on stdout; everything else goes to stderr.
    #[arg(long, default_value = "text")]
    format: Format,
    /// How often each side runs.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How many messages a side takes; cases that are slow take a part of them.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    messages: u64,
    /// This case only.
    #[arg(long, value_name = "NAME")]
    case: Option<String>,
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
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |what| what.get_name().to_owned())
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        // A child of the benchmark: measures one side and prints it.
        Some("side") => side::measure(&arguments[1..]),
        _ => run(&Plan::parse()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(plan: &Plan) -> anyhow::Result<()> {
    match plan.what {
        What::Consume => consume::run(plan),
        What::Produce => produce::run(plan),
        What::Lanes => lanes::run(plan),
        What::Retry => retry::run(plan),
        What::Resolver => resolver::run(plan),
        What::Modelsync => modelsync::run(plan),
        What::Overhead => overhead::run(plan),
    }
}
