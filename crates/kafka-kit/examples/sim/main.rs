//! The simulation from the command line: `sim [--seeds N] [--from S] [--scenario NAME] [--history]`.
//!
//! Runs N seeds of every scenario, or of one; exit 0 only when nothing was violated. `cargo xtask sim` calls it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program, and this is its output")]

mod families;

use std::process::ExitCode;

use kafka_core::sim::{self, Scenario, Stats};
use kafka_kit::test_kit::sim as app;

use self::families::Families;

/// What can be simulated.
enum World {
    /// The loop alone, with all that can happen to it.
    Loop(&'static Scenario),
    /// A whole application, with plugins.
    App { name: &'static str, about: &'static str, new: fn() -> Families },
}

fn worlds() -> Vec<World> {
    let apps = [
        ("families", "children wait for parents; one process after the other", Families::alone as fn() -> Families),
        ("families-together", "the same with several processes and a lane for each key", Families::together),
        ("families-retried", "the same with retry topics", Families::with_retry_topics),
    ];
    let apps = apps.map(|(name, about, new)| World::App { name, about, new });
    sim::scenarios().iter().map(World::Loop).chain(apps).collect()
}

impl World {
    fn name(&self) -> &'static str {
        match self {
            Self::Loop(scenario) => scenario.name(),
            Self::App { name, .. } => name,
        }
    }

    fn about(&self) -> &'static str {
        match self {
            Self::Loop(scenario) => scenario.about(),
            Self::App { about, .. } => about,
        }
    }

    /// What happened, line by line, with what came of it.
    fn replay(&self, seed: u64) -> (Result<Stats, String>, Vec<String>) {
        match self {
            Self::Loop(scenario) => {
                let (result, lines) = sim::replay(scenario, seed);
                (result.map_err(|violation| violation.to_string()), lines)
            }
            Self::App { name, new, .. } => {
                let (result, lines) = app::replay(&new(), seed);
                (result.map_err(|violation| told(&violation, name)), lines)
            }
        }
    }

    fn run(&self, seed: u64) -> Result<Stats, String> {
        match self {
            Self::Loop(scenario) => sim::run(scenario, seed).map_err(|violation| violation.to_string()),
            Self::App { name, new, .. } => app::run(&new(), seed).map_err(|violation| told(&violation, name)),
        }
    }
}

/// With the command that shows it again here; its own is for a test.
fn told(violation: &app::Violation, name: &str) -> String {
    let app::Violation { seed, promise, what, history, .. } = violation;
    let history = history.join("\n  ");
    format!("seed {seed} breaks `{promise}`: {what}\n  {history}\nreplay: cargo xtask sim --seeds 1 --from {seed} --scenario {name}")
}

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

fn chosen(options: &Options) -> Result<Vec<World>, String> {
    let (chosen, others): (Vec<_>, Vec<_>) =
        worlds().into_iter().partition(|world| options.scenario.as_deref().is_none_or(|name| name == world.name()));
    if chosen.is_empty() {
        let known: Vec<_> = others.iter().map(World::name).collect();
        return Err(format!("there is no such scenario; there are: {}", known.join(", ")));
    }
    Ok(chosen)
}

fn simulate(worlds: &[World], options: &Options) -> ExitCode {
    let (mut seeds, mut violations) = (0_u64, 0_u64);
    for world in worlds {
        let (mut handled, mut failed, mut assigned, mut violated) = (0, 0, 0, 0_u64);
        for seed in options.from..options.from.saturating_add(options.seeds) {
            let result = if options.history {
                let (result, lines) = world.replay(seed);
                lines.iter().for_each(|line| println!("{line}"));
                result
            } else {
                world.run(seed)
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
            "{:<17} {} seeds, {handled} calls went well, {failed} did not, {assigned} partitions assigned, {violated} violations  ({})",
            world.name(),
            options.seeds,
            world.about()
        );
    }
    println!("{seeds} seeds, {violations} violations");
    if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
