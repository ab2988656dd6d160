//! The simulation from the command line: `sim [--seeds N] [--from S] [--scenario NAME] [--history]`.
//!
//! Runs N seeds of every scenario, or of one; exit 0 only when nothing was violated. `cargo xtask sim` calls it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program, and this is its output")]

use std::process::ExitCode;

use kafka_core::sim::{self, Scenario};

/// What was asked for.
struct Options {
    seeds: u64,
    from: u64,
    scenario: Option<String>,
    history: bool,
}

fn main() -> ExitCode {
    match options(std::env::args().skip(1)).and_then(|options| Ok((chosen(&options)?, options))) {
        Ok((scenarios, options)) => simulate(&scenarios, &options),
        Err(why) => {
            eprintln!("{why}\nusage: sim [--seeds N] [--from S] [--scenario NAME] [--history]");
            ExitCode::from(2)
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { seeds: 200, from: 0, scenario: None, history: false };
    while let Some(argument) = arguments.next() {
        let (flag, given) = match argument.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (argument, None),
        };
        if flag == "--history" {
            options.history = true;
            continue;
        }
        let value = given.or_else(|| arguments.next()).ok_or_else(|| format!("{flag} wants a value"))?;
        let number = || value.parse::<u64>().map_err(|error| format!("{flag} {value}: {error}"));
        match flag.as_str() {
            "--seeds" => options.seeds = number()?,
            "--from" => options.from = number()?,
            "--scenario" => options.scenario = Some(value),
            _ => return Err(format!("{flag} is not known")),
        }
    }
    Ok(options)
}

fn chosen(options: &Options) -> Result<Vec<&'static Scenario>, String> {
    let wanted = |scenario: &&Scenario| options.scenario.as_deref().is_none_or(|name| name == scenario.name());
    let chosen: Vec<_> = sim::scenarios().iter().filter(wanted).collect();
    if chosen.is_empty() {
        let known: Vec<_> = sim::scenarios().iter().map(Scenario::name).collect();
        return Err(format!("there is no such scenario; there are: {}", known.join(", ")));
    }
    Ok(chosen)
}

fn simulate(scenarios: &[&Scenario], options: &Options) -> ExitCode {
    let (mut seeds, mut violations) = (0_u64, 0_u64);
    for scenario in scenarios {
        let (mut handled, mut failed, mut assigned, mut violated) = (0, 0, 0, 0_u64);
        for seed in options.from..options.from.saturating_add(options.seeds) {
            let result = if options.history {
                let (result, lines) = sim::replay(scenario, seed);
                lines.iter().for_each(|line| println!("{line}"));
                result
            } else {
                sim::run(scenario, seed)
            };
            seeds += 1;
            match result {
                Ok(stats) => {
                    handled += stats.handled;
                    failed += stats.failed;
                    assigned += stats.assigned;
                }
                Err(violation) => {
                    violated += 1;
                    println!("{violation}\n");
                }
            }
        }
        violations += violated;
        println!(
            "{:<11} {} seeds, {handled} calls went well, {failed} did not, {assigned} partitions assigned, {violated} violations  ({})",
            scenario.name(),
            options.seeds,
            scenario.about()
        );
    }
    println!("{seeds} seeds, {violations} violations");
    if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
