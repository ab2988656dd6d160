//! Topics into tables of a real PostgreSQL: every type, mixed streams against a model, failing rows, guards, stored positions.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::bb8::Pool;
use kafka_kit::app::{App, Running};
use kafka_kit::connect::skip::migration::SkipMigration;
use kafka_kit::consumer::{ConsumerSpec, DeclaredTopic, OffsetStorage};
use kafka_kit::format::Json;
use kafka_kit::modelsync::model::{Guard, Model, ModelTopic};
use kafka_kit::modelsync::sink::{Sink, Tables};
use kafka_kit::modelsync::table::Table;
use kafka_kit::names::{GroupId, TopicName, TopicPartition};
use kafka_kit::retry::Retry;
use kafka_kit::retry_policy::{MaxRetries, RetryPolicy};
use kafka_kit::settings::Settings;
use kafka_kit::topic::TopicSpec;
use kafka_tests::cluster::{bootstrap, committed, ends};
use kafka_tests::database::{Database, url};
use kafka_tests::produce::Record;
use kafka_tests::read::everything;
use kafka_tests::story::{SOON, Story, heavy};
use kafka_tests::until::{throughout, until};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const LONG: Duration = Duration::from_secs(300);

diesel::table! {
    items {
        id -> BigInt,
        name -> Text,
        note -> Nullable<Text>,
        big -> Text,
    }
}

const ITEMS: &str = "CREATE TABLE items (id bigint PRIMARY KEY, name text NOT NULL CHECK (name <> 'bad'), note varchar(20) DEFAULT 'none', \
    big text NOT NULL, kafka_partition int, kafka_offset bigint)";

/// Writes what it is told into `items`.
struct Items;

impl ModelTopic for Items {
    type Key = Json<Value>;
    type Value = Json<Value>;

    fn spec() -> TopicSpec {
        TopicSpec::named("items").batch(700, Duration::ZERO).retry(RetryPolicy::new(MaxRetries::Limited(0), Duration::from_millis(10)))
    }

    fn model() -> Model {
        Model::of(Table::of(items::table))
    }
}

/// The same, and nothing old.
struct Guarded;

impl ModelTopic for Guarded {
    type Key = Json<Value>;
    type Value = Json<Value>;

    fn spec() -> TopicSpec {
        Items::spec().batch(37, Duration::ZERO)
    }

    fn model() -> Model {
        Items::model().guard(Guard::Offset { partition: "kafka_partition".into(), offset: "kafka_offset".into() })
    }
}

/// A database for a story, and an application that writes to it.
struct Place {
    runtime: Runtime,
    database: Database,
    tables: Tables,
}

impl Place {
    fn new(story: &Story, sql: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let mut database = Database::with_schema(&story.name);
        database.run(sql);
        let tables = Self::tables(&runtime, &story.name);
        Self { runtime, database, tables }
    }

    fn tables(runtime: &Runtime, schema: &str) -> Tables {
        let url = format!("{}?options=-c%20search_path%3D{schema}&application_name={schema}", url());
        let pool: Pool<AsyncPgConnection> =
            runtime.block_on(Pool::builder().max_size(4).build(AsyncDieselConnectionManager::new(url))).unwrap();
        Tables::postgres(pool)
    }

    fn start<M: ModelTopic<Key = Json<Value>, Value = Json<Value>>>(&self, story: &Story, group: &str, storage: OffsetStorage) -> Running {
        let mut declared = DeclaredTopic::of::<Sink<M>>();
        declared.spec.name.clone_from(&story.name);
        let group = format!("{}-{group}", story.name);
        let consumer = ConsumerSpec::new("sink", group).config("auto.offset.reset", "earliest").config("auto.commit.interval.ms", "50");
        let consumer = consumer.offset_storage(storage).declared(declared);
        let settings = Settings::default().global_config([("bootstrap.servers", bootstrap())]);
        let app = App::builder(settings).without_discovery().state(self.tables.clone()).consumer_spec(consumer).plugin(Retry::new());
        self.runtime.block_on(async { app.build().unwrap().start(&[]).await }).unwrap()
    }

    fn stop(&self, mut running: Running) {
        running.stop();
        self.runtime.block_on(running.finished()).unwrap();
    }

