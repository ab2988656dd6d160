//! `cargo xtask ci`: everything that must hold before a change is merged. A failed step does not hide the next ones.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::repo::Repo;

/// A step by its name, the arguments of its cargo call, and a variable for it.
struct Step {
    name: &'static str,
    arguments: &'static [&'static str],
    variable: Option<(&'static str, &'static str)>,
}

/// The feature that is not a default of the workspace.
const TEMPORAL: &str = "kafka-tests/temporal";

/// Temporal's SDK is in all steps or in none, so that a step finds what the one before it has checked.
const STEPS: [Step; 5] = [
    Step { name: "fmt", arguments: &["fmt", "--all", "--check"], variable: None },
    Step { name: "tidy", arguments: &["xtask", "tidy"], variable: None },
    Step {
        name: "clippy",
        arguments: &["clippy", "--workspace", "--all-targets", "--features", TEMPORAL, "--", "-D", "warnings"],
        variable: None,
    },
    Step {
        name: "doc",
        arguments: &["doc", "--workspace", "--no-deps", "--features", TEMPORAL],
        variable: Some(("RUSTDOCFLAGS", "-D warnings")),
    },
    Step { name: "test", arguments: &["xtask", "test"], variable: None },
];

/// Runs every step, then prints a line for each. Tells whether all succeeded.
pub(crate) fn run(repo: &Repo) -> Result<bool> {
    let mut outcomes: Vec<(&str, bool, Duration)> = Vec::new();
    for step in STEPS {
        eprintln!("== {}: cargo {}", step.name, step.arguments.join(" "));
        let begin = Instant::now();
        let succeeded = command(repo, &step).status()?.success();
        eprintln!("== {}: {}, {:.1} s", step.name, verdict(succeeded), begin.elapsed().as_secs_f32());
        outcomes.push((step.name, succeeded, begin.elapsed()));
    }
    let begin = Instant::now();
    let succeeded = features_build_alone(repo)?;
    outcomes.push(("features", succeeded, begin.elapsed()));
    for (name, succeeded, time) in &outcomes {
        println!("{name:<8}{:<8}{:>7.1} s", verdict(*succeeded), time.as_secs_f32());
    }
    Ok(outcomes.iter().all(|(_, succeeded, _)| *succeeded))
}

/// Checks the umbrella with each of its features by itself, and with none.
fn features_build_alone(repo: &Repo) -> Result<bool> {
    let metadata = repo.metadata()?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let umbrella = packages.into_iter().find(|package| package["name"] == "kafka-kit");
    let features = umbrella.and_then(|package| package["features"].as_object()).into_iter().flatten().map(|(name, _)| name.as_str());
    let mut all = true;
    for feature in features.filter(|name| *name != "default").chain([""]) {
        eprintln!("== features: {}", if feature.is_empty() { "none" } else { feature });
        let mut check = repo.cargo();
        check.args(["check", "--quiet", "--package", "kafka-kit", "--lib", "--no-default-features", "--features", feature]);
        all &= check.status()?.success();
    }
    Ok(all)
}

fn command(repo: &Repo, step: &Step) -> Command {
    let mut command = repo.cargo();
    command.args(step.arguments).envs(step.variable);
    command
}

fn verdict(succeeded: bool) -> &'static str {
    if succeeded { "ok" } else { "FAILED" }
}
