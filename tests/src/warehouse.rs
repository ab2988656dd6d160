//! The example `warehouse` as processes, with topics, a group and a schema of its own.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::json;

use crate::checks::committed_equals_end;
use crate::cluster;
use crate::database::{self, Database};
use crate::process::{Running, example};
use crate::produce::{Record, produce};
use crate::story::unique;

/// The partitions of each topic.
pub const PARTITIONS: i32 = 3;

/// The tables, parents first; their topics have the same names behind the prefix.
pub const TABLES: [&str; 3] = ["customers", "orders", "order_lines"];

/// Topics, a group and a schema that nobody else has.
#[derive(Debug)]
pub struct Warehouse {
    /// Begins the names of its topics; also its group.
    pub prefix: String,
    /// Its schema.
    pub database: Database,
    dir: tempfile::TempDir,
    started: u32,
}

impl Warehouse {
    /// Makes topics and schema.
    ///
    /// # Panics
    /// When Kafka or PostgreSQL do not answer.
    #[must_use]
    pub fn new(word: &str) -> Self {
        let prefix = format!("{}-", unique(word));
        TABLES.iter().for_each(|table| cluster::create_topic(&format!("{prefix}{table}"), PARTITIONS));
        let database = Database::with_schema(&prefix);
        Self { prefix, database, dir: tempfile::tempdir().expect("a directory"), started: 0 }
    }

    /// Starts a process with these arguments more.
    #[must_use]
    pub fn start(&mut self, more: &[&str]) -> Running {
        static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
        let mut command = Command::new(PROGRAM.get_or_init(|| example("kafka-tests", "warehouse")));
        command.args(["--bootstrap-servers", &cluster::bootstrap(), "--database-url", &database::url()]);
        command.args(["--group", &self.prefix, "--prefix", &self.prefix, "--schema", &self.database.schema]).args(more);
        command.env("RUST_LOG", "info").env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::null());
        self.started += 1;
        Running::start(&mut command, self.dir.path().join(format!("log-{}", self.started)))
    }

    /// Sends records to the topic of a table.
    pub fn send(&self, table: &str, records: impl IntoIterator<Item = Record>) {
        produce(&format!("{}{table}", self.prefix), records);
    }

    /// Checks that everything was read.
    ///
    /// # Panics
    /// When the group is not at the end of every partition.
    #[track_caller]
    pub fn is_at_the_end(&self) {
        for table in TABLES {
            let topic = format!("{}{table}", self.prefix);
            let committed = cluster::committed(&self.prefix, &topic, PARTITIONS);
            assert_eq!(committed_equals_end(&committed, &cluster::ends(&topic, PARTITIONS)), Ok(()), "{table}");
        }
    }
}

impl Drop for Warehouse {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            TABLES.iter().for_each(|table| cluster::delete_topic(&format!("{}{table}", self.prefix)));
        }
    }
}

fn keyed(id: i64) -> Record {
    Record::empty().key(id.to_string()).to(i32::try_from(id.rem_euclid(i64::from(PARTITIONS))).unwrap_or(0))
}

/// A customer.
#[must_use]
pub fn customer(id: i64) -> Record {
    keyed(id).value(json!({ "id": id, "name": format!("c{id}") }).to_string())
}

/// A version of an order.
#[must_use]
pub fn order(id: i64, customer: Option<i64>, version: i64) -> Record {
    keyed(id).value(json!({ "id": id, "customer_id": customer, "note": format!("{version}") }).to_string())
}

/// A line of an order.
#[must_use]
pub fn order_line(id: i64, order: i64) -> Record {
    keyed(id).value(json!({ "id": id, "order_id": order, "sku": format!("s{id}"), "quantity": 1 }).to_string())
}

/// A deletion.
#[must_use]
pub fn tombstone(id: i64) -> Record {
    keyed(id)
}
