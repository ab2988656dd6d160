//! Parked messages beside retries, dead letters and the command line, on real servers.

use std::fs;
use std::process::{Command, Stdio};

use kafka_tests::cluster;
use kafka_tests::database::Database;
use kafka_tests::process::Running;
use kafka_tests::produce::{Record, produce};
use kafka_tests::read::{Stored, everything};
use kafka_tests::story::{SOON, Story};
use kafka_tests::until::until;
use serde_json::{Value, json};

/// A topic, a schema with parents, and the service.
struct Room {
    story: Story,
    database: Database,
    started: u32,
}

impl Room {
    fn new(word: &str) -> Self {
        let story = Story::new(word, 1);
        let mut database = Database::with_schema(&story.name);
        database.run("CREATE TABLE parents (id BIGINT PRIMARY KEY)");
        Self { story, database, started: 0 }
    }

    fn command(&self, line: &str, variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_waiting_room"));
        command.args(line.split(' ')).stdin(Stdio::null()).current_dir(self.story.path("")).env("RUST_LOG", "info").env("NO_COLOR", "1");
        command.env("WAITING_TOPIC", &self.story.name).env("WAITING_SCHEMA", &self.database.schema);
        command.env("WAITING_SEEN", self.story.path("seen")).env("KAFKA_KIT_GLOBAL_CONFIG__BOOTSTRAP_SERVERS", cluster::bootstrap());
        command.env("KAFKA_KIT_RELATION_RESOLVER__INTERVAL", "200ms").envs(variables.iter().copied());
        command
    }

    fn start(&mut self, line: &str, variables: &[(&str, &str)]) -> Running {
        self.started += 1;
        let mut command = self.command(line, variables);
        Running::start(command.stdout(Stdio::null()), self.story.path(&format!("log-{}", self.started)))
    }

    /// The exit code, and the answer; a wrong command line's is what stands on standard error.
    fn ask(&self, line: &str) -> (Option<i32>, String) {
        let output = self.command(line, &[]).output().unwrap();
        let asides = String::from_utf8_lossy(&output.stderr).into_owned();
        println!("$ waiting_room {line}\n{asides}");
        (output.status.code(), if output.stdout.is_empty() { asides } else { String::from_utf8(output.stdout).unwrap() })
    }

    fn answer(&self, line: &str) -> Value {
        let (code, answer) = self.ask(&format!("--output json resolver {line}"));
        assert_eq!(code, Some(0), "{answer}");
        serde_json::from_str(&answer).unwrap()
    }

    fn send(&self, key: &str, guest: &Value) {
        produce(&self.story.name, [Record::empty().key(key).value(guest.to_string())]);
    }

