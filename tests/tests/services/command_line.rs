//! The command line of a service, as an operator and a script see it: answers on stdout, all else on stderr, exit codes.

use std::fs::{self, File};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use kafka_tests::cluster;
use kafka_tests::process::Running;
use kafka_tests::produce::Record;
use kafka_tests::story::{SOON, Story};
use kafka_tests::until::until;
use serde_json::{Value, json};

/// The topic that the shop only produces to.
const INVOICES: &str = "shop-invoices";

pub(crate) fn shop(story: &Story, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
    command.args(line.split(' ')).stdin(Stdio::null()).current_dir(story.path("")).env("RUST_LOG", "info").env("NO_COLOR", "1");
    command.env("SHOP_TOPIC", &story.name).env("SHOP_SEEN", story.path("seen"));
    command.env("KAFKA_KIT_GLOBAL_CONFIG__BOOTSTRAP_SERVERS", cluster::bootstrap());
    command
}

pub(crate) fn run(story: &Story, line: &str) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = shop(story, line).output().unwrap();
    println!("$ shop {line}\n{}", String::from_utf8_lossy(&stderr));
    (status.code(), String::from_utf8(stdout).unwrap())
}

/// The one object on the one line of an answer.
#[track_caller]
pub(crate) fn object(answer: &str) -> Value {
    assert_eq!((answer.lines().count(), answer.ends_with('\n')), (1, true), "one line: {answer:?}");
    serde_json::from_str(answer).unwrap()
}

#[test]
fn topics_are_missed_created_and_listed() {
    let story = Story::without_topic("cli");
    cluster::delete_topic(INVOICES);
    until("an earlier story's topic is gone", SOON, || run(&story, "topics check shop-invoices").0 == Some(1));

    let (code, answer) = run(&story, "topics check");
    assert_eq!(code, Some(1));
    let orders = &story.name;
    let expected = format!("missing: {orders}\nmissing: {INVOICES}\n`shop topics create {orders} {INVOICES}` makes what is missing\n");
    assert_eq!(answer, expected);

    // What it says can be pasted.
    let (code, answer) = run(&story, &format!("topics create {INVOICES} --partitions 3 --replication 1 --config retention.ms=86400000"));
    assert_eq!((code, answer), (Some(0), format!("created {INVOICES} with 3 partitions\n")));
    let (code, answer) = run(&story, "topics create --output json");
    let expected = json!({ "created": [orders], "existing": [INVOICES], "refused": [], "partitions": null, "dry_run": false });
    assert_eq!((code, object(&answer)), (Some(0), expected));
    let default = cluster::default_partitions();
    assert_eq!(cluster::ends(orders, default).len(), usize::try_from(default).unwrap(), "as many as the cluster's default");
    assert_eq!(cluster::ends(INVOICES, 3).len(), 3);

    let (code, answer) = run(&story, "topics list --output json");
    let expected = json!({ "topics": [
        { "topic": orders, "kind": "topic", "partitions": default, "consumed_by": ["shop"], "produced_by": [] },
        { "topic": INVOICES, "kind": "topic", "partitions": 3, "consumed_by": [], "produced_by": ["shop::Invoices"] },
    ] });
    assert_eq!((code, object(&answer)), (Some(0), expected));
    assert_eq!(run(&story, "topics check"), (Some(0), "all is well: 2 checked\n".to_owned()));
    let (code, answer) = run(&story, "topics create --output json");
    assert_eq!((code, &object(&answer)["created"]), (Some(0), &json!([])));

    // The broker's own word, not a guess of ours.
    cluster::delete_topic(INVOICES);
    until("it is gone", SOON, || run(&story, "topics check shop-invoices").0 == Some(1));
    let (code, answer) = run(&story, "topics create --replication 7 --output json");
    assert_eq!(code, Some(1));
    assert!(object(&answer)["refused"][0]["reason"].as_str().unwrap().to_lowercase().contains("replication"), "{answer}");
}

#[test]
fn a_cluster_that_is_away_is_an_error_in_the_form_that_was_asked_for() {
    let story = Story::without_topic("cli-away");
    let away = shop(&story, "topics list --output json").env("KAFKA_KIT_GLOBAL_CONFIG__BOOTSTRAP_SERVERS", "127.0.0.1:1").output().unwrap();
    assert_eq!((away.status.code(), away.stdout.as_slice()), (Some(1), &[][..]));
    assert_json_lines(&String::from_utf8(away.stderr).unwrap());
}

