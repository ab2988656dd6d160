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

use anyhow::{Context, bail};
use report::Format;

const USAGE: &str =
    "bench WHAT [--format json] [--rounds N] [--messages N]   WHAT: avro, consume, produce, lanes, modelsync, overhead, resolver, retry";

/// What to measure, and how often.
#[derive(Debug)]
struct Plan {
    what: String,
    format: Format,
    rounds: usize,
    messages: u64,
    case: Option<String>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        // A child of the benchmark: measures one side and prints it.
        Some("side") => side::measure(&arguments[1..]),
        _ => plan(&arguments).and_then(|plan| run(&plan)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn plan(arguments: &[String]) -> anyhow::Result<Plan> {
    let mut plan = Plan { what: String::new(), format: Format::Text, rounds: 5, messages: 1_000_000, case: None };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().with_context(|| format!("{argument} takes a value; {USAGE}"));
        match argument.as_str() {
            "--format" => plan.format = value()?.parse()?,
            "--rounds" => plan.rounds = value()?.parse()?,
            "--messages" => plan.messages = value()?.parse()?,
            "--case" => plan.case = Some(value()?.clone()),
            what if plan.what.is_empty() && !what.starts_with('-') => plan.what = what.to_owned(),
            other => bail!("{other} is not known; {USAGE}"),
        }
    }
    if plan.what.is_empty() { bail!("{USAGE}") } else { Ok(plan) }
}

fn run(plan: &Plan) -> anyhow::Result<()> {
    match plan.what.as_str() {
        "consume" => consume::run(plan),
        "produce" => produce::run(plan),
        "lanes" => lanes::run(plan),
        "overhead" => overhead::run(plan),
        "retry" => retry::run(plan),
        "resolver" => resolver::run(plan),
        "modelsync" => modelsync::run(plan),
        other => bail!("{other} is no benchmark; {USAGE}"),
    }
}
