//! The store of parked messages on a real PostgreSQL: what every store keeps to, looking up rows, news, and work that does not grow
//! with how much waits.

use std::sync::Arc;

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kafka_kit::resolver::store::postgres::PostgresStore;
use kafka_kit::resolver::store::{Asked, ClaimEnd, News, Store, Wanted, Which};
use kafka_kit::resolver::{FenceId, ReasonId, Relation};
use kafka_kit::{message, names, resolver};
use kafka_tests::database::{self, Database};
use kafka_tests::story::{SOON, unique};
use kafka_tests::until::until;

#[path = "../../../crates/kafka-resolver/tests/contract/mod.rs"]
mod contract;

/// A store whose connections are known by the name of the schema.
fn store(schema: &str) -> PostgresStore {
    let schema = schema.to_owned();
    PostgresStore::connected_by(move || {
        let setup = format!("SET search_path TO \"{schema}\"; SET application_name TO '{schema}'");
        async move {
            let mut connection = AsyncPgConnection::establish(&database::url()).await?;
            connection.batch_execute(&setup).await.map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
            Ok(connection)
        }
        .boxed()
    })
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

fn with(story: fn(Arc<dyn Store>) -> BoxFuture<'static, ()>) {
    tell(async |store| story(Arc::new(store)).await);
}

contract::stories!(with);

#[test]
fn rows_are_looked_up_by_their_types_and_new_ones_are_announced() {
    tell(async |store| {
        let mut listener = store.listen().unwrap().await.unwrap();
        let relation = Relation::row("kafka_waiting_messages", "message_partition", 3);
        assert!(store.existing(std::slice::from_ref(&relation)).await.unwrap().is_empty());
        store.install_notify_trigger("kafka_waiting_messages", "message_partition").await.unwrap();
        store.install_notify_trigger("kafka_waiting_messages", "message_partition").await.unwrap();
        store.park(vec![contract::parked("a", 1, 1)], Vec::new()).await.unwrap();
        assert_eq!(listener.next().await.unwrap(), News::Appeared(relation.clone()));
        let text = Relation::row("kafka_waiting_messages", "declared_topic", "orders");
        let wrong = Relation::row("kafka_waiting_messages", "declared_topic", "o'rders");
        let asked = [relation.clone(), text.clone(), wrong];
        assert_eq!(store.existing(&asked).await.unwrap(), [relation, text].into());
        assert!(store.existing(&[Relation::row("no_such_table", "id", 1)]).await.is_err());
    });
}

#[test]
fn lanes_that_park_at_once_do_not_take_each_other_for_a_daemon() {
    tell(async |store| {
        let up = || vec![contract::fence("a").id()];
        store.park(vec![contract::parked("a", 0, 1)], Vec::new()).await.unwrap();
        for offset in 0..20 {
            let (one, other) = (contract::parked("a", 2 * offset + 1, 1), contract::parked("a", 2 * offset + 2, 1));
            let both = futures_util::future::try_join(store.park(vec![one], up()), store.park(vec![other], up())).await.unwrap();
            assert_eq!(both, (Vec::new(), Vec::new()));
        }
        let mut session = store.session().await.unwrap();
        let (topics, reasons) = (["orders".to_owned()], [contract::reason(1).id()]);
        let wanted = Wanted { group: "g", topics: &topics, which: Which::Reasons(&reasons), limit: 100 };
        assert_eq!(session.claim(&wanted).await.unwrap()[0].messages.len(), 41);
        let parks = (store.park(vec![contract::parked("a", 90, 1)], up()), store.park(vec![contract::parked("a", 91, 1)], up()));
        assert_eq!(futures_util::future::try_join(parks.0, parks.1).await.unwrap(), (up(), up()));
    });
}

#[test]
fn news_of_a_row_have_the_type_of_its_column() {
    let mut database = Database::with_schema(&unique("typed"));
    database.run(
        "CREATE TABLE customers (id BIGINT, small SMALLINT, code TEXT, short VARCHAR(40), owner UUID);
         CREATE TABLE \"O'Neil\" (\"the id\" INT)",
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = store(&database.schema);
        store.prepare().await.unwrap();
        let mut listener = store.listen().unwrap().await.unwrap();
        let uuid = "6c2a1f2e-0f0e-4b7c-9a57-0d3f5f3b6c11";
        let own: uuid::Uuid = uuid.parse().unwrap();
        for (column, value, relation) in [
            ("id", "42".to_owned(), Relation::row("customers", "id", 42)),
            ("small", "7".to_owned(), Relation::row("customers", "small", 7)),
            ("code", "42".to_owned(), Relation::row("customers", "code", "42")),
            ("code", uuid.to_owned(), Relation::row("customers", "code", uuid)),
            ("short", "43".to_owned(), Relation::row("customers", "short", "43")),
            ("owner", uuid.to_owned(), Relation::row("customers", "owner", own)),
        ] {
            store.install_notify_trigger("customers", column).await.unwrap();
            let sql = format!("INSERT INTO customers ({column}) VALUES ('{value}')");
            std::thread::scope(|scope| scope.spawn(|| database.run(&sql)).join().unwrap());
            // The triggers of the columns before tell of their nulls, which are nothing that anyone waits for.
            let news = listener.next().await.unwrap();
            assert_eq!(news, News::Appeared(relation.clone()));
            assert_eq!(store.existing(std::slice::from_ref(&relation)).await.unwrap(), [relation].into());
        }
        store.install_notify_trigger("O'Neil", "the id").await.unwrap();
        std::thread::scope(|scope| scope.spawn(|| database.run("INSERT INTO \"O'Neil\" VALUES (1)")).join().unwrap());
        assert_eq!(listener.next().await.unwrap(), News::Appeared(Relation::row("O'Neil", "the id", 1)));
        // Longer than a notification may be.
        let sql = "INSERT INTO customers (code) VALUES (repeat('x', 9000))";
        std::thread::scope(|scope| scope.spawn(|| database.run(sql)).join().unwrap());
        assert_eq!(listener.next().await.unwrap(), News::Many);
        store.announce(&[Relation::row("customers", "code", "x".repeat(9000))]).await.unwrap();
        assert_eq!(listener.next().await.unwrap(), News::Many);
    });
}

