//! Publishing, and looking at what was published until it is known.

use std::time::Duration;

use kafka_connect::config::ConnectorConfig;
use kafka_connect::connectors::DeclaredConnector;
use kafka_connect::plan::{Change, Plan};
use kafka_connect::publish::{Published, apply, plan};
use kafka_connect::secrets::Secrets;
use kafka_connect::status::{Patience, check};
use serde_json::{Value, json};

use crate::stub::{Answer, Stub, json as say};

fn status(connector: &str, tasks: &[&str]) -> Answer {
    let tasks: Vec<Value> = tasks.iter().enumerate().map(|(id, state)| json!({"id": id, "state": state, "trace": "boom"})).collect();
    say(200, &json!({"name": "n", "connector": {"state": connector}, "tasks": tasks}))
}

fn unknown() -> Answer {
    say(404, &json!({"error_code": 404, "message": "No status found for connector n"}))
}

async fn checked(answers: Vec<Answer>) -> (String, u64) {
    let stub = Stub::with(answers).await;
    let report = check(&stub.client(), "n", &Secrets::default(), Patience::CHECK).await.unwrap();
    (report.to_string(), stub.waited().as_secs())
}

#[tokio::test]
async fn only_what_may_change_by_itself_is_looked_at_again() {
    for (answers, expected, waited) in [
        (vec![status("RUNNING", &["RUNNING"])], "RUNNING, 1 task", 0),
        (vec![unknown(), status("UNASSIGNED", &[]), status("RUNNING", &["RUNNING"])], "RUNNING, 1 task", 1 + 2),
        (vec![unknown(), unknown(), unknown()], "unknown to the worker", 1 + 2),
        (vec![status("UNASSIGNED", &[]), status("UNASSIGNED", &[]), status("UNASSIGNED", &[])], "UNASSIGNED, no tasks", 1 + 2),
        (vec![status("PAUSED", &[])], "PAUSED, no tasks", 0),
        (vec![status("STOPPED", &[])], "STOPPED, no tasks", 0),
        (vec![status("RUNNING", &["FAILED"])], "RUNNING, task 0 FAILED", 0),
    ] {
        assert_eq!(checked(answers).await, (expected.to_owned(), waited));
    }
}

async fn published(answers: Vec<Answer>) -> (Published, Vec<String>) {
    let put = say(200, &json!({"name": "n"}));
    let stub = Stub::with(std::iter::once(put).chain(answers)).await;
    let declared = DeclaredConnector::new("n", ConnectorConfig::of_class("x.Y"));
    let patience = Patience::new(3, Duration::from_secs(1));
    (apply(&stub.client(), &declared, &Change::Update(Vec::new()), patience).await.unwrap(), stub.lines())
}

#[tokio::test]
async fn the_failure_before_a_publish_is_not_that_of_the_publish() {
    let old = || status("RUNNING", &["FAILED"]);
    let (result, lines) = published(vec![old(), status("RUNNING", &[]), status("RUNNING", &["RUNNING"])]).await;
    assert!(result.is_well(), "{result:?}");
    assert_eq!(lines[1..], ["GET /connectors/n/status", "GET /connectors/n/status", "GET /connectors/n/status"]);
    assert!(!published(vec![old(), old(), old()]).await.0.is_well());
    assert!(published(vec![status("PAUSED", &["PAUSED"])]).await.0.is_well(), "somebody paused it on purpose");
}

#[tokio::test]
async fn a_plan_is_made_of_one_request() {
    let running = json!({"n": {"info": {"name": "n", "config": {"connector.class": "x.Y", "name": "n"}, "tasks": []}, "status": null}});
    let stub = Stub::with([say(200, &running)]).await;
    let declared = [DeclaredConnector::new("n", ConnectorConfig::of_class("x.Y")), DeclaredConnector::removed("old")];
    let plan: Plan = plan(&stub.client(), &declared).await.unwrap();
    assert_eq!(plan.to_string(), "= n\n= old (removed already)\n");
    assert_eq!(stub.lines(), ["GET /connectors?expand=info&expand=status"]);
}
