//! `connect` beside a server that stands in for a worker.

use std::process::ExitCode;

use kafka_connect::config::ConnectorConfig;
use kafka_connect::connectors::Connectors;
use kafka_core::app::App;
use kafka_core::clock::Clock;
use serde_json::{Value, json};

use super::worker::Worker;
use crate::cli::tests::{run, settings};
use crate::prelude::*;

#[derive(Connector)]
#[connector(config = config("x.Source"), register = false)]
struct Customers;

#[derive(Connector)]
#[connector(config = config("y.Sink"), register = false)]
struct Orders;

#[derive(Connector)]
#[connector(mark_for_removal, register = false)]
struct Old;

fn config(class: &str) -> ConnectorConfig {
    ConnectorConfig::of_class(class).tasks_max(2).set("database.password", "hunter2")
}

fn app(url: &str, clock: &Clock) -> App {
    let settings = settings().section("connect_host", url).unwrap().section("connector_name_prefix", "crm").unwrap();
    let connectors = Connectors::new().without_discovery().connector_type::<Customers>().connector_type::<Orders>().connector_type::<Old>();
    App::builder(settings).without_discovery().clock(clock.clone()).plugin(connectors).build().unwrap()
}

/// Runs a command; its exit code, its answer, all else. The password is said nowhere.
async fn connect(worker: &Worker, line: &str) -> (ExitCode, String, String) {
    let (code, answer, asides) = run(app(&worker.url, &worker.clock), &format!("app connect {line}")).await;
    assert!(!answer.contains("hunter2") && !asides.contains("hunter2"), "{answer}\n{asides}");
    (code, answer, asides)
}

async fn connect_json(worker: &Worker, line: &str) -> (ExitCode, Value) {
    let (code, answer, asides) = connect(worker, &format!("--output json {line}")).await;
    assert_eq!(answer.lines().count(), 1, "{answer}\n{asides}");
    (code, serde_json::from_str(&answer).unwrap())
}

const VALIDATE: [&str; 2] = ["PUT /connector-plugins/Source/config/validate", "PUT /connector-plugins/Sink/config/validate"];
const PUT: [&str; 2] = ["PUT /connectors/crm.Customers/config", "PUT /connectors/crm.Orders/config"];
const STATUS: [&str; 2] = ["GET /connectors/crm.Customers/status", "GET /connectors/crm.Orders/status"];
const RUNNING: &str = "GET /connectors?expand=info&expand=status";

fn info(name: &str, config: &ConnectorConfig) -> Value {
    let config: serde_json::Map<String, Value> = config.iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
    json!({ "info": { "name": name, "config": config, "tasks": [] }, "status": null })
}

fn validation(errors: &[(&str, &str)]) -> Value {
    let fields = errors.iter().map(|(field, error)| json!({ "value": { "name": field, "value": "hunter2", "errors": [error] } }));
    json!({ "name": "x", "error_count": errors.len(), "configs": fields.collect::<Vec<_>>() })
}

/// A worker on which customers runs with one key changed, orders is missing, old and a stranger are there, and all is well.
async fn well() -> Worker {
    let customers = info("crm.Customers", &config("x.Source").tasks_max(1).set("database.password", "hunter2-old"));
    let running = json!({
        "crm.Customers": customers, "crm.Old": info("crm.Old", &config("x.Source")), "else.Where": info("else.Where", &config("z.Z"))
    });
    let worker =
        Worker::start().await.on(RUNNING, 200, &running).on(VALIDATE[0], 200, &validation(&[])).on(VALIDATE[1], 200, &validation(&[]));
    let worker = worker.on(PUT[0], 200, &json!({})).on(PUT[1], 201, &json!({})).on("DELETE /connectors/crm.Old", 204, &json!({}));
    worker.has_status("crm.Customers", "RUNNING", &[("RUNNING", "")]).has_status(
        "crm.Orders",
        "RUNNING",
        &[("RUNNING", ""), ("RUNNING", "")],
    )
}

