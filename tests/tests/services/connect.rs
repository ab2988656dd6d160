//! Connectors as code, on a real worker with Debezium: what the command line says and does.

use std::time::Duration;

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use kafka_kit::clock::Clock;
use kafka_kit::connect::client::ConnectClient;
use kafka_kit::connect::settings::ConnectSettings;
use kafka_kit::connect::wire::State;
use kafka_tests::connectors::{Watched, connect_url, database_url};
use kafka_tests::story::SOON;
use kafka_tests::until::until;
use serde_json::json;

fn sql(text: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = AsyncPgConnection::establish(&database_url()).await.unwrap();
        connection.batch_execute(text).await.unwrap();
    });
}

fn with_client<T>(work: impl AsyncFnOnce(ConnectClient) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = ConnectClient::new(&ConnectSettings::new(connect_url()), Clock::System).unwrap();
    runtime.block_on(work(client))
}

fn state(watched: &Watched) -> Option<State> {
    with_client(async |client| client.status(&watched.connector()).await.ok().map(|status| status.connector.state))
}

#[test]
fn from_validation_to_a_row_in_kafka_and_to_removal() {
    let mut watched = Watched::new("life");
    let table = watched.table.clone();
    sql(&format!("CREATE TABLE {table} (id bigint PRIMARY KEY, name text NOT NULL); INSERT INTO {table} VALUES (1, 'Ada')"));

    // A broken config is told field by field, and nothing is published.
    let port = watched.config.remove("database.port").unwrap();
    let broken = watched.connect(&["--validate", "--publish"]);
    assert_eq!(broken.code, Some(1), "{}", broken.asides);
    assert!(broken.answer.contains("NOT valid") && broken.answer.contains("    database.hostname: "), "{}", broken.answer);
    assert_eq!(state(&watched), None);
    assert_eq!(watched.connect(&["--validate", "--ignore-failures"]).code, Some(0));
    watched.config.insert("database.port".to_owned(), port);

    let first = watched.connect_json(&["--validate", "--publish", "--check-status"]);
    assert_eq!(first["validate"], json!([{"connector": watched.connector(), "errors": []}]));
    assert_eq!((&first["publish"][0]["result"], &first["check_status"][0]["status"]["running"]), (&json!("created"), &json!(true)));
    let values = watched.values_until("Ada");
    assert_eq!(values.last().unwrap()["after"]["name"], "Ada");

    // One key changes, and the dry run shows exactly that one.
    watched.config.insert("heartbeat.interval.ms".to_owned(), "5000".to_owned());
    let plan = watched.connect_json(&["--publish", "--dry-run", "Customers"]);
    let keys = json!([{"difference": "added", "key": "heartbeat.interval.ms", "to": "5000"}]);
    assert_eq!(plan["plan"]["steps"], json!([{"connector": watched.connector(), "change": "update", "keys": keys}]));
    assert!(plan.get("publish").is_none());
    assert_eq!(watched.connect_json(&["--publish"])["publish"][0]["result"], "updated");
    assert_eq!(watched.connect_json(&["--publish"])["publish"][0]["result"], "unchanged");

    // A key that the declaration no longer has is gone.
    watched.config.remove("heartbeat.interval.ms");
    assert_eq!(watched.connect_json(&["--publish"])["publish"][0]["result"], "updated");
    let config = with_client(async |client| client.config(&watched.connector()).await.unwrap());
    assert_eq!(config.get("heartbeat.interval.ms"), None);

    // What is marked for removal goes, and nothing else.
    let old = format!("{}.Old", watched.prefix);
    with_client(async |client| {
        let config = client.config(&watched.connector()).await.unwrap().set("name", old.as_str());
        let name = format!("{}_old", watched.table);
        client.put_config(&old, &config.set("slot.name", name.as_str()).set("publication.name", name)).await.unwrap()
    });
    let known = || with_client(async |client| client.config(&old).await.is_ok());
    until("the worker answers for it", SOON, known);
    let removal = watched.connect_json(&["--publish", "--check-status"]);
    assert!(removal["publish"].as_array().unwrap().contains(&json!({"connector": old, "result": "deleted"})), "{removal}");
    let gone = || with_client(async |client| client.status(&old).await.is_err_and(|error| error.is_not_found()));
    until("the worker has forgotten it", SOON, gone);
    sql(&format!("INSERT INTO {table} VALUES (2, 'Bob')"));
    assert_eq!(watched.values_until("Bob").last().unwrap()["op"], "c");
}

