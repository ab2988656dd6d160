//! One table in two databases, changed in both at once: both become equal, and nothing goes round.

use std::time::{Duration, Instant};

use diesel_async::{AsyncConnection, AsyncPgConnection};
use kafka_kit::app::{App, Running};
use kafka_kit::connect::client::ConnectClient;
use kafka_kit::connect::config::ConnectorConfig;
use kafka_kit::connect::connector::ConnectorSpec;
use kafka_kit::connect::connectors::{Connectors, DeclaredConnectors};
use kafka_kit::connect::publish::{apply, plan};
use kafka_kit::connect::skip::migration::SkipMigration;
use kafka_kit::connect::status::Patience;
use kafka_kit::consumer::ConsumerSpec;
use kafka_kit::format::{Avro, AvroValue};
use kafka_kit::modelsync::model::{Model, ModelTopic};
use kafka_kit::modelsync::sink::Tables;
use kafka_kit::modelsync::sync::{ModelSyncs, Sink, Source, SyncSpec};
use kafka_kit::modelsync::table::Table;
use kafka_kit::settings::{SchemaRegistrySettings, Settings};
use kafka_kit::topic::TopicSpec;
use kafka_tests::cluster;
use kafka_tests::connectors::connect_url;
use kafka_tests::database::{Database, drop_slots_of};
use kafka_tests::story::{SOON, heavy, unique};
use kafka_tests::until::until;
use tokio::runtime::Runtime;

diesel::table! {
    people {
        id -> BigInt,
        name -> Text,
        age -> Integer,
        kafka_skip -> Bool,
    }
}

struct People;

impl ModelTopic for People {
    type Key = Avro<AvroValue>;
    type Value = Avro<AvroValue>;

    fn spec() -> TopicSpec {
        TopicSpec::named("people")
    }

    fn model() -> Model {
        Model::of(Table::of(people::table))
    }
}

/// One of the two: its database. The application that keeps it in step has the same name.
struct Side {
    name: String,
    database: Database,
}

impl Side {
    fn new(runtime: &Runtime, story: &str, side: &str) -> Self {
        let name = format!("{story}_{side}");
        let mut database = Database::of_its_own(&name);
        database.run("CREATE TABLE people (id bigint PRIMARY KEY, name text NOT NULL, age integer NOT NULL)");
        // The story writes plain SQL, which knows nothing of the flag: triggers apply the rule.
        runtime.block_on(async {
            let mut connection = AsyncPgConnection::establish(&database.url).await.unwrap();
            SkipMigration::of("people").with_triggers().apply(&mut connection).await.unwrap();
        });
        Self { name, database }
    }

    fn rows(&mut self) -> Vec<String> {
        self.database.texts("SELECT id || ' ' || name || ' ' || age AS text FROM people ORDER BY id")
    }
}

/// Publishes the connector, and waits until it runs.
async fn publish(app: &App) -> ConnectClient {
    let declared: DeclaredConnectors = app.state().unwrap();
    let client = declared.client().unwrap();
    let connector = declared.get("Shared").unwrap();
    let plan = plan(&client, [connector]).await.unwrap();
    let step = plan.steps.iter().find(|step| step.connector == connector.name()).unwrap();
    let published = apply(&client, connector, &step.change, Patience::PUBLISH).await.unwrap();
    assert!(published.is_well(), "{published:?}");
    client
}

