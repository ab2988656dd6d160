//! `resolver` on the store in memory.

use std::process::ExitCode;
use std::sync::Arc;

use kafka_core::app::App;
use kafka_core::broker::memory::MemoryBroker;
use kafka_core::clock::{Clock, ManualClock};
use kafka_core::message::{Headers, OwnedMessage, Timestamp};
use kafka_core::names::{GroupId, TopicName, TopicPartition};
use kafka_resolver::store::Store;
use kafka_resolver::store::memory::MemoryStore;
use kafka_resolver::{Fence, FenceKey, ParkedMessage, Reason, Relation, RelationResolver};
use serde_json::{Value, json};

use crate::cli::tests::{run, settings};

struct Stage {
    store: MemoryStore,
    clock: Clock,
    hand: Arc<ManualClock>,
}

impl Stage {
    /// Two messages of one key and one of another, parked at the start; one by hand, a minute later.
    async fn new() -> Self {
        let (clock, hand) = Clock::manual();
        let stage = Self { store: MemoryStore::new(), clock, hand };
        let customer = |id: i64| Reason::from(Relation::row("customers", "id", id));
        stage.park("a", 1, customer(7)).await;
        stage.park("a", 2, customer(7)).await;
        stage.park("b", 3, customer(8)).await;
        stage.hand.advance(std::time::Duration::from_secs(60));
        stage.park("c", 4, Reason::Manual { note: "look".to_owned() }).await;
        stage
    }

    async fn park(&self, key: &'static str, offset: i64, reason: Reason) {
        let message = OwnedMessage {
            offset,
            timestamp: Timestamp::CreateTime(5),
            key: Some(key.into()),
            value: Some(r#"{"id":1}"#.into()),
            headers: Headers::new().with("trace", "1"),
        };
        let fence = Fence { group: GroupId::new("g").unwrap(), topic: "orders".to_owned(), key: FenceKey::Key(key.into()) };
        let place = TopicPartition::new(TopicName::new("orders").unwrap(), 0);
        let parked = ParkedMessage { fence, place, message, attempt: 1, reason, parked_at_ms: self.clock.wall_ms() };
        self.store.park(vec![parked], Vec::new()).await.unwrap();
    }

    async fn run(&self, line: &str) -> (ExitCode, String, String) {
        let broker = MemoryBroker::new(self.clock.clone());
        let app = App::builder(settings()).broker(Arc::new(broker)).clock(self.clock.clone()).without_discovery();
        run(app.plugin(RelationResolver::new(self.store.clone())).build().unwrap(), line).await
    }

    async fn answer(&self, line: &str) -> Value {
        let (code, answer, asides) = self.run(&format!("app --output json resolver {line}")).await;
        assert_eq!(code, ExitCode::SUCCESS, "{asides}");
        serde_json::from_str(&answer).unwrap()
    }

    async fn offsets(&self, line: &str) -> Vec<i64> {
        let answer = self.answer(line).await;
        answer["messages"].as_array().unwrap().iter().map(|message| message["offset"].as_i64().unwrap()).collect()
    }
}

#[tokio::test]
async fn messages_are_listed_by_what_is_asked() {
    let stage = Stage::new().await;
    for (line, offsets) in [
        ("list", &[1, 2, 3, 4][..]),
        ("list --key a", &[1, 2]),
        ("list --key 0x62", &[3]),
        ("list --relation customers.id=8", &[3]),
        ("list --relation customers.id=8 --relation customers.id=7 --topic orders", &[1, 2, 3]),
        ("list --reason manual", &[4]),
        ("list --older-than 30s", &[1, 2, 3]),
        ("list --status resolving", &[]),
        ("list --group other", &[]),
        ("list --limit 2", &[1, 2]),
        ("show --id 4", &[4]),
    ] {
        assert_eq!(stage.offsets(line).await, offsets, "{line}");
    }
    let (_, text, _) = stage.run("app resolver list --limit 1").await;
    let since = super::parked::time(stage.clock.wall_ms() - 60_000);
    assert_eq!(
        text,
        format!(
            "1 waiting since {since} for customers.id = 7: orders 0:1 key a (g)\nthere are more; see `resolver stats`, or say --limit\n"
        )
    );
    let (_, text, _) = stage.run("app resolver show --id 3").await;
    assert!(text.ends_with("key b (g)\n  value:  {\"id\":1}\n  header: trace = 1\n"), "{text}");
    let (_, text, _) = stage.run("app resolver list --key z").await;
    assert_eq!(text, "no such message waits\n");
    let stats = stage.answer("stats").await;
    assert_eq!((&stats["messages"], &stats["topics"][0]["status"]), (&json!(4), &json!("waiting")));
}

#[tokio::test]
async fn a_release_takes_what_waits_with_the_chosen_and_a_drop_wants_a_yes() {
    let stage = Stage::new().await;
    let (code, _, asides) = stage.run("app resolver release").await;
    assert_eq!((code, asides.contains("say --all, or choose")), (ExitCode::from(2), true), "{asides}");
    let (code, _, _) = stage.run("app resolver drop --all --key a --yes").await;
    assert_eq!(code, ExitCode::from(2));
    assert_eq!(stage.answer("release --id 2 --dry-run").await, json!({ "messages": 2, "dry_run": true }));
    assert_eq!(stage.offsets("list --reason released").await, [0_i64; 0]);
    let (_, text, _) = stage.run("app resolver release --id 2").await;
    assert_eq!(text, "2 messages released\n");
    assert_eq!(stage.offsets("list --reason released").await, [1, 2]);

    let (code, _, asides) = stage.run("app resolver drop --key b").await;
    assert_eq!((code, asides.contains("1 message would be dropped for good; say --yes")), (ExitCode::from(2), true), "{asides}");
    assert_eq!(stage.answer("drop --key b --dry-run").await, json!({ "messages": 1, "dry_run": true }));
    assert_eq!(stage.offsets("list").await, [1, 2, 3, 4]);
    assert_eq!(stage.answer("drop --key b --yes").await, json!({ "messages": 1, "dry_run": false }));
    assert_eq!(stage.offsets("list").await, [1, 2, 4]);
    assert_eq!(stage.answer("drop --all --yes").await["messages"], 3);
    let (_, text, _) = stage.run("app resolver stats").await;
    assert_eq!(text, "nothing waits\n");
}

#[tokio::test]
async fn trouble_of_the_store_is_a_failure_and_no_resolver_a_wrong_command() {
    let stage = Stage::new().await;
    stage.store.fail(Some("it is down"));
    let (code, answer, asides) = stage.run("app resolver list").await;
    assert_eq!((code, answer.as_str()), (ExitCode::from(1), ""));
    assert!(asides.contains("caused by: it is down"), "{asides}");
    let app = App::builder(settings()).without_discovery().build().unwrap();
    let (code, _, asides) = run(app, "app resolver run").await;
    assert_eq!((code, asides.contains("the application has no resolver")), (ExitCode::from(2), true), "{asides}");
}
