//! `overhead`: what the framework costs for each message where the broker costs next to nothing, and how long a lone message takes.
//!
//! Costs are given as rates (messages for each allocation, for each second of processor time), so that more is better here too.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use kafka_kit::Topic;
use kafka_kit::app::App;
use kafka_kit::broker::memory::MemoryBroker;
use kafka_kit::broker::{Broker, ClientEvent, NewTopic, PollWaker, Properties};
use kafka_kit::clock::Clock;
use kafka_kit::consumer::{ConsumerSpec, DeclaredTopic, HandlerError};
use kafka_kit::format::Raw;
use kafka_kit::message::{Message, Record};
use kafka_kit::names::{GroupId, Subscription, TopicName};
use kafka_kit::settings::Settings;
use kafka_kit::topic::Consume;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use tokio::sync::{Notify, mpsc};

use crate::Plan;
use crate::report::{Case, compare, median, print};
use crate::side::{Figures, Side, bootstrap, processor_time};

/// Counts allocations while it is told to.
struct Counting;

static COUNT: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[allow(unsafe_code, reason = "an allocator that counts is unsafe to write; it only passes on")]
// SAFETY: passes every call on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNT.load(Ordering::Relaxed) {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: as our caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as our caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What fits the memory of a small machine in one partition.
const MESSAGES: u64 = 200_000;

/// How many messages are counted under valgrind, which takes fifty times as long.
const COUNTED: u64 = 20_000;

/// How many lone messages are timed.
const LONE: u64 = 300;

pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    for (name, unit, what) in [("processor", "msg/cpu-s", "cpu"), ("allocations", "msg/1000 alloc", "alloc"), ("lone 1/p50", "1/s", "lone")]
    {
        let side = |kind: &str| Side::new(["overhead", what, kind]);
        compare(plan, &Case { name: name.to_owned(), unit, ours: side("ours"), baseline: side("raw") })?;
    }
    crate::avro::run(plan)?;
    instructions(plan)
}

/// Instructions for each message: those for twice as many messages, less those for as many, so that start and end do not count.
fn instructions(plan: &Plan) -> anyhow::Result<()> {
    let name = "instructions";
    if plan.case.as_ref().is_some_and(|only| only != name) {
        return Ok(());
    }
    let each = |kind: &str| -> anyhow::Result<Figures> {
        let count = |messages: u64| valgrind(&["side", "overhead", "count", kind, &messages.to_string()]);
        let each = (count(2 * COUNTED)? - count(COUNTED)?) / COUNTED as f64;
        Ok(Figures { rate: 1e6 / each, cpu_micros: f64::NAN, peak_mib: f64::NAN })
    };
    let (ours, baseline) = match (each("ours"), each("raw")) {
        (Ok(ours), Ok(baseline)) => (ours, baseline),
        (Err(error), _) | (_, Err(error)) => {
            eprintln!("instructions are not counted: {error:#}; install valgrind (apt-get install -y valgrind)");
            return Ok(());
        }
    };
    print(plan, name, "msg/M instructions", (&[ours], &[baseline]), &[ours.rate / baseline.rate]);
    Ok(())
}

/// How many instructions this program executes with these words.
fn valgrind(words: &[&str]) -> anyhow::Result<f64> {
    let program = std::env::current_exe()?;
    let valgrind = ["--tool=callgrind", "--callgrind-out-file=/dev/null", "--fair-sched=yes"];
    let output = std::process::Command::new("valgrind").args(valgrind).arg(program).args(words).output().context("valgrind")?;
    let told = String::from_utf8_lossy(&output.stderr);
    let line = told.lines().find_map(|line| line.split_once("Collected : ")).context("valgrind counted nothing")?;
    Ok(line.1.trim().parse()?)
}

