//! Calls that read, and those that change a part: their lines, their bodies, and what is made of the answers.

use std::collections::BTreeMap;

use serde_json::json;

use crate::stub::{Stub, json as say};

#[tokio::test]
async fn the_worker_and_its_plugins() {
    let worker = json!({"version": "4.3.0", "commit": "c0ffee", "kafka_cluster_id": "u-1", "newer": {}});
    let plugins = json!([
        {"class": "x.Source", "type": "source", "version": "3.5.0.Final"},
        {"class": "a.Converter", "type": "converter", "version": null},
    ]);
    let stub = Stub::with([say(200, &worker), say(200, &plugins)]).await;
    let worker = stub.client().worker().await.unwrap();
    assert_eq!((worker.version.as_str(), worker.kafka_cluster_id.as_deref()), ("4.3.0", Some("u-1")));
    let plugins = stub.client().plugins().await.unwrap();
    let plugins: Vec<_> = plugins.iter().map(|plugin| (plugin.class.as_str(), plugin.kind.as_str(), plugin.version.as_deref())).collect();
    assert_eq!(plugins, [("a.Converter", "converter", None), ("x.Source", "source", Some("3.5.0.Final"))]);
    assert_eq!(stub.lines(), ["GET /", "GET /connector-plugins?connectorsOnly=false"]);
}

#[tokio::test]
async fn a_connector_its_config_and_its_topics() {
    let config = json!({"connector.class": "x.Source", "name": "n", "database.password": "hunter2"});
    let info = json!({"name": "n", "config": config, "tasks": [{"connector": "n", "task": 0}], "type": "source"});
    let topics = json!({"n": {"topics": ["crm.orders", "crm.customers"]}});
    let stub = Stub::with([say(200, &info), say(200, &config), say(200, &topics), say(200, &json!({"n": {}})), say(200, &json!({}))]).await;
    let client = stub.client();
    let connector = client.connector("n").await.unwrap();
    assert_eq!((connector.kind.as_deref(), connector.tasks[0].task), (Some("source"), 0));
    let debug = format!("{connector:?}");
    assert!(debug.contains("database.password") && !debug.contains("hunter2"), "{debug}");
    assert_eq!(client.config("n").await.unwrap().get("connector.class"), Some("x.Source"));
    assert_eq!(client.topics("n").await.unwrap(), ["crm.customers", "crm.orders"]);
    // A sink that has seen nothing yet, and a worker that does not track topics.
    assert!(client.topics("n").await.unwrap().is_empty() && client.topics("n").await.unwrap().is_empty());
    let gets = ["GET /connectors/n", "GET /connectors/n/config", "GET /connectors/n/topics"];
    assert_eq!(stub.lines()[..3], gets);
}

#[tokio::test]
async fn a_patch_sets_some_keys_removes_others_and_hides_what_is_secret() {
    let refused = json!({"error_code": 400, "message": "hunter2 is too short; hunter2"});
    let stub = Stub::with([say(200, &json!({"name": "a b"})), say(400, &refused)]).await;
    let changes = BTreeMap::from([
        ("tasks.max".to_owned(), Some("2".to_owned())),
        ("database.password".to_owned(), Some("hunter2".to_owned())),
        ("heartbeat.interval.ms".to_owned(), None),
    ]);
    stub.client().patch_config("a b", &changes).await.unwrap();
    let seen = &stub.seen()[0];
    assert_eq!(seen.line, "PATCH /connectors/a%20b/config");
    assert_eq!(seen.headers["content-type"], "application/json");
    assert_eq!(seen.body, json!({"tasks.max": "2", "database.password": "hunter2", "heartbeat.interval.ms": null}));
    let error = stub.client().patch_config("a b", &changes).await.unwrap_err();
    assert_eq!(error.to_string(), "PATCH /connectors/a%20b/config: Kafka Connect answered 400: … is too short; …");
}

#[tokio::test]
async fn loggers_and_their_levels() {
    let all =
        json!({"root": {"level": "INFO", "last_modified": null}, "org.apache": {"level": "DEBUG", "last_modified": 1_795_412_432_304_i64}});
    let one = json!({"level": "DEBUG", "last_modified": 1_795_412_432_304_i64});
    let unknown = json!({"error_code": 404, "message": "Logger x not found."});
    let stub = Stub::with([say(200, &all), say(200, &one), say(404, &unknown), say(200, &json!(["org.apache"]))]).await;
    let client = stub.client();
    let loggers = client.loggers().await.unwrap();
    assert_eq!((loggers["root"].level.as_deref(), loggers["root"].last_modified), (Some("INFO"), None));
    assert_eq!(loggers["org.apache"].last_modified, Some(1_795_412_432_304));
    assert_eq!(client.logger("org.apache").await.unwrap(), loggers["org.apache"]);
    assert!(client.logger("x").await.unwrap_err().is_not_found());
    client.set_logger("org.apache", "DEBUG").await.unwrap();
    assert_eq!(stub.seen()[3].body, json!({"level": "DEBUG"}));
    let lines =
        ["GET /admin/loggers", "GET /admin/loggers/org.apache", "GET /admin/loggers/x", "PUT /admin/loggers/org.apache?scope=cluster"];
    assert_eq!(stub.lines(), lines);
}
