//! The store of parked messages on a real PostgreSQL: claims, abandoned work, and plans that use indexes.

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use futures_util::FutureExt;
use kafka_kit::message::{Headers, OwnedMessage, Timestamp};
use kafka_kit::names::{GroupId, TopicName, TopicPartition};
use kafka_kit::resolver::store::postgres::PostgresStore;
use kafka_kit::resolver::store::{Asked, ClaimEnd, Discarded, Filter, News, Store, Wanted, Which};
use kafka_kit::resolver::{Fence, ParkedMessage, Reason, Relation};
use kafka_tests::database::{self, Database};
use kafka_tests::story::unique;

fn store(schema: &str) -> PostgresStore {
    let schema = schema.to_owned();
    PostgresStore::connected_by(move || {
        let schema = schema.clone();
        async move {
            let mut connection = AsyncPgConnection::establish(&database::url()).await?;
            connection
                .batch_execute(&format!("SET search_path TO \"{schema}\""))
                .await
                .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
            Ok(connection)
        }
        .boxed()
    })
}

fn fence(key: &str) -> Fence {
    Fence { group: GroupId::new("g").unwrap(), topic: "orders".to_owned(), key: Some(key.to_owned().into()) }
}

fn parked(key: &str, offset: i64, customer: i64) -> ParkedMessage {
    let message = OwnedMessage {
        offset,
        timestamp: Timestamp::CreateTime(7),
        key: Some(key.to_owned().into()),
        value: None,
        headers: Headers::new().with("a", "1"),
    };
    let place = TopicPartition::new(TopicName::from_broker("orders"), 3);
    ParkedMessage {
        fence: fence(key),
        place,
        message,
        attempt: 1,
        reason: Relation::row("customers", "id", customer).into(),
        parked_at_ms: 0,
    }
}

fn reason(customer: i64) -> Reason {
    Relation::row("customers", "id", customer).into()
}

/// A claim of what waits for this customer; the test may hold it as long as it likes.
macro_rules! claim {
    ($session:expr, $customer:expr) => {{
        let (topics, reasons) = (["orders".to_owned()], [reason($customer).id()]);
        $session.claim(&Wanted { group: "g", topics: &topics, which: Which::Reasons(&reasons), limit: 100 }).await.unwrap()
    }};
}

fn tell(story: impl AsyncFnOnce(PostgresStore)) {
    let database = Database::with_schema(&unique("parking"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = store(&database.schema);
        store.prepare().await.unwrap();
        store.prepare().await.unwrap();
        story(store).await;
    });
}

#[test]
fn a_claim_holds_against_other_daemons_deletions_and_parking_until_it_ends() {
    tell(async |store| {
        // In no order, twice: each is stored once, and comes back in the order of numbers.
        for _ in 0..2 {
            assert!(store.park(vec![parked("a", 10, 1), parked("a", 9, 1), parked("b", 11, 1)], Vec::new()).await.unwrap().is_empty());
        }
        let mut session = store.session().await.unwrap();
        let claims = claim!(session, 1);
        let mut offsets: Vec<Vec<i64>> =
            claims.iter().map(|claim| claim.messages.iter().map(|row| row.parked.message.offset).collect()).collect();
        offsets.sort();
        assert_eq!(offsets, [vec![9, 10], vec![11]]);
        assert_eq!(claims[0].messages[0].parked.message.headers.get_str("a"), Some("1"));

        let mut other = store.session().await.unwrap();
        assert!(claim!(other, 1).is_empty());
        assert_eq!(store.discard(&[fence("a"), fence("c")]).await.unwrap(), [Discarded::Claimed, Discarded::Gone(0)]);
        assert_eq!(store.park(vec![parked("c", 1, 1), parked("a", 8, 1)], vec![fence("a").id()]).await.unwrap(), [fence("a").id()]);
        assert_eq!(store.list(&Filter::default()).await.unwrap().len(), 3, "nothing at all of it is stored");

        // One is through; the other misses another customer.
        let end = |key: &str, done: Vec<i64>, rest| ClaimEnd { fence: fence(key).id(), done, rest, failed: None };
        let ids = |key: &str| {
            claims.iter().find(|claim| claim.fence == fence(key).id()).unwrap().messages.iter().map(|row| row.id).collect::<Vec<_>>()
        };
        session.end(vec![end("b", ids("b"), None), end("a", Vec::new(), Some(reason(2)))]).await.unwrap();
        assert!(claim!(other, 1).is_empty());
        assert_eq!(claim!(other, 2).len(), 1);
    });
}

