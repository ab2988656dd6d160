//! No question of gates and daemons goes through all that waits: SQLite says so itself, of every statement that they cause.

use std::sync::{Arc, Mutex};

use diesel::QueryableByName;
use diesel::connection::InstrumentationEvent;
use diesel::sql_types::Text;
use kafka_core::message::{Headers, OwnedMessage, Timestamp};
use kafka_core::names::{GroupId, TopicName, TopicPartition};

use super::*;
use crate::fence::FenceKey;
use crate::store::{ClaimEnd, Wanted, Which};

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

fn parked(key: &str, offset: i64) -> ParkedMessage {
    let message = OwnedMessage {
        offset,
        timestamp: Timestamp::CreateTime(7),
        key: Some(key.to_owned().into()),
        value: None,
        headers: Headers::new(),
    };
    ParkedMessage {
        fence: Fence { group: GroupId::new("g").unwrap(), topic: "orders".to_owned(), key: FenceKey::of(message.key.clone(), 3) },
        place: TopicPartition::new(TopicName::from_broker("orders"), 3),
        message,
        attempt: 1,
        reason: Relation::row("customers", "id", 1).into(),
        parked_at_ms: offset,
    }
}

/// Everything that gates and daemons ask and do, with something found and with nothing.
async fn ask_everything(store: &SqliteStore) {
    let (fence, reason) = (parked("a", 1).fence, Reason::from(Relation::row("customers", "id", 1)));
    store.park(vec![parked("a", 1), parked("b", 2)], Vec::new()).await.unwrap();
    assert_eq!(store.backlog("g").await.unwrap(), Backlog::Possible);
    let asked = Asked { group: "g", topic: "orders", fences: &[fence.id()], reasons: &[reason.id()] };
    assert_eq!(store.waiting(&asked).await.unwrap().fences.len(), 1);
    store.park(vec![parked("a", 3)], vec![fence.id()]).await.unwrap();
    assert_eq!(store.reasons("g", None, 10).await.unwrap().len(), 1);
    assert_eq!(store.topics("g").await.unwrap(), ["orders"]);
    let mut session = store.session().await.unwrap();
    let topics = ["orders".to_owned()];
    for which in [Which::Abandoned, Which::ParkedBefore(1), Which::Reasons(&[reason.id()])] {
        let claims = session.claim(&Wanted { group: "g", topics: &topics, which, limit: 10 }).await.unwrap();
        session.check().await.unwrap();
        let end = |claim: &crate::store::Claim| ClaimEnd {
            fence: claim.fence,
            done: vec![claim.messages[0].id],
            rest: Some(Reason::Due { at_ms: 1 }),
            failed: Some((claim.messages[0].id, 2)),
        };
        session.end(claims.iter().map(end).collect()).await.unwrap();
    }
    store.discard(&[fence]).await.unwrap();
}

/// The steps of all statements that go through all parked messages, or through all of a group.
fn scans(schema: &str) -> Vec<String> {
    let store = SqliteStore::open(":memory:").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    runtime.block_on(async {
        store.prepare().await.unwrap();
        store.connection.lock().unwrap().batch_execute(schema).unwrap();
        let noted = Arc::clone(&asked);
        store.connection.lock().unwrap().set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                noted.lock().unwrap().push(query.to_string());
            }
        });
        ask_everything(&store).await;
    });
    let mut connection = store.connection.lock().unwrap();
    let asked = std::mem::take(&mut *asked.lock().unwrap());
    let statements = asked.iter().filter_map(|text| text.split(" -- binds").next()).filter(|text| text.contains("kafka_waiting_messages"));
    let mut scans = Vec::new();
    for statement in statements {
        let steps: Vec<Step> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load(&mut *connection).unwrap();
        // The first entry of a group is found at once.
        let first_only = ["min(", "LIMIT 1"].iter().any(|word| statement.contains(word));
        let whole = |step: &Step| {
            let of_messages = ["waiting", "kafka_waiting_messages"].contains(&step.detail.split(' ').nth(1).unwrap_or_default());
            of_messages && (step.detail.starts_with("SCAN") || step.detail.ends_with("(group_id=?)") && !first_only)
        };
        scans.extend(steps.into_iter().filter(whole).map(|step| format!("{} in {statement}", step.detail)));
    }
    assert!(asked.len() > 20, "only {} statements were noticed", asked.len());
    scans
}

#[test]
fn no_question_goes_through_all_that_waits() {
    assert_eq!(scans(""), Vec::<String>::new());
    // The same would be noticed if any of the indexes were missing.
    for index in ["fence", "reason", "parked"] {
        assert!(!scans(&format!("DROP INDEX kafka_waiting_messages_{index}")).is_empty(), "without the index {index}");
    }
}