#[test]
fn settings_are_shown_with_their_layers_and_without_secrets() {
    let story = Story::without_topic("cli-settings");
    let file = "shutdown_timeout = \"20s\"\n[global_config]\nsasl.password = \"hunter2\"\n[schema_registry]\nurl = \"http://me:hunter2@here:8081\"\n";
    fs::write(story.path("kafka-kit.toml"), file).unwrap();
    let shown = shop(&story, "settings show --output json").env("KAFKA_KIT_SCHEMA_REGISTRY__TOKEN", "hunter2").output().unwrap();
    let (answer, asides) = (String::from_utf8(shown.stdout).unwrap(), String::from_utf8(shown.stderr).unwrap());
    assert_eq!(shown.status.code(), Some(0), "{asides}");
    assert!(!answer.contains("hunter2") && !asides.contains("hunter2"), "{answer}{asides}");
    let answer = object(&answer);
    let found = |part: &Value, path: &str| {
        let values = part.as_array().unwrap();
        let value = values.iter().find(|value| value["path"] == path).unwrap_or_else(|| panic!("{path} is not in {part}"));
        (value["value"].as_str().unwrap().to_owned(), value["layer"].as_str().unwrap().to_owned())
    };
    let settings = &answer["settings"];
    assert_eq!(found(settings, "shutdown_timeout"), ("20s".to_owned(), "file kafka-kit.toml".to_owned()));
    assert_eq!(found(settings, "global_config.sasl.password"), ("…".to_owned(), "file kafka-kit.toml".to_owned()));
    assert_eq!(found(settings, "schema_registry.token").1, "environment variable KAFKA_KIT_SCHEMA_REGISTRY__TOKEN");
    assert!(found(settings, "schema_registry.url").0.ends_with("@here:8081"));
    assert_eq!(found(&answer["consumers"]["shop"], "sasl.password").0, "…");
    assert_eq!(found(&answer["producer"], "bootstrap.servers").1, "environment variable KAFKA_KIT_GLOBAL_CONFIG__BOOTSTRAP_SERVERS");
}

/// `consume --output json` at work, its answer in the file `answer`.
fn consume(story: &Story) -> Running {
    let mut command = shop(story, "consume --output json");
    command.stdout(File::create(story.path("answer")).unwrap());
    Running::start(&mut command, story.path("log"))
}

fn until_seen(story: &Story, count: usize) {
    until(&format!("{count} messages begun"), SOON, || fs::read_to_string(story.path("seen")).unwrap_or_default().lines().count() == count);
}

fn closing(story: &Story) -> Value {
    object(&fs::read_to_string(story.path("answer")).unwrap())
}

#[track_caller]
fn assert_json_lines(log: &str) {
    assert!(!log.is_empty(), "something is said");
    for line in log.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()), "not JSON: {line}");
    }
}

fn takes(millis: u64) -> Record {
    Record::empty().value(millis.to_string())
}

#[test]
fn consume_ends_softly_and_says_so_to_programs() {
    let story = Story::new("cli-consume", 1);
    story.send([takes(0), takes(500)]);
    let mut process = consume(&story);
    until_seen(&story, 2);
    assert_eq!(fs::read_to_string(story.path("answer")).unwrap(), "", "the answer comes at the end");
    process.terminate();
    assert_eq!(process.ended(SOON), Some(0));
    assert_eq!(closing(&story), json!({ "consumers": ["shop"], "ended": "stopped", "left_behind": 0 }));
    assert_eq!(story.committed(), story.ends(), "what was at work has finished");
    assert_json_lines(&process.log());
}

#[test]
fn the_second_ctrl_c_ends_consume_at_once() {
    let story = Story::new("cli-at-once", 1);
    story.send([takes(600_000)]);
    let mut process = consume(&story);
    until_seen(&story, 1);
    process.interrupt();
    until("the first was heard", SOON, || process.logged("stopping") == 1);
    process.interrupt();
    assert_eq!(process.ended(Duration::from_secs(5)), Some(130));
    assert_eq!(closing(&story)["ended"], "at_once");
    assert_json_lines(&process.log());
}

/// The start waits for an answer of the cluster, which may never come.
#[test]
fn a_signal_during_the_start_ends_it_softly() {
    let story = Story::without_topic("cli-start");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = shop(&story, "consume --output json");
    command.stdout(File::create(story.path("answer")).unwrap());
    command.env("KAFKA_KIT_GLOBAL_CONFIG__BOOTSTRAP_SERVERS", silent.local_addr().unwrap().to_string());
    let mut process = Running::start(&mut command, story.path("log"));
    let _connection = silent.accept().unwrap();
    process.terminate();
    assert_eq!(process.ended(Duration::from_secs(3)), Some(0));
    assert_eq!(closing(&story), json!({ "consumers": [], "ended": "stopped", "left_behind": 0 }));
}

#[test]
fn wrong_configuration_is_two_and_begins_nothing() {
    let story = Story::without_topic("cli-wrong");
    let wrong = shop(&story, "consume --output json").env("KAFKA_KIT_SHUTDOWN_TIMEOT", "1s").output().unwrap();
    assert_eq!((wrong.status.code(), wrong.stdout.as_slice()), (Some(2), &[][..]));
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert!(said.contains("shutdown_timeout"), "the nearest name: {said}");
    assert_json_lines(&said);
}

#[test]
fn completions_are_read_by_bash() {
    let story = Story::without_topic("cli-completions");
    // They work where the configuration does not.
    let script = shop(&story, "completions bash").env("KAFKA_KIT_SHUTDOWN_TIMEOUT", "soon").output().unwrap();
    assert_eq!(script.status.code(), Some(0));
    fs::write(story.path("completions"), script.stdout).unwrap();
    for line in ["bash -n completions", "source ./completions && complete -p shop"] {
        let read = Command::new("bash").args(["-c", line]).current_dir(story.path("")).output().unwrap();
        assert!(read.status.success() && read.stderr.is_empty(), "{line}: {read:?}");
    }
}