    /// A number that is another one when any row is.
    fn checksum(&mut self) -> i64 {
        let sql = "SELECT coalesce(sum(hashtextextended(concat_ws('|', id, name, coalesce(note, '-'), big), 0) % 1000000007), 0)::bigint AS number FROM items";
        self.database.number(sql).unwrap()
    }
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// A mixed stream, what it comes to, and how many of its messages are refused.
#[derive(Default)]
struct Load {
    records: Vec<Record>,
    rows: BTreeMap<i64, [String; 3]>,
    refused: usize,
}

impl Load {
    const PARTITIONS: i32 = 3;

    fn new(messages: u64, keys: u64) -> Self {
        let (mut load, mut dice) = (Self::default(), Dice(7));
        for n in 0..messages {
            let id = i64::try_from(dice.below(keys)).unwrap();
            let record = Record::empty().key(id.to_string()).to((id % i64::from(Self::PARTITIONS)).try_into().unwrap());
            let kind = dice.below(100);
            if kind < 15 {
                load.rows.remove(&id);
                let deleted = json!({ "id": id, "name": null, "big": null, "__deleted": "true" });
                load.records.push(if kind < 8 { record } else { record.value(deleted.to_string()) });
                continue;
            }
            let (name, note, big) = (format!("name {n}"), format!("note {n}"), format!("big {n}"));
            let mut value = json!({ "id": id, "name": name, "note": note, "big": big, "unknown": [1, 2] });
            let mut row = [name, note, big];
            if kind < 17 {
                // Refused wherever it stands: a key of its own.
                let id = i64::try_from(keys + n).unwrap();
                value["id"] = json!(id);
                value["name"] = json!("bad");
                load.refused += 1;
                load.records.push(record.key(id.to_string()).value(value.to_string()));
                continue;
            }
            if let (true, Some(before)) = (kind < 50, load.rows.get(&id)) {
                value["big"] = json!("__debezium_unavailable_value");
                row[2].clone_from(&before[2]);
            }
            load.rows.insert(id, row);
            load.records.push(record.value(value.to_string()));
        }
        load
    }

