//! Three tables with foreign keys, filled from three topics in whatever order their messages come.
//!
//! `warehouse --bootstrap-servers localhost:9092 --database-url postgres://… --group g`

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use diesel::sql_types::{BigInt, Integer, Nullable, Text};
use diesel_async::pooled_connection::bb8::Pool;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::FutureExt;
use kafka_kit::consumer::{ConsumerSpec, DeclaredTopic};
use kafka_kit::prelude::*;
use kafka_kit::resolver::RelationResolver;
use kafka_kit::resolver::store::postgres::PostgresStore;
use kafka_kit::settings::{ClientProperties, Settings};
use kafka_kit::topic::Style;
use kafka_kit::{Relations, cli};
use serde::{Deserialize, Serialize};

#[derive(Debug, Parser)]
#[command(about = "Three tables with foreign keys, filled from three topics")]
struct Arguments {
    #[arg(long)]
    bootstrap_servers: String,
    #[arg(long)]
    database_url: String,
    #[arg(long)]
    group: String,
    /// What the names of the topics begin with
    #[arg(long, default_value = "")]
    prefix: String,
    /// The schema of the tables
    #[arg(long, default_value = "public")]
    schema: String,
    /// Who releases what waits
    #[arg(long, value_enum, default_value = "embedded")]
    daemon: Daemon,
    /// Where Temporal is; localhost:7233 by default
    #[arg(long, value_name = "HOST:PORT")]
    temporal_address: Option<String>,
    /// A property of the consumer's client; may be given again
    #[arg(long = "set", value_name = "PROPERTY=VALUE", value_parser = property)]
    properties: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Daemon {
    Embedded,
    Temporal,
    None,
}

fn property(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text:?} has no '='; write PROPERTY=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

type Db = Pool<AsyncPgConnection>;

#[derive(Serialize, Deserialize)]
struct Customer {
    id: i64,
    name: String,
}

#[derive(Serialize, Deserialize, Relations)]
struct Order {
    id: i64,
    #[relation(table = customers, column = id)]
    customer_id: Option<i64>,
    note: String,
}

#[derive(Serialize, Deserialize, Relations)]
struct OrderLine {
    id: i64,
    #[relation(table = orders, column = id)]
    order_id: i64,
    sku: String,
    quantity: i32,
}

#[derive(Topic)]
#[topic(name = "customers", key = Json<i64>, value = Json<Customer>)]
struct Customers(#[topic(state)] Db);

#[derive(Topic)]
#[topic(name = "orders", key = Json<i64>, value = Json<Order>, relations)]
struct Orders(#[topic(state)] Db);

#[derive(Topic)]
#[topic(name = "order_lines", key = Json<i64>, value = Json<OrderLine>, relations)]
struct OrderLines(#[topic(state)] Db);

impl Consume for Customers {
    async fn consume(&self, message: Message<i64, Customer>) -> Result<(), HandlerError> {
        let id = *message.require_key()?;
        let Some(customer) = message.value() else { return delete(&self.0, "customers", id).await };
        let sql = "INSERT INTO customers (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = excluded.name";
        let query = diesel::sql_query(sql).bind::<BigInt, _>(id).bind::<Text, _>(&customer.name);
        query.execute(&mut self.0.get().await?).await?;
        Ok(())
    }
}

impl Consume for Orders {
    async fn consume(&self, message: Message<i64, Order>) -> Result<(), HandlerError> {
        let id = *message.require_key()?;
        let Some(order) = message.value() else { return delete(&self.0, "orders", id).await };
        let sql = "INSERT INTO orders (id, customer_id, note) VALUES ($1, $2, $3)
            ON CONFLICT (id) DO UPDATE SET customer_id = excluded.customer_id, note = excluded.note";
        let query =
            diesel::sql_query(sql).bind::<BigInt, _>(id).bind::<Nullable<BigInt>, _>(order.customer_id).bind::<Text, _>(&order.note);
        query.execute(&mut self.0.get().await?).await?;
        Ok(())
    }
}

impl Consume for OrderLines {
    async fn consume(&self, message: Message<i64, OrderLine>) -> Result<(), HandlerError> {
        let id = *message.require_key()?;
        let Some(line) = message.value() else { return delete(&self.0, "order_lines", id).await };
        let sql = "INSERT INTO order_lines (id, order_id, sku, quantity) VALUES ($1, $2, $3, $4)
            ON CONFLICT (id) DO UPDATE SET order_id = excluded.order_id, sku = excluded.sku, quantity = excluded.quantity";
        let query = diesel::sql_query(sql).bind::<BigInt, _>(id).bind::<BigInt, _>(line.order_id);
        query.bind::<Text, _>(&line.sku).bind::<Integer, _>(line.quantity).execute(&mut self.0.get().await?).await?;
        Ok(())
    }
}

async fn delete(db: &Db, table: &str, id: i64) -> Result<(), HandlerError> {
    diesel::sql_query(format!("DELETE FROM {table} WHERE id = $1")).bind::<BigInt, _>(id).execute(&mut db.get().await?).await?;
    Ok(())
}

/// Every process may be the first on an empty database: one at a time.
fn tables(schema: &str) -> String {
    format!(
        "SELECT pg_advisory_xact_lock(4711);
         CREATE SCHEMA IF NOT EXISTS {};
         CREATE TABLE IF NOT EXISTS customers (id BIGINT PRIMARY KEY, name TEXT NOT NULL);
         CREATE TABLE IF NOT EXISTS orders (id BIGINT PRIMARY KEY, note TEXT NOT NULL,
             customer_id BIGINT REFERENCES customers (id) ON DELETE CASCADE);
         CREATE TABLE IF NOT EXISTS order_lines (id BIGINT PRIMARY KEY, sku TEXT NOT NULL, quantity INTEGER NOT NULL,
             order_id BIGINT NOT NULL REFERENCES orders (id) ON DELETE CASCADE);",
        quoted(schema)
    )
}

/// A name as SQL reads it, whatever it is.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A connection whose names are those of the schema.
async fn connect(url: String, schema: String) -> diesel::ConnectionResult<AsyncPgConnection> {
    let mut connection = AsyncPgConnection::establish(&url).await?;
    let path = connection.batch_execute(&format!("SET search_path TO {}", quoted(&schema))).await;
    path.map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// Each group is an application of its own here, and so has a task queue of its own.
#[cfg(feature = "temporal")]
fn by_temporal(resolver: RelationResolver, address: Option<String>, group: &str) -> anyhow::Result<RelationResolver> {
    let daemon = kafka_kit::resolver::TemporalDaemon::new().task_queue(format!("warehouse-{group}"));
    Ok(resolver.daemon(address.into_iter().fold(daemon, |daemon, address| daemon.address(address))))
}

#[cfg(not(feature = "temporal"))]
fn by_temporal(_: RelationResolver, _: Option<String>, _: &str) -> anyhow::Result<RelationResolver> {
    anyhow::bail!(
        "this build has no Temporal; build it with the feature: `--example warehouse --features temporal`, or use --daemon embedded"
    )
}

/// A topic whose name has the prefix before it.
fn prefixed<T: Topic<Style: Style<T>>>(prefix: &str) -> DeclaredTopic {
    let mut topic = DeclaredTopic::of::<T>();
    topic.spec.name = format!("{prefix}{}", topic.spec.name);
    topic
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    cli::log_to_stderr();
    match run(arguments).await {
        Ok(code) => code,
        Err(error) => cli::fail(error),
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { bootstrap_servers, database_url, group, prefix, schema, daemon, temporal_address, properties } = arguments;
    let connection = {
        let schema = schema.clone();
        move || connect(database_url.clone(), schema.clone()).boxed()
    };
    let store = PostgresStore::connected_by(connection.clone());
    let resolver = RelationResolver::new(store.clone());
    let resolver = match daemon {
        Daemon::Embedded => resolver,
        Daemon::Temporal => by_temporal(resolver, temporal_address, &group)?,
        Daemon::None => resolver.without_daemon(),
    };
    connection().await?.transaction(async |connection| connection.batch_execute(&tables(&schema)).await).await?;
    for table in ["customers", "orders"] {
        store.install_notify_trigger(table, "id").await?;
    }
    let mut pooled = ManagerConfig::default();
    pooled.custom_setup = Box::new(move |_| connection());
    let db: Db = Pool::builder().max_size(16).build(AsyncDieselConnectionManager::new_with_config("", pooled)).await?;

    let mut consumer = ConsumerSpec::new("warehouse", group).config("auto.offset.reset", "earliest");
    for topic in [prefixed::<Customers>(&prefix), prefixed::<Orders>(&prefix), prefixed::<OrderLines>(&prefix)] {
        consumer = consumer.declared(topic);
    }
    for (name, value) in properties {
        consumer = consumer.config(name, value);
    }
    let settings = Settings::default().global_config(ClientProperties::from([("bootstrap.servers", bootstrap_servers)]));
    let app = App::builder(settings).state(db).without_discovery().consumer_spec(consumer).plugin(resolver).build()?;
    Ok(cli::run(app, &[]).await)
}