fn application(story: &str, name: &str, url: &str) -> App {
    let (place, database) = url.rsplit_once('/').unwrap();
    let port = place.rsplit_once(':').unwrap().1;
    let source = ConnectorConfig::of_class("io.debezium.connector.postgresql.PostgresConnector")
        .set("database.hostname", "127.0.0.1")
        .set("database.port", port)
        .set("database.user", "postgres")
        .set("database.password", "unused")
        .set("database.dbname", database)
        .set("plugin.name", "pgoutput")
        .set("slot.name", name)
        .set("publication.name", name)
        .set("publication.autocreate.mode", "filtered")
        .set("topic.creation.default.replication.factor", 1)
        .set("topic.creation.default.partitions", 1)
        .transform(
            "unwrap",
            "io.debezium.transforms.ExtractNewRecordState",
            [("delete.tombstone.handling.mode", "rewrite-with-tombstone")],
        );
    let mut settings = Settings::default().global_config([("bootstrap.servers", cluster::bootstrap())]);
    let registry = std::env::var("SCHEMA_REGISTRY_URL").unwrap();
    settings.schema_registry = Some(SchemaRegistrySettings::new(registry));
    for (section, value) in [
        ("connect_host", connect_url().as_str()),
        ("connector_name_prefix", name),
        ("model_sync_source_connector", "Shared"),
        ("model_sync_topic_prefix", name),
        ("model_sync_consumer", "Mirror"),
    ] {
        settings = settings.section(section, value).unwrap();
    }
    let mut connectors = Connectors::new().without_discovery();
    connectors.push_connector(ConnectorSpec::new("Shared"), source);
    let sync = SyncSpec::new("People", Table::of(people::table)).topic(story).bidirectional();
    let sync = sync.source(Source::shared()).sink(Sink::of::<People>());
    let consumer = ConsumerSpec::new("Mirror", name).config("auto.offset.reset", "earliest");
    App::builder(settings)
        .without_discovery()
        .plugin(Tables::postgres_at(url))
        .plugin(connectors)
        .plugin(ModelSyncs::new().without_discovery().spec(sync))
        .consumer_spec(consumer)
        .build()
        .unwrap()
}

/// Changes of every kind, to rows that the other side changes too; how many.
fn change(database: &mut Database, who: &str, round: usize) -> usize {
    let mut made = 0;
    for id in 0..40 {
        let id = (id * 7 + round) % 60;
        made += database.run_counted(&format!(
            "INSERT INTO people VALUES ({id}, '{who} {round}', {round}) ON CONFLICT (id) DO UPDATE SET name = excluded.name, age = people.age + 1"
        ));
    }
    made + database.run_counted(&format!("UPDATE people SET age = age + 1 WHERE id % 5 = {}", round % 5))
        + database.run_counted(&format!("DELETE FROM people WHERE id % 11 = {}", round % 11))
}

#[test]
fn changes_on_both_sides_at_once_meet_and_do_not_go_round() {
    let _place = heavy();
    let runtime = Runtime::new().unwrap();
    let story = unique("people").replace('-', "_");
    cluster::create_topic(&story, 1);
    let mut sides = ["one", "other"].map(|side| Side::new(&runtime, &story, side));
    let (client, mut running) = runtime.block_on(async {
        let apps = sides.each_ref().map(|side| application(&story, &side.name, &side.database.url));
        let client = publish(&apps[0]).await;
        publish(&apps[1]).await;
        let mut running: Vec<Running> = Vec::new();
        for app in apps {
            running.push(app.start(&[]).await.unwrap());
        }
        (client, running)
    });
    let made: usize = std::thread::scope(|scope| {
        let changing = |side: &mut Side| (0..20).map(|round| change(&mut side.database, &side.name, round)).sum::<usize>();
        let threads = sides.each_mut().map(|side| scope.spawn(move || changing(side)));
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });

    // Quiet: both equal, and no more messages come.
    let (mut count, mut since) = (0, Instant::now());
    until("both equal and quiet", SOON * 5, || {
        let now = cluster::ends(&story, 1).values().sum();
        if now != count {
            (count, since) = (now, Instant::now());
        }
        let [one, other] = sides.each_mut().map(Side::rows);
        count > 0 && one == other && since.elapsed() > Duration::from_secs(5)
    });
    // A deletion is a message and a tombstone; what came from the topic adds none.
    println!("{made} changes on two sides, {count} messages");
    assert!(count <= 2 * i64::try_from(made).unwrap(), "{made} changes, {count} messages");
    assert!(!sides[0].rows().is_empty());

    // The key of a row that came from the other side changes here: both halves of that arrive there.
    let [one, other] = &mut sides;
    one.database.run("INSERT INTO people VALUES (1000, 'moving', 1)");
    until("it is there", SOON, || other.rows() == one.rows());
    other.database.run("UPDATE people SET id = 2000 WHERE id = 1000");
    until("the new key is there, and the former is not", SOON, || {
        let rows = one.rows();
        rows == other.rows() && rows.iter().any(|row| row.starts_with("2000 ")) && !rows.iter().any(|row| row.starts_with("1000 "))
    });

    runtime.block_on(async {
        for running in &mut running {
            running.stop();
            running.finished().await.unwrap();
        }
        for side in &sides {
            client.delete(&format!("{}.Shared", side.name)).await.unwrap();
        }
    });
    sides.iter().for_each(|side| drop_slots_of(&side.name));
    cluster::delete_topic(&story);
}