#[test]
fn a_failed_task_is_shown_with_its_trace_and_restarted() {
    let watched = Watched::new("failing");
    let table = &watched.table;
    sql(&format!("CREATE TABLE {table} (id bigint PRIMARY KEY, name text NOT NULL)"));
    let watched = watched
        .set("transforms", "wrong")
        .set("transforms.wrong.type", "io.debezium.transforms.Filter")
        .set("transforms.wrong.language", "jsr223.groovy")
        .set("transforms.wrong.condition", "value.after.no_such_field == 1");
    assert_eq!(watched.connect(&["--publish"]).code, Some(0));
    sql(&format!("INSERT INTO {} VALUES (1, 'Ada')", watched.table));
    until("the task has failed", SOON, || {
        with_client(async |client| {
            client.status(&watched.connector()).await.is_ok_and(|s| s.tasks.iter().any(|t| t.state == State::Failed))
        })
    });
    let said = watched.connect(&["--check-status"]);
    assert_eq!(said.code, Some(1));
    assert!(said.answer.contains("task 0 FAILED") && said.answer.contains("no_such_field"), "{}", said.answer);
    assert_eq!(watched.connect(&["--check-status", "--ignore-failures"]).code, Some(0));

    let watched = watched.set("transforms.wrong.condition", "true");
    assert_eq!(watched.connect_json(&["--publish"])["publish"][0]["status"]["running"], true);
    assert_eq!(watched.connect(&["restart", "Customers", "--task", "0"]).code, Some(0));
    assert_eq!(watched.connect(&["restart", "Customers", "--task", "7"]).code, Some(1));
    assert_eq!(watched.connect_json(&["restart", "Customers"])["restarted"], json!([watched.connector()]));
    assert_eq!(watched.values_until("Ada").last().unwrap()["after"]["name"], "Ada");
}

#[test]
fn paused_stopped_moved_and_resumed() {
    let watched = Watched::new("operated");
    let table = &watched.table;
    sql(&format!("CREATE TABLE {table} (id bigint PRIMARY KEY, name text NOT NULL); INSERT INTO {table} VALUES (1, 'Ada')"));
    assert_eq!(watched.connect_json(&["--publish"])["failures"], 0);
    assert!(!watched.values_until("Ada").is_empty());

    assert_eq!(watched.connect(&["pause", "Customers"]).code, Some(0));
    until("it is paused", SOON, || state(&watched) == Some(State::Paused));
    let paused = watched.connect(&["--check-status"]);
    assert!(paused.code == Some(1) && paused.answer.contains("PAUSED"), "{}", paused.answer);
    assert_eq!(watched.connect(&["resume", "Customers"]).code, Some(0));
    until("it runs", SOON, || state(&watched) == Some(State::Running));

    // Only what is stopped may be moved.
    let mut offsets = json!(null);
    until("its offsets are known", SOON, || {
        offsets = watched.connect_json(&["offsets", "show", "Customers"]);
        offsets["offsets"].as_array().is_some_and(|offsets| !offsets.is_empty())
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), offsets.to_string()).unwrap();
    let alter = ["offsets", "alter", "Customers", "--file", file.path().to_str().unwrap()];
    let refused = watched.connect(&alter);
    assert!(refused.code == Some(1) && refused.asides.contains("answered 400"), "{}", refused.asides);
    assert_eq!(watched.connect(&["stop", "Customers"]).code, Some(0));
    until("it is stopped", SOON, || state(&watched) == Some(State::Stopped));
    until("its offsets are altered", SOON, || watched.connect(&alter).code == Some(0));
    assert_eq!(watched.connect_json(&["offsets", "show", "Customers"]), offsets);
    until("its offsets are reset", SOON, || watched.connect(&["offsets", "reset", "Customers"]).code == Some(0));
    assert_eq!(watched.connect_json(&["offsets", "show", "Customers"]), json!({"offsets": []}));
    assert_eq!(watched.connect(&["resume", "Customers"]).code, Some(0));
    until("it runs again", Duration::from_secs(60), || state(&watched) == Some(State::Running));
}

#[test]
fn without_a_step_it_helps_and_names_are_checked() {
    let watched = Watched::new("help");
    let help = watched.connect(&[]);
    assert!(help.code == Some(2) && help.answer.contains("--check-status"), "{}", help.answer);
    let unknown = watched.connect(&["--list", "Custmers"]);
    assert!(unknown.code == Some(2) && unknown.asides.contains("no connector is declared as Custmers; there are: "), "{}", unknown.asides);
    let list = watched.connect(&["--list"]);
    assert!(list.code == Some(0) && list.answer.contains("    database.password = …") && list.answer.contains("(marked for removal)"));
    assert!(watched.connect(&["skip-sql", "customers", "--triggers"]).answer.contains("CREATE TRIGGER kafka_skip_2_rule"));
    assert!(watched.connect_json(&["plugins"])["plugins"].to_string().contains("PostgresConnector"));
}
