//! kafka-kit: services that live on Apache Kafka.
//!
//! Annotate structs, and the framework runs consumers, keeps order, commits only what was handled,
//! survives rebalances and crashes, and shuts down softly, without ever losing a message.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use kafka_kit::prelude::*;
//!
//! #[derive(Debug, serde::Serialize, serde::Deserialize)]
//! struct Order { id: i64, cents: i64 }
//!
//! #[derive(Topic)]
//! #[topic(name = "orders", key = i64, value = Json<Order>)]
//! struct Orders;
//!
//! impl Consume for Orders {
//!     async fn consume(&self, message: Message<i64, Order>) -> Result<(), HandlerError> {
//!         let order = message.require_value()?;
//!         println!("order {} over {} cents", order.id, order.cents);
//!         Ok(())
//!     }
//! }
//!
//! #[derive(Consumer)]
//! #[consumer(group = "billing", topics(Orders), config("auto.offset.reset" = "earliest"))]
//! struct Billing;
//!
//! #[tokio::main]
//! async fn main() -> ExitCode {
//!     App::from_env().main().await
//! }
//! ```
//!
//! `KAFKA_KIT_GLOBAL_CONFIG__BOOTSTRAP_SERVERS=localhost:9092 cargo run -- consume` runs it.
//!
//! # Features
//!
//! | feature | default | what it brings |
//! | --- | --- | --- |
//! | `macros` | yes | the derives |
//! | `json` | yes | the format [`Json`](format::Json) |
//! | `retry` | yes | [`retry`]: retries, retry topics, dead letters, the key offset tracker |
//! | `cli` | yes | [`AppMain::main`](cli::AppMain::main): the command line of an application |
//! | `connect` | no | `connect`: Kafka Connect, connectors as code, `kafka_skip`; the command `connect` |
//! | `avro`, `json-schema`, `protobuf` | no | these formats with a schema registry |
//! | `tls` | no | TLS and SASL/SCRAM to brokers, with the system's OpenSSL: `libssl-dev` and `pkg-config` to build |
//! | `tls-vendored` | no | the same with an OpenSSL that is compiled in: perl, and some minutes |
//! | `postgres`, `sqlite` | no | stores in these databases; `postgres` with `connect` also `kafka_skip` in diesel's queries |
//! | `resolver` | no | messages that wait for their rows: [`resolver`], with `postgres` or `sqlite` for the store |
//! | `modelsync` | no | [`modelsync`]: diesel tables in step with topics; with `postgres` or `sqlite` for sinks into them |
//! | `temporal` | no | `resolver` with `TemporalDaemon`, which releases by workflows on a Temporal server; a hundred crates and minutes to build |
//! | `test-kit` | no | [`TestApp`](test_kit::TestApp) and the simulation of an application; brokers for tests, on a socket of this process and in memory |

// What derives write names this crate from outside.
#[cfg(test)]
extern crate self as kafka_kit;

#[cfg(feature = "cli")]
pub mod cli;
pub mod prelude;

pub use kafka_core::{app, broker, clock, consumer, error, format, message, names, producer, registry, retry_policy, settings, topic};

#[cfg(feature = "connect")]
pub use kafka_connect as connect;
#[cfg(any(feature = "avro", feature = "json-schema", feature = "protobuf"))]
pub use kafka_core::schema_registry;
#[cfg(feature = "modelsync")]
pub use kafka_modelsync as modelsync;
#[cfg(feature = "retry")]
pub use kafka_retry as retry;

/// Testing an application without a broker, in milliseconds.
#[cfg(feature = "test-kit")]
pub mod test_kit {
    pub use kafka_core::sim::app as sim;
    pub use kafka_core::test_kit::{Handled, Held, Outcome, Process, Publisher, TestApp, TestCluster, TestError};
}

