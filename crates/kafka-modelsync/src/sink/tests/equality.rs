//! Any sequence of changes in batches of any size comes to the same as one by one.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::stage::{ITEMS, Stage, items, put, remove, text};
use crate::change::{Change, Operation};
use crate::model::Guard;
use crate::row::Key;
use crate::value::Value;

/// A row of the model: name, note, big.
type Item = (String, Option<String>, Option<String>);

/// What a database of the simplest kind makes of the changes, one by one, and which of them it refuses.
fn model(changes: &[Change]) -> (Vec<String>, Vec<usize>) {
    let (mut table, mut refused) = (BTreeMap::<i64, Item>::new(), Vec::new());
    for (place, change) in changes.iter().enumerate() {
        let Some(Key::Whole(Value::Int(id))) = &change.key else { panic!("{change:?}") };
        match &change.operation {
            Operation::Upsert { after, .. } => {
                let mut item = table.get(id).cloned().unwrap_or((String::new(), Some("none".to_owned()), None));
                let said = |name: &str| match after.get(name) {
                    None | Some(Value::Unavailable) => None,
                    Some(Value::Null) => Some(None),
                    Some(Value::Text(text)) => Some(Some(text.clone())),
                    other => panic!("{other:?}"),
                };
                let name = said("name").or_else(|| table.contains_key(id).then(|| Some(item.0.clone())));
                match name.flatten() {
                    Some(name) if name != "bad" => item.0 = name,
                    _ => {
                        refused.push(place);
                        continue;
                    }
                }
                item.1 = said("note").unwrap_or(item.1);
                item.2 = said("big").unwrap_or(item.2);
                table.insert(*id, item);
            }
            Operation::Delete { .. } => drop(table.remove(id)),
            Operation::Truncate | Operation::Nothing => {}
        }
    }
    let line =
        |(id, (name, note, big)): (i64, Item)| format!("{id} {name} {} {}", note.as_deref().unwrap_or("-"), big.as_deref().unwrap_or("-"));
    (table.into_iter().map(line).collect(), refused)
}

/// Leaves out what is refused one by one, unless it is the last of its key: a state that a later message of the batch replaces is not
/// written, and so not judged.
fn judged(mut changes: Vec<Change>) -> Vec<Change> {
    loop {
        let (_, refused) = model(&changes);
        let superseded = |place: &usize| changes[place + 1..].iter().any(|later| later.key == changes[*place].key);
        let Some(place) = refused.into_iter().find(superseded) else { return changes };
        changes.remove(place);
    }
}

fn field(values: Vec<Value>) -> impl Strategy<Value = Option<Value>> {
    proptest::option::weighted(0.8, proptest::sample::select(values))
}

fn change() -> impl Strategy<Value = Change> {
    let names = field(vec![text("a"), text("b"), text("c"), text("d"), text("a"), text("b"), Value::Unavailable, Value::Null, text("bad")]);
    let notes = field(vec![text("x"), text("y"), Value::Null]);
    let bigs = field(vec![text("long"), text("longer"), Value::Unavailable, Value::Null]);
    let put = (0..4_i64, names, notes, bigs).prop_map(|(id, name, note, big)| {
        let fields = [("name", name), ("note", note), ("big", big)];
        let fields: Vec<_> = fields.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect();
        put(id, &fields)
    });
    prop_oneof![4 => put, 1 => (0..4_i64).prop_map(remove)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn batches_of_any_size_come_to_the_same_as_one_by_one(
        changes in proptest::collection::vec(change(), 1..40).prop_map(judged),
        sizes in proptest::collection::vec(1..12_usize, 1..5),
        guarded in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let guard = if guarded { Guard::Offset { partition: "kafka_partition".into(), offset: "kafka_offset".into() } } else { Guard::Off };
            let stage = Stage::new(ITEMS, items().guard(guard)).await;
            let outcome = stage.write_all(&changes, &sizes).await;
            let (rows, refused) = model(&changes);
            prop_assert_eq!(stage.items().await, rows);
            prop_assert_eq!(outcome.failed.iter().map(|(place, _)| *place).collect::<Vec<_>>(), refused);
            if guarded {
                // From the beginning once more: all of it is old by now.
                let before = stage.items().await;
                stage.write_all(&changes, &[sizes[0]]).await;
                prop_assert_eq!(stage.items().await, before);
            }
            Ok(())
        })?;
    }
}
