//! What the database refuses is one message's failure, and the others are written.

use super::stage::{ITEMS, Stage, items, put, remove, row, text};
use crate::change::{Change, Operation};
use crate::model::{Model, Truncations};
use crate::row::Key;
use crate::sink::database::Database;
use crate::sink::error::SinkError;
use crate::sink::referral::ReferralKind;
use crate::sink::shape::SelfReference;
use crate::table::Table;
use crate::value::Value;

fn named(id: i64, name: &str) -> Change {
    put(id, &[("name", text(name))])
}

#[tokio::test]
async fn the_failing_row_is_found_and_the_others_land() {
    let stage = Stage::new(ITEMS, items()).await;
    let mut changes: Vec<_> = (0..100).map(|id| named(id, "good")).collect();
    changes[37] = named(37, "bad");
    let (done, failed) = stage.write(0, &changes).await.unwrap();
    let error = failed.unwrap();
    assert_eq!((done, error.to_string().as_str()), (37, "row [\"37\"] was refused by `items`"));
    let SinkError::Refused { source: diesel::result::Error::DatabaseError(kind, _), .. } = &error else { panic!("{error:?}") };
    assert!(matches!(kind, diesel::result::DatabaseErrorKind::CheckViolation), "{kind:?}");
    assert_eq!(stage.items().await.len(), 37);

    let outcome = stage.write_all(&changes, &[100]).await;
    assert_eq!(outcome.failed.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [37]);
    assert_eq!(stage.items().await.len(), 99);
}

#[tokio::test]
async fn a_row_that_is_refused_later_keeps_its_earlier_state() {
    let stage = Stage::new(ITEMS, items()).await;
    let outcome = stage.write_all(&[named(1, "first"), named(2, "other"), named(1, "bad"), named(2, "last")], &[4]).await;
    assert_eq!(outcome.failed.len(), 1);
    assert_eq!(stage.items().await, ["1 first none -", "2 last none -"]);
}

#[tokio::test]
async fn a_missing_parent_fails_its_child_alone_and_comes_in_time_within_a_batch() {
    let sql = "CREATE TABLE nodes (id BIGINT PRIMARY KEY NOT NULL, parent BIGINT REFERENCES nodes (id) ON DELETE CASCADE)";
    let stage = Stage::new(sql, Model::of(Table::named("nodes", ["id", "parent"], ["id"]))).await;
    let node = |id, parent: Option<i64>| put(id, &[("parent", parent.map_or(Value::Null, Value::Int))]);
    let (done, failed) = stage.write(0, &[node(1, None), node(2, Some(1)), node(3, Some(9)), node(4, None)]).await.unwrap();
    let SinkError::Refused { source: diesel::result::Error::DatabaseError(kind, _), .. } = failed.unwrap() else { panic!() };
    assert_eq!((done, matches!(kind, diesel::result::DatabaseErrorKind::ForeignKeyViolation)), (2, true));
    // The parent is moved away before the old one goes and takes its children along.
    assert_eq!(stage.write(4, &[node(5, None), node(2, Some(5)), remove(1)]).await.unwrap().0, 3);
    assert_eq!(stage.lines("SELECT id || ' ' || coalesce(parent, '-') AS line FROM nodes ORDER BY id").await, ["2 5", "5 -"]);
}

#[tokio::test]
async fn a_constraint_that_is_put_off_to_the_commit_fails_its_row_alone() {
    let sql = "CREATE TABLE nodes (id BIGINT PRIMARY KEY NOT NULL, parent BIGINT REFERENCES nodes (id) DEFERRABLE INITIALLY DEFERRED)";
    let stage = Stage::new(sql, Model::of(Table::named("nodes", ["id", "parent"], ["id"]))).await;
    let node = |id, parent: Option<i64>| put(id, &[("parent", parent.map_or(Value::Null, Value::Int))]);
    // A child whose parent comes later in the batch is not blamed for an orphan.
    let nodes = [node(1, None), node(2, Some(3)), node(7, None), node(3, None), node(4, Some(9)), node(5, None)];
    let (done, failed) = stage.write(0, &nodes).await.unwrap();
    let SinkError::Refused { source: diesel::result::Error::DatabaseError(kind, _), .. } = failed.unwrap() else { panic!() };
    assert_eq!((done, matches!(kind, diesel::result::DatabaseErrorKind::ForeignKeyViolation)), (4, true));
    // The connection is of use, and a child may come before its parent.
    assert_eq!(stage.write(6, &[node(6, Some(5)), node(5, None)]).await.unwrap().0, 2);
    let rows = stage.lines("SELECT id || ' ' || coalesce(parent, '-') AS line FROM nodes ORDER BY id").await;
    assert_eq!(rows, ["1 -", "2 3", "3 -", "5 -", "6 5", "7 -"]);
}

