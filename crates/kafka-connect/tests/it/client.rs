//! Retries, errors and credentials of a request.

use std::time::Duration;

use kafka_connect::config::ConnectorConfig;
use kafka_connect::error::ConnectError;
use kafka_connect::rest::{Deleted, Put, Restart};
use kafka_connect::settings::{ConnectAuth, ConnectSettings};
use kafka_connect::wire::{Offsets, PartitionOffset};
use serde_json::json;

use crate::stub::{Answer, Stub, json as say, text, with_header};

#[tokio::test]
async fn gateway_errors_are_tried_again_with_growing_waits() {
    let stub = Stub::with([text(502, "<html>bad gateway</html>"), text(503, ""), text(504, ""), say(200, &json!(["b", "a"]))]).await;
    assert_eq!(stub.client().connectors().await.unwrap(), ["a", "b"]);
    assert_eq!(stub.waited(), Duration::from_millis(500 + 1_000 + 2_000));
}

#[tokio::test]
async fn tries_end() {
    let stub = Stub::with((0..9).map(|_| text(503, "closed for today"))).await;
    let error = stub.client().connectors().await.unwrap_err();
    assert_eq!(error.to_string(), "GET /connectors: Kafka Connect answered 503: closed for today");
    assert!(matches!(error, ConnectError::Refused { tries: 6, .. }), "{error:?}");
    assert_eq!((stub.seen().len(), stub.waited()), (6, Duration::from_millis(500 + 1_000 + 2_000 + 4_000 + 8_000)));
}

#[tokio::test]
async fn the_server_says_when() {
    let stub = Stub::with([with_header(503, "retry-after", "7"), with_header(503, "retry-after", "9999"), say(200, &json!([]))]).await;
    stub.client().connectors().await.unwrap();
    assert_eq!(stub.waited(), Duration::from_secs(7 + 120));
}

#[tokio::test]
async fn a_rebalance_is_waited_for() {
    let rebalance =
        json!({"error_code": 409, "message": "Cannot complete request because of a conflicting operation (e.g. worker rebalance)"});
    let expected = json!({"error_code": 500, "message": "Request cannot be completed because a rebalance is expected"});
    let stub = Stub::with([say(409, &rebalance), say(500, &expected), say(201, &json!({"name": "n"}))]).await;
    let config = ConnectorConfig::of_class("x.Y");
    assert_eq!(stub.client().put_config("n", &config).await.unwrap(), Put::Created);
    assert_eq!(stub.lines(), ["PUT /connectors/n/config"; 3]);
    assert_eq!(stub.seen()[1].body, json!({"connector.class": "x.Y"}));
}

#[tokio::test]
async fn who_may_not_is_not_asked_again() {
    for (status, end) in [(401, "set `connect_auth`"), (403, "the user of `connect_auth` may not do this"), (400, "no"), (500, "no")] {
        let stub = Stub::with([say(status, &json!({"error_code": status, "message": "no"})), say(200, &json!([]))]).await;
        let error = stub.client().connectors().await.unwrap_err();
        assert_eq!((error.status(), stub.seen().len()), (Some(status), 1));
        assert!(error.to_string().ends_with(end), "{error}");
    }
}

