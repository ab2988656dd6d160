//! What the stories of formats with a schema registry are told with: topics that are produced to, and what a handler saw.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kafka_kit::app::{App, AppBuilder, MissingState, Running, State};
use kafka_kit::consumer::{ConsumerSpec, DeclaredTopic};
use kafka_kit::format::Decode;
use kafka_kit::prelude::*;
use kafka_kit::producer::{ProduceError, Producer};
use kafka_kit::settings::{SchemaRegistrySettings, Settings};
use kafka_kit::topic::{Single, TopicSpec};
use kafka_tests::cluster::{bootstrap, create_topic, delete_topic};
use kafka_tests::python::Script;
use kafka_tests::story::SOON;
use kafka_tests::until::until;
use serde_json::Value;

/// Declares topics that can be produced to, each with a name that no run before it had.
macro_rules! produced {
    ($($topic:ident: $word:literal, $key:ty, $value:ty $(, $strategy:ident)?;)*) => {$(
        struct $topic;

        impl $topic {
            fn name() -> &'static str {
                static NAME: std::sync::OnceLock<String> = std::sync::OnceLock::new();
                NAME.get_or_init(|| kafka_tests::story::unique($word))
            }
        }

        impl kafka_kit::topic::Topic for $topic {
            type Key = $key;
            type Value = $value;
            type Style = kafka_kit::topic::Single;

            fn spec() -> kafka_kit::topic::TopicSpec {
                let spec = kafka_kit::topic::TopicSpec::named(Self::name());
                $(let spec = spec.subject(kafka_kit::settings::SubjectStrategy::$strategy);)?
                spec
            }

            fn from_state(_: &kafka_kit::app::State) -> Result<Self, kafka_kit::app::MissingState> {
                Ok(Self)
            }
        }

        impl kafka_kit::topic::Produce for $topic {}
    )*};
}
pub(crate) use produced;

/// A topic of a story, gone with it.
pub(crate) struct Place<'a>(&'a str);

impl<'a> Place<'a> {
    pub(crate) fn new(name: &'a str, partitions: i32) -> Self {
        create_topic(name, partitions);
        Self(name)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            delete_topic(self.0);
        }
    }
}

/// Keys and values in the order in which they came.
pub(crate) type Pairs<K, V> = Vec<(Option<K>, Option<V>)>;

/// What a handler saw.
pub(crate) struct Notes<K, V>(Arc<Mutex<Pairs<K, V>>>);

impl<K, V> Clone for Notes<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Clone, V: Clone> Notes<K, V> {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    pub(crate) fn all(&self) -> Pairs<K, V> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn values(&self) -> Vec<V> {
        self.all().into_iter().filter_map(|(_, value)| value).collect()
    }

    /// Waits until so many messages were handled.
    #[track_caller]
    pub(crate) fn until(&self, count: usize) -> Pairs<K, V> {
        until(&format!("{count} messages handled"), SOON, || self.0.lock().unwrap().len() >= count);
        self.all()
    }
}

/// Notes what it is handed.
pub(crate) struct Noted<K: Decode, V: Decode>(Notes<K::Value, V::Value>);

impl<K: Decode, V: Decode> Topic for Noted<K, V> {
    type Key = K;
    type Value = V;
    type Style = Single;

    fn spec() -> TopicSpec {
        TopicSpec::named("noted")
    }

    fn from_state(state: &State) -> Result<Self, MissingState> {
        state.get().map(Self)
    }
}

impl<K: Decode, V: Decode> Consume for Noted<K, V> {
    async fn consume(&self, message: Message<K::Value, V::Value>) -> Result<(), HandlerError> {
        self.0.0.lock().unwrap().push(message.into_parts());
        Ok(())
    }
}

pub(crate) fn registry() -> String {
    match std::env::var("SCHEMA_REGISTRY_URL") {
        Ok(url) if !url.is_empty() => url,
        _ => panic!("SCHEMA_REGISTRY_URL is not set, and this test needs a schema registry: run `cargo xtask test`"),
    }
}

pub(crate) fn settings_at(registry: &str) -> Settings {
    let mut settings = Settings::default().global_config([("bootstrap.servers", bootstrap())]).shutdown_timeout(Duration::from_secs(10));
    // Soon enough for a story to see why something waits.
    settings.unhealthy_after = Duration::from_millis(200);
    settings.schema_registry = Some(SchemaRegistrySettings::new(registry));
    settings
}

/// An application that reads these topics as `K` and `V`, in a group that is named as the first.
pub(crate) fn reading_at<K: Decode, V: Decode>(registry: &str, topics: &[&str], notes: &Notes<K::Value, V::Value>) -> AppBuilder {
    let spec = ConsumerSpec::new("noted", topics[0]).config("auto.offset.reset", "earliest").config("auto.commit.interval.ms", "100");
    let spec = topics.iter().fold(spec, |spec, topic| {
        let mut declared = DeclaredTopic::of::<Noted<K, V>>();
        declared.spec.name = (*topic).to_owned();
        spec.declared(declared)
    });
    App::builder(settings_at(registry)).without_discovery().state(notes.clone()).consumer_spec(spec)
}

/// Reads so many messages of a topic as `K` and `V`.
#[track_caller]
pub(crate) fn read<K: Decode, V: Decode>(topic: &str, count: usize) -> Pairs<K::Value, V::Value>
where
    K::Value: Clone,
    V::Value: Clone,
{
    let notes = Notes::new();
    let process = Process::start(reading_at::<K, V>(&registry(), &[topic], &notes));
    let pairs = notes.until(count);
    process.stop();
    assert_eq!(notes.all().len(), pairs.len(), "no more than was sent");
    pairs
}

/// An application with a runtime of its own.
pub(crate) struct Process {
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) app: Running,
}

impl Process {
    pub(crate) fn start(app: AppBuilder) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let app = runtime.block_on(async { app.build().unwrap().start(&[]).await }).unwrap();
        Self { runtime, app }
    }

    pub(crate) fn stop(mut self) {
        self.app.stop();
        let finished = async { tokio::time::timeout(SOON, self.app.finished()).await };
        self.runtime.block_on(finished).expect("it ends").unwrap();
    }
}

/// Does something with a producer, outside of any handler.
pub(crate) fn producing<T>(work: impl AsyncFnOnce(Producer) -> T) -> T {
    producing_at(&registry(), work)
}

pub(crate) fn producing_at<T>(registry: &str, work: impl AsyncFnOnce(Producer) -> T) -> T {
    producing_with(settings_at(registry), work)
}

pub(crate) fn producing_with<T>(settings: Settings, work: impl AsyncFnOnce(Producer) -> T) -> T {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let app = App::builder(settings).without_discovery().build().unwrap();
        work(app.producer().clone()).await
    })
}

/// The first error of this type behind a failed send.
pub(crate) fn found<E: std::error::Error + 'static>(error: &ProduceError) -> Option<&E> {
    std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |error| error.source()).find_map(|error| error.downcast_ref())
}

/// The subjects with this in their names, and how many versions each has.
pub(crate) fn subjects(word: &str) -> Value {
    Script::new("registry_subjects.py").arg(word).run()
}
