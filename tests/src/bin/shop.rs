//! A small service with the framework's command line, for the stories of that command line.
//!
//! `SHOP_TOPIC` names the topic that it takes, and its group; `SHOP_SEEN` the file that gets a line when a handler begins.
//! A message's value is how many milliseconds its handling takes.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use kafka_kit::app::{MissingState, State};
use kafka_kit::consumer::ConsumerSpec;
use kafka_kit::format::Text;
use kafka_kit::prelude::*;
use kafka_kit::topic::{Single, TopicSpec};

/// Orders under the name that the story gives them.
struct Orders;

impl Topic for Orders {
    type Key = Text;
    type Value = Text<u64>;
    type Style = Single;

    fn spec() -> TopicSpec {
        TopicSpec::named(variable("SHOP_TOPIC"))
    }

    fn from_state(_: &State) -> Result<Self, MissingState> {
        Ok(Self)
    }
}

impl Consume for Orders {
    async fn consume(&self, message: Message<String, u64>) -> Result<(), HandlerError> {
        let mut seen = OpenOptions::new().create(true).append(true).open(variable("SHOP_SEEN"))?;
        writeln!(seen, "{}", message.offset())?;
        tokio::time::sleep(Duration::from_millis(*message.require_value()?)).await;
        Ok(())
    }
}

/// Nobody names it: that it is produced is known at link time.
#[derive(Topic)]
#[topic(name = "shop-invoices", produce)]
struct Invoices;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| "unset".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    let shop = ConsumerSpec::new("shop", variable("SHOP_TOPIC")).topic::<Orders>().config("auto.offset.reset", "earliest");
    App::from_env().consumer_spec(shop).main().await
}