#[tokio::test]
async fn what_was_not_sent_is_not_overwritten_even_where_it_may_not_be_null() {
    let sql = "CREATE TABLE items (id BIGINT PRIMARY KEY NOT NULL, name TEXT NOT NULL, note TEXT, big TEXT NOT NULL)";
    let stage = Stage::new(sql, items()).await;
    let full = put(1, &[("name", text("a")), ("note", Value::Null), ("big", text("long"))]);
    let toasted = |id, name| put(id, &[("name", text(name)), ("note", text("n")), ("big", Value::Unavailable)]);
    assert_eq!(stage.write(0, std::slice::from_ref(&full)).await.unwrap().0, 1);
    assert_eq!(stage.write(1, &[toasted(1, "b")]).await.unwrap().0, 1);
    assert_eq!(stage.items().await, ["1 b n long"]);
    // In one batch too: the earlier state has what the later does not send; and after a deletion nothing is left of it.
    assert_eq!(stage.write(2, &[full.clone(), toasted(1, "c")]).await.unwrap().0, 2);
    assert_eq!(stage.items().await, ["1 c n long"]);
    let (done, failed) = stage.write(4, &[full, remove(1), toasted(1, "d")]).await.unwrap();
    assert!(done == 2 && failed.is_some());
    assert_eq!(stage.items().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_changed_key_takes_the_old_row_away() {
    let stage = Stage::new(ITEMS, items()).await;
    assert_eq!(stage.write(0, &[named(1, "a")]).await.unwrap().0, 1);
    let moved = Change::new(
        Some(Key::Row(row(&[("id", Value::Int(2))]))),
        Operation::Upsert { before: Some(row(&[("id", Value::Int(1))])), after: row(&[("id", Value::Int(2)), ("name", text("a"))]) },
    );
    assert_eq!(stage.write(1, &[moved]).await.unwrap().0, 1);
    assert_eq!(stage.items().await, ["2 a none -"]);
}

#[tokio::test]
async fn deletions_come_as_values_too_and_of_rows_that_are_not_there() {
    let stage = Stage::new(ITEMS, items()).await;
    let deleted = put(1, &[("name", Value::Null), ("__deleted", text("True"))]);
    assert_eq!(stage.write(0, &[named(1, "a"), deleted.clone(), remove(7)]).await.unwrap().0, 3);
    assert_eq!(stage.items().await, Vec::<String>::new());
    assert_eq!(stage.write(3, &[deleted, named(1, "b")]).await.unwrap().0, 2);
    assert_eq!(stage.items().await, ["1 b none -"]);
}

#[tokio::test]
async fn truncations_are_ignored_unless_asked_for() {
    let truncation = Change::new(None, Operation::Truncate);
    let changes = [named(1, "a"), truncation, named(2, "b")];
    let stage = Stage::new(ITEMS, items()).await;
    assert_eq!(stage.write(0, &changes).await.unwrap().0, 3);
    assert_eq!(stage.items().await.len(), 2);
    let stage = Stage::new(ITEMS, items().truncations(Truncations::Applied)).await;
    assert_eq!(stage.write(0, &[named(3, "old")]).await.unwrap().0, 1);
    assert_eq!(stage.write(1, &changes).await.unwrap().0, 3);
    assert_eq!(stage.items().await, ["2 b none -"]);
}

#[tokio::test]
async fn kafka_skip_is_never_copied_and_always_said() {
    let sql = "CREATE TABLE items (id BIGINT PRIMARY KEY NOT NULL, name TEXT, kafka_skip BOOLEAN NOT NULL DEFAULT 0)";
    let model = Model::of(Table::named("items", ["id", "name", "kafka_skip"], ["id"]));
    let stage = Stage::new(sql, model).await;
    stage.execute("INSERT INTO items VALUES (1, 'old', 1)").await;
    let skip = ("kafka_skip", Value::Bool(true));
    let changes = [put(1, &[("name", text("new")), skip.clone()]), put(2, &[("name", text("b")), skip])];
    assert_eq!(stage.write(0, &changes).await.unwrap().0, 2);
    assert_eq!(stage.lines("SELECT id || ' ' || name || ' ' || kafka_skip AS line FROM items ORDER BY id").await, ["1 new 0", "2 b 0"]);
}

#[tokio::test]
async fn what_a_trigger_refuses_is_a_rows_failure_and_a_missing_table_is_nobodys() {
    let stage = Stage::new(ITEMS, items()).await;
    stage.execute("CREATE TRIGGER no BEFORE INSERT ON items WHEN NEW.id = 2 BEGIN SELECT RAISE(ABORT, 'not this one'); END").await;
    let (done, failed) = stage.write(0, &[named(1, "a"), named(2, "b"), named(3, "c")]).await.unwrap();
    let failed = failed.unwrap();
    let why = std::error::Error::source(&failed).unwrap().to_string();
    assert_eq!((done, why.as_str()), (1, "not this one"));
    // Whatever a trigger says.
    for said in [
        "DROP TRIGGER no; CREATE TRIGGER no BEFORE INSERT ON items WHEN NEW.id = 2 BEGIN SELECT RAISE(ABORT, 'the basket is full'); END",
        "DROP TRIGGER no; CREATE TRIGGER no BEFORE INSERT ON items WHEN NEW.id = 2 BEGIN SELECT RAISE(ABORT, 'order is locked, no such luck'); END",
    ] {
        stage.execute(said).await;
        let (done, failed) = stage.write(0, &[named(1, "a"), named(2, "b")]).await.unwrap();
        assert!(done == 1 && failed.is_some());
    }
    stage.execute("DROP TABLE items").await;
    assert!(stage.write(0, &[named(1, "a")]).await.is_err());
}

#[tokio::test]
async fn a_null_value_whose_key_is_not_what_rows_are_found_by_deletes_no_other_row() {
    let sql = "CREATE TABLE items (id BIGINT PRIMARY KEY NOT NULL, no BIGINT UNIQUE NOT NULL)";
    let stage = || Stage::new(sql, Model::of(Table::named("items", ["id", "no"], ["id"])).lookup(["no"]));
    let keyed = |id, operation| Change::new(Some(Key::Row(row(&[("id", Value::Int(id))]))), operation);
    let whole = |id, no: Value| row(&[("id", Value::Int(id)), ("no", no)]);
    let puts = [(5, 77), (9, 5)].map(|(id, no)| keyed(id, Operation::Upsert { before: None, after: whole(id, Value::Int(no)) }));
    let deleted = |id, no| keyed(id, Operation::Delete { before: Some(whole(id, no)) });
    let tombstone = |id| keyed(id, Operation::Delete { before: None });
    let rows = async |stage: &Stage| stage.lines("SELECT id || ' ' || no AS line FROM items ORDER BY id").await;

    let full = stage().await;
    assert_eq!(full.write(0, &puts).await.unwrap().0, 2);
    assert_eq!(full.write(2, &[deleted(5, Value::Int(77)), tombstone(5)]).await.unwrap().0, 2);
    assert_eq!(rows(&full).await, ["9 5"]);
    // In a batch of its own.
    assert_eq!(full.write(4, &[tombstone(5)]).await.unwrap().0, 1);
    assert_eq!(rows(&full).await, ["9 5"]);
    // Flattened.
    let flat = keyed(9, Operation::Upsert { before: None, after: row(&[("no", Value::Int(5)), ("__deleted", text("true"))]) });
    assert_eq!(full.write(5, &[flat, tombstone(9)]).await.unwrap().0, 2);
    assert_eq!(rows(&full).await, Vec::<String>::new());

    // Where the key is all that a deletion says, it does not say which row: without `REPLICA IDENTITY FULL`, or flattened to nulls.
    let default = stage().await;
    assert_eq!(default.write(0, &puts).await.unwrap().0, 2);
    for change in [tombstone(5), deleted(5, Value::Null)] {
        let (done, failed) = default.write(2, &[change]).await.unwrap();
        assert!(done == 0 && matches!(failed, Some(SinkError::NoKey { .. })), "{failed:?}");
    }
    assert_eq!(rows(&default).await, ["5 77", "9 5"]);
}

#[tokio::test]
async fn foreign_keys_are_those_of_one_column_that_may_not_be_null() {
    let sql = "CREATE TABLE parents (code TEXT PRIMARY KEY NOT NULL, number INTEGER UNIQUE);
        CREATE TABLE pairs (a INTEGER, b INTEGER, PRIMARY KEY (a, b));
        CREATE TABLE items (id BIGINT PRIMARY KEY NOT NULL, parent TEXT NOT NULL REFERENCES parents,
            Number INTEGER NOT NULL REFERENCES Parents (number), maybe TEXT REFERENCES parents, a INTEGER NOT NULL, b INTEGER NOT NULL,
            root BIGINT NOT NULL REFERENCES ITEMS (id), at TIMESTAMP NOT NULL REFERENCES parents, FOREIGN KEY (a, b) REFERENCES pairs)";
    let model = Model::of(Table::named("items", ["id", "parent"], ["id"]));
    let stage = Stage::new(sql, model).await;
    let found = stage.database.describe(stage.model.table()).await.unwrap().foreign_keys;
    let found: Vec<_> = found.iter().map(|key| (&*key.column, &*key.table, &*key.parent, key.itself, key.kind)).collect();
    let (none, itself) = (SelfReference::None, SelfReference::Some);
    assert_eq!(
        found,
        [
            ("parent", "parents", "code", none, ReferralKind::Text),
            ("Number", "Parents", "number", none, ReferralKind::Int),
            ("root", "ITEMS", "id", itself, ReferralKind::Int),
        ]
    );
}
