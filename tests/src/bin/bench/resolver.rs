//! `resolver`: how soon and how fast what waits is released, and what the gate costs when nothing has to wait.
//!
//! | case | ours | baseline | goal |
//! | --- | --- | --- | --- |
//! | `appears 1/p50`, `appears 1/p99` | from the parent's `send` to the handled child | to the handled parent, in the same rounds | p99 ≤ 100 ms |
//! | `parked and released` | children before their parents: parked, then released | the same behind their parents | 5,000 a second |
//! | `gate` | all parents are there, batches of 500 | the same topic that declares no relations | ratio ≥ 0.8 |
//! | `no relations` | a topic that declares none, with the resolver installed | without it | ratio 1 |
//!
//! Handlers write to PostgreSQL, a batch in one statement. Waits are given as rates, so that more is better here too; in
//! milliseconds they go to stderr.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use kafka_kit::app::{App, AppBuilder};
use kafka_kit::broker::NewTopic;
use kafka_kit::message::Record;
use kafka_kit::names::TopicName;
use kafka_kit::resolver::RelationResolver;
use kafka_kit::settings::Settings;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::Plan;
use crate::family::{Child, Family, Lone, PATIENCE, Parent, Related, Seen, Unrelated, unique};
use crate::report::{Case, compare, print};
use crate::side::{Figures, Side, bootstrap, processor_time};

/// How many lone children are timed in a round.
const LONE: i64 = 300;

/// How many children are parked and released in a round, of so many parents.
const PARKED: i64 = 20_000;

/// How many children pass the gate in a round.
const PASSING: i64 = 200_000;

const PARENTS: i64 = 1_000;

const PARTITIONS: i32 = 6;

/// Waits in milliseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Waits {
    child_p50: f64,
    child_p99: f64,
    parent_p50: f64,
    parent_p99: f64,
}

pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let wanted = |case: &str| plan.case.as_ref().is_none_or(|only| only == case);
    if wanted("appears 1/p50") || wanted("appears 1/p99") {
        appears(plan)?;
    }
    for (name, children, ours, baseline) in [
        ("parked and released", PARKED, "parked", "direct"),
        ("gate", PASSING, "related", "unrelated"),
        ("no relations", PASSING, "installed", "without"),
    ] {
        if wanted(name) {
            let topic = runtime.block_on(filled(children))?;
            let side = |kind: &str| Side::new(["resolver", kind, &topic, &children.to_string()]);
            compare(plan, &Case { name: name.to_owned(), unit: "msg/s", ours: side(ours), baseline: side(baseline) })?;
        }
    }
    Ok(())
}

/// Both sides in one process, in turn: each child waits for its parent, which is timed too.
fn appears(plan: &Plan) -> anyhow::Result<()> {
    let side = Side::new(["resolver", "appears"]);
    let mut rounds: Vec<Waits> = Vec::new();
    for round in 0..plan.rounds {
        eprintln!("{} appears: round {} of {}", plan.what.name(), round + 1, plan.rounds);
        let waits: Waits = side.output()?;
        eprintln!("  {waits:?} ms");
        rounds.push(waits);
    }
    let figures = |of: fn(&Waits) -> f64| -> Vec<Figures> {
        rounds.iter().map(|waits| Figures { rate: 1_000.0 / of(waits), cpu_micros: f64::NAN, peak_mib: f64::NAN }).collect()
    };
    for (name, ours, baseline) in [
        ("appears 1/p50", figures(|waits| waits.child_p50), figures(|waits| waits.parent_p50)),
        ("appears 1/p99", figures(|waits| waits.child_p99), figures(|waits| waits.parent_p99)),
    ] {
        let ratios: Vec<f64> = ours.iter().zip(&baseline).map(|(ours, baseline)| ours.rate / baseline.rate).collect();
        print(plan, name, "1/s", (&ours, &baseline), &ratios);
    }
    Ok(())
}

/// A topic with so many children of all parents.
async fn filled(children: i64) -> anyhow::Result<String> {
    let app = App::builder(Settings::default().global_config([("bootstrap.servers", bootstrap()?)])).without_discovery().build()?;
    let name = topic(&app, "children").await?;
    eprintln!("writing {children} messages to {name}");
    for id in 0..children {
        app.producer().enqueue(child(&name, id, id % PARENTS, i32::try_from(id % i64::from(PARTITIONS))?)?).await?;
    }
    app.producer().flush(PATIENCE).await?;
    Ok(name.to_string())
}

async fn topic(app: &App, word: &str) -> anyhow::Result<TopicName> {
    let name = TopicName::new(&unique(word)?)?;
    app.admin()?.create_topics(&[NewTopic::new(name.clone(), PARTITIONS)]).await?;
    Ok(name)
}

