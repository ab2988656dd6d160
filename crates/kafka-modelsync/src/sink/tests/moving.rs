//! Rows whose key changes keep what was not sent, whatever partitions their two messages are in and however often they come.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::stage::{ITEMS, Stage, at, items, put, remove, row, text};
use crate::change::{Change, Moved, Operation};
use crate::model::{Guard, Truncations};
use crate::row::Key;
use crate::sink::error::SinkError;
use crate::value::Value;

fn moved(moved: Moved, change: Change) -> Change {
    Change { moved: Some(moved), ..change }
}

fn key(id: i64) -> Key {
    Key::Whole(Value::Int(id))
}

fn full(id: i64, name: &str, big: &str) -> Change {
    put(id, &[("name", text(name)), ("note", Value::Null), ("big", text(big))])
}

fn touched(id: i64, name: &str) -> Change {
    put(id, &[("name", text(name)), ("note", Value::Null), ("big", Value::Unavailable)])
}

fn leaves(from: i64, to: i64) -> Change {
    moved(Moved::To(key(to)), remove(from))
}

fn arrives(from: i64, to: i64, name: &str) -> Change {
    moved(Moved::From(key(from)), touched(to, name))
}

#[tokio::test]
async fn a_row_takes_along_what_was_not_sent_in_one_batch_or_in_two() {
    for batches in [1, 2, 3, 4] {
        let stage = Stage::new(ITEMS, items()).await;
        assert_eq!(stage.write(0, &[full(1, "a", "old")]).await.unwrap().0, 1);
        // What the same batch did to the row before is of it; the tombstone says the same again.
        let changes = [full(1, "a", "long"), leaves(1, 2), leaves(1, 2), arrives(1, 2, "b")];
        let outcome = stage.write_all(&changes, &[batches]).await;
        assert!(outcome.failed.is_empty(), "{:?}", outcome.failed);
        assert_eq!(stage.items().await, ["2 b - long"], "batches of {batches}");
    }
}

#[tokio::test]
async fn a_chain_of_moves_and_one_there_and_back_within_a_batch() {
    let stage = Stage::new(ITEMS, items()).await;
    let chain = [leaves(2, 3), leaves(2, 3), arrives(2, 3, "two"), leaves(1, 2), leaves(1, 2), arrives(1, 2, "one")];
    let back = [leaves(3, 1), arrives(3, 1, "two"), leaves(1, 3), arrives(1, 3, "two again")];
    let changes: Vec<_> = [full(1, "one", "big one"), full(2, "two", "big two")].into_iter().chain(chain).chain(back).collect();
    for size in [1, 3, 20] {
        stage.execute("DELETE FROM items; DELETE FROM kafka_moved_rows").await;
        assert!(stage.write_all(&changes, &[size]).await.failed.is_empty());
        assert_eq!(stage.items().await, ["2 one - big one", "3 two again - big two"], "batches of {size}");
    }
}

#[tokio::test]
async fn a_table_that_is_emptied_between_two_moves_of_a_batch() {
    let cleared = || Change::new(None, Operation::Truncate);
    let before = [full(1, "a", "long"), leaves(1, 2), arrives(1, 2, "b"), cleared()];
    let after = [full(1, "c", "longer"), full(3, "d", "other"), leaves(1, 2), arrives(1, 2, "e")];
    let changes: Vec<_> = before.into_iter().chain(after).collect();
    for size in [1, 2, 3, 20] {
        let stage = Stage::new(ITEMS, items().truncations(Truncations::Applied)).await;
        assert!(stage.write_all(&changes, &[size]).await.failed.is_empty());
        assert_eq!(stage.items().await, ["2 e - longer", "3 d - other"], "batches of {size}");
    }
}

#[tokio::test]
async fn nothing_is_noted_of_a_row_that_a_truncation_took() {
    let stage = Stage::new(ITEMS, items().truncations(Truncations::Applied)).await;
    assert_eq!(stage.write(0, &[full(1, "a", "long")]).await.unwrap().0, 1);
    assert_eq!(stage.write(1, &[Change::new(None, Operation::Truncate), leaves(1, 2)]).await.unwrap().0, 2);
    assert_eq!(stage.lines("SELECT held AS line FROM kafka_moved_rows").await, Vec::<String>::new());
}