    /// The rows are in the table, and no others.
    fn is_in(&self, place: &mut Place) {
        let rows: Vec<_> = self.rows.iter().map(|(id, [name, note, big])| format!("({id}, '{name}', '{note}', '{big}')")).collect();
        let sql = format!(
            "SELECT count(*) AS number FROM (VALUES {}) AS wanted (id, name, note, big) \
             FULL JOIN items USING (id) WHERE (wanted.name, wanted.note, wanted.big) IS DISTINCT FROM (items.name, items.note, items.big)",
            rows.join(", ")
        );
        assert_eq!(place.database.number(&sql), Some(0), "rows differ");
        assert_eq!(place.database.count("items"), i64::try_from(self.rows.len()).unwrap());
    }
}

#[test]
fn a_mixed_stream_comes_to_what_it_says_and_what_is_refused_goes_to_the_dead_letters() {
    let _place = heavy();
    let story = Story::new("sink-mixed", Load::PARTITIONS);
    let mut place = Place::new(&story, ITEMS);
    let load = Load::new(12_000, 500);
    story.send(load.records.clone());
    let group = format!("{}-mixed", story.name);
    let running = place.start::<Items>(&story, "mixed", OffsetStorage::Group);
    // Connections that break are nobody's failure.
    let cut = format!(
        "SELECT count(pg_terminate_backend(pid)) AS number FROM pg_stat_activity WHERE application_name = left('{}', 63)",
        story.name
    );
    let mut cuts = 0;
    until("everything is written", LONG, || {
        if cuts < 5 && place.database.count("items") > 50 {
            cuts += place.database.number(&cut).unwrap();
        }
        committed(&group, &story.name, Load::PARTITIONS) == ends(&story.name, Load::PARTITIONS)
    });
    assert!(cuts > 0, "a connection was cut");
    place.stop(running);
    load.is_in(&mut place);
    let dead = everything(&format!("{group}.{}.dlt", story.name), Load::PARTITIONS);
    assert_eq!(dead.len(), load.refused, "dead letters");
}

#[test]
fn old_events_over_new_rows_change_nothing_when_the_guard_is_on() {
    let _place = heavy();
    let story = Story::new("sink-guard", Load::PARTITIONS);
    let mut place = Place::new(&story, ITEMS);
    let load = Load::new(4_000, 200);
    story.send(load.records.clone());
    let at_end =
        |group: &str| committed(&format!("{}-{group}", story.name), &story.name, Load::PARTITIONS) == ends(&story.name, Load::PARTITIONS);
    let running = place.start::<Guarded>(&story, "first", OffsetStorage::Group);
    until("everything is written", LONG, || at_end("first"));
    place.stop(running);
    load.is_in(&mut place);

    let before = place.checksum();
    let running = place.start::<Guarded>(&story, "again", OffsetStorage::Group);
    until("everything has come again", LONG, || {
        assert_eq!(place.checksum(), before, "an old event changed something");
        at_end("again")
    });
    place.stop(running);
    load.is_in(&mut place);
    assert_eq!(place.checksum(), before);
}

#[test]
fn positions_are_stored_with_the_rows_and_whoever_lost_them_writes_nothing() {
    let story = Story::new("sink-positions", 1);
    let mut place = Place::new(&story, ITEMS);
    place.database.run(
        "CREATE TABLE written (n bigint GENERATED ALWAYS AS IDENTITY, id bigint);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO written (id) VALUES (NEW.id); RETURN NULL; END $$;
         CREATE TRIGGER note AFTER INSERT OR UPDATE ON items FOR EACH ROW EXECUTE FUNCTION note();",
    );
    let send = |ids: std::ops::Range<i64>| {
        story.send(ids.map(|id| Record::empty().key(id.to_string()).value(json!({ "id": id, "name": "n", "big": "b" }).to_string())));
    };
    let position = "SELECT coalesce(max(next_offset), 0) AS number FROM kafka_positions";
    send(0..1_000);
    let running = place.start::<Items>(&story, "once", place.tables.offset_storage());
    until("all are written", SOON, || place.database.number(position) == Some(1_000));
    assert_eq!(place.database.count("written"), 1_000);

    // Another member takes the partition over; the first does not know it yet.
    let other = Place::tables(&place.runtime, &story.name);
    let OffsetStorage::External(source) = other.offset_storage() else { panic!() };
    let (group, partition) =
        (GroupId::new(&format!("{}-once", story.name)).unwrap(), TopicPartition::new(TopicName::new(&story.name).unwrap(), 0));
    let positions = place.runtime.block_on(source.positions(&group, std::slice::from_ref(&partition))).unwrap();
    assert_eq!(positions, HashMap::from([(partition, 1_000)]));
    send(1_000..2_000);
    throughout("the first writes nothing", Duration::from_secs(2), || place.database.count("items") == 1_000);
    place.stop(running);

    // It is asked for the partition again, and reads on from where the rows end, though the group stored nothing.
    place.tables = Place::tables(&place.runtime, &story.name);
    let running = place.start::<Items>(&story, "once", place.tables.offset_storage());
    until("the rest is written", SOON, || place.database.number(position) == Some(2_000));
    place.stop(running);
    assert_eq!((place.database.count("items"), place.database.count("written")), (2_000, 2_000), "each once");
}

#[test]
fn a_missing_parent_and_a_constraint_that_is_put_off_fail_one_message() {
    let story = Story::new("sink-parents", 1);
    let sql = "CREATE TABLE parents (id bigint PRIMARY KEY);
        INSERT INTO parents VALUES (1);
        CREATE TABLE items (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, big text NOT NULL,
            note varchar(20) UNIQUE DEFERRABLE INITIALLY DEFERRED, parent bigint REFERENCES parents DEFERRABLE INITIALLY DEFERRED DEFAULT 1);
        CREATE FUNCTION parent() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            NEW.parent := CASE WHEN NEW.name = 'orphan' THEN 9 ELSE 1 END; RETURN NEW; END $$;
        CREATE TRIGGER parent BEFORE INSERT OR UPDATE ON items FOR EACH ROW EXECUTE FUNCTION parent();";
    let mut place = Place::new(&story, sql);
    let names = ["a", "orphan", "c", "d", "twin", "twin"];
    story.send(names.iter().enumerate().map(|(id, name)| {
        let note = if *name == "twin" { "same".to_owned() } else { format!("note {id}") };
        Record::empty().key(id.to_string()).value(json!({ "id": id, "name": name, "big": "b", "note": note }).to_string())
    }));
    let running = place.start::<Items>(&story, "parents", OffsetStorage::Group);
    let group = format!("{}-parents", story.name);
    until("all is settled", SOON, || committed(&group, &story.name, 1) == ends(&story.name, 1));
    place.stop(running);
    let dead = everything(&format!("{group}.{}.dlt", story.name), 1);
    assert_eq!(dead.iter().map(|letter| letter.key.clone().unwrap_or_default()).collect::<Vec<_>>(), [b"1".to_vec(), b"5".to_vec()]);
    assert_eq!(place.database.count("items"), 4);
}

/// The same, with nothing going back to where it came from.
struct Suppressed;

impl ModelTopic for Suppressed {
    type Key = Json<Value>;
    type Value = Json<Value>;