#[tokio::test]
async fn steps_are_taken_in_their_order_however_they_are_asked_for() {
    let worker = well().await;
    let (code, answer) = connect_json(&worker, "--check-status --publish --validate --list").await;
    assert_eq!(code, ExitCode::SUCCESS, "{answer}");
    let published = [PUT[0], STATUS[0], "DELETE /connectors/crm.Old", PUT[1], STATUS[1]];
    // What is marked for removal is neither validated nor looked at.
    assert_eq!(worker.take_lines(), [&VALIDATE[..], &[RUNNING], &published, &STATUS].concat());
    let names =
        |part: &str| answer[part].as_array().unwrap().iter().map(|one| one["connector"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(names("list"), ["crm.Customers", "crm.Old", "crm.Orders"]);
    assert_eq!((&answer["list"][1]["marked_for_removal"], &answer["list"][0]["config"]["database.password"]), (&json!(true), &json!("…")));
    let results: Vec<&Value> = answer["publish"].as_array().unwrap().iter().map(|done| &done["result"]).collect();
    assert_eq!(results, ["updated", "deleted", "created"]);
    assert_eq!((names("validate"), names("check_status")), (vec!["crm.Customers".to_owned(), "crm.Orders".to_owned()], names("validate")));
    assert_eq!(answer["failures"], 0);

    let (_, text, _) = connect(&worker, "--list --check-status --publish --validate").await;
    let places = [
        "crm.Old (marked for removal)",
        "validate crm.Customers: valid",
        "publish crm.Old: deleted",
        "status crm.Orders: RUNNING, 2 tasks",
    ];
    let places: Vec<Option<usize>> = places.iter().map(|words| text.find(words)).collect();
    assert!(places.is_sorted() && places[0].is_some(), "{places:?} in {text}");
}

#[tokio::test]
async fn without_a_step_there_is_help_and_the_exit_code_of_a_wrong_command_line() {
    let worker = Worker::start().await;
    let (code, answer, _) = connect(&worker, "").await;
    assert!(code == ExitCode::from(2) && answer.contains("--check-status"), "{answer}");
    let (code, answer, asides) = connect(&worker, "--publish Custmers Orders Odrers").await;
    assert_eq!((code, answer.as_str()), (ExitCode::from(2), ""));
    assert!(asides.contains("no connector is declared as Custmers, Odrers; there are: crm.Customers, crm.Old, crm.Orders"), "{asides}");
    for line in ["--publish restart Customers", "Customers pause Customers"] {
        let (code, _, asides) = connect(&worker, line).await;
        assert!(code == ExitCode::from(2) && asides.contains("write one of the two"), "{asides}");
    }
    assert_eq!(worker.take_lines(), Vec::<String>::new());
}

#[tokio::test]
async fn errors_of_a_config_are_told_field_by_field_and_nothing_is_published() {
    let broken = || async {
        let errors = [("database.hostname", "A value is required"), ("database.password", "hunter2 is too short")];
        let worker = Worker::start().await.on(VALIDATE[0], 200, &validation(&errors)).on(VALIDATE[1], 200, &validation(&[]));
        worker.on(RUNNING, 200, &json!({})).on(PUT[1], 201, &json!({})).has_status("crm.Orders", "RUNNING", &[("RUNNING", "")])
    };
    let worker = broken().await;
    let (code, text, _) = connect(&worker, "--validate --publish --check-status").await;
    assert_eq!(code, ExitCode::FAILURE);
    assert_eq!(
        text,
        "validate crm.Customers: NOT valid\n    database.hostname: A value is required\n    database.password: … is too short\n\
         validate crm.Orders: valid\n1 connector failed\n"
    );
    assert_eq!(worker.take_lines(), VALIDATE);
    let (code, answer) = connect_json(&worker, "--validate").await;
    assert_eq!((code, &answer["validate"][0]["errors"][0]["field"]), (ExitCode::FAILURE, &json!("database.hostname")));

    // Going on, what is not valid is left out all the same.
    let worker = broken().await;
    let (code, answer) = connect_json(&worker, "--validate --publish --ignore-failures").await;
    assert_eq!((code, &answer["failures"]), (ExitCode::SUCCESS, &json!(1)));
    let results: Vec<&Value> = answer["publish"].as_array().unwrap().iter().map(|done| &done["result"]).collect();
    assert_eq!(results, ["skipped", "unchanged", "created"]);
    assert!(!worker.take_lines().contains(&PUT[0].to_owned()));
}

#[tokio::test]
async fn a_dry_run_shows_the_difference_and_does_nothing() {
    let worker = well().await;
    let (code, text, _) = connect(&worker, "--publish --dry-run").await;
    assert_eq!(code, ExitCode::SUCCESS);
    assert_eq!(
        text,
        "~ crm.Customers\n    ~ database.password = … (another one)\n    ~ tasks.max = 1 -> 2\n- crm.Old\n+ crm.Orders\n    \
         + connector.class = y.Sink\n    + database.password = …\n    + tasks.max = 2\n? else.Where (not declared here, left alone)\n"
    );
    let (_, answer) = connect_json(&worker, "--dry-run Customers").await;
    let steps = answer["plan"]["steps"].as_array().unwrap();
    assert_eq!((steps.len(), &steps[0]["change"], &steps[0]["keys"][1]["to"]), (1, &json!("update"), &json!("2")));
    assert_eq!((worker.take_lines(), answer.get("publish")), (vec![RUNNING.to_owned(); 2], None));
}

#[tokio::test]
async fn publishing_again_changes_nothing() {
    let running =
        json!({ "crm.Customers": info("crm.Customers", &config("x.Source")), "crm.Orders": info("crm.Orders", &config("y.Sink")) });
    let worker = Worker::start().await.on(RUNNING, 200, &running);
    let (code, text, _) = connect(&worker, "--publish").await;
    assert_eq!(
        (code, text.as_str()),
        (ExitCode::SUCCESS, "publish crm.Customers: unchanged\npublish crm.Old: unchanged\npublish crm.Orders: unchanged\n")
    );
    assert_eq!(worker.take_lines(), [RUNNING]);
}

#[tokio::test]
async fn failed_tasks_are_told_with_their_traces() {
    let worker = Worker::start().await;
    let trace = "org.example.Wrong: hunter2\n\tat org.example.Task.run";
    let worker =
        worker.has_status("crm.Customers", "RUNNING", &[("RUNNING", ""), ("FAILED", trace)]).has_status("crm.Orders", "PAUSED", &[]);
    let (code, text, _) = connect(&worker, "--check-status").await;
    assert_eq!(code, ExitCode::FAILURE);
    assert!(text.starts_with("status crm.Customers: RUNNING, task 1 FAILED\n    trace of the task 1:\n"), "{text}");
    assert!(text.contains("    trace of the task 1:\n        org.example.Wrong: …\n        \tat org.example.Task.run\n"), "{text}");
    assert!(text.ends_with("status crm.Orders: PAUSED, no tasks\n2 connectors failed\n"), "{text}");
    let (code, answer) = connect_json(&worker, "--check-status --ignore-failures").await;
    assert_eq!((code, &answer["failures"]), (ExitCode::SUCCESS, &json!(2)));
    assert_eq!(answer["check_status"][0]["status"]["tasks"][1]["state"], "FAILED");
}

#[tokio::test]
async fn only_what_may_still_come_is_looked_at_again() {
    let worker =
        Worker::start().await.has_status("crm.Customers", "UNASSIGNED", &[]).has_status("crm.Customers", "RUNNING", &[("RUNNING", "")]);
    let (code, text, _) = connect(&worker, "--check-status").await;
    assert_eq!(code, ExitCode::FAILURE);
    assert_eq!(text, "status crm.Customers: RUNNING, 1 task\nstatus crm.Orders: unknown to the worker\n1 connector failed\n");
    assert_eq!(worker.take_lines(), [STATUS[0], STATUS[0], STATUS[1], STATUS[1], STATUS[1]]);
    // 1 s for the first, 1 s and 2 s for the other.
    assert_eq!(worker.waited().as_secs(), 1 + 1 + 2);
}

#[tokio::test]
async fn who_may_not_and_who_is_not_there_are_failures() {
    let no = json!({ "error_code": 401, "message": "who are you?" });
    let worker = Worker::start().await.on(RUNNING, 401, &no).on(VALIDATE[0], 401, &no).on(VALIDATE[1], 401, &no);
    let (code, answer, asides) = connect(&worker, "--publish").await;
    assert_eq!((code, answer.as_str()), (ExitCode::FAILURE, ""));
    assert!(asides.starts_with("error: GET /connectors?expand=info&expand=status: Kafka Connect answered 401: who are you?"), "{asides}");
    let (code, answer) = connect_json(&worker, "--validate Orders").await;
    assert_eq!(code, ExitCode::FAILURE);
    assert!(answer["validate"][0]["error"].as_str().unwrap().ends_with("; set `connect_auth`"), "{answer}");
    let nobody = app("http://127.0.0.1:1", &worker.clock);
    let (code, _, asides) = run(nobody, "app connect plugins").await;
    assert_eq!(code, ExitCode::FAILURE);
    assert!(asides.contains("no connection to Kafka Connect at http://127.0.0.1:1 (6 tries)\n  caused by: "), "{asides}");
}

#[tokio::test]
async fn what_runs_is_operated() {
    let ok = &json!({});
    let worker = Worker::start().await;
    let worker = worker.on("POST /connectors/crm.Customers/restart?includeTasks=true", 202, ok);
    let worker = worker.on("POST /connectors/crm.Orders/restart?includeTasks=true&onlyFailed=true", 202, ok);
    let worker = worker.on("POST /connectors/crm.Customers/tasks/1/restart", 204, ok).on("PUT /connectors/else.Where/pause", 202, ok);
    let worker = worker.on("PUT /connectors/crm.Customers/resume", 202, ok).on("PUT /connectors/crm.Customers/stop", 204, ok);
    for (line, done) in [
        ("restart Customers", json!({ "restarted": ["crm.Customers"] })),
        ("restart crm.Orders --only-failed", json!({ "restarted": ["crm.Orders"] })),
        ("restart Customers --task 1", json!({ "restarted": ["crm.Customers"] })),
        // One that others declared.
        ("pause else.Where", json!({ "paused": ["else.Where"] })),
        ("resume Customers", json!({ "resumed": ["crm.Customers"] })),
        ("stop Customers", json!({ "stopped": ["crm.Customers"] })),
    ] {
        assert_eq!(connect_json(&worker, line).await, (ExitCode::SUCCESS, done), "{line}");
    }
    let (code, answer, asides) = connect(&worker, "restart Customers --task 7").await;
    assert_eq!((code, answer.as_str()), (ExitCode::FAILURE, ""));
    assert!(asides.contains("POST /connectors/crm.Customers/tasks/7/restart: Kafka Connect answered 404: nothing at"), "{asides}");
}

#[tokio::test]
async fn offsets_are_shown_altered_from_a_file_and_reset() {
    let line = |method: &str| format!("{method} /connectors/crm.Customers/offsets");
    let offsets = json!({ "offsets": [{ "partition": { "server": "app" }, "offset": { "lsn": 7 } }] });
    let refused = json!({ "error_code": 400, "message": "Connectors must be in the STOPPED state" });
    let done = json!({ "message": "have been altered" });
    let worker = Worker::start().await.on(&line("GET"), 200, &offsets).on(&line("GET"), 200, &json!({ "offsets": [] }));
    let worker = worker.on(&line("PATCH"), 400, &refused).on(&line("PATCH"), 200, &done).on(&line("DELETE"), 200, &done);
    let (_, text, _) = connect(&worker, "offsets show Customers").await;
    assert_eq!(text, "{\"server\":\"app\"}: {\"lsn\":7}\n");
    assert_eq!(connect(&worker, "offsets show Customers").await.1, "no offsets\n");

    let dir = std::env::temp_dir().join(format!("kafka-kit-offsets-{}", std::process::id()));
    std::fs::write(&dir, offsets.to_string()).unwrap();
    let alter = format!("offsets alter Customers --file {}", dir.display());
    let (code, _, asides) = connect(&worker, &alter).await;
    assert!(code == ExitCode::FAILURE && asides.contains("answered 400: Connectors must be in the STOPPED state"), "{asides}");
    assert_eq!(connect_json(&worker, &alter).await, (ExitCode::SUCCESS, done.clone()));
    assert_eq!(worker.asked().last().unwrap().1, offsets);
    std::fs::write(&dir, "[").unwrap();
    let (code, _, asides) = connect(&worker, &alter).await;
    assert!(code == ExitCode::from(2) && asides.contains(&format!("{}: EOF", dir.display())), "{asides}");
    std::fs::remove_file(&dir).unwrap();
    assert_eq!(connect(&worker, &alter).await.0, ExitCode::from(2), "a file that is not there");
    assert_eq!(connect_json(&worker, "offsets reset Customers").await, (ExitCode::SUCCESS, done));
}

#[tokio::test]
async fn plugins_are_listed_and_sql_needs_no_worker() {
    let plugins = json!([{ "class": "x.Source", "type": "source", "version": "3.5.0.Final" }]);
    let worker = Worker::start().await.on("GET /connector-plugins?connectorsOnly=false", 200, &plugins);
    assert_eq!(connect(&worker, "plugins").await.1, "source           x.Source 3.5.0.Final\n");
    assert_eq!(connect_json(&worker, "plugins").await.1, json!({ "plugins": plugins }));
    let before = worker.asked().len();
    let (code, sql, _) = connect(&worker, "skip-sql crm.customers").await;
    assert_eq!(worker.asked().len(), before);
    assert!(code == ExitCode::SUCCESS && sql.contains("REPLICA IDENTITY FULL") && !sql.contains("TRIGGER"), "{sql}");
}