    fn seen(&self) -> Vec<String> {
        fs::read_to_string(self.story.path("seen")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn until_parked(&mut self, messages: i64) {
        until(&format!("{messages} parked"), SOON, || self.database.count("kafka_waiting_messages") == messages);
    }

    fn until_seen(&self, lines: &[&str]) {
        until(&format!("{lines:?}"), SOON, || self.seen() == lines);
    }

    fn dead_letters(&self) -> Vec<Stored> {
        everything(&format!("{0}.{0}.dlt", self.story.name), 1)
    }
}

fn header(letter: &Stored, name: &str) -> String {
    letter.headers.iter().find(|(known, _)| known == name).map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
}

#[test]
fn what_waits_is_listed_released_dropped_and_replayed_by_a_process_of_its_own() {
    let mut room = Room::new("waiting-commands");
    let consumer = room.start("consume", &[("WAITING_DAEMON", "none")]);
    for (key, id, needs) in [("a", 1, 1), ("a", 2, 1), ("b", 3, 2), ("c", 4, 3)] {
        room.send(key, &json!({ "id": id, "needs": needs }));
    }
    room.until_parked(4);
    let offsets = |answer: &Value| -> Vec<i64> {
        answer["messages"].as_array().unwrap().iter().map(|message| message["offset"].as_i64().unwrap()).collect()
    };
    assert_eq!(offsets(&room.answer("list --key a --relation parents.id=1 --status waiting")), [0, 1]);
    assert_eq!(room.answer("show --key b")["messages"][0]["value"], json!({ "id": 3, "needs": 2 }));
    assert_eq!(room.answer("stats")["topics"][0]["messages"], 4);
    assert_eq!(room.ask("resolver drop --key b").0, Some(2));
    assert_eq!(room.answer("drop --key b --dry-run"), json!({ "messages": 1, "dry_run": true }));
    assert_eq!(room.answer("drop --key b --yes")["messages"], 1);
    assert_eq!(room.answer("release --reason parents --key a --dry-run")["messages"], 2);

    // Nobody releases beside the consumer; a process of its own does, in order, and ends softly.
    let daemon = room.start("resolver run", &[("WAITING_DAEMON", "none")]);
    room.database.run("INSERT INTO parents VALUES (1)");
    room.until_seen(&["1 attempt 1", "2 attempt 1"]);
    assert_eq!(room.answer("release --key c")["messages"], 1, "without a look at what it waits for");
    room.until_seen(&["1 attempt 1", "2 attempt 1", "4 attempt 1"]);
    room.until_parked(0);
    daemon.stop(SOON);
    consumer.stop(SOON);
    assert_eq!(room.ask("resolver list"), (Some(0), "no such message waits\n".to_owned()));
}

#[test]
fn what_waits_too_long_is_a_dead_letter_that_says_so_and_lets_its_key_go_on() {
    let mut room = Room::new("waiting-expires");
    let process = room.start("consume", &[("KAFKA_KIT_RELATION_RESOLVER__EXPIRE_AFTER", "2s")]);
    room.send("a", &json!({ "id": 1, "needs": 5 }));
    room.until_parked(1);
    room.send("a", &json!({ "id": 2, "needs": null }));
    room.until_seen(&["2 attempt 1"]);
    room.until_parked(0);
    let letters = room.dead_letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(serde_json::from_slice::<Value>(letters[0].value.as_ref().unwrap()).unwrap(), json!({ "id": 1, "needs": 5 }));
    let said = header(&letters[0], "DEAD_LETTER_SUMMARY") + &header(&letters[0], "DEAD_LETTER_DETAIL");
    assert!(said.contains("for parents.id = 5, longer than `relation_resolver.expire_after`"), "{said}");
    process.stop(SOON);
}

#[test]
fn a_replay_that_fails_goes_by_the_retry_rules_and_then_to_the_dead_letters() {
    let mut room = Room::new("waiting-fails");
    let process = room.start("consume", &[]);
    room.send("a", &json!({ "id": 1, "needs": 7, "fail": true }));
    room.until_parked(1);
    assert_eq!(room.seen(), [""; 0]);
    room.database.run("INSERT INTO parents VALUES (7)");
    room.until_seen(&["1 attempt 1", "1 attempt 2"]);
    until("the dead letter", SOON, || room.dead_letters().len() == 1);
    let letter = room.dead_letters().remove(0);
    assert!(header(&letter, "DEAD_LETTER_SUMMARY").contains("told to fail"), "{letter:?}");
    assert_eq!((header(&letter, "ORIGIN_TOPIC"), header(&letter, "ORIGIN_OFFSET")), (room.story.name.clone(), "0".to_owned()));
    room.until_parked(0);
    process.stop(SOON);
}

#[test]
fn a_message_of_a_retry_topic_passes_the_gate_again() {
    let mut room = Room::new("waiting-retried");
    room.database.run("INSERT INTO parents VALUES (8)");
    let process = room.start("consume", &[]);
    room.send("a", &json!({ "id": 1, "needs": 8, "fail": true }));
    room.until_seen(&["1 attempt 1"]);
    // What it needs vanishes while it is on its way; a second later it is back, and has to wait.
    room.database.run("DELETE FROM parents");
    room.until_parked(1);
    let message = room.answer("list")["messages"][0].clone();
    assert_eq!((&message["attempt"], &message["topic"]), (&json!(2), &json!(room.story.name)));
    assert!(message["from"].as_str().unwrap().contains(".retry."), "{message}");
    room.database.run("INSERT INTO parents VALUES (8)");
    room.until_seen(&["1 attempt 1", "1 attempt 2"]);
    until("the dead letter", SOON, || room.dead_letters().len() == 1);
    room.until_parked(0);
    process.stop(SOON);
}
