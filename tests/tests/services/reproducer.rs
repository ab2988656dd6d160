//! From a real PostgreSQL by Debezium through a reproducer: a reader of committed records sees each output once.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kafka_tests::cluster;
use kafka_tests::connectors::{Watched, database_url};
use kafka_tests::database::Database;
use kafka_tests::process::Running;
use kafka_tests::read::{Stored, everything};
use kafka_tests::story::{SOON, Story, heavy};
use kafka_tests::until::{until, until_some};

const PARTITIONS: i32 = 3;

/// How long readers of committed records may wait after a kill: less than any transaction's timeout, and enough for a session's and a start's.
const STALL: Duration = Duration::from_secs(30);

/// A table, its raw topic, and the public one.
struct Reproducing {
    story: Story,
    watched: Watched,
    database: Database,
    started: u32,
}

/// What is told of a row: its revision and name, or that it is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Row(i64, String),
    Gone,
}

impl Reproducing {
    fn new() -> Self {
        let story = Story::new("reproduced", PARTITIONS);
        // The raw topic does not tell the name.
        let watched = Watched::new("reproduced").set("tombstones.on.delete", "false");
        let name = format!("public.{}.name", watched.table);
        let watched = watched.set("column.exclude.list", &name);
        let mut database = Database::at(database_url());
        database.run(&format!(
            "CREATE TABLE public.{} (id bigint PRIMARY KEY, name text NOT NULL, revision bigint NOT NULL, kafka_skip boolean NOT NULL)",
            watched.table
        ));
        cluster::create_topic(&watched.topic(), PARTITIONS);
        let published = watched.connect_json(&["--publish", "--check-status"]);
        assert_eq!(published["failures"], 0, "{published}");
        Self { story, watched, database, started: 0 }
    }

    /// New rows, every tenth of which came from elsewhere; all rows revised, some again; and some deleted. How many changes.
    fn change(&mut self, round: i64) -> usize {
        let table = format!("public.{}", self.watched.table);
        [
            format!(
                "INSERT INTO {table} SELECT id, 'name of ' || id, 1, id % 10 = 0 FROM generate_series({0}, {0} + 99) AS id",
                round * 1_000
            ),
            format!("UPDATE {table} SET revision = revision + 1"),
            format!("UPDATE {table} SET revision = revision + 1 WHERE id % 3 = {}", round % 3),
            format!("DELETE FROM {table} WHERE id % 13 = {}", round % 13),
        ]
        .iter()
        .map(|sql| self.database.run_counted(sql))
        .sum()
    }

    fn start(&mut self) -> Running {
        self.started += 1;
        let mut command = Command::new(env!("CARGO_BIN_EXE_reproducer"));
        command.args([&self.watched.topic(), &self.story.name, &self.watched.table]);
        command.env("KAFKA_BOOTSTRAP", cluster::bootstrap()).env("DATABASE_URL", database_url());
        command.env("RUST_LOG", "info").env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::null());
        Running::start(&mut command, self.story.path(&format!("log-{}", self.started)))
    }

    fn committed(&self) -> i64 {
        cluster::committed(&self.watched.topic(), &self.watched.topic(), PARTITIONS).values().sum()
    }

    /// How many outputs a reader of committed records sees.
    fn visible(&self) -> usize {
        everything(&self.story.name, PARTITIONS).len()
    }

    /// Where the topic ends behind `changes` messages, transactions of Debezium's own none.
    fn until_all_reproduced(&self, changes: usize) {
        let raw = || cluster::ends(&self.watched.topic(), PARTITIONS).values().sum::<i64>();
        until("Debezium has told all", Duration::from_secs(120), || raw() == changes as i64);
        until("all is reproduced and committed", Duration::from_secs(120), || self.committed() == changes as i64);
    }
}

impl Drop for Reproducing {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.database.run(&format!("DROP TABLE public.{}", self.watched.table));
            cluster::delete_topic(&self.watched.topic());
        }
    }
}

