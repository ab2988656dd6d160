//! The sink of the framework, as an application declares it.

use std::sync::OnceLock;

use kafka_kit::app::App;
use kafka_kit::consumer::ConsumerSpec;
use kafka_kit::format::{Avro, AvroValue};
use kafka_kit::modelsync::model::{Model, ModelTopic};
use kafka_kit::modelsync::sink::{Sink, Tables};
use kafka_kit::modelsync::table::Table;
use kafka_kit::settings::Settings;
use kafka_kit::topic::TopicSpec;

use super::events::{Stream, registry};
use super::{properties, table};
use crate::side::{Figures, processor_time};

diesel::table! {
    bench_rows {
        id -> BigInt,
        name -> Nullable<Text>,
        email -> Nullable<Text>,
        city -> Nullable<Text>,
        note -> Nullable<Text>,
        age -> Integer,
        visits -> BigInt,
        score -> Double,
        active -> Bool,
        changed -> Timestamp,
    }
}

/// One process measures one stream.
static TOPIC: OnceLock<String> = OnceLock::new();

struct Rows;

impl ModelTopic for Rows {
    type Key = Avro<AvroValue>;
    type Value = Avro<AvroValue>;

    fn spec() -> TopicSpec {
        TopicSpec::named(TOPIC.get().cloned().unwrap_or_default())
    }

    fn model() -> Model {
        Model::of(Table::of(bench_rows::table))
    }
}

pub(super) fn write(stream: Stream, events: u64) -> anyhow::Result<Figures> {
    TOPIC.get_or_init(|| stream.topic());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let before = processor_time();
        let mut settings = Settings::default();
        settings.schema_registry = Some(registry()?);
        let mut consumer = ConsumerSpec::new("bench", "bench").topic::<Sink<Rows>>();
        for (name, value) in properties()? {
            match name.as_str() {
                "group.id" => consumer.group = value,
                _ => consumer = consumer.config(name, value),
            }
        }
        let app = App::builder(settings).without_discovery().plugin(Tables::postgres_at(table::url()?)).consumer_spec(consumer).build()?;
        let watch = tokio::spawn(table::written());
        let mut running = app.start(&[]).await?;
        let figures = Figures::of(events, watch.await??, before);
        running.stop();
        running.finished().await?;
        Ok(figures)
    })
}
