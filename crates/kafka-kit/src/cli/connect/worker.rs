//! A server that stands in for a Kafka Connect worker: answers by the line of the request. Time passes by hand: every wait is at once over.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, Response, StatusCode, Uri};
use kafka_core::clock::{Clock, ManualClock};
use serde_json::{Value, json};

/// What was asked: the line, and the body.
pub(super) type Asked = (String, Value);

/// Statuses and bodies, one after the other, for each line that may be asked.
type Answers = BTreeMap<String, VecDeque<(u16, Value)>>;

#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<Answers>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

pub(super) struct Worker {
    pub(super) url: String,
    pub(super) clock: Clock,
    hand: Arc<ManualClock>,
    script: Script,
}

impl Worker {
    pub(super) async fn start() -> Self {
        let script = Script::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(script.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let (clock, hand) = Clock::manual();
        let mover = Arc::clone(&hand);
        tokio::spawn(async move {
            loop {
                tokio::task::yield_now().await;
                if let Some(wake) = mover.next_wake() {
                    mover.advance_to(wake);
                }
            }
        });
        Self { url, clock, hand, script }
    }

    /// What it answers to a line, after what it was told to answer before; the last answer stays.
    pub(super) fn on(self, line: &str, status: u16, body: &Value) -> Self {
        self.script.answers.lock().unwrap().entry(line.to_owned()).or_default().push_back((status, body.clone()));
        self
    }

    /// A connector's status, as [`on`](Self::on) has it.
    pub(super) fn has_status(self, connector: &str, state: &str, tasks: &[(&str, &str)]) -> Self {
        let tasks: Vec<Value> =
            tasks.iter().enumerate().map(|(id, (state, trace))| json!({ "id": id, "state": state, "trace": some(trace) })).collect();
        let body = json!({ "name": connector, "connector": { "state": state }, "tasks": tasks });
        self.on(&format!("GET /connectors/{connector}/status"), 200, &body)
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.script.asked.lock().unwrap().clone()
    }

    /// The lines of what was asked; forgets them.
    pub(super) fn take_lines(&self) -> Vec<String> {
        std::mem::take(&mut *self.script.asked.lock().unwrap()).into_iter().map(|(line, _)| line).collect()
    }

    /// How long it was waited.
    pub(super) fn waited(&self) -> Duration {
        self.hand.elapsed()
    }
}

fn some(trace: &str) -> Option<&str> {
    Some(trace).filter(|trace| !trace.is_empty())
}

async fn answer(State(script): State<Script>, method: Method, uri: Uri, body: Bytes) -> Response<String> {
    let line = format!("{method} {uri}");
    script.asked.lock().unwrap().push((line.clone(), serde_json::from_slice(&body).unwrap_or(Value::Null)));
    let mut answers = script.answers.lock().unwrap();
    let next = answers.get_mut(&line).and_then(|answers| if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() });
    let (status, body) = next.unwrap_or_else(|| (404, json!({ "error_code": 404, "message": format!("nothing at {line}") })));
    let mut response = Response::new(body.to_string());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}