pub(crate) fn side(words: &[&str]) -> anyhow::Result<Figures> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match words {
        ["lone", "ours"] => runtime.block_on(lone_ours()),
        ["lone", "raw"] => lone_raw(&runtime),
        ["avro", rest @ ..] => crate::avro::side(&runtime, rest),
        ["count", kind, messages] => {
            let messages = messages.parse()?;
            let broker = filled(messages)?;
            match *kind {
                "ours" => runtime.block_on(memory_ours(broker, messages))?,
                _ => memory_raw(&broker, messages)?,
            };
            Ok(Figures::of(messages, Duration::from_secs(1), Duration::ZERO))
        }
        [what @ ("cpu" | "alloc"), kind @ ("ours" | "raw")] => {
            let broker = filled(MESSAGES)?;
            COUNT.store(*what == "alloc", Ordering::Relaxed);
            let (took, cpu) = match *kind {
                "ours" => runtime.block_on(memory_ours(broker, MESSAGES))?,
                _ => memory_raw(&broker, MESSAGES)?,
            };
            let messages = MESSAGES as f64;
            let rate = match *what {
                "alloc" => 1_000.0 * messages / (ALLOCATIONS.load(Ordering::Relaxed).max(1) as f64),
                _ => messages / cpu.as_secs_f64().max(0.01),
            };
            Ok(Figures { rate, ..Figures::of(MESSAGES, took, Duration::ZERO) })
        }
        other => bail!("{other:?} is no overhead"),
    }
}

fn name() -> anyhow::Result<TopicName> {
    Ok(TopicName::new("bench-overhead")?)
}

fn filled(messages: u64) -> anyhow::Result<MemoryBroker> {
    let broker = MemoryBroker::new(Clock::System);
    broker.create_topic(&name()?, 1);
    for _ in 0..messages {
        broker.append(&Record::new(name()?).value(&[b'x'; 100][..])).context("the topic is there")?;
    }
    Ok(broker)
}

#[derive(Debug)]
struct Seen {
    messages: AtomicU64,
    wanted: u64,
    first: OnceLock<(Instant, Duration)>,
    each: mpsc::UnboundedSender<Instant>,
    all: Notify,
}

#[derive(Topic)]
#[topic(name = "bench-overhead", key = Raw, value = Raw, consume)]
struct Counts {
    #[topic(state)]
    seen: Arc<Seen>,
}

impl Consume for Counts {
    async fn consume(&self, _: Message<(), ()>) -> Result<(), HandlerError> {
        self.seen.first.get_or_init(|| (Instant::now(), processor_time()));
        if self.seen.messages.fetch_add(1, Ordering::Relaxed) + 1 == self.seen.wanted {
            self.seen.all.notify_one();
        }
        if self.seen.wanted == LONE {
            self.seen.each.send(Instant::now()).ok();
        }
        Ok(())
    }
}

fn seen(wanted: u64) -> (Arc<Seen>, mpsc::UnboundedReceiver<Instant>) {
    let (each, times) = mpsc::unbounded_channel();
    (Arc::new(Seen { messages: AtomicU64::new(0), wanted, first: OnceLock::new(), each, all: Notify::new() }), times)
}

async fn memory_ours(broker: MemoryBroker, messages: u64) -> anyhow::Result<(Duration, Duration)> {
    let (seen, _times) = seen(messages);
    let consumer = ConsumerSpec::new("bench", "bench").topic::<Counts>().config("auto.offset.reset", "earliest");
    let app = App::builder(Settings::default()).state(Arc::clone(&seen)).broker(Arc::new(broker)).consumer_spec(consumer).build()?;
    let mut running = app.start(&[]).await?;
    tokio::time::timeout(Duration::from_secs(60), seen.all.notified()).await.context("not all messages came")?;
    let (first, before) = seen.first.get().context("a first message")?;
    let figures = (first.elapsed(), processor_time().saturating_sub(*before));
    COUNT.store(false, Ordering::Relaxed);
    running.stop();
    running.finished().await?;
    Ok(figures)
}