#[doc(inline)]
pub use kafka_core::app::App;
#[cfg(feature = "avro")]
pub use kafka_core::format::AvroSchema;
#[cfg(all(feature = "avro", feature = "macros"))]
#[doc = include_str!("../docs/avro_schema.md")]
pub use kafka_macros::AvroSchema;
#[cfg(all(feature = "macros", feature = "connect"))]
#[doc = include_str!("../docs/connector.md")]
pub use kafka_macros::Connector;
#[cfg(feature = "macros")]
#[doc = include_str!("../docs/consumer.md")]
pub use kafka_macros::Consumer;
#[cfg(all(feature = "macros", feature = "modelsync"))]
#[doc = include_str!("../docs/model_sync.md")]
pub use kafka_macros::ModelSync;
#[cfg(feature = "macros")]
#[doc = include_str!("../docs/topic.md")]
pub use kafka_macros::Topic;

#[cfg(all(feature = "macros", feature = "modelsync"))]
#[doc = include_str!("../docs/model_topic.md")]
pub use kafka_macros::ModelTopic;
#[cfg(feature = "modelsync")]
pub use kafka_modelsync::model::ModelTopic;

#[cfg(all(feature = "macros", feature = "resolver"))]
#[doc = include_str!("../docs/relations.md")]
pub use kafka_macros::Relations;
#[cfg(feature = "resolver")]
#[doc(inline)]
pub use kafka_resolver as resolver;
#[cfg(feature = "resolver")]
pub use kafka_resolver::Relations;

#[cfg(feature = "connect")]
kafka_core::__private::inventory::submit! {
    registry::DefaultPlugin {
        name: "connect",
        install: |app| app::Plugin::install(kafka_connect::connectors::Connectors::new(), app),
    }
}

#[cfg(feature = "modelsync")]
kafka_core::__private::inventory::submit! {
    registry::DefaultPlugin {
        name: "modelsync",
        install: |app| app::Plugin::install(kafka_modelsync::sync::ModelSyncs::new(), app),
    }
}

#[cfg(feature = "retry")]
kafka_core::__private::inventory::submit! {
    registry::DefaultPlugin {
        name: kafka_retry::Retry::NAME,
        install: |app| app::Plugin::install(kafka_retry::Retry::new(), app),
    }
}

/// What derives write against, of all crates. Not for use by hand; names may change with any release.
#[doc(hidden)]
pub mod __private {
    #[cfg(feature = "connect")]
    pub use kafka_connect::__private::*;
    pub use kafka_core::__private::*;
    #[cfg(feature = "modelsync")]
    pub use kafka_modelsync::__private::*;
    #[cfg(feature = "resolver")]
    pub use kafka_resolver::__private::*;
}

/// The README and the book are tests too: what they show compiles.
#[cfg(doctest)]
mod book {
    macro_rules! pages {
        ($($page:ident = $path:literal),*) => {$(
            #[doc = include_str!($path)]
            struct $page;
        )*};
    }
    #[cfg(feature = "avro")]
    pages!(Formats = "../../../docs/book/formats.md");
    #[cfg(all(feature = "resolver", feature = "postgres"))]
    pages!(Relations = "../../../docs/book/relations.md");
    #[cfg(all(feature = "modelsync", feature = "postgres"))]
    pages!(Tables = "../../../docs/book/tables.md", Transforms = "../../../docs/book/transforms.md");
    #[cfg(all(feature = "modelsync", feature = "connect", feature = "postgres"))]
    pages!(TwoDatabases = "../../../docs/book/two-databases.md");
    pages!(
        Readme = "../../../README.md",
        DeadLetters = "../../../docs/book/dead-letters.md",
        FromDjangoKafka = "../../../docs/book/from-django-kafka.md",
        FromSpring = "../../../docs/book/from-spring.md",
        KeyOffsetTracker = "../../../docs/book/key-offset-tracker.md",
        Start = "../../../docs/book/start.md",
        Topics = "../../../docs/book/topics.md",
        Consumers = "../../../docs/book/consumers.md",
        Producing = "../../../docs/book/producing.md",
        Connect = "../../../docs/book/connect.md",
        Running = "../../../docs/book/running.md",
        Secured = "../../../docs/book/secured.md",
        Settings = "../../../docs/book/settings.md",
        Retries = "../../../docs/book/retries.md",
        Testing = "../../../docs/book/testing.md"
    );
}
