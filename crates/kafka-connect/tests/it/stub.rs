//! A server that answers as it was told and remembers what it was asked. Time passes by hand: every wait is at once over.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use axum::serve::Listener;
use kafka_connect::client::ConnectClient;
use kafka_connect::settings::ConnectSettings;
use kafka_core::clock::{Clock, ManualClock};
use serde_json::Value;

/// A request that the server got.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

#[derive(Clone, Default)]
pub(crate) struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Say(u16, Vec<(&'static str, String)>, String),
    Hang,
}

/// An answer with JSON.
pub(crate) fn json(status: u16, body: &Value) -> Answer {
    Answer::Say(status, Vec::new(), body.to_string())
}

/// An answer with text.
pub(crate) fn text(status: u16, body: &str) -> Answer {
    Answer::Say(status, Vec::new(), body.to_owned())
}

/// An answer with a header.
pub(crate) fn with_header(status: u16, name: &'static str, value: &str) -> Answer {
    Answer::Say(status, vec![(name, value.to_owned())], "{}".to_owned())
}

pub(crate) struct Stub {
    pub(crate) url: String,
    script: Script,
    pub(crate) clock: Clock,
    hand: Arc<ManualClock>,
}

impl Stub {
    /// A server with these answers, in their order; then it answers 418.
    pub(crate) async fn with(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Self::listening(listener, url, answers)
    }

    /// The same behind a listener of one's own.
    pub(crate) fn listening<L: Listener<Addr: std::fmt::Debug>>(
        listener: L,
        url: String,
        answers: impl IntoIterator<Item = Answer>,
    ) -> Self {
        let script = Script { answers: Arc::new(Mutex::new(answers.into_iter().collect())), seen: Arc::default() };
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
        Self { url, script, clock, hand }
    }

    pub(crate) fn settings(&self) -> ConnectSettings {
        ConnectSettings::new(self.url.as_str()).requests_timeout(Duration::from_secs(20))
    }

    pub(crate) fn client(&self) -> ConnectClient {
        self.client_with(&self.settings())
    }

    pub(crate) fn client_with(&self, settings: &ConnectSettings) -> ConnectClient {
        ConnectClient::new(settings, self.clock.clone()).unwrap()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.script.seen.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    /// How long it was waited.
    pub(crate) fn waited(&self) -> Duration {
        self.hand.elapsed()
    }
}

async fn answer(State(script): State<Script>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response<String> {
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    script.seen.lock().unwrap().push(Seen { line: format!("{method} {uri}"), headers, body });
    let next = script.answers.lock().unwrap().pop_front();
    let (status, headers, body) = match next {
        Some(Answer::Say(status, headers, body)) => (status, headers, body),
        Some(Answer::Hang) => std::future::pending().await,
        None => (418, Vec::new(), "nothing more to say".to_owned()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}