/// The same client without the framework.
fn memory_raw(broker: &MemoryBroker, wanted: u64) -> anyhow::Result<(Duration, Duration)> {
    let properties = Properties::from([("auto.offset.reset".to_owned(), "earliest".to_owned())]);
    let subscriptions = [Subscription::Exact(name()?)];
    let mut client = broker.consumer(&GroupId::new("raw")?, &properties, &subscriptions, PollWaker::new(|| {}))?;
    let (start, before) = (Instant::now(), processor_time());
    let (mut count, mut queues) = (0, Vec::new());
    while count < wanted {
        if let Some(ClientEvent::Assigned(partitions)) = client.poll() {
            let partitions: Vec<_> = partitions.into_iter().map(|partition| (partition, None)).collect();
            queues = client.assign(&partitions)?;
        }
        for queue in &queues {
            let mut messages = Vec::with_capacity(1_000);
            client.fetch(*queue, 1_000, &mut messages);
            count += messages.len() as u64;
        }
    }
    COUNT.store(false, Ordering::Relaxed);
    Ok((start.elapsed(), processor_time().saturating_sub(before)))
}

fn now_nanos() -> anyhow::Result<u128> {
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos())
}

/// From the call of `send` to the handler, one message at a time on a real broker.
async fn lone_ours() -> anyhow::Result<Figures> {
    let (seen, mut times) = seen(LONE);
    let topic = TopicName::new(&format!("bench-lone-{}", now_nanos()?))?;
    let mut declared = DeclaredTopic::of::<Counts>();
    topic.as_str().clone_into(&mut declared.spec.name);
    let settings = Settings::default().global_config([("bootstrap.servers", bootstrap()?)]).producer_config([("linger.ms", "0")]);
    let consumer = ConsumerSpec::new("bench", topic.as_str()).declared(declared).config("auto.offset.reset", "earliest");
    let app = App::builder(settings).state(Arc::clone(&seen)).consumer_spec(consumer).build()?;
    app.admin()?.create_topics(&[NewTopic::new(topic.clone(), 1)]).await?;
    let producer = app.producer().clone();
    let mut running = app.start(&[]).await?;
    let mut waits = Vec::new();
    for _ in 0..LONE {
        let sent = Instant::now();
        producer.enqueue(Record::new(topic.clone()).value(&b"x"[..])).await?;
        let handled = tokio::time::timeout(Duration::from_secs(30), times.recv()).await?.context("a message")?;
        waits.push(handled.duration_since(sent).as_secs_f64());
    }
    running.stop();
    running.finished().await?;
    Ok(lone(waits))
}

/// The same with a raw poll loop in the place of the consumer.
fn lone_raw(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Figures> {
    let topic = TopicName::new(&format!("bench-lone-{}", now_nanos()?))?;
    let settings = Settings::default().global_config([("bootstrap.servers", bootstrap()?)]).producer_config([("linger.ms", "0")]);
    let app = App::builder(settings).build()?;
    runtime.block_on(app.admin()?.create_topics(&[NewTopic::new(topic.clone(), 1)]))?;
    let producer = app.producer().clone();
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap()?)
        .set("group.id", topic.as_str())
        .set("auto.offset.reset", "earliest")
        .set("fetch.queue.backoff.ms", "5")
        .create()?;
    consumer.subscribe(&[topic.as_str()])?;
    let mut waits = Vec::new();
    for _ in 0..LONE {
        let sent = Instant::now();
        runtime.block_on(producer.enqueue(Record::new(topic.clone()).value(&b"x"[..])))?;
        // A poll also comes back empty-handed after a rebalance.
        let deadline = sent + Duration::from_secs(30);
        while consumer.poll(Duration::from_secs(1)).transpose()?.is_none() {
            anyhow::ensure!(Instant::now() < deadline, "no message came");
        }
        waits.push(sent.elapsed().as_secs_f64());
    }
    Ok(lone(waits))
}

/// The median as a rate; the first messages wait for the group and do not count.
fn lone(waits: Vec<f64>) -> Figures {
    let settled = waits.into_iter().skip(20);
    Figures { rate: 1.0 / median(settled), ..Figures::of(LONE, Duration::from_secs(1), Duration::ZERO) }
}