#[tokio::test]
async fn no_answer_and_no_server() {
    let stub = Stub::with((0..9).map(|_| Answer::Hang)).await;
    let error = stub.client_with(&stub.settings().requests_timeout(Duration::from_millis(30))).connectors().await.unwrap_err();
    assert_eq!(error.to_string(), "GET /connectors: Kafka Connect did not answer within 30ms (6 tries)");
    let nobody = stub.client_with(&ConnectSettings::new("http://me:hunter2@127.0.0.1:1"));
    let error = nobody.connectors().await.unwrap_err();
    assert_eq!(error.to_string(), "GET /connectors: no connection to Kafka Connect at http://127.0.0.1:1 (6 tries)");
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn answers_that_are_not_connects() {
    let stub = Stub::with([text(200, "[\"hunter2"), text(200, "{\"password\":\"hunter2\"}"), text(500, "Internal Server Error")]).await;
    let client = stub.client();
    let error = client.connectors().await.unwrap_err();
    assert_eq!(error.to_string(), "GET /connectors: the answer (200) cannot be read: at line 1 column 9 it is not JSON");
    let error = client.connectors().await.unwrap_err().to_string();
    assert!(error.contains("it is other data than Connect's") && !error.contains("hunter2"), "{error}");
    assert!(client.connectors().await.unwrap_err().to_string().ends_with("answered 500: Internal Server Error"));
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_credentials() {
    let elsewhere = Stub::with([]).await;
    let there = format!("{}/connectors", elsewhere.url.replace("http://", "http://me:hunter2@"));
    let stub = Stub::with([with_header(307, "location", &there)]).await;
    let auth = ConnectAuth::Header { name: "X-Key".to_owned(), value: "hunter2".into() };
    let error = stub.client_with(&stub.settings().auth(auth)).connectors().await.unwrap_err();
    let expected = format!("GET /connectors: Kafka Connect redirects to {}/connectors (307)", elsewhere.url);
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert_eq!((stub.seen().len(), elsewhere.seen().len()), (1, 0));
}

#[tokio::test]
async fn all_ways_to_be_someone() {
    let basic = ConnectAuth::Basic { username: "me".to_owned(), password: "hunter2".into() };
    for (auth, name, value) in [
        (basic, "authorization", "Basic bWU6aHVudGVyMg=="),
        (ConnectAuth::Bearer("t".into()), "authorization", "Bearer t"),
        (ConnectAuth::Header { name: "X-Key".to_owned(), value: "k".into() }, "x-key", "k"),
    ] {
        let stub = Stub::with([say(200, &json!([]))]).await;
        stub.client_with(&stub.settings().auth(auth)).connectors().await.unwrap();
        assert_eq!(stub.seen()[0].headers[name], value);
    }
    let stub = Stub::with([say(200, &json!([]))]).await;
    let mut in_the_address = stub.settings();
    in_the_address.host = Some(stub.url.replace("http://", "http://me:hunter2@"));
    stub.client_with(&in_the_address).connectors().await.unwrap();
    assert_eq!(stub.seen()[0].headers["authorization"], "Basic bWU6aHVudGVyMg==");
}

#[tokio::test]
async fn validation_answers_200_with_errors_and_is_scrubbed() {
    let body = json!({"name": "x.Y", "error_count": 1, "configs": [
        {"definition": {}, "value": {"name": "database.password", "value": "hunter2", "errors": ["hunter2 is too short"]}}]});
    let stub = Stub::with([say(200, &body)]).await;
    let config = ConnectorConfig::of_class("org.example.Source").set("database.password", "hunter2");
    let errors = stub.client().validate("crm.Customers", &config).await.unwrap().errors();
    assert_eq!((errors[0].field.as_str(), errors[0].message.as_str()), ("database.password", "… is too short"));
    assert_eq!(stub.lines(), ["PUT /connector-plugins/Source/config/validate"]);
    assert_eq!(stub.seen()[0].body["name"], "crm.Customers");
    let error = stub.client().validate("crm.Customers", &ConnectorConfig::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "the config of crm.Customers has no `connector.class`; write the class of its plugin");
}

#[tokio::test]
async fn every_call_has_its_line() {
    let stub = Stub::with((0..13).map(|_| say(200, &json!({"offsets": [], "message": "done"})))).await;
    let client = stub.client();
    let offsets = Offsets::new([PartitionOffset { partition: json!({"server": "app"}), offset: json!(null) }]);
    client.restart("a b", Restart::Connector).await.unwrap();
    client.restart("n", Restart::All).await.unwrap();
    client.restart("n", Restart::Failed).await.unwrap();
    client.restart_task("n", 3).await.unwrap();
    client.pause("n").await.unwrap();
    client.resume("n").await.unwrap();
    client.stop("n").await.unwrap();
    assert_eq!(client.offsets("n").await.unwrap(), Offsets::default());
    assert_eq!(client.alter_offsets("n", &offsets).await.unwrap(), "done");
    assert_eq!(client.reset_offsets("n").await.unwrap(), "done");
    client.reset_topics("n").await.unwrap();
    client.set_logger("org.apache", "DEBUG").await.unwrap();
    assert_eq!(client.delete("n").await.unwrap(), Deleted::Now);
    assert_eq!(
        stub.lines(),
        [
            "POST /connectors/a%20b/restart",
            "POST /connectors/n/restart?includeTasks=true",
            "POST /connectors/n/restart?includeTasks=true&onlyFailed=true",
            "POST /connectors/n/tasks/3/restart",
            "PUT /connectors/n/pause",
            "PUT /connectors/n/resume",
            "PUT /connectors/n/stop",
            "GET /connectors/n/offsets",
            "PATCH /connectors/n/offsets",
            "DELETE /connectors/n/offsets",
            "PUT /connectors/n/topics/reset",
            "PUT /admin/loggers/org.apache?scope=cluster",
            "DELETE /connectors/n",
        ]
    );
    assert_eq!(stub.seen()[8].body, json!({"offsets": [{"partition": {"server": "app"}, "offset": null}]}));
}

#[tokio::test]
async fn one_that_is_gone_was_deleted_before() {
    let stub = Stub::with([text(504, ""), say(404, &json!({"error_code": 404, "message": "Connector n not found"}))]).await;
    assert_eq!(stub.client().delete("n").await.unwrap(), Deleted::Before);
}