/// Of each row what a topic tells, in order.
fn by_id(messages: Vec<Stored>, told: impl Fn(&Stored) -> (i64, Told)) -> BTreeMap<i64, Vec<Told>> {
    let mut rows: BTreeMap<i64, Vec<Told>> = BTreeMap::new();
    for message in &messages {
        let (id, what) = told(message);
        rows.entry(id).or_default().push(what);
    }
    rows
}

fn of_public(message: &Stored) -> (i64, Told) {
    let id = String::from_utf8(message.key.clone().unwrap()).unwrap().parse().unwrap();
    let Some(value) = &message.value else { return (id, Told::Gone) };
    let value: serde_json::Value = serde_json::from_slice(value).unwrap();
    (id, Told::Row(value["revision"].as_i64().unwrap(), value["name"].as_str().unwrap().to_owned()))
}

fn of_raw(message: &Stored) -> (i64, Told) {
    let value: serde_json::Value = serde_json::from_slice(message.value.as_deref().unwrap()).unwrap();
    if value["op"] == "d" {
        return (value["before"]["id"].as_i64().unwrap(), Told::Gone);
    }
    let (id, after) = (value["after"]["id"].as_i64().unwrap(), &value["after"]);
    assert!(after.get("name").is_none(), "the name is the database's to tell: {value}");
    (id, Told::Row(after["revision"].as_i64().unwrap(), format!("name of {id}")))
}

#[test]
fn each_output_is_seen_once_across_ten_kills() {
    let _place = heavy();
    let mut reproducing = Reproducing::new();
    let (mut made, mut longest) = (0, Duration::ZERO);
    for kill in 0..10_i64 {
        made += reproducing.change(kill);
        let (seen, since) = (reproducing.visible(), Instant::now());
        let mut running = reproducing.start();
        until("readers of committed records see more", STALL, || reproducing.visible() > seen);
        longest = longest.max(since.elapsed());
        // By what is seen and not by what the group has committed: who commits later than it produces is killed in between.
        let further = RandomState::new().hash_one(kill) % 100;
        until("work to kill in", SOON, || reproducing.visible() > seen + further as usize);
        assert!(running.is_running(), "it must be at work when it is killed: {}", running.log());
        running.kill_9();
    }
    made += reproducing.change(10);
    let last = reproducing.start();
    reproducing.until_all_reproduced(made);

    let raw = by_id(everything(&reproducing.watched.topic(), PARTITIONS), of_raw);
    let deletions = |rows: &BTreeMap<i64, Vec<Told>>| rows.values().flatten().filter(|told| **told == Told::Gone).count();
    // A transaction's end comes to the output a moment after it came to the positions.
    let all = || Some(by_id(everything(&reproducing.story.name, PARTITIONS), of_public)).filter(|rows| deletions(rows) >= deletions(&raw));
    let public = until_some("a reader of committed records sees all", SOON, all);
    let outputs: usize = public.values().map(Vec::len).sum();
    println!("{made} changes, {outputs} outputs, {} deletions; the longest that readers waited was {longest:?}", deletions(&public));
    for (id, changes) in &raw {
        let told = public.get(id).map(Vec::as_slice).unwrap_or_default();
        if id % 10 == 0 {
            let gone: Vec<_> = changes.iter().filter(|told| **told == Told::Gone).cloned().collect();
            assert_eq!(told, gone, "row {id} came from elsewhere: its deletion is told and nothing else");
        } else if changes.last() == Some(&Told::Gone) {
            // A row that was gone when it was looked for is passed over.
            assert_eq!(told.last(), Some(&Told::Gone), "row {id}");
            let mut rest = changes.iter();
            assert!(told.iter().all(|one| rest.any(|change| change == one)), "row {id} once, in order: {told:?} of {changes:?}");
        } else {
            assert_eq!(told, changes, "row {id}: each change once and in order");
        }
    }
    assert!(public.keys().all(|id| raw.contains_key(id)));
    assert!(deletions(&raw) > 50 && raw.values().any(|changes| changes.len() > 10));
    last.stop(SOON);
}
