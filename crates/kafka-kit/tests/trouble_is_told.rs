//! The log of a lane that is held says why, down to the cause: a stranger has nothing else to go by.

#![allow(clippy::unwrap_used, reason = "all of it is tests")]

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use kafka_kit::error::ConfigError;
use kafka_kit::format::{Decode, DecodeError, Format, FormatContext, Part};
use kafka_kit::message::Record;
use kafka_kit::names::TopicName;
use kafka_kit::prelude::*;
use kafka_kit::settings::Settings;
use kafka_kit::test_kit::TestApp;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A format whose server is away.
struct Away;

impl Format for Away {
    type Value = ();

    fn build(_: &FormatContext<'_>) -> Result<Self, ConfigError> {
        Ok(Self)
    }
}

impl Decode for Away {
    async fn decode(&self, _: Part<'_>) -> Result<(), DecodeError> {
        Err(DecodeError::unavailable("the registry at nowhere cannot be reached"))
    }
}

#[derive(Topic)]
#[topic(name = "orders", value = Away, consume)]
struct Orders;

impl Consume for Orders {
    async fn consume(&self, _: Message<String, ()>) -> Result<(), HandlerError> {
        Ok(())
    }
}

#[derive(Consumer)]
#[consumer(group = "billing", topics(Orders), config("auto.offset.reset" = "earliest"))]
struct Billing;

#[tokio::test]
async fn the_log_names_what_is_away() {
    let log = Log::default();
    let _here = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).set_default();
    let mut app = TestApp::start(App::builder(Settings::default())).await.unwrap();
    app.publish_record(&Record::new(TopicName::new("orders").unwrap()).value(b"1")).unwrap();
    app.until_idle().await;

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("lane held") && log.contains("the registry at nowhere cannot be reached"), "{log}");
}
