//! The topic of `items`, and the table that it is written into.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use kafka_kit::cli;
use kafka_kit::consumer::ConsumerSpec;
use kafka_kit::format::AvroValue;
use kafka_kit::modelsync::model::{Guard, Model, ModelTopic};
use kafka_kit::modelsync::sink::{Sink, Tables};
use kafka_kit::modelsync::table::Table;
use kafka_kit::prelude::*;
use kafka_kit::settings::{ClientProperties, SchemaRegistrySettings, Settings};
use kafka_kit::topic::TopicSpec;

use super::SCHEMA;

/// The Debezium topic of `items` into a table
#[derive(Debug, Parser)]
struct Arguments {
    #[arg(long)]
    bootstrap_servers: String,
    #[arg(long)]
    schema_registry_url: String,
    #[arg(long)]
    database_url: String,
    #[arg(long)]
    group: String,
    #[arg(long)]
    topic: String,
    /// How many messages are written at once, at most
    #[arg(long, default_value_t = 500)]
    batch: usize,
    /// Keep older events from overwriting newer rows
    #[arg(long)]
    guard: bool,
    /// Keep positions in the database, in the transactions of the rows
    #[arg(long)]
    exactly_once: bool,
    /// A property of the consumer's client; may be given again
    #[arg(long = "set", value_name = "PROPERTY=VALUE", value_parser = property)]
    properties: Vec<(String, String)>,
}

fn property(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text:?} has no '='; write PROPERTY=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Its columns. Their types are the database's to say, so that those are no concern of diesel.
const COLUMNS: &str = "id is_new small whole large single double price exact name code fixed mood raw born at_time at_time_tz at_stamp at_stamp_tz \
    lasting ext doc docb address network hardware flags numbers words amounts kafka_skip story";

struct Items;

impl ModelTopic for Items {
    type Key = Avro<AvroValue>;
    type Value = Avro<AvroValue>;

    /// The name is an argument's.
    fn spec() -> TopicSpec {
        TopicSpec::named("items")
    }

    fn model() -> Model {
        Model::of(Table::named("items", COLUMNS.split_whitespace(), ["id"]))
    }
}

/// Where a guard keeps how new a row is.
const GUARD: &str = "ALTER TABLE items ADD COLUMN IF NOT EXISTS source_lsn bigint;";

pub(crate) async fn run() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    cli::log_to_stderr();
    let mut tables = format!("SELECT pg_advisory_xact_lock(4711); {SCHEMA}");
    let mut model = Items::model();
    if arguments.guard {
        tables += GUARD;
        model = model.guard(Guard::Lsn { column: "source_lsn".into() });
    }
    // Every process may be the first on an empty database: one at a time.
    let mut connection = AsyncPgConnection::establish(&arguments.database_url).await?;
    connection.transaction(async |connection| connection.batch_execute(&tables).await).await?;
    let database = Tables::postgres_at(arguments.database_url);

    let topic = TopicSpec::named(arguments.topic).batch(arguments.batch, Duration::ZERO);
    let mut consumer = ConsumerSpec::new("mirror", arguments.group).config("auto.offset.reset", "earliest");
    if arguments.exactly_once {
        consumer = consumer.offset_storage(database.offset_storage());
    }
    for (name, value) in arguments.properties {
        consumer = consumer.config(name, value);
    }
    let mut settings = Settings::default().global_config(ClientProperties::from([("bootstrap.servers", arguments.bootstrap_servers)]));
    settings.schema_registry = Some(SchemaRegistrySettings::new(arguments.schema_registry_url));
    let consumer = consumer.declared(Sink::<Items>::declared(topic, model));
    let app = App::builder(settings).without_discovery().plugin(database).consumer_spec(consumer).build()?;
    Ok(cli::run(app, &[]).await)
}
