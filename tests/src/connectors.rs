//! A table, the connector that watches it, and the example `connectors`, whose command line publishes it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::{Value, json};

use crate::cluster;
use crate::process::example;
use crate::story::unique;

/// The password in the configs. It is said nowhere.
pub const PASSWORD: &str = "correct-horse-hunter2";

/// A connector of its own, on a table of its own.
#[derive(Debug)]
pub struct Watched {
    /// The prefix of names and topics.
    pub prefix: String,
    /// The table, in the schema `public`.
    pub table: String,
    /// The connector's config.
    pub config: BTreeMap<String, String>,
}

/// What the example said.
#[derive(Debug)]
pub struct Said {
    /// Its exit code.
    pub code: Option<i32>,
    /// Its answer.
    pub answer: String,
    /// Its logs and errors.
    pub asides: String,
}

/// The address of the worker.
#[must_use]
pub fn connect_url() -> String {
    std::env::var("CONNECT_URL").unwrap_or_else(|_| "http://127.0.0.1:8083".to_owned())
}

/// The address of the source database.
#[must_use]
pub fn database_url() -> String {
    std::env::var("DATABASE_URL").unwrap_or_else(|_| "postgres://postgres@127.0.0.1:55432/app".to_owned())
}

impl Watched {
    /// A table that nobody else has; it is not made yet.
    ///
    /// # Panics
    /// When the database's address has no port.
    #[must_use]
    pub fn new(word: &str) -> Self {
        let prefix = unique(word);
        let table = prefix.replace('-', "_");
        let address = database_url();
        let port = address.rsplit_once(':').and_then(|(_, rest)| rest.split('/').next()).expect("an address with a port").to_owned();
        let json_converter = "org.apache.kafka.connect.json.JsonConverter";
        let config = [
            ("database.hostname", "127.0.0.1"),
            ("database.port", &port),
            ("database.user", "postgres"),
            ("database.password", PASSWORD),
            ("database.dbname", "app"),
            ("topic.prefix", &prefix),
            ("plugin.name", "pgoutput"),
            ("slot.name", &table),
            ("publication.name", &table),
            ("publication.autocreate.mode", "filtered"),
            ("table.include.list", &format!("public.{table}")),
            ("snapshot.mode", "initial"),
            ("key.converter", json_converter),
            ("key.converter.schemas.enable", "false"),
            ("value.converter", json_converter),
            ("value.converter.schemas.enable", "false"),
            ("topic.creation.default.replication.factor", "1"),
            ("topic.creation.default.partitions", "1"),
        ];
        let config = config.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self { prefix, table, config }
    }

    /// Sets a key.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.config.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The connector's name on the worker.
    #[must_use]
    pub fn connector(&self) -> String {
        format!("{}.Customers", self.prefix)
    }

    /// The topic of the table.
    #[must_use]
    pub fn topic(&self) -> String {
        format!("{}.public.{}", self.prefix, self.table)
    }

    /// Runs `connectors connect …`.
    ///
    /// # Panics
    /// When the example cannot be run.
    #[must_use]
    pub fn connect(&self, arguments: &[&str]) -> Said {
        let output = Command::new(program())
            .arg("connect")
            .args(arguments)
            // Not a setting, though it is spelled like one.
            .env_remove("KAFKA_KIT_PYTHON")
            .env("CUSTOMERS", json!(self.config).to_string())
            .env("KAFKA_KIT_CONNECT_HOST", connect_url())
            .env("KAFKA_KIT_CONNECTOR_NAME_PREFIX", &self.prefix)
            .env("RUST_LOG", "trace")
            .env("NO_COLOR", "1")
            .output()
            .expect("the example runs");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let said = Said { code: output.status.code(), answer: text(output.stdout), asides: text(output.stderr) };
        assert!(!said.answer.contains(PASSWORD) && !said.asides.contains(PASSWORD), "the password was said: {said:?}");
        said
    }

    /// The same, which has to go well; the answer as JSON.
    ///
    /// # Panics
    /// When it does not go well.
    #[must_use]
    #[track_caller]
    pub fn connect_json(&self, arguments: &[&str]) -> Value {
        let said = self.connect(&[arguments, &["--output", "json"]].concat());
        assert_eq!(said.code, Some(0), "{}\n{}", said.answer, said.asides);
        serde_json::from_str(&said.answer).expect("an answer in JSON")
    }

    /// The values of the topic until one has `marker` in it; tombstones are null.
    ///
    /// # Panics
    /// When it does not come.
    #[must_use]
    #[track_caller]
    pub fn values_until(&self, marker: &str) -> Vec<Value> {
        self.values_of_until(&self.topic(), marker)
    }

    /// The same of another topic.
    ///
    /// # Panics
    /// When it does not come.
    #[must_use]
    #[track_caller]
    pub fn values_of_until(&self, topic: &str, marker: &str) -> Vec<Value> {
        let mut config = cluster::client();
        config.set("group.id", unique("reader")).set("auto.offset.reset", "earliest").set("topic.metadata.refresh.interval.ms", "500");
        config.set("allow.auto.create.topics", "false");
        let consumer: BaseConsumer = config.create().expect("a consumer");
        consumer.subscribe(&[topic]).expect("a subscription");
        let mut values = Vec::new();
        let mut silent = 0;
        while silent < 60 {
            match consumer.poll(Duration::from_secs(1)) {
                Some(Ok(message)) => {
                    silent = 0;
                    let text = message.payload().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
                    values.push(serde_json::from_str(&text).unwrap_or(Value::Null));
                    if text.contains(marker) {
                        return values;
                    }
                }
                Some(Err(_)) | None => silent += 1,
            }
        }
        panic!("{marker} did not come to {topic}; there were {values:?}");
    }
}

impl Drop for Watched {
    /// A connector that is left behind keeps a replication slot.
    fn drop(&mut self) {
        let url = format!("{}/connectors/{}", connect_url(), self.connector());
        drop(Command::new("curl").args(["-s", "-X", "DELETE", &url]).output());
        let slot = &self.table;
        // Dropped by the connector itself (`slot.drop.on.stop`) it would be gone with every change of its config.
        for sql in [
            format!("SELECT pg_terminate_backend(active_pid), pg_sleep(1) FROM pg_replication_slots WHERE slot_name = '{slot}' AND active"),
            format!("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{slot}'"),
            format!("DROP PUBLICATION IF EXISTS {slot}"),
        ] {
            drop(Command::new("psql").args([&database_url(), "-qtAc", &sql]).output());
        }
    }
}

/// The example, built once.
fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| example("kafka-tests", "connectors"))
}