#[tokio::test]
async fn nothing_is_noted_of_a_row_that_is_sent_whole() {
    let stage = Stage::new(ITEMS, items()).await;
    let whole = moved(Moved::From(key(1)), full(2, "b", "new"));
    let changes = [full(1, "a", "long"), leaves(1, 2), leaves(1, 2), whole];
    assert_eq!(stage.write(0, &changes).await.unwrap().0, 4);
    assert_eq!(stage.items().await, ["2 b - new"]);
    let notes = || stage.lines("SELECT CAST(count(*) AS text) AS line FROM kafka_moved_rows");
    assert_eq!(notes().await, ["0"]);
    assert_eq!(stage.write(4, &[leaves(2, 3), arrives(2, 3, "c")]).await.unwrap().0, 2);
    assert_eq!(notes().await, ["1"]);
}

#[tokio::test]
async fn columns_that_messages_do_not_have_are_taken_along_too() {
    let stage = Stage::new(ITEMS, items()).await;
    stage.execute("INSERT INTO items (id, name, note, big) VALUES (1, 'a', 'of the sink', 'long')").await;
    let arrival = moved(Moved::From(key(1)), put(2, &[("name", text("b")), ("big", text("sent"))]));
    assert_eq!(stage.write(0, &[leaves(1, 2), arrival]).await.unwrap().0, 2);
    assert_eq!(stage.items().await, ["2 b of the sink sent"]);
}

#[tokio::test]
async fn bytes_and_numbers_and_nothing_come_back_as_they_were() {
    let sql = "CREATE TABLE types (id BIGINT PRIMARY KEY NOT NULL, raw BLOB, price NUMERIC, flag BOOLEAN, day DATE, none TEXT)";
    let stage =
        Stage::new(sql, crate::model::Model::of(crate::table::Table::named("types", ["id", "raw", "price", "day", "none"], ["id"]))).await;
    stage.execute("INSERT INTO types VALUES (1, x'00ff07', 12.5, 1, '2026-02-28', NULL)").await;
    let unsent = ["raw", "price", "day", "none"].map(|name| (name, Value::Unavailable));
    let (done, failed) = stage.write(0, &[leaves(1, 2), moved(Moved::From(key(1)), put(2, &unsent))]).await.unwrap();
    assert_eq!((done, failed.map(|error| error.to_string())), (2, None));
    let line = "SELECT id || hex(raw) || typeof(raw) || price || day || (none IS NULL) AS line FROM types";
    assert_eq!(stage.lines(line).await, ["200FF07blob12.52026-02-281"]);
}

#[tokio::test]
async fn an_arrival_waits_for_its_deletion_with_all_before_it_written_and_fails_where_nothing_comes() {
    let stage = Stage::new(ITEMS, items()).await;
    assert_eq!(stage.write_at((0, 0), &[full(1, "a", "long")]).await.unwrap().0, 1);
    let (done, failed) = stage.write_at((1, 0), &[full(7, "other", "x"), arrives(1, 2, "b"), full(8, "later", "y")]).await.unwrap();
    let waits = "row [\"2\"] of `items` had the key [\"1\"] before; its `big` come with the deletion of that, which is waited for";
    assert!(done == 1 && matches!(failed, Some(SinkError::AwaitsFormerRow { .. })));
    assert_eq!(failed.unwrap().to_string(), waits);
    // The row changes once more before its key does.
    assert_eq!(stage.write_at((0, 1), &[full(1, "a", "longer"), leaves(1, 2)]).await.unwrap().0, 2);
    assert_eq!(stage.write_at((1, 1), &[arrives(1, 2, "b"), full(8, "later", "y")]).await.unwrap().0, 2);
    assert_eq!(stage.items().await, ["2 b - longer", "7 other - x", "8 later - y"]);

    let (done, failed) = stage.write_at((1, 3), &[arrives(5, 6, "c")]).await.unwrap();
    let lost = "row [\"6\"] of `items` had the key [\"5\"] before; its `big` were not sent again, and the former row is not known here";
    assert_eq!((done, failed.unwrap().to_string().as_str()), (0, lost));
    let unknown = moved(Moved::FromUnknown, touched(6, "c"));
    let (done, failed) = stage.write_at((1, 3), std::slice::from_ref(&unknown)).await.unwrap();
    assert!(done == 0 && failed.unwrap().to_string().contains("(which cannot be read)"));
    // What is owed is said, or gone, by the end of the batch; or the row is there, and keeps what it has.
    assert_eq!(stage.write_at((1, 3), &[arrives(5, 6, "c"), full(6, "d", "z")]).await.unwrap().0, 2);
    assert_eq!(stage.write_at((1, 5), &[arrives(5, 9, "c"), remove(9), unknown]).await.unwrap().0, 3);
    assert_eq!(stage.items().await, ["2 b - longer", "6 c - z", "7 other - x", "8 later - y"]);
}

