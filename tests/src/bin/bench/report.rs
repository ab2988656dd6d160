//! Results: medians of rounds, as lines for people or for programs.

use clap::ValueEnum;
use serde_json::json;

use crate::Plan;
use crate::side::{Figures, Side};

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One object per line.
    Json,
}

/// A case: what it is called, and its two sides.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: Side,
    pub(crate) baseline: Side,
}

/// Measures the sides of a case in turn, and prints the medians.
pub(crate) fn compare(plan: &Plan, case: &Case) -> anyhow::Result<()> {
    if plan.case.as_ref().is_some_and(|only| *only != case.name) {
        return Ok(());
    }
    let (mut ours, mut baselines): (Vec<Figures>, Vec<Figures>) = (Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        eprintln!("{} {}: round {} of {}", plan.what.name(), case.name, round + 1, plan.rounds);
        // Each goes first as often as the other: what the first leaves behind helps or hurts both.
        if round % 2 == 0 {
            baselines.push(case.baseline.run()?);
            ours.push(case.ours.run()?);
        } else {
            ours.push(case.ours.run()?);
            baselines.push(case.baseline.run()?);
        }
    }
    let ratios: Vec<f64> = ours.iter().zip(&baselines).map(|(ours, baseline)| ours.rate / baseline.rate).collect();
    print(plan, &case.name, case.unit, (&ours, &baselines), &ratios);
    Ok(())
}

pub(crate) fn print(plan: &Plan, name: &str, unit: &str, sides: (&[Figures], &[Figures]), ratios: &[f64]) {
    let rate = |side: &[Figures]| median(side.iter().map(|figures| figures.rate));
    let (ours, baseline, ratio) = (rate(sides.0), rate(sides.1), median(ratios.iter().copied()));
    let spread = spread(ratios);
    match plan.format {
        Format::Json => println!(
            "{}",
            json!({"bench": plan.what.name(), "case": name, "ours": ours, "baseline": baseline, "ratio": round(ratio), "unit": unit, "rounds": ratios.len(), "spread": round(spread)})
        ),
        Format::Text => {
            let cpu = |side: &[Figures]| median(side.iter().map(|figures| figures.cpu_micros));
            let peak = |side: &[Figures]| median(side.iter().map(|figures| figures.peak_mib));
            println!(
                "{:<9} {:<14} ours {ours:>12.0} {unit}  baseline {baseline:>12.0} {unit}  ratio {ratio:.3} (spread {spread:.3}, {} rounds)  cpu {:.2} / {:.2} µs  peak {:.0} / {:.0} MiB",
                plan.what.name(),
                name,
                ratios.len(),
                cpu(sides.0),
                cpu(sides.1),
                peak(sides.0),
                peak(sides.1)
            );
        }
    }
}

/// A case whose figures are neither rates nor costs of a process.
pub(crate) struct Line<'a> {
    pub(crate) case: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) ours: Vec<f64>,
    pub(crate) baseline: Vec<f64>,
    pub(crate) ratios: Vec<f64>,
}

/// Prints the medians of a case.
pub(crate) fn line(plan: &Plan, line: Line<'_>) {
    let Line { case, unit, ours, baseline, ratios } = line;
    if plan.case.as_ref().is_some_and(|only| only != case) {
        return;
    }
    let (ours, baseline) = (median(ours.into_iter()), median(baseline.into_iter()));
    let (ratio, spread, rounds) = (median(ratios.iter().copied()), spread(&ratios), ratios.len());
    match plan.format {
        Format::Json => println!(
            "{}",
            json!({"bench": plan.what.name(), "case": case, "ours": round(ours), "baseline": round(baseline), "ratio": round(ratio), "unit": unit, "rounds": rounds, "spread": round(spread)})
        ),
        Format::Text => println!(
            "{:<9} {case:<14} ours {ours:>12.2} {unit}  baseline {baseline:>12.2} {unit}  ratio {ratio:.3} (spread {spread:.3}, {rounds} rounds)",
            plan.what.name()
        ),
    }
}

fn spread(ratios: &[f64]) -> f64 {
    ratios.iter().copied().fold(f64::MIN, f64::max) - ratios.iter().copied().fold(f64::MAX, f64::min)
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => sorted[len / 2],
        len => f64::midpoint(sorted[len / 2 - 1], sorted[len / 2]),
    }
}
