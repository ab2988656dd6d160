//! The stores that need no server keep to what every store keeps to; and what is SQLite's own.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use kafka_core::clock::Clock;
use kafka_core::{message, names};
use kafka_resolver::store::Store;
use kafka_resolver::store::memory::MemoryStore;
use kafka_resolver::store::sqlite::{LEASE, SqliteStore};
use kafka_resolver::{self as resolver, Relation};

mod contract;

type Story = fn(Arc<dyn Store>) -> BoxFuture<'static, ()>;

fn tell(store: impl Store + 'static, story: Story) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        // Several processes may prepare at once, and again.
        store.prepare().await.unwrap();
        store.prepare().await.unwrap();
        story(Arc::new(store)).await;
    });
}

mod memory {
    use super::*;

    fn with(story: Story) {
        tell(MemoryStore::new(), story);
    }

    contract::stories!(with);
}

mod sqlite {
    use super::*;

    fn with(story: Story) {
        tell(SqliteStore::open(":memory:").unwrap(), story);
    }

    contract::stories!(with);
}

#[tokio::test]
async fn a_lease_runs_out_and_its_holder_learns_of_it() {
    let (clock, hand) = Clock::manual();
    let store = SqliteStore::open(":memory:").unwrap().clock(clock);
    store.prepare().await.unwrap();
    store.park(vec![contract::parked("a", 1, 1)], Vec::new()).await.unwrap();
    let (topics, reasons) = (["orders".to_owned()], [contract::reason(1).id()]);
    let wanted = |which| resolver::store::Wanted { group: "g", topics: &topics, which, limit: 10 };
    let (mut slow, mut other) = (store.session().await.unwrap(), store.session().await.unwrap());
    assert_eq!(slow.claim(&wanted(resolver::store::Which::Reasons(&reasons))).await.unwrap().len(), 1);
    // A sign of life extends it.
    hand.advance(LEASE - Duration::from_secs(1));
    slow.check().await.unwrap();
    hand.advance(LEASE - Duration::from_secs(1));
    assert!(other.claim(&wanted(resolver::store::Which::Abandoned)).await.unwrap().is_empty());
    hand.advance(Duration::from_secs(2));
    assert_eq!(other.claim(&wanted(resolver::store::Which::Abandoned)).await.unwrap().len(), 1);
    let lost = slow.check().await.unwrap_err();
    assert!(std::error::Error::source(&lost).unwrap().to_string().contains("others have its claims"), "{lost:?}");
    let end = |done| resolver::store::ClaimEnd { fence: contract::fence("a").id(), done, rest: None, failed: None };
    slow.end(vec![end(vec![1])]).await.unwrap_err();
    assert_eq!(store.list(&resolver::store::Filter::default()).await.unwrap().len(), 1, "nothing is written in its name");
    other.end(vec![end(vec![1])]).await.unwrap();
    assert!(store.list(&resolver::store::Filter::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn rows_of_the_file_are_looked_up_by_their_types() {
    use diesel::Connection;
    use diesel::connection::SimpleConnection;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("own.sqlite");
    let path = path.to_str().unwrap();
    let mut own = diesel::SqliteConnection::establish(path).unwrap();
    let uuids = [1_u128, 2].map(uuid::Uuid::from_u128);
    own.batch_execute(&format!(
        "CREATE TABLE things (id INTEGER PRIMARY KEY, code TEXT, uuid); INSERT INTO things VALUES (7, 'o''x', '{}'), (8, '7', x'{}')",
        uuids[0],
        uuids[1].simple()
    ))
    .unwrap();
    let store = SqliteStore::open(path).unwrap();
    let there = [
        Relation::row("things", "id", 7),
        Relation::row("main.things", "code", "o'x"),
        Relation::row("things", "uuid", uuids[0]),
        Relation::row("things", "uuid", uuids[1]),
    ];
    let missing =
        [Relation::row("things", "id", 9), Relation::row("things", "code", "9"), Relation::row("things", "uuid", uuid::Uuid::nil())];
    let asked: Vec<_> = there.iter().chain(&missing).cloned().collect();
    assert_eq!(store.existing(&asked).await.unwrap(), there.into());
    assert!(store.existing(&[Relation::row("no_such_table", "id", 1)]).await.is_err());
}

#[tokio::test]
async fn what_cannot_be_read_stays_and_nothing_behind_it_overtakes_it() {
    use diesel::Connection;
    use diesel::connection::SimpleConnection;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broken.sqlite");
    let path = path.to_str().unwrap();
    let store = SqliteStore::open(path).unwrap();
    store.prepare().await.unwrap();
    let mut own = diesel::SqliteConnection::establish(path).unwrap();
    contract::unreadable(&store, |sql| own.batch_execute(&sql.replace("BYTES", "x'00'").replace("NOTHING", "x''")).unwrap()).await;
}
