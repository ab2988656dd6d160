//! An application with the resolver under test: what waits comes back when it can, and a test knows when nothing moves any more.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use kafka_core::app::{App, AppBuilder, MissingState, State};
use kafka_core::consumer::{ConsumerSpec, HandlerError};
use kafka_core::format::Text;
use kafka_core::message::Message;
use kafka_core::settings::Settings;
use kafka_core::test_kit::{Outcome, Process, TestApp, TestCluster};
use kafka_core::topic::{Consume, Produce, Single, Topic, TopicSpec};
use kafka_resolver::store::memory::MemoryStore;
use kafka_resolver::store::sqlite::SqliteStore;
use kafka_resolver::{DeclaredRelations, Needs, Relation, RelationResolver, RelationsOf};

/// Where rows are, which orders need.
#[derive(Clone)]
enum Rows {
    Memory(MemoryStore),
    Sqlite(String),
}

struct Customers(Rows);

struct Orders;

impl Topic for Customers {
    type Key = i64;
    type Value = Text;
    type Style = Single;

    fn spec() -> TopicSpec {
        TopicSpec::named("customers")
    }

    fn from_state(state: &State) -> Result<Self, MissingState> {
        Ok(Self(state.get()?))
    }
}

impl Produce for Customers {}

impl Consume for Customers {
    async fn consume(&self, message: Message<i64, String>) -> Result<(), HandlerError> {
        let id = *message.require_key()?;
        match &self.0 {
            Rows::Memory(store) => store.appear(Relation::row("customers", "id", id)),
            Rows::Sqlite(file) => {
                SqliteConnection::establish(file)?
                    .batch_execute(&format!("PRAGMA busy_timeout = 5000; INSERT INTO customers VALUES ({id})"))?;
            }
        }
        Ok(())
    }
}

impl Topic for Orders {
    type Key = i64;
    type Value = Text;
    type Style = Single;

    fn spec() -> TopicSpec {
        TopicSpec::named("orders").declare(DeclaredRelations::said_by::<Self, Self>())
    }

    fn from_state(_: &State) -> Result<Self, MissingState> {
        Ok(Self)
    }
}

impl Produce for Orders {}

/// The value is the customer.
impl RelationsOf<Orders> for Orders {
    fn relations(_: Option<&i64>, value: &String, needs: &mut Needs) {
        needs.relation(Relation::row("customers", "id", value.parse::<i64>().unwrap()));
    }
}

impl Consume for Orders {
    async fn consume(&self, message: Message<i64, String>) -> Result<(), HandlerError> {
        if message.require_value()? == "9" && message.attempt() == 1 {
            return Err("not at the first attempt".into());
        }
        Ok(())
    }
}

fn app(rows: &Rows) -> AppBuilder {
    app_of(ConsumerSpec::new("shop", "shop").topic::<Customers>().topic::<Orders>(), rows)
}

fn app_of(shop: ConsumerSpec, rows: &Rows) -> AppBuilder {
    let resolver = match rows {
        Rows::Memory(store) => RelationResolver::new(store.clone()),
        Rows::Sqlite(file) => RelationResolver::new(SqliteStore::open(file).unwrap()),
    };
    App::builder(Settings::default()).without_discovery().state(rows.clone()).plugin(resolver).consumer_spec(shop)
}

fn in_memory() -> (MemoryStore, Rows) {
    let store = MemoryStore::new();
    (store.clone(), Rows::Memory(store))
}

fn orders(app: &TestApp) -> Vec<(i64, Outcome)> {
    let id = |key: &[u8]| i64::from_be_bytes(key.try_into().unwrap());
    app.handled::<Orders>().iter().map(|order| (id(order.message.key.as_deref().unwrap()), order.outcome.clone())).collect()
}

#[tokio::test]
async fn an_order_waits_for_its_customer() {
    let (store, rows) = in_memory();
    let mut app = TestApp::start(app(&rows)).await.unwrap();
    app.publish::<Orders>(&7, &"1".to_owned()).await.unwrap();
    app.publish::<Orders>(&8, &"2".to_owned()).await.unwrap();
    app.until_idle().await;
    assert_eq!((orders(&app).len(), store.messages().len(), app.stored("shop", "orders")), (0, 2, [(0, 2)].into()));
    app.publish::<Customers>(&1, &"Ada".to_owned()).await.unwrap();
    app.until_idle().await;
    assert_eq!((orders(&app), app.elapsed()), (vec![(7, Outcome::Fine)], Duration::ZERO));
    assert_eq!(store.messages().len(), 1, "the other one's customer never came");
}

