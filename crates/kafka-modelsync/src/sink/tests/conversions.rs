//! What fits which column, and what an error says.

use super::stage::{Stage, put, row, text};
use crate::change::{Change, Operation};
use crate::model::Model;
use crate::row::Key;
use crate::table::Table;
use crate::value::{Decimal, Interval, Value};

const TYPES: &str = "CREATE TABLE types (id BIGINT PRIMARY KEY NOT NULL, flag BOOLEAN, small SMALLINT, real DOUBLE, words TEXT, raw BLOB, \
    day DATE, at TIMESTAMP, price NUMERIC, doc JSON, odd INET)";

fn types() -> Model {
    Model::of(Table::named("types", ["id", "flag", "small", "real", "words", "raw", "day", "at", "price", "doc", "odd"], ["id"]))
}

#[tokio::test]
async fn errors_name_the_column_its_type_and_the_value() {
    let stage = Stage::new(TYPES, types()).await;
    let table: [(&str, Value, &str); 10] = [
        ("flag", text("maybe"), "column `flag` of `types` is BOOLEAN and cannot hold a text `\"maybe\"`"),
        (
            "small",
            Value::Int(40_000),
            "column `small` of `types` is SMALLINT and cannot hold a whole number `40000` (the least is -32768, the most 32767)",
        ),
        ("small", text("12a"), "column `small` of `types` is SMALLINT and cannot hold a text `\"12a\"`"),
        ("real", Value::Bool(true), "column `real` of `types` is DOUBLE and cannot hold a boolean `true`"),
        ("words", Value::Bytes(vec![1, 255]), "column `words` of `types` is TEXT and cannot hold bytes `\\x01ff`"),
        ("raw", text("abc"), "column `raw` of `types` is BLOB and cannot hold a text `\"abc\"`"),
        ("day", text("2026-02-30"), "column `day` of `types` is DATE and cannot hold a text `\"2026-02-30\"`"),
        ("at", Value::Int(5), "column `at` of `types` is TIMESTAMP and cannot hold a whole number `5`"),
        ("price", text("ten"), "column `price` of `types` is NUMERIC and cannot hold a text `\"ten\"` (it is no number)"),
        ("small", Value::Array(vec![Value::Int(1)]), "column `small` of `types` is SMALLINT and cannot hold an array `{\"1\"}`"),
    ];
    for (column, value, error) in table {
        let (done, failed) = stage.write(0, &[put(1, &[]), put(2, &[(column, value)]), put(3, &[])]).await.unwrap();
        assert_eq!((done, failed.unwrap().to_string().as_str()), (1, error));
    }
    let long = "x".repeat(500);
    let (_, failed) = stage.write(0, &[put(2, &[("flag", text(&long))])]).await.unwrap();
    let error = failed.unwrap().to_string();
    assert!(error.ends_with("xxx…`") && error.len() < 250, "{error}");
}

#[tokio::test]
async fn values_are_written_as_diesel_reads_them() {
    let stage = Stage::new(TYPES, types()).await;
    let day = chrono::NaiveDate::from_ymd_opt(2026, 2, 28).unwrap();
    let change = put(
        1,
        &[
            ("flag", text("TRUE")),
            ("small", Value::Decimal(Decimal::new(12, 0))),
            ("real", Value::Int(2)),
            ("words", Value::Uuid(uuid::Uuid::nil())),
            ("raw", Value::Bytes(vec![7])),
            ("day", Value::Date(day)),
            ("at", Value::Timestamp(day.and_hms_micro_opt(1, 2, 3, 4_500).unwrap())),
            ("price", Value::Decimal(Decimal::new(1050, 2))),
            ("doc", Value::Array(vec![Value::Int(1), text("a\"b"), Value::Null])),
            ("odd", Value::Interval(Interval { months: 1, days: 2, micros: 3 })),
            ("unknown", Value::Int(9)),
        ],
    );
    let (done, failed) = stage.write(0, &[change, put(2, &[("words", Value::Null), ("doc", text("plain words"))])]).await.unwrap();
    assert_eq!((done, failed.map(|error| error.to_string())), (2, None));
    let lines = stage
        .lines(
            "SELECT id || '|' || flag || '|' || small || '|' || real || '|' || words || '|' || hex(raw) || '|' || day || '|' || at || '|' || \
             price || '|' || doc || '|' || odd AS line FROM types WHERE id = 1 UNION ALL SELECT doc FROM types WHERE id = 2",
        )
        .await;
    assert_eq!(
        lines,
        [
            "1|1|12|2.0|00000000-0000-0000-0000-000000000000|07|2026-02-28|2026-02-28 01:02:03.004500|10.5|[1,\"a\\\"b\",null]|\
             1 months 2 days 0.000003 seconds",
            "\"plain words\""
        ]
    );
}