#[test]
fn a_trigger_that_is_there_is_left_alone_and_schemas_may_have_long_names() {
    let mut database = Database::with_schema(&format!("{:x<60}", unique("long")));
    database.run("CREATE TABLE customers (id BIGINT)");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = store(&database.schema);
        store.install_notify_trigger("customers", "id").await.unwrap();
        let mut listener = store.listen().unwrap().await.unwrap();
        // Whoever reads keeps the table from being changed.
        let mut reader = AsyncPgConnection::establish(&database::url()).await.unwrap();
        let schema = &database.schema;
        reader.batch_execute(&format!("BEGIN; SELECT * FROM \"{schema}\".customers")).await.unwrap();
        store.install_notify_trigger("customers", "id").await.unwrap();
        assert!(store.install_notify_trigger("customers", "no_such_column").await.is_err());
        reader.batch_execute("ROLLBACK").await.unwrap();
        std::thread::scope(|scope| scope.spawn(|| database.run("INSERT INTO customers VALUES (1)")).join().unwrap());
        assert_eq!(listener.next().await.unwrap(), News::Appeared(Relation::row("customers", "id", 1)));
    });
}

/// No column can hold it, so nothing that could be waited for: its message is the handler's.
#[test]
fn a_text_that_no_column_can_hold_is_not_waited_for() {
    tell(async |store| {
        let asked = ["orders", "or\0ders"].map(|topic| Relation::row("kafka_waiting_messages", "declared_topic", topic));
        assert_eq!(store.existing(&asked).await.unwrap(), [asked[1].clone()].into());
        assert_eq!(store.missing(&asked).await.unwrap(), [asked[0].clone()].into());
    });
}

#[test]
fn what_cannot_be_read_stays_and_nothing_behind_it_overtakes_it() {
    let mut database = Database::with_schema(&unique("unreadable"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = store(&database.schema);
        store.prepare().await.unwrap();
        // The database of tests blocks, and has a runtime of its own.
        let mut change = |sql: &str| {
            let sql = sql.replace("BYTES", r"'\x00'").replace("NOTHING", "''");
            std::thread::scope(|scope| scope.spawn(|| database.run(&sql)).join().unwrap());
        };
        contract::unreadable(&store, &mut change).await;
    });
}

/// So many messages wait. What is asserted does not depend on it: the rows that a question touches are bounded by what is asked, so
/// ten millions (`KAFKA_TESTS_WAITING=10000000`) only take longer to write.
fn waiting() -> i64 {
    std::env::var("KAFKA_TESTS_WAITING").ok().and_then(|rows| rows.parse().ok()).unwrap_or(200_000)
}

