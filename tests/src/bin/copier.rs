//! Copies numbers from one topic to another in transactions, to be killed and frozen from outside.
//!
//! `copier INPUT OUTPUT`, with `KAFKA_BOOTSTRAP`; the group is named as the input. Every 97th message fails at its first attempt, after
//! it has produced.

use std::process::ExitCode;

use kafka_kit::app::App;
use kafka_kit::cli;
use kafka_kit::consumer::{ConsumerSpec, DeclaredTopic};
use kafka_kit::format::Bytes;
use kafka_kit::message::Record;
use kafka_kit::names::TopicName;
use kafka_kit::prelude::*;
use kafka_kit::producer::Producer;
use kafka_kit::settings::Settings;
use kafka_kit::topic::{KeyOf, ValueOf};

#[derive(Debug, Clone)]
struct Output(TopicName);

#[derive(Topic)]
#[topic(name = "numbers", key = Bytes, value = Bytes, consume, retry(max = 3, delay = 1))]
struct Numbers {
    #[topic(state)]
    producer: Producer,
    #[topic(state)]
    output: Output,
}

impl Consume for Numbers {
    async fn consume(&self, message: Message<KeyOf<Self>, ValueOf<Self>>) -> Result<(), HandlerError> {
        let mut record = Record::new(self.output.0.clone());
        record.value = message.raw_value().map(|value| value.to_vec().into());
        record.partition = Some(message.partition());
        self.producer.enqueue(record).await?;
        if message.offset() % 97 == 96 && message.attempt() == 1 {
            return Err(HandlerError::retry_after("it fails for once", std::time::Duration::from_millis(1)));
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::log_to_stderr();
    let mut arguments = std::env::args().skip(1);
    let (Some(input), Some(output)) = (arguments.next(), arguments.next()) else {
        return cli::fail("write `copier INPUT OUTPUT`");
    };
    let output = match TopicName::new(&output) {
        Ok(name) => Output(name),
        Err(error) => return cli::fail(error),
    };
    let settings = Settings::default().global_config([("bootstrap.servers", std::env::var("KAFKA_BOOTSTRAP").unwrap_or_default())]);
    let mut declared = DeclaredTopic::of::<Numbers>();
    declared.spec.name.clone_from(&input);
    let spec = ConsumerSpec::new("copier", &input).declared(declared).config("auto.offset.reset", "earliest").exactly_once();
    let spec = spec.config("session.timeout.ms", "1000").config("heartbeat.interval.ms", "300");
    match App::builder(settings).without_discovery().state(output).consumer_spec(spec).build() {
        Ok(app) => cli::run(app, &[]).await,
        Err(errors) => cli::fail(errors),
    }
}