#[tokio::test]
async fn transforms_rename_and_change_and_their_failures_name_the_column() {
    let upper = |value: Value| match value {
        Value::Text(text) => Ok(Value::Text(text.to_uppercase())),
        Value::Null => Err("it is null"),
        value => Ok(value),
    };
    let model = types().rename("words", "name").transform("words", upper).exclude("doc");
    let stage = Stage::new(TYPES, model).await;
    let good = put(1, &[("name", text("ada")), ("words", text("not this")), ("doc", text("{}"))]);
    let (done, failed) = stage.write(0, &[good, put(2, &[("name", Value::Unavailable)]), put(3, &[("name", Value::Null)])]).await.unwrap();
    assert_eq!((done, failed.unwrap().to_string().as_str()), (2, "the transform of column `words` of `types` failed on null"));
    assert_eq!(stage.lines("SELECT coalesce(words, '-') || coalesce(doc, '-') AS line FROM types ORDER BY id").await, ["ADA-", "--"]);
}

#[tokio::test]
async fn the_row_is_found_by_value_then_key_then_the_whole_key() {
    let stage = Stage::new(TYPES, types()).await;
    let named = |name: &str, id: i64| Some(Key::Row(row(&[(name, Value::Int(id))])));
    let upsert = |key: Option<Key>, fields: &[(&str, Value)]| Change::new(key, Operation::Upsert { before: None, after: row(fields) });
    let changes = [
        upsert(named("id", 9), &[("id", Value::Int(1)), ("words", text("value"))]),
        upsert(named("id", 2), &[("words", text("key"))]),
        upsert(named("other", 3), &[("words", text("only field of the key"))]),
        upsert(Some(Key::Whole(Value::Int(4))), &[("words", text("whole key"))]),
    ];
    assert_eq!(stage.write(0, &changes).await.unwrap().0, 4);
    let lines = stage.lines("SELECT id || ' ' || words AS line FROM types ORDER BY id").await;
    assert_eq!(lines, ["1 value", "2 key", "3 only field of the key", "4 whole key"]);
    let (done, failed) = stage.write(0, &[upsert(None, &[("words", text("none"))])]).await.unwrap();
    let error = "the message does not say `id`, by which rows of `types` are found; it is in neither its value nor its key";
    assert_eq!((done, failed.unwrap().to_string().as_str()), (0, error));

    let by_words = Stage::new("CREATE TABLE types (id INTEGER PRIMARY KEY, words TEXT NOT NULL UNIQUE, flag BOOLEAN)", {
        Model::of(Table::named("types", ["id", "words", "flag"], ["id"])).exclude("id").lookup(["words"])
    })
    .await;
    let flag = |value| upsert(None, &[("words", text("ada")), ("flag", Value::Bool(value))]);
    assert_eq!(by_words.write(0, &[flag(true)]).await.unwrap().0, 1);
    assert_eq!(by_words.write(0, &[flag(false)]).await.unwrap().0, 1);
    assert_eq!(by_words.lines("SELECT words || flag AS line FROM types").await, ["ada0"]);
}
