//! Older events change nothing when the guard is on. What a declaration lacks in the database is said before anything is written.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::stage::{ITEMS, Stage, at, items, put, remove, text};
use crate::change::Change;
use crate::model::{Guard, Model};
use crate::sink::shape::{Demand, Description, Found, Judged, Kind, SelfReference, Shape, SkipTriggers, Unique};
use crate::table::Table;

fn by_lsn() -> Guard {
    Guard::Lsn { column: "lsn".into() }
}

fn named(lsn: i64, id: i64, name: &str) -> Change {
    at(lsn, put(id, &[("name", text(name))]))
}

#[tokio::test]
async fn an_older_event_overwrites_nothing_and_brings_no_row_back() {
    let stage = Stage::new(ITEMS, items().guard(by_lsn())).await;
    let history = [named(1, 1, "a"), named(2, 2, "b"), named(3, 1, "c"), at(4, remove(2)), named(5, 3, "d")];
    assert_eq!(stage.write(0, &history).await.unwrap().0, 5);
    let rows = ["1 c none -", "3 d none -"];
    assert_eq!(stage.items().await, rows);
    for change in &history {
        assert_eq!(stage.write(0, std::slice::from_ref(change)).await.unwrap().0, 1);
        assert_eq!(stage.items().await, rows, "{change:?}");
    }
    assert_eq!(stage.write(0, &history).await.unwrap().0, 5);
    assert_eq!(stage.items().await, rows);
    assert_eq!(stage.lines("SELECT row_key || lsn AS line FROM kafka_row_tombstones").await, ["[\"2\"]4"]);

    // A newer one brings it back, and its tombstone is gone.
    assert_eq!(stage.write(9, &[named(6, 2, "again")]).await.unwrap().0, 1);
    assert_eq!(stage.lines("SELECT row_key AS line FROM kafka_row_tombstones").await, Vec::<String>::new());
    assert_eq!(stage.write(9, &[at(4, remove(2))]).await.unwrap().0, 1);
    assert_eq!(stage.items().await.len(), 3);
}

#[tokio::test]
async fn without_the_guard_the_last_one_written_stays() {
    let stage = Stage::new(ITEMS, items()).await;
    assert_eq!(stage.write(0, &[named(5, 1, "new"), named(1, 1, "old")]).await.unwrap().0, 2);
    assert_eq!(stage.items().await, ["1 old none -"]);
}

#[tokio::test]
async fn a_null_value_says_no_position_and_is_passed_over_and_a_row_without_one_fails() {
    let stage = Stage::new(ITEMS, items().guard(by_lsn())).await;
    assert_eq!(stage.write(0, &[named(1, 1, "a"), remove(1)]).await.unwrap().0, 2);
    assert_eq!(stage.items().await, ["1 a none -"]);
    let (done, failed) = stage.write(2, &[put(1, &[("name", text("b"))])]).await.unwrap();
    assert_eq!(
        (done, failed.unwrap().to_string().as_str()),
        (0, "the guard of `items` compares log sequence numbers, and the message has none")
    );
}

#[tokio::test]
async fn a_row_that_nobody_placed_is_overwritten() {
    let stage = Stage::new(ITEMS, items().guard(by_lsn())).await;
    stage.execute("INSERT INTO items (id, name) VALUES (1, 'by hand')").await;
    assert_eq!(stage.write(0, &[named(1, 1, "a")]).await.unwrap().0, 1);
    assert_eq!(stage.items().await, ["1 a none -"]);
}

#[test]
fn a_guard_whose_column_cannot_hold_positions_is_none() {
    let fits = |guard: Guard, kinds: [Kind; 2]| {
        let found = |(name, kind): (&str, Kind)| Found {
            name: name.to_owned(),
            sql_type: "integer".to_owned(),
            cast: String::new(),
            kind,
            demand: Demand::Optional,
        };
        let columns = ["id", "a", "b"].into_iter().zip([Kind::Int8, kinds[0], kinds[1]]).map(found).collect();
        let description = Description {
            columns,
            self_reference: SelfReference::None,
            skip_triggers: SkipTriggers::None,
            unique: None,
            foreign_keys: Vec::new(),
        };
        Shape::new(&Model::of(Table::named("t", ["id"], ["id"])).guard(guard), &description).map(drop)
    };
    let error = fits(Guard::lsn("a"), [Kind::Int4, Kind::Int8]).unwrap_err().to_string();
    assert_eq!(error, "column `a` of `t` is integer, and the guard needs bigint; migrate it");
    for kind in [Kind::Int2, Kind::Numeric, Kind::Text, Kind::Other, Kind::Float8] {
        assert!(fits(Guard::lsn("a"), [kind, Kind::Int8]).is_err(), "{kind:?}");
        assert!(fits(Guard::offset("a", "b"), [kind, Kind::Int8]).is_err(), "{kind:?}");
        assert!(fits(Guard::offset("a", "b"), [Kind::Int4, kind]).is_err(), "{kind:?}");
    }
    for partition in [Kind::Int4, Kind::Int8] {
        assert!(fits(Guard::offset("a", "b"), [partition, Kind::Int8]).is_ok());
    }
    assert!(fits(Guard::lsn("b"), [Kind::Text, Kind::Int8]).is_ok());
}

