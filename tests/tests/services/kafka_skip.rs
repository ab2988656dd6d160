//! `kafka_skip` in a real database, watched by a real connector: what is suppressed does not arrive.

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::upsert::excluded;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use kafka_kit::connect::config::ConnectorConfig;
use kafka_kit::connect::skip::Given;
use kafka_kit::connect::skip::migration::SkipMigration;
use kafka_kit::connect::skip::queries::{SkipTable, delete_flagged, delete_flagged_as, tell_triggers};
use kafka_kit::producer::suppression::suppress_all;
use kafka_tests::connectors::{Watched, database_url};
use kafka_tests::story::unique;

diesel::table! {
    customers {
        id -> BigInt,
        name -> Text,
        kafka_skip -> Bool,
    }
}
kafka_kit::connect::kafka_skip!(customers);

/// Diesel names the table `customers`; each story has one of that name in a schema of its own.
async fn connection(schema: &str, migration: SkipMigration) -> AsyncPgConnection {
    let mut connection = AsyncPgConnection::establish(&database_url()).await.unwrap();
    let make =
        format!("CREATE SCHEMA {schema}; SET search_path = {schema}; CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL)");
    connection.batch_execute(&make).await.unwrap();
    migration.apply(&mut connection).await.unwrap();
    // Twice is once.
    migration.apply(&mut connection).await.unwrap();
    connection
}

fn row(id: i64, name: &str) -> (diesel::dsl::Eq<customers::id, i64>, diesel::dsl::Eq<customers::name, String>) {
    (customers::id.eq(id), customers::name.eq(name.to_owned()))
}

async fn flags(connection: &mut AsyncPgConnection) -> Vec<(i64, bool)> {
    customers::table.select((customers::id, customers::kafka_skip)).order(customers::id).load(connection).await.unwrap()
}