/// A thread of its own answers, and the news are another connection's: the interval finds the row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_is_with_a_store_that_takes_real_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db").to_str().unwrap().to_owned();
    SqliteConnection::establish(&file).unwrap().batch_execute("CREATE TABLE customers (id INTEGER PRIMARY KEY)").unwrap();
    let mut app = TestApp::start(app(&Rows::Sqlite(file))).await.unwrap();
    for id in 0..20 {
        app.publish::<Orders>(&id, &(id % 5).to_string()).await.unwrap();
    }
    app.until_idle().await;
    assert!(orders(&app).is_empty());
    for id in 0..5 {
        app.publish::<Customers>(&id, &"Ada".to_owned()).await.unwrap();
    }
    app.until_idle().await;
    app.advance(Duration::from_secs(5)).await;
    assert_eq!(orders(&app).len(), 20);
    app.stop(Process::FIRST).await;
}

#[tokio::test]
async fn what_nobody_tells_is_found_once_an_interval_and_time_passes_only_when_it_is_moved() {
    let (store, rows) = in_memory();
    let mut app = TestApp::start(app(&rows)).await.unwrap();
    app.publish::<Orders>(&7, &"1".to_owned()).await.unwrap();
    app.until_idle().await;
    store.appear_silently(Relation::row("customers", "id", 1_i64));
    app.advance(Duration::from_millis(4_999)).await;
    assert!(orders(&app).is_empty());
    app.advance(Duration::from_millis(1)).await;
    assert_eq!(orders(&app), [(7, Outcome::Fine)]);
}

#[tokio::test]
async fn a_replay_that_fails_is_tried_again_when_it_is_due() {
    let (store, rows) = in_memory();
    let mut app = TestApp::start(app(&rows)).await.unwrap();
    app.publish::<Orders>(&7, &"9".to_owned()).await.unwrap();
    app.publish::<Customers>(&9, &"Ada".to_owned()).await.unwrap();
    app.until_idle().await;
    assert!(matches!(&orders(&app)[..], [(7, Outcome::Failed(_))]), "{:?}", orders(&app));
    app.advance(Duration::from_secs(60)).await;
    assert_eq!((orders(&app)[1].clone(), store.messages().len()), ((7, Outcome::Fine), 0));
}

#[tokio::test]
async fn a_store_that_is_down_is_tried_again_and_the_test_goes_on() {
    let (store, rows) = in_memory();
    let mut app = TestApp::start(app(&rows)).await.unwrap();
    app.publish::<Orders>(&7, &"1".to_owned()).await.unwrap();
    app.until_idle().await;
    store.fail(Some("it is down"));
    store.appear(Relation::row("customers", "id", 1_i64));
    app.until_idle().await;
    app.advance(Duration::from_secs(30)).await;
    assert!(orders(&app).is_empty());
    store.fail(None);
    app.advance(Duration::from_secs(60)).await;
    assert_eq!(orders(&app), [(7, Outcome::Fine)]);
}

#[tokio::test]
async fn what_a_process_leaves_behind_the_next_one_releases() {
    let (store, rows) = in_memory();
    let mut under_test = TestCluster::new().topic("orders", 2).start(app(&rows)).await.unwrap();
    let second = under_test.join(app(&rows)).await.unwrap();
    for id in 0..10 {
        under_test.publish::<Orders>(&id, &"1".to_owned()).await.unwrap();
    }
    under_test.until_idle().await;
    under_test.stop(Process::FIRST).await;
    assert_eq!(under_test.elapsed(), Duration::ZERO, "nothing keeps it");
    under_test.crash(second).await;
    under_test.join(app(&rows)).await.unwrap();
    assert_eq!((orders(&under_test).len(), store.messages().len()), (0, 10));
    under_test.publish::<Customers>(&1, &"Ada".to_owned()).await.unwrap();
    under_test.until_idle().await;
    assert_eq!((orders(&under_test).len(), store.messages().len()), (10, 0));
}

#[tokio::test]
async fn relations_are_refused_in_transactions() {
    let shop = ConsumerSpec::new("shop", "shop").topic::<Orders>().exactly_once();
    let errors = TestApp::start(app_of(shop, &in_memory().1)).await.unwrap_err().to_string();
    assert!(errors.contains("consumers.shop.topics.orders: ") && errors.contains("leave the relations out"), "{errors}");
}