#[test]
fn what_rows_are_found_by_has_an_index_that_says_so_at_once() {
    let fits = |lookup: &[&str], unique: Option<Vec<(&[&str], Judged)>>, demand: Demand| {
        let found = |name: &str| Found {
            name: name.to_owned(),
            sql_type: "bigint".to_owned(),
            cast: String::new(),
            kind: Kind::Int8,
            demand: if name == "n" { demand } else { Demand::Optional },
        };
        let unique = unique.map(|all| {
            all.into_iter()
                .map(|(columns, when)| Unique { columns: columns.iter().map(|name| (*name).to_owned()).collect(), when })
                .collect()
        });
        let description = Description {
            columns: ["id", "a", "n"].map(found).into(),
            self_reference: SelfReference::None,
            skip_triggers: SkipTriggers::None,
            unique,
            foreign_keys: Vec::new(),
        };
        let model = Model::of(Table::named("t", ["id", "a", "n"], ["id"])).lookup(lookup.iter().copied());
        Shape::new(&model, &description).map(drop).map_err(|error| error.to_string())
    };
    let (own, both): (&[&str], &[&str]) = (&["id"], &["a", "id"]);
    assert_eq!(fits(&["id"], Some(vec![(both, Judged::AtOnce), (own, Judged::Later), (own, Judged::AtOnce)]), Demand::Optional), Ok(()));
    assert_eq!(fits(&["id", "a"], Some(vec![(both, Judged::AtOnce)]), Demand::Optional), Ok(()));
    assert_eq!(fits(&["a"], None, Demand::Optional), Ok(()));
    let error = fits(&["a"], Some(vec![(both, Judged::AtOnce), (own, Judged::AtOnce)]), Demand::Optional).unwrap_err();
    assert!(error.starts_with("rows of `t` are found by `a`, and the database has no unique index of that"), "{error}");
    let error = fits(&["id"], Some(vec![(own, Judged::Later)]), Demand::Optional).unwrap_err();
    assert!(error.contains("`id`, whose constraint is DEFERRABLE"), "{error}");
    let error = fits(&["id"], None, Demand::Counted).unwrap_err();
    assert!(error.contains("column `n` of `t` is GENERATED ALWAYS AS IDENTITY"), "{error}");
    assert_eq!(fits(&["n"], None, Demand::Counted), Ok(()));
}

/// What is left when of each row's events the older ones are passed over, one by one.
fn newest<P: Copy>(events: impl IntoIterator<Item = (i64, Option<String>, P)>, is_older: impl Fn(P, P) -> bool) -> Vec<String> {
    let mut rows = BTreeMap::<i64, (P, Option<String>)>::new();
    for (id, name, position) in events {
        if rows.get(&id).is_none_or(|(known, _)| !is_older(position, *known)) {
            rows.insert(id, (position, name));
        }
    }
    rows.into_iter().filter_map(|(id, (_, name))| Some(format!("{id} {} none -", name?))).collect()
}

/// A row that is put with a name of its own, or removed.
fn change(id: i64, name: Option<&String>) -> Change {
    name.map_or_else(|| remove(id), |name| put(id, &[("name", text(name))]))
}

/// Rows, and whether each is put: by names of their own.
fn events() -> impl Strategy<Value = Vec<(i64, Option<String>)>> {
    let event = (0..3_i64, proptest::bool::weighted(0.7));
    let named = |events: Vec<(i64, bool)>| {
        events.into_iter().enumerate().map(|(number, (id, is_put))| (id, is_put.then(|| format!("name {number}")))).collect()
    };
    proptest::collection::vec(event, 1..30).prop_map(named)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn events_in_any_order_leave_the_newest_by_the_log(
        events in events(),
        lsns in proptest::collection::vec(0..12_i64, 30),
        sizes in proptest::collection::vec(1..9_usize, 1..5),
    ) {
        let placed = || events.iter().zip(&lsns).map(|((id, name), lsn)| (*id, name.clone(), *lsn));
        let changes: Vec<_> = placed().map(|(id, name, lsn)| at(lsn, change(id, name.as_ref()))).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let stage = Stage::new(ITEMS, items().guard(by_lsn())).await;
            prop_assert!(stage.write_all(&changes, &sizes).await.failed.is_empty());
            prop_assert_eq!(stage.items().await, newest(placed(), |this, known| this < known));
            Ok(())
        })?;
    }

    #[test]
    fn events_in_any_order_leave_the_newest_by_the_topic(
        events in events(),
        reads in proptest::collection::vec((0..2_i32, 0..9_i64, 1..9_usize), 30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let stage = Stage::new(ITEMS, items().guard(Guard::offset("kafka_partition", "kafka_offset"))).await;
            let (mut rest, mut placed) = (&events[..], Vec::new());
            for (partition, first, size) in reads {
                let (batch, behind) = rest.split_at(size.min(rest.len()));
                rest = behind;
                let changes: Vec<_> = batch.iter().map(|(id, name)| change(*id, name.as_ref())).collect();
                prop_assert_eq!(stage.write_at((partition, first), &changes).await.unwrap().0, changes.len());
                placed.extend((first..).zip(batch).map(|(offset, (id, name))| (*id, name.clone(), (partition, offset))));
            }
            // Places in two partitions do not compare.
            let is_older = |this: (i32, i64), known: (i32, i64)| this.0 == known.0 && this.1 < known.1;
            prop_assert_eq!(stage.items().await, newest(placed, is_older));
            Ok(())
        })?;
    }
}
