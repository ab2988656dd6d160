//! The streams: rows of ten columns in Avro, as Debezium sends them flattened.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use kafka_kit::app::App;
use kafka_kit::format::Avro;
use kafka_kit::settings::{SchemaRegistrySettings, Settings};
use kafka_kit::{AvroSchema, Topic};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde::{Deserialize, Serialize};

use crate::side::bootstrap;

/// The id of the first event, and of the last. No other event has them.
pub(super) const FIRST: i64 = -1;
pub(super) const LAST: i64 = -2;

/// What `note` says in every event; rows that were there before say something else.
pub(super) const NOTE: &str = "sent";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// Every id once, into an empty table.
    Insert,
    /// Every id once, into a table that has them all.
    Update,
    /// Random ids, each about twice; one event in ten deletes.
    Mixed,
}

#[derive(Serialize, Deserialize, AvroSchema)]
#[avro(namespace = "bench.rows")]
pub(super) struct Key {
    pub(super) id: i64,
}

#[derive(Serialize, Deserialize, AvroSchema)]
#[avro(schema = r#"{"type":"record","name":"Value","namespace":"bench.rows","fields":[
    {"name":"id","type":"long"},{"name":"name","type":["null","string"],"default":null},{"name":"email","type":["null","string"],"default":null},
    {"name":"city","type":["null","string"],"default":null},{"name":"note","type":["null","string"],"default":null},{"name":"age","type":"int"},
    {"name":"visits","type":"long"},{"name":"score","type":"double"},{"name":"active","type":"boolean"},
    {"name":"changed","type":{"type":"long","connect.version":1,"connect.name":"io.debezium.time.MicroTimestamp"}}]}"#)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) city: Option<String>,
    pub(super) note: Option<String>,
    pub(super) age: i32,
    pub(super) visits: i64,
    pub(super) score: f64,
    pub(super) active: bool,
    pub(super) changed: i64,
}

#[derive(Topic)]
#[topic(name = "bench-modelsync-insert", key = Avro<Key>, value = Avro<Row>, produce, register = false)]
struct Insert;

#[derive(Topic)]
#[topic(name = "bench-modelsync-update", key = Avro<Key>, value = Avro<Row>, produce, register = false)]
struct Update;

#[derive(Topic)]
#[topic(name = "bench-modelsync-mixed", key = Avro<Key>, value = Avro<Row>, produce, register = false)]
struct Mixed;

impl Stream {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Mixed => "mixed",
        }
    }

    pub(super) fn topic(self) -> String {
        format!("bench-modelsync-{}", self.name())
    }
}

impl FromStr for Stream {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> anyhow::Result<Self> {
        [Self::Insert, Self::Update, Self::Mixed]
            .into_iter()
            .find(|stream| stream.name() == name)
            .with_context(|| format!("{name} is no stream"))
    }
}

impl Row {
    pub(super) fn sent(id: i64, number: u64) -> Self {
        Self {
            id,
            name: Some(format!("customer {id}")),
            email: Some(format!("customer.{id}@example.org")),
            city: (!number.is_multiple_of(8)).then(|| format!("city {}", number % 1_000)),
            note: Some(NOTE.to_owned()),
            age: (number % 90) as i32,
            visits: number as i64,
            score: number as f64 / 7.0,
            active: number.is_multiple_of(3),
            changed: 1_795_412_432_304_291 + number as i64,
        }
    }
}

/// Event so-and-so: the id, and whether it deletes.
fn event(stream: Stream, number: u64, events: u64) -> (i64, bool) {
    match number {
        0 => (FIRST, false),
        last if last == events - 1 => (LAST, false),
        // A fixed multiplicative walk: every id once, in no order that an index would like.
        _ if stream != Stream::Mixed => ((number.wrapping_mul(2_654_435_761) % events) as i64, false),
        _ => {
            let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 33;
            ((mixed % (events / 2)) as i64, mixed % 10 == 3)
        }
    }
}

/// Where the registry is.
pub(super) fn registry() -> anyhow::Result<SchemaRegistrySettings> {
    Ok(SchemaRegistrySettings::new(
        std::env::var("SCHEMA_REGISTRY_URL").context("SCHEMA_REGISTRY_URL is not set; run `cargo xtask bench …`")?,
    ))
}

/// Writes the stream's events, unless they are there.
pub(super) fn fill(stream: Stream, events: u64) -> anyhow::Result<()> {
    let (topic, servers) = (stream.topic(), bootstrap()?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", &servers).create()?;
    runtime.block_on(admin.create_topics([&NewTopic::new(&topic, 1, TopicReplication::Fixed(1))], &AdminOptions::new()))?;
    let client: BaseConsumer = ClientConfig::new().set("bootstrap.servers", &servers).create()?;
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    let there = loop {
        // A topic that was just made is not known to all at once.
        match client.fetch_watermarks(&topic, 0, Duration::from_secs(10)) {
            Ok((_, end)) => break u64::try_from(end)?,
            Err(error) if std::time::Instant::now() > deadline => return Err(error.into()),
            Err(_) => {}
        }
    };
    if there == events {
        return Ok(());
    }
    ensure!(there == 0, "topic {topic} holds {there} messages of an earlier try; delete it, or restart the services");
    eprintln!("writing {events} events to {topic}");
    let mut settings = Settings::default().global_config([("bootstrap.servers", servers)]);
    settings.schema_registry = Some(registry()?);
    let app = App::builder(settings).without_discovery().build()?;
    runtime.block_on(async {
        for number in 0..events {
            let (id, deletes) = event(stream, number, events);
            let (key, row) = (Key { id }, Row::sent(id, number));
            let row = (!deletes).then_some(&row);
            match stream {
                Stream::Insert => app.producer().topic::<Insert>().enqueue(Some(&key), row).await?,
                Stream::Update => app.producer().topic::<Update>().enqueue(Some(&key), row).await?,
                Stream::Mixed => app.producer().topic::<Mixed>().enqueue(Some(&key), row).await?,
            }
        }
        app.producer().flush(Duration::from_secs(120)).await?;
        anyhow::Ok(())
    })
}

/// Reads a key or a value as [`Key`] and [`Row`] write them, by hand.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Bytes<'_> {
    /// Behind the magic byte and the schema's id.
    pub(super) fn of(bytes: &[u8]) -> anyhow::Result<Bytes<'_>> {
        match bytes {
            [0, _, _, _, _, rest @ ..] => Ok(Bytes(rest)),
            _ => bail!("it has no schema's id"),
        }
    }

    pub(super) fn long(&mut self) -> anyhow::Result<i64> {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let [byte, rest @ ..] = self.0 else { bail!("it ends in a number") };
            self.0 = rest;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
            shift += 7;
        }
    }

    pub(super) fn text(&mut self) -> anyhow::Result<Option<String>> {
        if self.long()? == 0 {
            return Ok(None);
        }
        let length = usize::try_from(self.long()?)?;
        let (text, rest) = self.0.split_at_checked(length).context("it ends in a text")?;
        self.0 = rest;
        Ok(Some(std::str::from_utf8(text)?.to_owned()))
    }

    pub(super) fn double(&mut self) -> anyhow::Result<f64> {
        let (bytes, rest) = self.0.split_first_chunk().context("it ends in a number")?;
        self.0 = rest;
        Ok(f64::from_le_bytes(*bytes))
    }

    pub(super) fn boolean(&mut self) -> anyhow::Result<bool> {
        let [byte, rest @ ..] = self.0 else { bail!("it ends in a boolean") };
        self.0 = rest;
        Ok(*byte == 1)
    }
}
