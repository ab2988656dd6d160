//! The key offset tracker on a real cluster and a real PostgreSQL: it notes every key, and keeps up with reading alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kafka_kit::Topic;
use kafka_kit::app::{App, AppBuilder};
use kafka_kit::consumer::{BatchError, ConsumerSpec, DeclaredTopic};
use kafka_kit::message::MessageBatch;
use kafka_kit::names::{TopicName, TopicPartition};
use kafka_kit::retry::Retry;
use kafka_kit::retry::key_offset::{KeyOffsetStore, KeyOffsetTracker, PostgresKeyOffsets};
use kafka_kit::settings::Settings;
use kafka_kit::topic::ConsumeBatch;
use kafka_tests::cluster::{bootstrap, committed, ends};
use kafka_tests::produce::Record;
use kafka_tests::story::{Story, heavy};
use kafka_tests::until::until;

const MESSAGES: i64 = 200_000;
const KEYS: i64 = 50_000;
const LONG: Duration = Duration::from_secs(120);

/// Does nothing with batches of raw messages: what reading alone takes.
#[derive(Topic)]
#[topic(name = "read", key = kafka_kit::format::Raw, value = kafka_kit::format::Raw, consume, batch(max = 10_000), retry(max = 3, delay = 1, use_offset_tracker))]
struct Read {
    #[topic(state)]
    count: Arc<AtomicUsize>,
}

impl ConsumeBatch for Read {
    async fn consume_batch(&self, batch: MessageBatch<(), ()>) -> Result<(), BatchError> {
        self.count.fetch_add(batch.len(), Ordering::Relaxed);
        Ok(())
    }
}

fn app(story: &Story, count: &Arc<AtomicUsize>) -> AppBuilder {
    let mut declared = DeclaredTopic::of::<Read>();
    declared.spec.name.clone_from(&story.name);
    let consumer = ConsumerSpec::new("read", format!("{}-read", story.name)).config("auto.offset.reset", "earliest").declared(declared);
    let settings = Settings::default().global_config([("bootstrap.servers", bootstrap())]);
    App::builder(settings).without_discovery().state(Arc::clone(count)).consumer_spec(consumer).plugin(Retry::new())
}

#[test]
fn every_key_is_noted_as_fast_as_messages_are_read() {
    let _place = heavy();
    let (story, count) = (Story::new("tracked", 2), Arc::<AtomicUsize>::default());
    let payload = "x".repeat(200);
    story.send(
        (0..MESSAGES).map(|n| Record::empty().key(format!("key-{}", n % KEYS)).value(payload.clone()).to((n % 2).try_into().unwrap())),
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL; `cargo xtask services env` prints it");
    let store = runtime.block_on(PostgresKeyOffsets::connect(&url)).unwrap();
    let tracker = format!("{}-tracker", story.name);

    let took = |what: &str, names: &[&str], done: &mut dyn FnMut() -> bool| {
        let plugin = KeyOffsetTracker::enable(&tracker).store(store.clone()).config("auto.commit.interval.ms", "20");
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let began = Instant::now();
        let mut running = runtime.block_on(async { app(&story, &count).plugin(plugin).build().unwrap().start(&names).await }).unwrap();
        until(what, LONG, done);
        let took = began.elapsed();
        running.stop();
        runtime.block_on(running.finished()).unwrap();
        took
    };
    let read = took("all are read", &["read"], &mut || count.load(Ordering::Relaxed) == usize::try_from(MESSAGES).unwrap());
    let noted = took("all are noted", &["key-offset-tracker"], &mut || committed(&tracker, &story.name, 2) == ends(&story.name, 2));
    let rate = |took: Duration| MESSAGES as f64 / took.as_secs_f64();
    println!("reading alone {:.0} messages a second, tracked {:.0}, of {KEYS} keys", rate(read), rate(noted));

    for n in [0, 1, 777, KEYS - 1] {
        let partition = TopicPartition::new(TopicName::new(&story.name).unwrap(), (n % 2).try_into().unwrap());
        let latest = runtime.block_on(store.latest(&partition, format!("key-{n}").as_bytes())).unwrap().unwrap();
        assert_eq!(latest.offset, (n + MESSAGES - KEYS) / 2, "key {n}");
    }
}