/// Every kind of write. The ids tell what they are: tens are explicit, below are not.
async fn write_all(connection: &mut AsyncPgConnection, from: i64, name: &str) {
    let t = customers::table;
    diesel::insert_into(t).values(t.flagged(row(from, name))).execute(connection).await.unwrap();
    diesel::insert_into(t).values(t.flagged_all([row(from + 1, name), row(from + 2, name)])).execute(connection).await.unwrap();
    let named = customers::name.eq(format!("{name} one"));
    diesel::update(t.find(from)).set(t.flagged(named)).execute(connection).await.unwrap();
    let range = t.filter(customers::id.between(from, from + 2));
    diesel::update(range).set(t.flagged(customers::name.eq(format!("{name} many")))).execute(connection).await.unwrap();
    diesel::insert_into(t)
        .values(t.flagged(row(from, &format!("{name} upsert"))))
        .on_conflict(customers::id)
        .do_update()
        .set(t.flagged(customers::name.eq(excluded(customers::name))))
        .execute(connection)
        .await
        .unwrap();
    assert_eq!(delete_flagged(connection, t.find(from)).await.unwrap(), 1);
    assert_eq!(delete_flagged(connection, range).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_suppressed_does_not_arrive() {
    for migration in [SkipMigration::of("customers"), SkipMigration::of("customers").with_triggers()] {
        let schema = unique("skip").replace('-', "_");
        let mut connection = connection(&schema, migration).await;
        let watched = tokio::task::spawn_blocking({
            let schema = schema.clone();
            move || {
                let mut watched = Watched::new("skip").set("table.include.list", &format!("{schema}.customers"));
                let config: ConnectorConfig = watched.config.clone().into();
                watched.config = config.kafka_skip_filter().iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
                let published = watched.connect_json(&["--publish", "--check-status"]);
                assert_eq!(published["failures"], 0);
                watched
            }
        })
        .await
        .unwrap();

        suppress_all().scope(write_all(&mut connection, 1, "quiet")).await;
        write_all(&mut connection, 5, "loud").await;
        // A row that came from Kafka, then changed here: its flag is reset, so the change is told; and so is its deletion.
        let t = customers::table;
        let quiet = diesel::insert_into(t).values(t.flagged_as(Given::Skip, row(10, "quiet"))).execute(&mut connection);
        quiet.await.unwrap();
        diesel::update(t.find(10)).set(t.flagged(customers::name.eq("told"))).execute(&mut connection).await.unwrap();
        delete_flagged(&mut connection, t.find(10)).await.unwrap();
        diesel::insert_into(t).values(t.flagged(row(99, "the end"))).execute(&mut connection).await.unwrap();

        let topic = format!("{}.{schema}.customers", watched.prefix);
        let values = tokio::task::spawn_blocking(move || watched.values_of_until(&topic, "the end")).await.unwrap();
        let text = serde_json::to_string(&values).unwrap();
        let quiet =
            values.iter().filter(|value| value["after"]["kafka_skip"] == true || value["after"]["name"].to_string().contains("quiet"));
        assert_eq!(quiet.count(), 0, "{text}");
        let of = |id: i64, op: &str| {
            values.iter().filter(|value| value["op"] == op && (value["after"]["id"] == id || value["before"]["id"] == id)).count()
        };
        assert_eq!((1..=3).map(|id| of(id, "c") + of(id, "u") + of(id, "d")).sum::<usize>(), 0, "{text}");
        assert_eq!((5..=7).map(|id| of(id, "c")).sum::<usize>(), 3, "{text}");
        assert_eq!((5..=7).map(|id| of(id, "u")).sum::<usize>(), 5, "{text}");
        assert_eq!((5..=7).map(|id| of(id, "d")).sum::<usize>(), 3, "{text}");
        assert_eq!((of(10, "c"), of(10, "u"), of(10, "d")), (0, 1, 1), "{text}");
        assert!(!values.iter().any(serde_json::Value::is_null), "no tombstone follows a deletion: {text}");
    }
}

#[tokio::test]
async fn suppression_over_explicit_over_reset() {
    for migration in [SkipMigration::of("customers"), SkipMigration::of("customers").with_triggers()] {
        let mut connection = connection(&unique("rule").replace('-', "_"), migration).await;
        let t = customers::table;
        for (id, given) in [(1, Given::Nothing), (2, Given::Emit), (3, Given::Skip)] {
            diesel::insert_into(t).values(t.flagged_as(given, row(id, "a"))).execute(&mut connection).await.unwrap();
        }
        assert_eq!(flags(&mut connection).await, [(1, false), (2, false), (3, true)]);
        diesel::update(t).set(t.flagged(customers::name.eq("b"))).execute(&mut connection).await.unwrap();
        assert_eq!(flags(&mut connection).await, [(1, false), (2, false), (3, false)]);
        suppress_all()
            .scope(async {
                for (id, given) in [(1, Given::Nothing), (2, Given::Emit), (3, Given::Skip)] {
                    let set = t.flagged_as(given, customers::name.eq("c"));
                    diesel::update(t.find(id)).set(set).execute(&mut connection).await.unwrap();
                }
            })
            .await;
        assert_eq!(flags(&mut connection).await, [(1, true), (2, true), (3, true)]);
        assert_eq!(delete_flagged_as(&mut connection, Given::Skip, t.find(1)).await.unwrap(), 1);
        // A deletion that fails leaves no flag behind.
        let orders = "CREATE TABLE orders (customer_id bigint REFERENCES customers (id)); INSERT INTO orders VALUES (2)";
        connection.batch_execute(orders).await.unwrap();
        assert!(delete_flagged(&mut connection, t.find(2)).await.is_err());
        assert_eq!(flags(&mut connection).await, [(2, true), (3, true)]);
    }
}

#[tokio::test]
async fn triggers_apply_the_rule_to_writers_that_do_not_know_it() {
    let mut connection = connection(&unique("trigger").replace('-', "_"), SkipMigration::of("customers").with_triggers()).await;
    let connection = &mut connection;
    connection
        .batch_execute("INSERT INTO customers (id, name) VALUES (1, 'a'); INSERT INTO customers VALUES (2, 'a', true)")
        .await
        .unwrap();
    assert_eq!(flags(connection).await, [(1, false), (2, true)]);
    // A flag that stayed would filter this change.
    connection.batch_execute("UPDATE customers SET name = 'b'").await.unwrap();
    assert_eq!(flags(connection).await, [(1, false), (2, false)]);
    connection.batch_execute("UPDATE customers SET kafka_skip = true WHERE id = 1").await.unwrap();
    connection.batch_execute("UPDATE customers SET kafka_skip = true WHERE id = 1").await.unwrap();
    assert_eq!(flags(connection).await, [(1, true), (2, false)]);
    let upsert = "INSERT INTO customers (id, name) VALUES (1, 'c') ON CONFLICT (id) DO UPDATE SET name = excluded.name";
    connection.batch_execute(upsert).await.unwrap();
    assert_eq!(flags(connection).await, [(1, false), (2, false)]);

    // A transaction says that it is suppressed, and only that one.
    suppress_all()
        .scope(async {
            connection.batch_execute("BEGIN").await.unwrap();
            tell_triggers(connection).await.unwrap();
            connection
                .batch_execute("UPDATE customers SET name = 'd'; INSERT INTO customers VALUES (3, 'd', false); COMMIT")
                .await
                .unwrap();
        })
        .await;
    assert_eq!(flags(connection).await, [(1, true), (2, true), (3, true)]);
    connection.batch_execute("UPDATE customers SET name = 'e' WHERE id = 3").await.unwrap();
    assert_eq!(flags(connection).await, [(1, true), (2, true), (3, false)]);

    // A plain deletion of flagged rows works, whoever does it.
    let _uncounted = diesel::sql_query("DELETE FROM customers WHERE id <= $1").bind::<BigInt, _>(2).execute(connection).await.unwrap();
    assert_eq!(flags(connection).await, [(3, false)]);
}
