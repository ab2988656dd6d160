//! `retry`: what failures cost. Punctuality, drain, forwarding, what the healthy notice, and the key offset tracker.
//!
//! Where a case is a time, less is better, and `ratio` is baseline ÷ ours, so that above 1 is better here too. A case of `early`
//! messages that finds one makes the benchmark fail.

mod burst;
mod forward;
mod lateness;
mod neighbours;
mod tracker;

use std::time::{Duration, SystemTime};

use anyhow::{bail, ensure};
use kafka_kit::app::{App, AppBuilder};
use kafka_kit::broker::NewTopic;
use kafka_kit::consumer::{ConsumerSpec, DeclaredTopic};
use kafka_kit::names::TopicName;
use kafka_kit::retry::Retry;
use kafka_kit::settings::Settings;
use serde::{Deserialize, Serialize};

use crate::Plan;
use crate::report::{Line, line};
use crate::side::{Side, bootstrap};

/// How long a side may take for what it waits for.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many partitions the topics have.
const PARTITIONS: i32 = 6;

pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let wanted = |cases: &[&str]| plan.case.as_ref().is_none_or(|only| cases.contains(&only.as_str()));
    if wanted(&["lateness p50", "lateness p99", "early"]) {
        punctuality(plan)?;
    }
    if wanted(&["burst"]) {
        rates(plan, "burst", &Side::new(["retry", "burst"]), &Side::new(["retry", "timers"]))?;
    }
    if wanted(&["forward"]) {
        rates(plan, "forward", &Side::new(["retry", "forward"]), &Side::new(["retry", "plain"]))?;
    }
    if wanted(&["healthy p99"]) {
        let (failing, none) = (Side::new(["retry", "neighbours", "1"]), Side::new(["retry", "neighbours", "0"]));
        times(plan, "healthy p99", &failing, &none)?;
    }
    if wanted(&["tracker"]) {
        tracker::run(plan)?;
    }
    Ok(())
}

/// One figure of one side of one round.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Figure(f64);

/// Lateness and its baseline come from the same process, in which both wait for the same times.
fn punctuality(plan: &Plan) -> anyhow::Result<()> {
    let rounds: Vec<lateness::Lateness> = in_turn(plan, "lateness", &[&Side::new(["retry", "lateness"])])?.concat();
    let ratios = |pairs: &[(f64, f64)]| pairs.iter().map(|(ours, baseline)| baseline / ours).collect::<Vec<_>>();
    let p50 = rounds.iter().map(|round| (round.ours_p50, round.timer_p50)).collect();
    let p99 = rounds.iter().map(|round| (round.ours_p99, round.timer_p99)).collect();
    let cases: [(&str, Vec<(f64, f64)>); 2] = [("lateness p50", p50), ("lateness p99", p99)];
    for (case, pairs) in cases {
        let (ours, baseline) = pairs.iter().copied().unzip();
        line(plan, Line { case, unit: "ms", ours, baseline, ratios: ratios(&pairs) });
    }
    let early: Vec<f64> = rounds.iter().map(|round| f64::from(round.early)).collect();
    let ratios = early.iter().map(|early| if *early == 0.0 { 1.0 } else { 0.0 }).collect();
    line(plan, Line { case: "early", unit: "messages", ours: early.clone(), baseline: vec![0.0; early.len()], ratios });
    ensure!(early.iter().all(|early| *early == 0.0), "messages were handled before they were due");
    Ok(())
}

/// Compares how much both sides do in a second.
fn rates(plan: &Plan, case: &str, ours: &Side, baseline: &Side) -> anyhow::Result<()> {
    both(plan, case, "msg/s", (ours, baseline), |ours, baseline| ours / baseline)
}

/// Compares how long both sides take.
fn times(plan: &Plan, case: &str, ours: &Side, baseline: &Side) -> anyhow::Result<()> {
    both(plan, case, "ms", (ours, baseline), |ours, baseline| baseline / ours)
}

fn both(plan: &Plan, case: &str, unit: &str, sides: (&Side, &Side), ratio: impl Fn(f64, f64) -> f64) -> anyhow::Result<()> {
    let rounds: Vec<Vec<Figure>> = in_turn(plan, case, &[sides.0, sides.1])?;
    let (ours, baseline): (Vec<_>, Vec<_>) = rounds.iter().map(|round| (round[0].0, round[1].0)).unzip();
    let ratios = ours.iter().zip(&baseline).map(|(ours, baseline)| ratio(*ours, *baseline)).collect();
    line(plan, Line { case, unit, ours, baseline, ratios });
    Ok(())
}

/// Runs the sides in turn, each first as often as the others, and gives what they printed, in the order of the sides.
fn in_turn<T: serde::de::DeserializeOwned + Clone>(plan: &Plan, case: &str, sides: &[&Side]) -> anyhow::Result<Vec<Vec<T>>> {
    let rounds = plan.rounds.min(3);
    let mut all = Vec::new();
    for round in 0..rounds {
        eprintln!("retry {case}: round {} of {rounds}", round + 1);
        let mut printed = vec![None; sides.len()];
        for at in (0..sides.len()).cycle().skip(round as usize).take(sides.len()) {
            printed[at] = Some(sides[at].output()?);
        }
        all.push(printed.into_iter().flatten().collect());
    }
    Ok(all)
}

pub(crate) fn side(words: &[&str]) -> anyhow::Result<serde_json::Value> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rate = |rate: anyhow::Result<f64>| rate.map(|rate| serde_json::json!(rate));
    match words {
        ["lateness"] => Ok(serde_json::to_value(runtime.block_on(lateness::measure())?)?),
        ["burst"] => rate(runtime.block_on(burst::measure())),
        ["timers"] => rate(runtime.block_on(burst::timers())),
        ["forward"] => rate(runtime.block_on(forward::measure())),
        ["plain"] => rate(runtime.block_on(forward::plain())),
        ["neighbours", percent] => rate(runtime.block_on(neighbours::measure(percent.parse()?))),
        ["tracker", kind, topic, messages] => tracker::side(&runtime, kind, topic, messages.parse()?),
        other => bail!("{other:?} is no side of retry"),
    }
}

/// A name that nothing else has.
fn unique(what: &str) -> anyhow::Result<String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos();
    Ok(format!("bench-{what}-{now}"))
}

/// An application that reads a new topic of this name, with retries.
async fn application(name: &str, mut topic: DeclaredTopic, state: impl FnOnce(AppBuilder) -> AppBuilder) -> anyhow::Result<App> {
    name.clone_into(&mut topic.spec.name);
    let settings = Settings::default().global_config([("bootstrap.servers", bootstrap()?)]);
    let consumer = ConsumerSpec::new("bench", name).declared(topic).config("auto.offset.reset", "earliest");
    let app = state(App::builder(settings).without_discovery().plugin(Retry::new()).consumer_spec(consumer)).build()?;
    app.admin()?.create_topics(&[NewTopic::new(TopicName::new(name)?, PARTITIONS)]).await?;
    Ok(app)
}

/// The value below which this share of the values is, 0 to 1.
fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get(((last as f64) * share).round() as usize).copied().unwrap_or(f64::NAN)
}