    fn spec() -> TopicSpec {
        Items::spec().suppress_all()
    }

    fn model() -> Model {
        Items::model()
    }
}

#[test]
fn kafka_skip_is_true_where_the_topic_is_suppressed_deletions_among_it_with_triggers_or_without() {
    for triggers in [false, true] {
        let story = Story::new("sink-skip", 1);
        let mut migration = SkipMigration::of("items");
        if triggers {
            migration = migration.with_triggers();
        }
        let sql = format!(
            "{ITEMS}; {} CREATE TABLE gone (id bigint, flag bool);
             CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 INSERT INTO gone VALUES (OLD.id, OLD.kafka_skip); RETURN NULL; END $$;
             CREATE TRIGGER note AFTER DELETE ON items FOR EACH ROW EXECUTE FUNCTION note();
             INSERT INTO items (id, name, big) VALUES (1, 'old', 'b'), (2, 'old', 'b');",
            migration.up()
        );
        let mut place = Place::new(&story, &sql);
        let put = |id: i64| Record::empty().key(id.to_string()).value(json!({ "name": "n", "big": "b", "kafka_skip": false }).to_string());
        story.send([put(1), put(3), Record::empty().key("2")]);
        let group = format!("{}-skip", story.name);
        let running = place.start::<Suppressed>(&story, "skip", OffsetStorage::Group);
        until("written", SOON, || committed(&group, &story.name, 1) == ends(&story.name, 1));
        place.stop(running);
        assert_eq!(place.database.number("SELECT count(*) AS number FROM items WHERE kafka_skip"), Some(2), "triggers: {triggers}");
        assert_eq!(place.database.number("SELECT count(*) AS number FROM gone WHERE flag AND id = 2"), Some(1), "triggers: {triggers}");

        let running = place.start::<Items>(&story, "open", OffsetStorage::Group);
        let group = format!("{}-open", story.name);
        until("written again", SOON, || committed(&group, &story.name, 1) == ends(&story.name, 1));
        place.stop(running);
        assert_eq!(place.database.number("SELECT count(*) AS number FROM items WHERE kafka_skip"), Some(0), "triggers: {triggers}");
    }
}

diesel::table! {
    kinds {
        id -> Uuid,
        flag -> Bool,
        small -> SmallInt,
        real -> Float,
        double -> Double,
        price -> Numeric,
        letters -> Bpchar,
        raw -> Binary,
        day -> Date,
        time -> Time,
        at -> Timestamp,
        instant -> Timestamptz,
        span -> Interval,
        doc -> Jsonb,
        numbers -> Array<Integer>,
        words -> Array<Text>,
    }
}

/// Writes into `kinds`.
struct Kinds;

impl ModelTopic for Kinds {
    type Key = Json<Value>;
    type Value = Json<Value>;

    fn spec() -> TopicSpec {
        TopicSpec::named("kinds").retry(RetryPolicy::new(MaxRetries::Limited(0), Duration::from_millis(10)))
    }