#[tokio::test]
async fn a_deletion_that_comes_again_takes_no_note_of_the_row_that_has_its_key_by_then() {
    for lsn in [None, Some(5)] {
        let placed = |change: Change| if let Some(lsn) = lsn { at(lsn, change) } else { change };
        let stage = Stage::new(ITEMS, items()).await;
        let changes = [full(1, "a", "long"), placed(leaves(1, 2)), placed(arrives(1, 2, "b")), full(1, "c", "another")];
        for from in [0, 1, 2, 1, 0] {
            assert!(stage.write(from, &changes[from as usize..]).await.unwrap().1.is_none());
            assert_eq!(stage.items().await, ["1 c - another", "2 b - long"], "again from {from}, {lsn:?}");
        }
    }
}

#[tokio::test]
async fn a_key_that_changed_within_one_envelope_takes_its_row_along() {
    let stage = Stage::new(ITEMS, items()).await;
    let before = Some(row(&[("id", Value::Int(1))]));
    let after = row(&[("id", Value::Int(2)), ("name", text("b")), ("big", Value::Unavailable)]);
    let change = Change::new(Some(Key::Row(row(&[("id", Value::Int(2))]))), Operation::Upsert { before, after });
    assert_eq!(stage.write(0, &[full(1, "a", "long"), change]).await.unwrap().0, 2);
    assert_eq!(stage.items().await, ["2 b - long"]);
}

#[tokio::test]
async fn a_row_that_stays_where_it_was_is_no_move() {
    let stage = Stage::new(ITEMS, items()).await;
    let before = Some(row(&[("id", Value::Int(1)), ("name", text("a"))]));
    let after = row(&[("id", Value::Int(1)), ("name", text("b")), ("big", Value::Unavailable)]);
    let change = Change::new(Some(Key::Row(row(&[("id", Value::Int(1))]))), Operation::Upsert { before, after });
    assert_eq!(stage.write(0, &[full(1, "a", "long"), change]).await.unwrap().0, 2);
    assert_eq!(stage.items().await, ["1 b - long"]);
    assert_eq!(stage.lines("SELECT held AS line FROM kafka_moved_rows").await, Vec::<String>::new());
}

/// What is done to a table of the source.
#[derive(Debug, Clone, Copy)]
enum Done {
    Put(i64),
    Touch(i64),
    Delete(i64),
    Move(i64, i64),
}

/// How the topic is read: a batch of a partition, or a partition from anywhere before once more.
#[derive(Debug, Clone, Copy)]
enum Step {
    Read(usize, usize),
    Rewind(usize, prop::sample::Index),
}

const PARTITIONS: usize = 3;

