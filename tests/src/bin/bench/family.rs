//! What the benchmark of the resolver works with: parents, children that need them, and their tables in a schema of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt};
use diesel_async::pooled_connection::bb8::Pool;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::FutureExt;
use kafka_kit::app::{App, AppBuilder};
use kafka_kit::consumer::{BatchError, ConsumerSpec, DeclaredTopic, HandlerError};
use kafka_kit::message::{Message, MessageBatch};
use kafka_kit::prelude::*;
use kafka_kit::resolver::store::postgres::PostgresStore;
use kafka_kit::settings::Settings;
use kafka_kit::topic::{ConsumeBatch, Style};
use kafka_kit::{Relations, Topic};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};

use crate::side::{bootstrap, processor_time};

pub(crate) type Db = Pool<AsyncPgConnection>;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

#[derive(Serialize, Deserialize)]
pub(crate) struct Parent {
    pub(crate) id: i64,
}

#[derive(Serialize, Deserialize, Relations)]
pub(crate) struct Child {
    pub(crate) id: i64,
    #[relation(table = parents, column = id)]
    pub(crate) parent_id: i64,
}

/// What the handlers saw.
#[derive(Debug)]
pub(crate) struct Seen {
    children: AtomicU64,
    wanted: u64,
    first: OnceLock<(Instant, Duration)>,
    all: Notify,
    /// When single messages were handled: by the topic's word and the id.
    each: mpsc::UnboundedSender<(&'static str, i64, Instant)>,
}

impl Seen {
    pub(crate) fn new(wanted: u64) -> (Arc<Self>, mpsc::UnboundedReceiver<(&'static str, i64, Instant)>) {
        let (each, times) = mpsc::unbounded_channel();
        (Arc::new(Self { children: AtomicU64::new(0), wanted, first: OnceLock::new(), all: Notify::new(), each }), times)
    }

    fn begin(&self) {
        self.first.get_or_init(|| (Instant::now(), processor_time()));
    }

    fn count(&self, children: usize) {
        if self.children.fetch_add(children as u64, Ordering::Relaxed) + children as u64 >= self.wanted {
            self.all.notify_one();
        }
    }

    /// Waits for all; gives when the first came, and the processor time until then.
    pub(crate) async fn all(&self) -> anyhow::Result<(Instant, Duration)> {
        let came = || format!("{} of {} came", AtomicU64::load(&self.children, Ordering::Relaxed), self.wanted);
        tokio::time::timeout(PATIENCE, self.all.notified()).await.with_context(came)?;
        self.first.get().copied().context("a first message")
    }
}

/// Parents, one at a time.
#[derive(Topic)]
#[topic(name = "parents", key = i64, value = Json<Parent>, consume)]
pub(crate) struct Parents {
    #[topic(state)]
    db: Db,
    #[topic(state)]
    seen: Arc<Seen>,
}

impl Consume for Parents {
    async fn consume(&self, message: Message<i64, Parent>) -> Result<(), HandlerError> {
        let id = message.require_value()?.id;
        insert(&self.db, "INSERT INTO parents (id) SELECT * FROM unnest($1) ON CONFLICT DO NOTHING", vec![id]).await?;
        self.seen.each.send(("parent", id, Instant::now())).ok();
        Ok(())
    }
}

/// Children, one at a time.
#[derive(Topic)]
#[topic(name = "children", key = i64, value = Json<Child>, relations, consume)]
pub(crate) struct Lone {
    #[topic(state)]
    db: Db,
    #[topic(state)]
    seen: Arc<Seen>,
}

impl Consume for Lone {
    async fn consume(&self, message: Message<i64, Child>) -> Result<(), HandlerError> {
        let child = message.require_value()?;
        upsert(&self.db, vec![child.id], vec![child.parent_id]).await?;
        self.seen.each.send(("child", child.id, Instant::now())).ok();
        Ok(())
    }
}

/// Children, 500 in a statement.
#[derive(Topic)]
#[topic(name = "children", key = i64, value = Json<Child>, relations, consume, batch(max = 500))]
pub(crate) struct Related(#[topic(state)] Db, #[topic(state)] Arc<Seen>);

/// The same without a word of what they need.
#[derive(Topic)]
#[topic(name = "children", key = i64, value = Json<Child>, consume, batch(max = 500))]
pub(crate) struct Unrelated(#[topic(state)] Db, #[topic(state)] Arc<Seen>);

impl ConsumeBatch for Related {
    async fn consume_batch(&self, batch: MessageBatch<i64, Child>) -> Result<(), BatchError> {
        write(&self.0, &self.1, &batch).await
    }
}

impl ConsumeBatch for Unrelated {
    async fn consume_batch(&self, batch: MessageBatch<i64, Child>) -> Result<(), BatchError> {
        write(&self.0, &self.1, &batch).await
    }
}

async fn write(db: &Db, seen: &Seen, batch: &MessageBatch<i64, Child>) -> Result<(), BatchError> {
    seen.begin();
    let (ids, parents) = batch.iter().filter_map(|message| message.value()).map(|child| (child.id, child.parent_id)).unzip();
    upsert(db, ids, parents).await?;
    seen.count(batch.len());
    Ok(())
}

async fn insert(db: &Db, sql: &str, ids: Vec<i64>) -> anyhow::Result<()> {
    diesel::sql_query(sql).bind::<Array<BigInt>, _>(ids).execute(&mut db.get().await?).await?;
    Ok(())
}

async fn upsert(db: &Db, ids: Vec<i64>, parents: Vec<i64>) -> anyhow::Result<()> {
    let sql = "INSERT INTO children (id, parent_id) SELECT * FROM unnest($1, $2)
        ON CONFLICT (id) DO UPDATE SET parent_id = excluded.parent_id";
    let query = diesel::sql_query(sql).bind::<Array<BigInt>, _>(ids).bind::<Array<BigInt>, _>(parents);
    query.execute(&mut db.get().await?).await?;
    Ok(())
}

/// A schema, a group, and the topics' names.
pub(crate) struct Family {
    pub(crate) db: Db,
    pub(crate) store: PostgresStore,
    schema: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// A word that nobody else has.
pub(crate) fn unique(word: &str) -> anyhow::Result<String> {
    Ok(format!("bench-{word}-{}", SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos()))
}

impl Family {
    /// Empty tables in a schema of their own, with the trigger that tells of new parents.
    pub(crate) async fn new() -> anyhow::Result<Self> {
        let url = std::env::var("DATABASE_URL").context("DATABASE_URL is not set; run `cargo xtask bench resolver`")?;
        let schema = unique("family")?;
        let connect = {
            let schema = schema.clone();
            move || {
                let (url, path) = (url.clone(), format!("SET search_path TO \"{schema}\""));
                async move {
                    let mut connection = AsyncPgConnection::establish(&url).await?;
                    connection.batch_execute(&path).await.map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
                    Ok(connection)
                }
                .boxed()
            }
        };
        let tables = format!(
            "CREATE SCHEMA \"{schema}\"; CREATE TABLE parents (id BIGINT PRIMARY KEY);
             CREATE TABLE children (id BIGINT PRIMARY KEY, parent_id BIGINT NOT NULL REFERENCES parents (id));"
        );
        connect().await?.batch_execute(&tables).await?;
        let store = PostgresStore::connected_by(connect.clone());
        store.install_notify_trigger("parents", "id").await?;
        let mut pooled = ManagerConfig::default();
        pooled.custom_setup = Box::new(move |_| connect());
        let db = Pool::builder().max_size(10).build(AsyncDieselConnectionManager::new_with_config("", pooled)).await?;
        Ok(Self { db, store, schema })
    }

    /// An application that reads the topic of children, and that of parents if one is given.
    pub(crate) fn app<C: Topic<Style: Style<C>>>(
        &self,
        children: &str,
        parents: Option<&str>,
        seen: &Arc<Seen>,
    ) -> anyhow::Result<AppBuilder> {
        let declared = |mut topic: DeclaredTopic, name: &str| {
            name.clone_into(&mut topic.spec.name);
            topic
        };
        let mut consumer = ConsumerSpec::new("bench", unique("group")?).declared(declared(DeclaredTopic::of::<C>(), children));
        if let Some(parents) = parents {
            consumer = consumer.declared(declared(DeclaredTopic::of::<Parents>(), parents));
        }
        let consumer = consumer.config("auto.offset.reset", "earliest");
        let settings = Settings::default().global_config([("bootstrap.servers", bootstrap()?)]).producer_config([("linger.ms", "0")]);
        Ok(App::builder(settings).without_discovery().state(Arc::clone(seen)).state(self.db.clone()).consumer_spec(consumer))
    }

    /// Has parents up to this id exist, in one statement.
    pub(crate) async fn bear(&self, parents: i64) -> anyhow::Result<()> {
        self.run(&format!("INSERT INTO parents (id) SELECT * FROM generate_series(0, {}::bigint)", parents - 1)).await
    }

    pub(crate) async fn parked(&self) -> anyhow::Result<i64> {
        let query = diesel::sql_query("SELECT count(*) AS count FROM kafka_waiting_messages");
        let count: Count = query.get_result(&mut self.db.get().await?).await?;
        Ok(count.count)
    }

    pub(crate) async fn run(&self, sql: &str) -> anyhow::Result<()> {
        Ok(self.db.get().await?.batch_execute(sql).await?)
    }

    /// Takes everything away.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        self.run(&format!("DROP SCHEMA \"{}\" CASCADE", self.schema)).await
    }
}