fn child(topic: &TopicName, id: i64, parent_id: i64, partition: i32) -> anyhow::Result<Record<'static>> {
    let value = serde_json::to_vec(&Child { id, parent_id })?;
    Ok(Record::new(topic.clone()).key(id.to_be_bytes().to_vec()).value(value).partition(partition))
}

pub(crate) fn side(words: &[&str]) -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let family = Family::new().await?;
        let printed = match words {
            ["appears"] => serde_json::to_string(&timed(&family).await?)?,
            [kind, topic, children] => serde_json::to_string(&consumed(&family, kind, topic, children.parse()?).await?)?,
            other => bail!("{other:?} is no side of the resolver"),
        };
        family.end().await?;
        Ok(printed)
    })
}

async fn consumed(family: &Family, kind: &str, topic: &str, children: i64) -> anyhow::Result<Figures> {
    let (seen, _times) = Seen::new(u64::try_from(children)?);
    let related = || family.app::<Related>(topic, None, &seen);
    let unrelated = || family.app::<Unrelated>(topic, None, &seen);
    let resolver = || RelationResolver::new(family.store.clone());
    let builder: AppBuilder = match kind {
        "parked" | "direct" | "related" => related()?.plugin(resolver()),
        "installed" => unrelated()?.plugin(resolver()),
        "unrelated" | "without" => unrelated()?,
        other => bail!("{other} is no side of the resolver"),
    };
    if kind != "parked" {
        family.bear(PARENTS).await?;
    }
    let mut running = builder.build()?.start(&[]).await?;
    let total = u64::try_from(children)?;
    let figures = if kind == "parked" {
        // From the first that is parked, as from the first that is handled on the other side.
        until_parked(family, 1).await?;
        let (began, before) = (Instant::now(), processor_time());
        until_parked(family, children).await?;
        let parking = began.elapsed();
        family.bear(PARENTS).await?;
        seen.all().await?;
        eprintln!("  parked in {parking:?}, released in {:?}", began.elapsed() - parking);
        Figures::of(total, began.elapsed(), before)
    } else {
        let (began, before) = seen.all().await?;
        Figures::of(total, began.elapsed(), before)
    };
    running.stop();
    running.finished().await?;
    Ok(figures)
}

async fn until_parked(family: &Family, messages: i64) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while family.parked().await? < messages {
        ensure!(Instant::now() < deadline, "only {} were parked", family.parked().await?);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

async fn timed(family: &Family) -> anyhow::Result<Waits> {
    let app = App::builder(Settings::default().global_config([("bootstrap.servers", bootstrap()?)])).without_discovery().build()?;
    let (children, parents) = (topic(&app, "lone-children").await?, topic(&app, "lone-parents").await?);
    let (seen, mut times) = Seen::new(u64::MAX);
    let app = family.app::<Lone>(children.as_str(), Some(parents.as_str()), &seen)?.plugin(RelationResolver::new(family.store.clone()));
    let app = app.build()?;
    let producer = app.producer().clone();
    let mut running = app.start(&[]).await?;
    let (mut child_waits, mut parent_waits) = (Vec::new(), Vec::new());
    for id in 0..LONE {
        producer.send(child(&children, id, id, i32::try_from(id % i64::from(PARTITIONS))?)?).await?;
        until_parked(family, 1).await?;
        let parent = Record::new(parents.clone()).key(id.to_be_bytes().to_vec()).value(serde_json::to_vec(&Parent { id })?);
        let sent = Instant::now();
        producer.enqueue(parent).await?;
        let (parent, child) = both_handled(&mut times, id).await?;
        parent_waits.push(parent.duration_since(sent).as_secs_f64() * 1e3);
        child_waits.push(child.duration_since(sent).as_secs_f64() * 1e3);
    }
    running.stop();
    running.finished().await?;
    // The first wait for the group, and for connections to be made.
    let [child_waits, parent_waits] = [child_waits, parent_waits].map(|waits| waits[20..].to_vec());
    Ok(Waits {
        child_p50: percentile(&child_waits, 50),
        child_p99: percentile(&child_waits, 99),
        parent_p50: percentile(&parent_waits, 50),
        parent_p99: percentile(&parent_waits, 99),
    })
}

/// When the parent and its child were handled. Either may be noted first: the news of the row comes with its commit.
async fn both_handled(times: &mut UnboundedReceiver<(&'static str, i64, Instant)>, wanted: i64) -> anyhow::Result<(Instant, Instant)> {
    let (mut parent, mut child) = (None, None);
    loop {
        if let (Some(parent), Some(child)) = (parent, child) {
            return Ok((parent, child));
        }
        let (what, id, at) = tokio::time::timeout(PATIENCE, times.recv()).await.context("it was not handled")?.context("a message")?;
        match what {
            "parent" if id == wanted => parent = Some(at),
            "child" if id == wanted => child = Some(at),
            _ => {}
        }
    }
}

fn percentile(waits: &[f64], percent: usize) -> f64 {
    let mut sorted = waits.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}
