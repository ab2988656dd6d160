//! `lanes`: 10,000 messages with 0–5 ms of work on one partition, beside the ideal.
//!
//! The ideal is the sleeps really taken, divided by how many could run at once: the smaller of keys and concurrency.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use kafka_kit::Topic;
use kafka_kit::app::App;
use kafka_kit::broker::NewTopic;
use kafka_kit::consumer::{ConsumerSpec, DeclaredTopic, HandlerError};
use kafka_kit::format::Raw;
use kafka_kit::message::{Message, Record};
use kafka_kit::names::TopicName;
use kafka_kit::settings::Settings;
use kafka_kit::topic::{Concurrency, Consume};
use tokio::sync::Notify;

use crate::Plan;
use crate::report::print;
use crate::side::{Figures, Side, bootstrap, processor_time};

const MESSAGES: u64 = 10_000;
const CONCURRENCY: usize = 100;

pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let cases = ["1", "50", "100", "1000", "10000"].map(|keys| (format!("keys {keys}"), "key", keys));
    for (name, order, keys) in cases.into_iter().chain([("partition".to_owned(), "partition", "100")]) {
        if plan.case.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        let (mut ours, mut ideals) = (Vec::new(), Vec::new());
        for round in 0..plan.rounds.min(3) {
            eprintln!("lanes {name}: round {}", round + 1);
            let figures: Figures = Side::new(["lanes", order, keys]).run()?;
            // The side gives its ideal in place of its memory, which is of no interest here.
            ideals.push(Figures { rate: figures.peak_mib, cpu_micros: 0.0, peak_mib: f64::NAN });
            ours.push(figures);
        }
        let ratios: Vec<f64> = ours.iter().zip(&ideals).map(|(ours, ideal)| ours.rate / ideal.rate).collect();
        print(plan, &name, "msg/s", (&ours, &ideals), &ratios);
    }
    Ok(())
}

pub(crate) fn side(words: &[&str]) -> anyhow::Result<Figures> {
    let [order, keys] = words else { bail!("lanes wants an order and keys") };
    let keys: u64 = keys.parse()?;
    let concurrency = match *order {
        "key" => Concurrency::Key { max: CONCURRENCY },
        "partition" => Concurrency::Partition,
        other => bail!("{other} is no order"),
    };
    let at_once = match concurrency {
        Concurrency::Key { max } => max.min(usize::try_from(keys)?),
        _ => 1,
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure(concurrency, keys, at_once))
}

#[derive(Debug, Default)]
struct Seen {
    messages: AtomicU64,
    slept_micros: AtomicU64,
    first: OnceLock<Instant>,
    all: Notify,
}

#[derive(Topic)]
#[topic(name = "bench", key = Raw, value = Raw, consume)]
struct Sleeps {
    #[topic(state)]
    seen: Arc<Seen>,
}

impl Consume for Sleeps {
    async fn consume(&self, message: Message<(), ()>) -> Result<(), HandlerError> {
        let start = *self.seen.first.get_or_init(Instant::now);
        let began = start.elapsed();
        let work = u64::from(message.raw_value().and_then(|value| value.first()).copied().unwrap_or(0));
        if work > 0 {
            tokio::time::sleep(Duration::from_millis(work)).await;
        }
        let slept = start.elapsed() - began;
        self.seen.slept_micros.fetch_add(u64::try_from(slept.as_micros())?, Ordering::Relaxed);
        if self.seen.messages.fetch_add(1, Ordering::Relaxed) + 1 == MESSAGES {
            self.seen.all.notify_one();
        }
        Ok(())
    }
}

async fn measure(concurrency: Concurrency, keys: u64, at_once: usize) -> anyhow::Result<Figures> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos();
    let name = TopicName::new(&format!("bench-lanes-{now}"))?;
    let seen = Arc::new(Seen::default());
    let mut topic = DeclaredTopic::of::<Sleeps>();
    name.as_str().clone_into(&mut topic.spec.name);
    topic.spec.concurrency = concurrency;
    let settings = Settings::default().global_config([("bootstrap.servers", bootstrap()?)]).max_in_flight_messages(10_000);
    let consumer = ConsumerSpec::new("bench", format!("bench-{now}")).declared(topic).config("auto.offset.reset", "earliest");
    let app = App::builder(settings).state(Arc::clone(&seen)).consumer_spec(consumer).build()?;
    app.admin()?.create_topics(&[NewTopic::new(name.clone(), 1)]).await?;
    let producer = app.producer().clone();
    for number in 0..MESSAGES {
        // 0 to 5, spread by a multiplicative hash so that each key gets them all.
        let work = u8::try_from((number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) % 6)?;
        let record = Record::new(name.clone()).key((number % keys).to_string().into_bytes()).value(vec![work]);
        producer.enqueue(record).await?;
    }
    producer.flush(Duration::from_secs(30)).await?;
    let before = processor_time();
    let mut running = app.start(&[]).await?;
    tokio::time::timeout(Duration::from_secs(120), seen.all.notified()).await.context("not all messages were handled")?;
    let took = seen.first.get().context("a first message")?.elapsed();
    running.stop();
    running.finished().await?;
    let ideal = Duration::from_micros(seen.slept_micros.load(Ordering::Relaxed)).as_secs_f64() / at_once as f64;
    Ok(Figures { peak_mib: MESSAGES as f64 / ideal, ..Figures::of(MESSAGES, took, before) })
}
