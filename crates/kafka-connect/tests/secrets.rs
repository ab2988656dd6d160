//! A whole run, with every log line, error, difference and `Debug` searched for the password. A program of its own: it reads all that is logged.

#![allow(clippy::unwrap_used, reason = "a test")]

#[allow(dead_code, reason = "shared with other tests")]
#[path = "it/stub.rs"]
mod stub;

use std::io::Write;
use std::sync::{Arc, Mutex};

use kafka_connect::config::ConnectorConfig;
use kafka_connect::connectors::DeclaredConnector;
use kafka_connect::publish::{apply, plan, running};
use kafka_connect::settings::ConnectAuth;
use kafka_connect::status::Patience;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use stub::{Stub, json as say, text};

const PASSWORD: &str = "correct-horse-hunter2";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn the_password_is_nowhere() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let old = json!({"connector.class": "x.Y", "database.password": format!("old-{PASSWORD}"), "url": format!("jdbc:x://db?password={PASSWORD}")});
    let expanded = json!({"n": {"info": {"name": "n", "config": old}, "status": null}});
    let trace = json!({"name": "n", "connector": {"state": "FAILED", "trace": format!("cannot log in with {PASSWORD}")}, "tasks": []});
    let stub = Stub::with([
        text(503, PASSWORD.get(..0).unwrap()),
        say(200, &expanded),
        say(200, &expanded),
        say(400, &json!({"message": format!("{PASSWORD} is not a valid password")})),
        say(200, &json!({})),
        say(200, &trace),
    ])
    .await;
    let auth = ConnectAuth::Basic { username: "me".to_owned(), password: PASSWORD.into() };
    let settings = stub.settings().auth(auth);
    let client = stub.client_with(&settings);
    let config = ConnectorConfig::of_class("x.Y")
        .set("database.password", PASSWORD)
        .set("url", format!("jdbc:x://db?password={PASSWORD}&x=y"))
        .secret("pin", format!("{PASSWORD}-pin"));
    let declared = DeclaredConnector::new("n", config);
    let plan = plan(&client, [&declared]).await.unwrap();
    let running = running(&client).await.unwrap();
    let refused = apply(&client, &declared, &plan.steps[0].change, Patience::new(1, std::time::Duration::ZERO)).await.unwrap_err();
    let failed = apply(&client, &declared, &plan.steps[0].change, Patience::new(1, std::time::Duration::ZERO)).await.unwrap();

    let mut said = format!("{plan} {plan:?} {refused} {refused:?} {failed:?} {declared:?} {client:?} {settings:?} {running:?}");
    said += &serde_json::to_string(&plan).unwrap();
    said += &String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(!said.contains("hunter2"), "{said}");
    // The search would find it: what is said is about these very things.
    for word in ["database.password", "… is not a valid password", "cannot log in with …", "is tried again", "published"] {
        assert!(said.contains(word), "{word} is not in {said}");
    }
    assert!(stub.seen().iter().any(|seen| seen.body.to_string().contains(PASSWORD)), "it was sent all the same");
}