/// Every question of gates and daemons, for so many messages each.
async fn ask_everything(store: &PostgresStore, many: i64) -> Result<(), resolver::store::StoreError> {
    let (fences, reasons): (Vec<_>, Vec<_>) = (1..=many).map(|n| (FenceId(n), ReasonId(n))).unzip();
    let waiting = store.waiting(&Asked { group: "g", topic: "orders", fences: &fences, reasons: &reasons }).await?;
    assert_eq!((waiting.fences.len(), waiting.reasons.len()), (fences.len(), reasons.len()));
    let size = usize::try_from(many).unwrap();
    assert_eq!(store.reasons("g", Some(ReasonId(many)), size).await?.len(), size);
    assert_eq!(store.topics("g").await?, ["orders"]);
    let mut session = store.session().await?;
    let topics = ["orders".to_owned()];
    let wanted = |which| Wanted { group: "g", topics: &topics, which, limit: size };
    // Nothing is as old as that, and nothing was left behind: what is not there costs nothing either.
    assert!(session.claim(&wanted(Which::ParkedBefore(1))).await?.is_empty());
    assert!(session.claim(&wanted(Which::Abandoned)).await?.is_empty());
    let claims = session.claim(&wanted(Which::Reasons(&reasons))).await?;
    assert_eq!(claims.iter().map(|claim| claim.messages.len()).sum::<usize>(), size);
    let end = |claim: &resolver::store::Claim| ClaimEnd {
        fence: claim.fence,
        done: claim.messages.iter().take(1).map(|row| row.id).collect(),
        rest: Some(contract::reason(1)),
        failed: Some((claim.messages[0].id, 2)),
    };
    session.end(claims.iter().map(end).collect()).await?;
    let messages = |from: i64| (0..many).map(|n| contract::parked(&n.to_string(), from - n, n)).collect::<Vec<_>>();
    store.park(messages(-1), Vec::new()).await?;
    store.park(messages(-1), vec![contract::fence("0").id()]).await?;
    store.discard(&(0..many).map(|n| contract::fence(&n.to_string())).collect::<Vec<_>>()).await?;
    Ok(())
}

/// The rows and index entries that were read for the questions; `None` when one failed.
fn touched(database: &mut Database, many: i64) -> Option<i64> {
    let read = "SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE schemaname = current_schema())::bigint
        + (SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes WHERE schemaname = current_schema())::bigint AS number";
    let before = database.number(read).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let asked = runtime.block_on(async { ask_everything(&store(&database.schema), many).await });
    drop(runtime);
    // A connection tells its statistics before it is gone.
    let connections = format!("SELECT count(*) AS number FROM pg_stat_activity WHERE application_name = '{}'", database.schema);
    until("the connections are gone", SOON, || database.number(&connections) == Some(0));
    asked.ok().and_then(|()| Some(database.number(read)? - before))
}

#[test]
fn no_question_reads_more_than_it_asks_for_however_much_waits() {
    let mut database = Database::with_schema(&unique("plans"));
    let prepare = |schema: &str| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { store(schema).prepare().await }).unwrap();
    };
    prepare(&database.schema);
    let insert = |waiting: i64| {
        format!(
            "INSERT INTO kafka_waiting_messages (fence, reason_id, message_offset, parked_at_ms, message_partition, attempt,
             timestamp_type, group_id, declared_topic, topic, reason, headers)
         SELECT n, n, n, n, n % 6, 1, 0, 'g', 'orders', 'orders', 'r', '' FROM generate_series(1, {waiting}::bigint) AS n;
         ANALYZE kafka_waiting_messages"
        )
    };
    database.run(&insert(waiting()));
    let bound = |many: i64| 40 * many + 200;
    let work = touched(&mut database, 500).expect("all questions are answered");
    println!("{work} rows and index entries were read for 500 messages of {}", waiting());
    assert!(work <= bound(500), "{work} were read, more than {}", bound(500));

    // The same would be noticed if any of the indexes were missing.
    let few = 20_000;
    for (index, without) in [
        ("place", "DROP INDEX kafka_waiting_messages_place"),
        ("fence", "DROP INDEX kafka_waiting_messages_fence"),
        ("reason", "DROP INDEX kafka_waiting_messages_reason"),
        ("parked", "DROP INDEX kafka_waiting_messages_parked"),
        ("primary", "ALTER TABLE kafka_waiting_messages DROP CONSTRAINT kafka_waiting_messages_pkey"),
    ] {
        database.run(&format!("TRUNCATE kafka_waiting_messages; {}; {without}", insert(few)));
        if let Some(work) = touched(&mut database, 5) {
            assert!(work > few / 2, "without the index {index} only {work} were read");
        }
        prepare(&database.schema);
    }
}
