//! Brokers behind TLS and SASL: who is let in works as ever, who is not hears at the start what to mend.

use std::time::Duration;

use kafka_kit::app::{App, StartError};
use kafka_kit::broker::ConnectionError;
use kafka_kit::consumer::{ConsumerSpec, DeclaredTopic};
use kafka_kit::prelude::*;
use kafka_kit::settings::Settings;
use kafka_tests::cluster::{Secure, bootstrap};
use kafka_tests::produce::Record;
use kafka_tests::story::{SOON, Story};
use kafka_tests::until::until;

const ANOTHER_AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/services/another_authority.pem");

/// Starts a ledger there, with the right properties but for these, and gives what it says when it refuses to start.
fn refused(address: &str, others: &[(&str, &str)]) -> String {
    let (story, secure) = (Story::without_topic("not-let-in"), Secure::listener());
    let ledger = story.ledger_of(&story.name, "ledger", address);
    let mut ledger = ledger.set_all(&secure.properties()).set_all(others).start();
    assert_eq!(ledger.ended(Duration::from_secs(20)), Some(2), "what will never connect is exit code 2: {}", ledger.log());
    ledger.log()
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    assert!(words.iter().all(|word| text.contains(word)), "{words:?} must be in: {text}");
}

#[test]
fn a_user_is_let_in_by_each_mechanism() {
    for mechanism in ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] {
        let (story, secure) = (Story::new("let-in", 1), Secure::listener());
        story.send((0..5).map(Record::number));
        let ledger = story.ledger_of(&story.name, "ledger", &secure.bootstrap);
        let ledger = ledger.set_all(&secure.properties()).set("sasl.mechanism", mechanism).start();
        story.until_handled(5);
        story.stop_at_the_end(ledger);
    }
}

#[test]
fn a_certificate_of_another_authority_is_refused() {
    let text = refused(&Secure::listener().bootstrap, &[("ssl.ca.location", ANOTHER_AUTHORITY)]);
    says(&text, &["not trusted", "ssl.ca.location", ANOTHER_AUTHORITY, "certificate verify failed"]);
}

#[test]
fn a_wrong_password_is_refused_and_not_told() {
    let text = refused(&Secure::listener().bootstrap, &[("sasl.password", "open-sesame")]);
    says(&text, &["sasl.password", &Secure::listener().user, "SCRAM-SHA-512"]);
    assert!(!text.contains("open-sesame"), "{text}");
}

#[test]
fn a_client_without_tls_hears_that_the_listener_has_it() {
    let secure = Secure::listener();
    says(&refused(&secure.bootstrap, &[("security.protocol", "plaintext")]), &["speaks TLS", "security.protocol", &secure.bootstrap]);
}

#[test]
fn a_client_with_tls_hears_that_the_listener_has_none() {
    says(&refused(&bootstrap(), &[]), &["does not speak TLS", "security.protocol", &bootstrap()]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    says(&refused(&Secure::listener().bootstrap, &[("ssl.ca.location", "/no/such/ca.pem")]), &["ssl.ca.location", "/no/such/ca.pem"]);
}

/// Nobody listens: an outage, and no reason not to start.
#[test]
fn a_broker_that_is_down_keeps_nothing_from_starting() {
    let (story, secure) = (Story::without_topic("down-secured"), Secure::listener());
    let mut ledger = story.ledger_of(&story.name, "ledger", "127.0.0.1:1").set_all(&secure.properties()).start();
    until("a warning that names the address", SOON, || {
        ledger.log().lines().any(|line| line.contains("client error") && line.contains("127.0.0.1:1"))
    });
    assert!(ledger.is_running());
    ledger.terminate();
    assert_eq!(ledger.ended(Duration::from_secs(5)), Some(0), "{}", ledger.log());
}

#[derive(Topic)]
#[topic(name = "secured", key = kafka_kit::format::Bytes, value = kafka_kit::format::Bytes, consume)]
struct Secured {
    #[topic(state)]
    heard: tokio::sync::mpsc::UnboundedSender<bytes::Bytes>,
}

impl Consume for Secured {
    async fn consume(&self, message: Message<bytes::Bytes, bytes::Bytes>) -> Result<(), HandlerError> {
        self.heard.send(message.value().cloned().unwrap_or_default())?;
        Ok(())
    }
}

fn app(story: &Story, others: &[(&str, &str)]) -> (App, tokio::sync::mpsc::UnboundedReceiver<bytes::Bytes>) {
    let secure = Secure::listener();
    let properties = [("bootstrap.servers", &*secure.bootstrap)].into_iter().chain(secure.properties()).chain(others.iter().copied());
    let mut topic = DeclaredTopic::of::<Secured>();
    topic.spec.name.clone_from(&story.name);
    let consumer = ConsumerSpec::new("secured", &story.name).config("auto.offset.reset", "earliest").declared(topic);
    let (heard, hears) = tokio::sync::mpsc::unbounded_channel();
    let settings = Settings::default().global_config(properties.collect::<kafka_kit::settings::ClientProperties>());
    (App::builder(settings).without_discovery().state(heard).consumer_spec(consumer).build().unwrap(), hears)
}

/// The stories ask the cluster with a client that blocks, so they stay outside of the runtime.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}

#[test]
fn an_application_produces_and_consumes_behind_tls() {
    let story = Story::new("secured", 1);
    let (app, mut hears) = app(&story, &[]);
    runtime().block_on(async {
        let producer = app.producer().clone();
        producer.check_connection().await.unwrap();
        let record = kafka_kit::message::Record::new(kafka_kit::names::TopicName::new(&story.name).unwrap());
        producer.send(record.value(b"hello".as_slice())).await.unwrap();
        let mut running = app.start(&[]).await.unwrap();
        assert_eq!(tokio::time::timeout(SOON, hears.recv()).await.unwrap().unwrap(), "hello");
        running.stop();
        running.finished().await.unwrap();
    });
}

#[test]
fn a_wrong_password_is_an_error_of_its_own() {
    let story = Story::without_topic("secured-wrong");
    let (app, _hears) = app(&story, &[("sasl.password", "open-sesame")]);
    runtime().block_on(async {
        let alone = app.producer().check_connection().await.unwrap_err();
        assert!(matches!(alone, ConnectionError::Credentials { .. }), "{alone:?}");
        let started = app.start(&[]).await.unwrap_err();
        assert!(matches!(&started, StartError::Connection { source: ConnectionError::Credentials { .. }, .. }), "{started:?}");
    });
}
