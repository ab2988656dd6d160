//! Reads numbers in Avro and keeps a ledger of every call, to be killed from outside.
//!
//! `avro_ledger TOPIC OUT`, with `KAFKA_BOOTSTRAP` and `SCHEMA_REGISTRY_URL`; the group is named as the topic.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use kafka_kit::app::App;
use kafka_kit::cli;
use kafka_kit::consumer::{ConsumerSpec, DeclaredTopic};
use kafka_kit::format::{Avro, Bytes};
use kafka_kit::prelude::*;
use kafka_kit::settings::{SchemaRegistrySettings, Settings};
use kafka_kit::topic::KeyOf;
use serde::Deserialize;
use serde_json::json;

#[derive(Debug, Deserialize)]
struct Reading {
    n: i64,
}

#[derive(Debug, Clone)]
struct Ledger(Arc<File>);

#[derive(Topic)]
#[topic(name = "readings", key = Bytes, value = Avro<Reading>, consume)]
struct Readings {
    #[topic(state)]
    ledger: Ledger,
}

impl Consume for Readings {
    async fn consume(&self, message: Message<KeyOf<Self>, Reading>) -> Result<(), HandlerError> {
        // Times are of no use to its stories.
        let call = json!({
            "topic": message.topic().as_str(), "partition": message.partition(), "offset": message.offset(), "key": null,
            "n": message.require_value()?.n, "attempt": message.attempt(), "outcome": "ok", "t_start_ms": 0, "t_end_ms": 0,
        });
        (&*self.ledger.0).write_all(format!("{call}\n").as_bytes())?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::log_to_stderr();
    let mut arguments = std::env::args().skip(1);
    let (Some(topic), Some(out)) = (arguments.next(), arguments.next()) else {
        return cli::fail("write `avro_ledger TOPIC OUT`");
    };
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let mut settings = Settings::default().global_config([("bootstrap.servers", variable("KAFKA_BOOTSTRAP"))]);
    settings.schema_registry = Some(SchemaRegistrySettings::new(variable("SCHEMA_REGISTRY_URL")));
    let ledger = match OpenOptions::new().create(true).append(true).open(&out) {
        Ok(file) => Ledger(Arc::new(file)),
        Err(error) => return cli::fail(format!("{out} cannot be written: {error}")),
    };
    let mut declared = DeclaredTopic::of::<Readings>();
    declared.spec.name.clone_from(&topic);
    let spec = ConsumerSpec::new("avro_ledger", &topic).declared(declared).config("auto.offset.reset", "earliest");
    let spec = spec.config("auto.commit.interval.ms", "100").config("session.timeout.ms", "6000").config("heartbeat.interval.ms", "300");
    match App::builder(settings).without_discovery().state(ledger).consumer_spec(spec).build() {
        Ok(app) => cli::run(app, &[]).await,
        Err(errors) => cli::fail(errors),
    }
}
