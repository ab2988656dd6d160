//! `produce`: the framework's producer beside rdkafka's, with the same client settings.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::bail;
use kafka_kit::app::App;
use kafka_kit::message::Record;
use kafka_kit::names::TopicName;
use kafka_kit::settings::{PRODUCER_DEFAULTS, Settings};
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseRecord, FutureProducer, FutureRecord, Producer as _, ThreadedProducer};

use crate::Plan;
use crate::report::{Case, compare};
use crate::side::{Figures, Side, bootstrap, processor_time};

/// How many sends are on their way at once.
const IN_FLIGHT: usize = 10_000;

const PAYLOAD: [u8; 100] = [b'x'; 100];
const TOPIC: &str = "bench-produce";

pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    for (name, baseline) in [("enqueue", "threaded"), ("send", "future")] {
        let side = |kind: &str| Side::new(["produce", kind, &plan.messages.to_string()]);
        compare(plan, &Case { name: name.to_owned(), unit: "msg/s", ours: side(name), baseline: side(baseline) })?;
    }
    Ok(())
}

pub(crate) fn side(words: &[&str]) -> anyhow::Result<Figures> {
    let [kind, messages] = words else { bail!("produce wants a kind and messages") };
    let messages = messages.parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match *kind {
        "enqueue" => runtime.block_on(enqueue(messages)),
        "send" => runtime.block_on(send(messages)),
        "threaded" => threaded(messages),
        "future" => runtime.block_on(future(messages)),
        other => bail!("{other} is no way to produce"),
    }
}

fn raw_config() -> anyhow::Result<ClientConfig> {
    let mut config = ClientConfig::new();
    config.extend(PRODUCER_DEFAULTS.iter().map(|default| (default.name.to_owned(), default.value.to_owned())));
    config.set("bootstrap.servers", bootstrap()?);
    Ok(config)
}

fn app() -> anyhow::Result<App> {
    Ok(App::builder(Settings::default().global_config([("bootstrap.servers", bootstrap()?)])).build()?)
}

async fn enqueue(messages: u64) -> anyhow::Result<Figures> {
    let producer = app()?.producer().clone();
    let topic = TopicName::new(TOPIC)?;
    producer.send(Record::new(topic.clone()).value(&PAYLOAD[..])).await?;
    let (start, before) = (Instant::now(), processor_time());
    for _ in 0..messages {
        producer.enqueue(Record::new(topic.clone()).value(&PAYLOAD[..])).await?;
    }
    producer.flush(Duration::from_secs(60)).await?;
    let figures = Figures::of(messages, start.elapsed(), before);
    anyhow::ensure!(producer.failed_deliveries() == 0, "deliveries failed");
    Ok(figures)
}

async fn send(messages: u64) -> anyhow::Result<Figures> {
    let producer = app()?.producer().clone();
    let topic = TopicName::new(TOPIC)?;
    producer.send(Record::new(topic.clone()).value(&PAYLOAD[..])).await?;
    let mut receipts = VecDeque::with_capacity(IN_FLIGHT);
    let (start, before) = (Instant::now(), processor_time());
    for _ in 0..messages {
        if receipts.len() == IN_FLIGHT
            && let Some(receipt) = receipts.pop_front()
        {
            let receipt: kafka_kit::producer::Receipt = receipt;
            receipt.await?;
        }
        receipts.push_back(producer.submit(Record::new(topic.clone()).value(&PAYLOAD[..])).await?);
    }
    for receipt in receipts {
        receipt.await?;
    }
    Ok(Figures::of(messages, start.elapsed(), before))
}

fn threaded(messages: u64) -> anyhow::Result<Figures> {
    let producer: ThreadedProducer<_> = raw_config()?.create()?;
    send_one(&producer)?;
    let (start, before) = (Instant::now(), processor_time());
    for _ in 0..messages {
        send_one(&producer)?;
    }
    producer.flush(Duration::from_secs(60))?;
    Ok(Figures::of(messages, start.elapsed(), before))
}

fn send_one(producer: &ThreadedProducer<rdkafka::producer::DefaultProducerContext>) -> anyhow::Result<()> {
    let mut record = BaseRecord::<(), _>::to(TOPIC).payload(&PAYLOAD);
    // The queue takes 100,000; a full one is waited for, as everybody does it.
    while let Err((error, returned)) = producer.send(record) {
        if error.rdkafka_error_code() != Some(rdkafka::error::RDKafkaErrorCode::QueueFull) {
            return Err(error.into());
        }
        record = returned;
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

async fn future(messages: u64) -> anyhow::Result<Figures> {
    let producer: FutureProducer = raw_config()?.create()?;
    let record = || FutureRecord::<(), _>::to(TOPIC).payload(&PAYLOAD);
    producer.send(record(), Duration::from_secs(5)).await.map_err(|(error, _)| error)?;
    let mut deliveries = VecDeque::with_capacity(IN_FLIGHT);
    let (start, before) = (Instant::now(), processor_time());
    for _ in 0..messages {
        if deliveries.len() == IN_FLIGHT
            && let Some(delivery) = deliveries.pop_front()
        {
            let delivery: rdkafka::producer::DeliveryFuture = delivery;
            delivery.await?.map_err(|(error, _)| error)?;
        }
        deliveries.push_back(producer.send_result(record()).map_err(|(error, _)| error)?);
    }
    for delivery in deliveries {
        delivery.await?.map_err(|(error, _)| error)?;
    }
    Ok(Figures::of(messages, start.elapsed(), before))
}