#[test]
fn what_a_dead_session_left_is_taken_up_by_another() {
    tell(async |store| {
        store.park(vec![parked("a", 1, 1)], Vec::new()).await.unwrap();
        let mut session = store.session().await.unwrap();
        assert_eq!(claim!(session, 1).len(), 1);
        let topics = ["orders".to_owned()];
        let abandoned = Wanted { group: "g", topics: &topics, which: Which::Abandoned, limit: 100 };
        let mut other = store.session().await.unwrap();
        assert!(other.claim(&abandoned).await.unwrap().is_empty(), "it is held");
        drop(session);
        // The server notices the end of a connection a moment later.
        for _ in 0..1_000 {
            if !other.claim(&abandoned).await.unwrap().is_empty() {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("abandoned work was not taken up");
    });
}

#[test]
fn rows_are_looked_up_by_their_types_and_new_ones_are_announced() {
    tell(async |store| {
        let mut listener = store.listen().unwrap().await.unwrap();
        let relation = Relation::row("kafka_waiting_messages", "message_partition", 3);
        assert!(store.existing(std::slice::from_ref(&relation)).await.unwrap().is_empty());
        store.install_notify_trigger("kafka_waiting_messages", "message_partition").await.unwrap();
        store.install_notify_trigger("kafka_waiting_messages", "message_partition").await.unwrap();
        store.park(vec![parked("a", 1, 1)], Vec::new()).await.unwrap();
        assert_eq!(listener.next().await.unwrap(), News::Appeared(relation.clone()));
        let text = Relation::row("kafka_waiting_messages", "declared_topic", "orders");
        let wrong = Relation::row("kafka_waiting_messages", "declared_topic", "o'rders");
        let asked = [relation.clone(), text.clone(), wrong];
        assert_eq!(store.existing(&asked).await.unwrap(), [relation, text].into());
        assert!(store.existing(&[Relation::row("no_such_table", "id", 1)]).await.is_err());
    });
}

#[test]
fn the_questions_of_the_hot_path_use_indexes() {
    let mut database = Database::with_schema(&unique("plans"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = runtime.block_on(async { store(&database.schema) });
    runtime.block_on(store.prepare()).unwrap();
    // Enough rows for the planner to take an index where it can, and none of them are seen by a sequential scan.
    database.run(
        "INSERT INTO kafka_waiting_messages (fence, reason_id, message_offset, parked_at_ms, message_partition, attempt, status,
             timestamp_type, group_id, declared_topic, topic, reason, headers)
         SELECT n, n / 2, n, 0, n % 6, 1, 0, 0, 'g', 'orders', 'orders', 'r', '' FROM generate_series(1, 200000) AS n;
         ANALYZE kafka_waiting_messages",
    );
    let scans = "SELECT coalesce(sum(seq_tup_read), 0)::bigint AS number FROM pg_stat_user_tables
        WHERE relname = 'kafka_waiting_messages' AND schemaname = current_schema()";
    database.run("SELECT pg_stat_force_next_flush()");
    let before = database.number(scans).unwrap();
    runtime.block_on(async {
        let fences: Vec<_> = (0..500).map(|n| fence(&n.to_string()).id()).collect();
        let reasons: Vec<_> = (0..500).map(|n| reason(n).id()).collect();
        store.waiting(&Asked { group: "g", topic: "orders", fences: &fences, reasons: &reasons }).await.unwrap();
        store.discard(&(0..50).map(|n| fence(&n.to_string())).collect::<Vec<_>>()).await.unwrap();
        assert_eq!(store.reasons("g", None, 500).await.unwrap().len(), 500);
        assert_eq!(store.topics("g").await.unwrap(), ["orders"]);
        store.park((0..500).map(|n| parked(&n.to_string(), -n, n)).collect(), Vec::new()).await.unwrap();
        let mut session = store.session().await.unwrap();
        let claims = claim!(session, 7);
        assert_eq!(claims.len(), 1);
        let ends = claims.iter().map(|claim| ClaimEnd { fence: claim.fence, done: vec![claim.messages[0].id], rest: None, failed: None });
        session.end(ends.collect()).await.unwrap();
        let topics = ["orders".to_owned()];
        session.claim(&Wanted { group: "g", topics: &topics, which: Which::Abandoned, limit: 100 }).await.unwrap();
    });
    drop(store);
    drop(runtime);
    // Statistics come when a connection rests or ends.
    kafka_tests::until::throughout("no row was read by a sequential scan", std::time::Duration::from_secs(2), || {
        database.number(scans) == Some(before)
    });
}
