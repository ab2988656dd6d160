//! The way to a worker: one request with its retries. The only file that names the HTTP client; the calls themselves are in `rest`.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kafka_core::clock::Clock;
use kafka_core::error::BoxError;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Certificate, Client, redirect};
use serde::de::DeserializeOwned;

use crate::error::ConnectError;
use crate::secrets::Secrets;
use crate::settings::{ConnectAuth, ConnectRetry, ConnectSettings, Trouble, retry_after};
use crate::wire::ErrorBody;

/// What TLS calls a certificate that it does not accept. The type of that error is buried in the client's own.
const CERTIFICATE: &str = "invalid peer certificate";

/// A client of Kafka Connect's REST API. Cheap to clone; keeps its connections.
#[derive(Clone)]
pub struct ConnectClient {
    http: Client,
    /// Without user and password.
    host: Arc<str>,
    timeout: std::time::Duration,
    retry: Arc<ConnectRetry>,
    clock: Clock,
}

/// A method of HTTP that Connect knows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Method {
    Get,
    Put,
    Post,
    Patch,
    Delete,
}

/// A request before it is sent.
#[derive(Debug)]
pub(crate) struct Request {
    method: Method,
    path: String,
    body: Option<Vec<u8>>,
    secrets: Secrets,
}

/// An answer that is no error.
pub(crate) struct Answer {
    method: &'static str,
    path: String,
    status: u16,
    body: Vec<u8>,
}

impl ConnectClient {
    /// A client by these settings, that waits by this clock.
    ///
    /// # Errors
    /// When no worker is configured, or the CA file or a header is not valid.
    pub fn new(settings: &ConnectSettings, clock: Clock) -> Result<Self, ConnectError> {
        let refuse = |problem: String| ConnectError::Client { problem };
        let address = settings.host.as_deref().ok_or(ConnectError::NoHost)?;
        let (host, user_info) = without_user_info(address);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some((name, mut value)) = authorization(&settings.auth, user_info.as_deref()).map_err(refuse)? {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        // A redirect is an error: headers of our own would go wherever it leads.
        let mut builder = Client::builder()
            .default_headers(headers)
            .redirect(redirect::Policy::none())
            .timeout(settings.requests_timeout)
            .connect_timeout(settings.requests_timeout);
        if let Some(file) = &settings.ca_file {
            let pem =
                std::fs::read(file).map_err(|error| refuse(format!("`connect_ca_file` {} cannot be read: {error}", file.display())))?;
            let certificates = Certificate::from_pem_bundle(&pem).unwrap_or_default();
            if certificates.is_empty() {
                return Err(refuse(format!("`connect_ca_file` {} holds no PEM certificate", file.display())));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        Ok(Self {
            http: builder.build().map_err(|error| refuse(chain(&error.without_url())))?,
            host: host.trim_end_matches('/').into(),
            timeout: settings.requests_timeout,
            retry: Arc::new(settings.retry.clone()),
            clock,
        })
    }

    /// The worker's address, without user and password.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The clock that it waits by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Sends a request until it is answered or its tries are used up.
    pub(crate) async fn send(&self, request: Request) -> Result<Answer, ConnectError> {
        let mut budget = self.retry.budget();
        let mut tries = 0;
        loop {
            tries += 1;
            let (error, trouble, after) = match self.attempt(&request, tries).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => (failed.error, failed.trouble, failed.after),
            };
            let Some(wait) = trouble.and_then(|trouble| budget.take(trouble, after)) else { return Err(error) };
            tracing::warn!(%error, ?wait, "a request to Kafka Connect is tried again");
            self.clock.sleep(wait).await;
        }
    }

    async fn attempt(&self, request: &Request, tries: u32) -> Result<Answer, Failed> {
        let url = format!("{}{}", self.host, request.path);
        let mut builder = self.http.request(request.method.into(), url);
        if let Some(body) = &request.body {
            builder = builder.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        let response = builder.send().await.map_err(|error| self.unanswered(request, tries, error))?;
        let status = response.status().as_u16();
        let after = header(response.headers(), RETRY_AFTER).and_then(|text| retry_after(text, self.clock.wall_ms()));
        let location = header(response.headers(), LOCATION).map(|location| without_user_info(location).0);
        let body = response.bytes().await.map_err(|error| self.unanswered(request, tries, error))?;
        let (method, path) = (request.method.name(), request.path.clone());
        match status {
            200..300 => Ok(Answer { method, path, status, body: body.into() }),
            300..400 => {
                let location = location.unwrap_or_else(|| "another address".to_owned());
                Err(Failed::at_once(ConnectError::Redirected { method, path, status, location }))
            }
            _ => {
                let message = request.secrets.scrub(&message(&body));
                let again = is_rebalance(status, &message) || self.retry.status_forcelist.contains(&status);
                let error = ConnectError::Refused { method, path, status, message, tries };
                Err(Failed { error, trouble: again.then_some(Trouble::Status), after })
            }
        }
    }

    fn unanswered(&self, request: &Request, tries: u32, error: reqwest::Error) -> Failed {
        let (method, path) = (request.method.name(), request.path.clone());
        let error = error.without_url();
        let (is_connect, is_timeout) = (error.is_connect(), error.is_timeout());
        let host = self.host.to_string();
        let is_untrusted = is_connect && chain(&error).contains(CERTIFICATE);
        let source: BoxError = Box::new(error);
        if is_untrusted {
            return Failed::at_once(ConnectError::Untrusted { method, path, host, source });
        }
        let (error, trouble) = if is_connect {
            (ConnectError::Unreachable { method, path, host, tries, source }, Trouble::Connect)
        } else if is_timeout {
            (ConnectError::TimedOut { method, path, timeout: self.timeout, tries }, Trouble::Read)
        } else {
            (ConnectError::Interrupted { method, path, tries, source }, Trouble::Read)
        };
        Failed { error, trouble: Some(trouble), after: None }
    }
}

/// A try that did not succeed, and whether another may.
struct Failed {
    error: ConnectError,
    trouble: Option<Trouble>,
    after: Option<std::time::Duration>,
}

impl Failed {
    fn at_once(error: ConnectError) -> Self {
        Self { error, trouble: None, after: None }
    }
}

impl fmt::Debug for ConnectClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectClient").field("host", &self.host).field("timeout", &self.timeout).field("retry", &self.retry).finish()
    }
}

impl Request {
    /// A request; each segment of the path is escaped.
    pub(crate) fn new(method: Method, segments: &[&str]) -> Self {
        let path = segments.iter().fold(String::new(), |path, segment| path + "/" + &escaped(segment));
        Self { method, path: if path.is_empty() { "/".to_owned() } else { path }, body: None, secrets: Secrets::default() }
    }

