//! A registry in this process that says what a test tells it to, and counts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::Registry;
use crate::settings::SchemaRegistrySettings;

/// What the next answers are.
#[derive(Debug, Clone, Default)]
pub(crate) enum Mood {
    #[default]
    Well,
    Says(u16, Value),
    /// Answers nothing until there are permits.
    Silent,
}

#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) mood: Mood,
    pub(crate) by_id: HashMap<u32, Value>,
    pub(crate) by_version: HashMap<(String, u32), Value>,
    pub(crate) registered: Vec<(String, Value)>,
    pub(crate) requests: Vec<String>,
    pub(crate) authorization: Option<String>,
}

pub(crate) struct Stub {
    pub(crate) url: String,
    shared: Shared,
}

#[derive(Clone)]
struct Shared {
    known: Arc<Mutex<Known>>,
    let_go: Arc<Semaphore>,
}

type Answer = (StatusCode, Json<Value>);

impl Stub {
    pub(crate) async fn start() -> Self {
        let shared = Shared { known: Arc::default(), let_go: Arc::new(Semaphore::new(0)) };
        let app = Router::new()
            .route("/schemas/ids/{id}", get(by_id))
            .route("/subjects/{subject}/versions/{version}", get(by_version))
            .route("/subjects/{subject}/versions", post(register))
            .route("/subjects/{subject}", post(look_up))
            .with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, shared }
    }

    pub(crate) fn settings(&self) -> SchemaRegistrySettings {
        SchemaRegistrySettings::new(&self.url)
    }

    pub(crate) fn client(&self) -> Registry {
        Registry::new(&self.settings()).unwrap()
    }

    pub(crate) fn with<R>(&self, change: impl FnOnce(&mut Known) -> R) -> R {
        change(&mut self.shared.known.lock().unwrap())
    }

    pub(crate) fn mood(&self, mood: Mood) {
        self.with(|known| known.mood = mood);
    }

    /// A schema under an id.
    pub(crate) fn knows(&self, id: u32, schema: &str) {
        self.with(|known| known.by_id.insert(id, json!({ "schema": schema })));
    }

    pub(crate) fn let_go(&self, requests: usize) {
        self.shared.let_go.add_permits(requests);
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.with(|known| known.requests.clone())
    }
}

impl Shared {
    async fn answer(&self, request: String, headers: &HeaderMap, well: impl FnOnce(&mut Known) -> Option<Value>) -> Answer {
        let mood = {
            let mut known = self.known.lock().unwrap();
            known.requests.push(request);
            known.authorization = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
            known.mood.clone()
        };
        match mood {
            Mood::Says(status, body) => return (StatusCode::from_u16(status).unwrap(), Json(body)),
            Mood::Silent => self.let_go.acquire().await.unwrap().forget(),
            Mood::Well => {}
        }
        match well(&mut self.known.lock().unwrap()) {
            Some(body) => (StatusCode::OK, Json(body)),
            None => (StatusCode::NOT_FOUND, Json(json!({ "error_code": 40403, "message": "Schema not found" }))),
        }
    }
}

async fn by_id(State(shared): State<Shared>, Path(id): Path<u32>, headers: HeaderMap) -> Answer {
    shared.answer(format!("GET {id}"), &headers, |known| known.by_id.get(&id).cloned()).await
}

async fn by_version(State(shared): State<Shared>, Path((subject, version)): Path<(String, u32)>, headers: HeaderMap) -> Answer {
    shared.answer(format!("GET {subject} {version}"), &headers, |known| known.by_version.get(&(subject, version)).cloned()).await
}

async fn register(State(shared): State<Shared>, Path(subject): Path<String>, headers: HeaderMap, body: String) -> Answer {
    let body: Value = serde_json::from_str(&body).unwrap();
    let register = |known: &mut Known| {
        let at = known.registered.iter().position(|(_, schema)| *schema == body);
        let id = at.unwrap_or(known.registered.len()) as u32 + 1;
        known.registered.push((subject.clone(), body.clone()));
        known.by_version.insert((subject.clone(), 1), body.clone());
        known.by_id.insert(id, body);
        Some(json!({ "id": id }))
    };
    shared.answer(format!("REGISTER {subject}"), &headers, register).await
}

async fn look_up(State(shared): State<Shared>, Path(subject): Path<String>, headers: HeaderMap, body: String) -> Answer {
    let body: Value = serde_json::from_str(&body).unwrap();
    let found = |known: &mut Known| {
        let at = known.registered.iter().position(|registered| *registered == (subject.clone(), body.clone()))?;
        Some(json!({ "subject": subject, "id": at + 1, "version": 1, "schema": body["schema"] }))
    };
    shared.answer(format!("FIND {subject}"), &headers, found).await
}