    fn model() -> Model {
        // diesel does not know all types of the database; a table can be named by hand.
        let known = Table::of(kinds::table);
        let columns = known.columns().iter().map(|column| &**column).chain(["mood", "net", "bits"]);
        Model::of(Table::named("kinds", columns, ["id"]))
    }
}

#[test]
fn every_type_is_written_changed_and_found_by() {
    let story = Story::new("sink-kinds", 1);
    let sql = "CREATE TYPE mood AS ENUM ('sad', 'happy');
        CREATE TABLE kinds (id uuid PRIMARY KEY, flag bool, small int2, real real, double double precision, price numeric(12, 2), letters char(5),
            raw bytea, day date, time time, at timestamp, instant timestamptz, span interval, doc jsonb, numbers int[], words text[],
            mood mood NOT NULL, net inet, bits bit(3), more int GENERATED ALWAYS AS (small * 2) STORED);";
    let mut place = Place::new(&story, sql);
    let id = |n: u8| format!("00000000-0000-0000-0000-0000000000{n:02}");
    let full = |n: u8| {
        json!({
            "id": id(n), "flag": true, "small": -7, "real": 1.5, "double": 0.1, "price": "12345.678", "letters": "ab",
            "day": "2026-02-28", "time": "12:13:14.5", "at": "2026-02-28T01:02:03.000004", "instant": "2026-02-28T01:02:03+02:00",
            "span": "1 month 2 days", "doc": { "a": [1, null] }, "numbers": [1, null, 3], "words": ["a\"b", "c\\d", "", "NULL"],
            "mood": "happy", "net": "10.0.0.1/8", "bits": "101", "more": 5
        })
    };
    let sent = |n: u8, value: Option<Value>| {
        let record = Record::empty().key(json!({ "id": id(n) }).to_string());
        match value {
            Some(value) => record.value(value.to_string()),
            None => record,
        }
    };
    let group = format!("{}-kinds", story.name);
    let running = place.start::<Kinds>(&story, "kinds", OffsetStorage::Group);
    story.send([sent(1, Some(full(1))), sent(2, Some(full(2))), sent(3, Some(full(3)))]);
    until("written", SOON, || committed(&group, &story.name, 1) == ends(&story.name, 1));
    story.send([
        // Without what an insert needs: the row is there.
        sent(1, Some(json!({ "small": 8, "mood": "__debezium_unavailable_value", "flag": null }))),
        sent(2, None),
        sent(4, Some(json!({ "mood": "unheard of" }))),
    ]);
    until("changed", SOON, || committed(&group, &story.name, 1) == ends(&story.name, 1));
    place.stop(running);
    let wanted = "SELECT count(*) AS number FROM kinds WHERE real = 1.5 AND double = 0.1 AND price = 12345.68 AND letters = 'ab' AND day = '2026-02-28'
        AND time = '12:13:14.5' AND at = '2026-02-28 01:02:03.000004' AND instant = '2026-02-27 23:02:03Z' AND span = '1 month 2 days'
        AND doc = '{\"a\": [1, null]}' AND numbers = '{1,NULL,3}' AND words = ARRAY['a\"b', 'c\\d', '', 'NULL'] AND mood = 'happy'
        AND net = '10.0.0.1/8' AND bits = '101' AND raw IS NULL
        AND CASE WHEN id = '00000000-0000-0000-0000-000000000001' THEN small = 8 AND flag IS NULL ELSE small = -7 AND flag END";
    let dead = everything(&format!("{group}.{}.dlt", story.name), 1);
    let why: Vec<_> = dead.iter().flat_map(|letter| &letter.headers).filter(|(name, _)| name == "DEAD_LETTER_SUMMARY").collect();
    let why: Vec<_> = why.into_iter().map(|(_, value)| String::from_utf8_lossy(value)).collect();
    assert_eq!(place.database.number(wanted), Some(2), "{why:?}");
    assert_eq!(place.database.count("kinds"), 2);
    assert!(why.len() == 1 && why[0].contains("invalid input value for enum mood"), "{why:?}");
}

/// What only PostgreSQL has.
struct Odd;

impl ModelTopic for Odd {
    type Key = Json<Value>;
    type Value = Json<Value>;

    fn spec() -> TopicSpec {
        Items::spec()
    }