/// The source's table in the end, and the partitions of its topic.
fn history(done: &[Done], partitions: usize, placed: bool) -> (Vec<String>, Vec<Vec<Change>>) {
    let (mut table, mut topic) = (BTreeMap::<i64, (String, String)>::new(), vec![Vec::new(); partitions]);
    for (lsn, done) in (1..).zip(done) {
        let placed = |change| if placed { at(lsn, change) } else { change };
        let mut send = |id: i64, change| topic[id as usize % partitions].push(change);
        let (name, big) = (format!("name {lsn}"), format!("big {lsn}"));
        match *done {
            Done::Put(id) => {
                send(id, placed(full(id, &name, &big)));
                table.insert(id, (name, big));
            }
            Done::Touch(id) => {
                let Some(row) = table.get_mut(&id) else { continue };
                send(id, placed(touched(id, &name)));
                row.0 = name;
            }
            Done::Delete(id) => {
                if table.remove(&id).is_some() {
                    let deleted = put(id, &[("__deleted", Value::Bool(true))]);
                    [placed(deleted), remove(id)].into_iter().for_each(|change| send(id, change));
                }
            }
            Done::Move(from, to) => {
                if table.contains_key(&to) || !table.contains_key(&from) {
                    continue;
                }
                let (_, big) = table.remove(&from).unwrap();
                let deleted = moved(Moved::To(key(to)), put(from, &[("__deleted", Value::Bool(true))]));
                [placed(deleted), leaves(from, to)].into_iter().for_each(|change| send(from, change));
                send(to, placed(arrives(from, to, &name)));
                table.insert(to, (name, big));
            }
        }
    }
    (table.into_iter().map(|(id, (name, big))| format!("{id} {name} - {big}")).collect(), topic)
}

/// Reads on in a partition; how many messages are done.
async fn read_on(stage: &Stage, topic: &[Vec<Change>], position: &mut [usize], partition: usize, size: usize) -> usize {
    let from = position[partition];
    let batch = &topic[partition][from..topic[partition].len().min(from + size)];
    if batch.is_empty() {
        return 0;
    }
    let (done, failed) = stage.write_at((partition as i32, from as i64), batch).await.unwrap();
    // Another partition may not have been read as far as the former row at all.
    assert!(matches!(failed, None | Some(SinkError::AwaitsFormerRow { .. } | SinkError::FormerRowLost { .. })), "{failed:?}");
    position[partition] += done;
    done
}

fn done() -> impl Strategy<Value = Done> {
    let id = 0..5_i64;
    prop_oneof![
        2 => id.clone().prop_map(Done::Put),
        2 => id.clone().prop_map(Done::Touch),
        1 => id.clone().prop_map(Done::Delete),
        4 => (id.clone(), id).prop_map(|(from, to)| Done::Move(from, to)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..PARTITIONS, 1..9_usize).prop_map(|(partition, size)| Step::Read(partition, size)),
        1 => (0..PARTITIONS, any::<prop::sample::Index>()).prop_map(|(partition, index)| Step::Rewind(partition, index)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn partitions_read_in_any_step_and_again_come_to_what_the_source_has(
        done in proptest::collection::vec(done(), 1..60),
        steps in proptest::collection::vec(step(), 0..60),
        guard in 0..3,
        placed in any::<bool>(),
    ) {
        // Without positions in the source's log moves between the same keys are told apart within a partition only.
        let (guard, partitions) = match (guard, placed) {
            (1, true) => (Guard::lsn("lsn"), PARTITIONS),
            (2, placed) => (Guard::offset("kafka_partition", "kafka_offset"), if placed { PARTITIONS } else { 1 }),
            (_, placed) => (Guard::Off, if placed { PARTITIONS } else { 1 }),
        };
        let (rows, topic) = history(&done, partitions, placed);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let stage = Stage::new(ITEMS, items().guard(guard)).await;
            let mut position = vec![0; partitions];
            for step in steps {
                match step {
                    Step::Read(partition, size) => {
                        read_on(&stage, &topic, &mut position, partition % partitions, size).await;
                    }
                    Step::Rewind(partition, to) => {
                        let partition = partition % partitions;
                        position[partition] = to.index(position[partition] + 1);
                    }
                }
            }
            while (0..partitions).any(|partition| position[partition] < topic[partition].len()) {
                let mut moved = 0;
                for partition in 0..partitions {
                    moved += read_on(&stage, &topic, &mut position, partition, 7).await;
                }
                prop_assert!(moved > 0, "partitions wait for each other");
            }
            prop_assert_eq!(stage.items().await, rows);
            Ok(())
        })?;
    }
}