    /// With a query, which is not escaped.
    pub(crate) fn query(mut self, query: &str) -> Self {
        self.path = format!("{}?{query}", self.path);
        self
    }

    /// With a body of JSON.
    pub(crate) fn json(mut self, body: &serde_json::Value) -> Self {
        self.body = Some(body.to_string().into_bytes());
        self
    }

    /// With secrets that an answer may quote.
    pub(crate) fn hiding(mut self, secrets: Secrets) -> Self {
        self.secrets = secrets;
        self
    }
}

impl Answer {
    pub(crate) const fn status(&self) -> u16 {
        self.status
    }

    /// The body as a value.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, ConnectError> {
        serde_json::from_slice(&self.body).map_err(|error| ConnectError::Malformed {
            method: self.method,
            path: self.path.clone(),
            status: self.status,
            problem: match error.classify() {
                serde_json::error::Category::Data => {
                    format!("at line {} column {} it is other data than Connect's", error.line(), error.column())
                }
                _ => format!("at line {} column {} it is not JSON", error.line(), error.column()),
            },
        })
    }

    /// Connect's message in the body, if there is one.
    pub(crate) fn message(&self) -> String {
        message(&self.body)
    }
}

impl Method {
    const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl From<Method> for reqwest::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::GET,
            Method::Put => Self::PUT,
            Method::Post => Self::POST,
            Method::Patch => Self::PATCH,
            Method::Delete => Self::DELETE,
        }
    }
}

/// The address alone, and its `user:password`.
fn without_user_info(address: &str) -> (String, Option<String>) {
    let Some((scheme, rest)) = address.split_once("://") else { return (address.to_owned(), None) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((user_info, _)) => (format!("{scheme}://{}", &rest[user_info.len() + 1..]), Some(user_info.to_owned())),
        None => (address.to_owned(), None),
    }
}

/// The header that says who we are. What the settings say wins over the address.
fn authorization(auth: &ConnectAuth, user_info: Option<&str>) -> Result<Option<(HeaderName, HeaderValue)>, String> {
    let basic = |pair: String| (AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair)));
    let (name, value) = match (auth, user_info) {
        (ConnectAuth::Anonymous, None) => return Ok(None),
        (ConnectAuth::Anonymous, Some(user_info)) => basic(user_info.to_owned()),
        (ConnectAuth::Basic { username, password }, _) => basic(format!("{username}:{}", password.expose())),
        (ConnectAuth::Bearer(token), _) => (AUTHORIZATION, format!("Bearer {}", token.expose())),
        (ConnectAuth::Header { name, value }, _) => {
            let name = name.parse().map_err(|_| format!("`connect_auth.header` {name:?} is not the name of a header"))?;
            (name, value.expose().to_owned())
        }
    };
    let value = HeaderValue::from_str(&value).map_err(|_| "what `connect_auth` says cannot stand in a header".to_owned())?;
    Ok(Some((name, value)))
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Whether the worker's group is just sharing out the work. Connect says so with 409, and in some calls with 500.
fn is_rebalance(status: u16, message: &str) -> bool {
    status == 409 || status == 500 && message.contains("rebalance")
}

/// Connect's message, or the beginning of whatever a proxy wrote.
fn message(body: &[u8]) -> String {
    const LONGEST: usize = 300;
    if let Ok(body) = serde_json::from_slice::<ErrorBody>(body) {
        return body.message;
    }
    let text = String::from_utf8_lossy(body);
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    match text.char_indices().nth(LONGEST) {
        _ if text.is_empty() => "(no message)".to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// An error with its sources in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// A segment of a path: everything but unreserved characters in percent form.
fn escaped(segment: &str) -> String {
    segment.bytes().fold(String::new(), |path, byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => path + char::from(byte).encode_utf8(&mut [0; 4]),
        other => path + &format!("%{other:02X}"),
    })
}