    fn model() -> Model {
        Model::of(Table::named("odd", ["id", "born", "at", "instant", "days", "bits", "pairs", "code", "price"], ["id"]))
    }
}

#[test]
fn dates_beyond_all_dates_bits_pairs_domains_and_money_are_written_as_they_are() {
    let story = Story::new("sink-odd", 1);
    let sql = "CREATE EXTENSION IF NOT EXISTS hstore SCHEMA public; CREATE DOMAIN short AS varchar(5); CREATE DOMAIN code AS short;
        CREATE TABLE odd (id bigint PRIMARY KEY, born date, at timestamp, instant timestamptz, days date[], bits varbit(16),
            pairs public.hstore, code code, price money);";
    let mut place = Place::new(&story, sql);
    let field = |name: &str, kind: &str, semantic: &str| json!({ "field": name, "type": kind, "name": semantic, "optional": true });
    let mut bits = field("bits", "bytes", "io.debezium.data.Bits");
    bits["parameters"] = json!({ "length": "16" });
    let mut price = field("price", "bytes", "org.apache.kafka.connect.data.Decimal");
    price["parameters"] = json!({ "scale": "2" });
    let days = json!({ "field": "days", "type": "array", "optional": true, "items": field("", "int32", "io.debezium.time.Date") });
    let plain = |name: &str, kind: &str| json!({ "field": name, "type": kind, "optional": true });
    let schema = json!({ "type": "struct", "fields": [
        plain("id", "int64"), field("born", "int32", "io.debezium.time.Date"), field("at", "int64", "io.debezium.time.MicroTimestamp"),
        field("instant", "string", "io.debezium.time.ZonedTimestamp"), days, bits, field("pairs", "string", "io.debezium.data.Json"),
        plain("code", "string"), price,
    ] });
    let sent = |id: i64, row: Value| {
        let value = json!({ "schema": schema, "payload": row });
        Record::empty().key(json!({ "id": id }).to_string()).value(value.to_string())
    };
    // The first two are one batch: what has a calendar and what has none stand side by side.
    let (caesar, for_ever, since_ever) = (-735_160, -2_147_472_692_i64, -2_147_472_691_i64);
    story.send([
        sent(1, json!({ "id": 1, "born": for_ever, "at": -9_223_372_036_832_400_000_i64, "instant": "infinity", "days": [caesar, null, since_ever],
            "bits": "BQA=", "pairs": "{\"a\":\"x, \\\"y\\\"\",\"b\":null}", "code": "abc", "price": "BOI=" })),
        sent(2, json!({ "id": 2, "born": caesar, "at": i64::from(caesar) * 86_400_000_000, "instant": "2026-02-28T01:02:03.5Z", "days": [0],
            "bits": "AAA=", "pairs": "{}", "code": "abcde", "price": "/////w==" })),
        sent(3, json!({ "id": 3, "code": "abcdef" })),
    ]);
    let group = format!("{}-odd", story.name);
    let running = place.start::<Odd>(&story, "odd", OffsetStorage::Group);
    until("settled", SOON, || committed(&group, &story.name, 1) == ends(&story.name, 1));
    place.stop(running);
    let dead = everything(&format!("{group}.{}.dlt", story.name), 1);
    let why: Vec<_> = dead.iter().flat_map(|letter| &letter.headers).filter(|(name, _)| name == "DEAD_LETTER_SUMMARY").collect();
    let why: Vec<_> = why.into_iter().map(|(_, value)| String::from_utf8_lossy(value)).collect();
    let wanted = "SELECT count(*) AS number FROM odd WHERE CASE id
        WHEN 1 THEN born = 'infinity' AND at = '-infinity' AND instant = 'infinity' AND days = '{0044-03-15 BC,NULL,-infinity}' AND bits = B'101'
            AND length(bits) = 3 AND pairs::text = '\"a\"=>\"x, \\\"y\\\"\", \"b\"=>NULL' AND code = 'abc' AND price = 12.5::numeric::money
        ELSE born = '0044-03-15 BC' AND at = '0044-03-15 00:00:00 BC' AND instant = '2026-02-28 01:02:03.5Z' AND days = '{1970-01-01}'
            AND bits = B'' AND pairs::text = '' AND code = 'abcde' AND price = (-0.01)::numeric::money END";
    assert_eq!(place.database.number(wanted), Some(2), "{why:?}");
    assert_eq!(place.database.count("odd"), 2);
    assert!(why.len() == 1 && why[0].contains("value too long for type character varying(5)"), "{why:?}");
}
