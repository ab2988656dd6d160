//! The rules on rows that are there, gone and flagged; the topic's name.

use std::sync::{Arc, Mutex};

use kafka_core::format::Json;
use serde_json::json;

use super::*;

/// Rows 1 to 9 are there, and those that can be divided by 3 are flagged. Notes what it is told.
#[derive(Clone, Default)]
struct Rows(Arc<Mutex<Vec<String>>>);

impl TopicReproducer for Rows {
    type Key = Json<serde_json::Value>;
    type Value = Json<serde_json::Value>;
    type Id = i64;
    type Row = i64;

    fn reproduced() -> Reproduced {
        Reproduced::model("rows").namespace("raw")
    }

    async fn load(&self, id: &i64) -> Result<Option<i64>, BoxError> {
        match *id {
            -1 => Err("the database is down".into()),
            id => Ok((1..10).contains(&id).then_some(id)),
        }
    }

    fn is_skipped(&self, row: &i64) -> bool {
        row % 3 == 0
    }

    async fn reproduce_upsert(&self, row: i64, id: i64, _: &Change) -> Result<(), HandlerError> {
        self.0.lock().unwrap().push(format!("{id} is {row}"));
        Ok(())
    }

    async fn reproduce_deletion(&self, id: i64, _: &Change) -> Result<(), HandlerError> {
        self.0.lock().unwrap().push(format!("{id} is gone"));
        Ok(())
    }
}

async fn told(key: serde_json::Value, value: serde_json::Value) -> Result<Vec<String>, String> {
    let rows = Rows::default();
    let change = ChangeReader::new().read(Some(key), Some(value)).unwrap();
    rows.reproduce(change).await.map_err(|error| error.to_string())?;
    let told = rows.0.lock().unwrap().clone();
    Ok(told)
}

#[tokio::test]
async fn rows_are_loaded_and_told_unless_they_are_gone_or_flagged() {
    for (id, value, expected) in [
        (1, json!({"id": 1}), vec!["1 is 1"]),
        (3, json!({"id": 3}), vec![]),
        (77, json!({"id": 77}), vec![]),
        // The event itself may say it.
        (1, json!({"id": 1, "kafka_skip": true}), vec![]),
        (1, json!({"id": 1, "kafka_skip": false}), vec!["1 is 1"]),
        // A deletion is told, flagged or not.
        (3, json!(null), vec!["3 is gone"]),
        (3, json!({"id": 3, "__deleted": "true", "kafka_skip": true}), vec!["3 is gone"]),
        (4, json!({"op": "d", "source": {}, "before": {"id": 4}, "after": null}), vec!["4 is gone"]),
        (4, json!({"op": "t", "source": {}, "before": null, "after": null}), vec![]),
    ] {
        assert_eq!(told(json!({"id": id}), value.clone()).await.unwrap(), expected, "{id} {value}");
    }
    assert_eq!(told(json!({"id": -1}), json!({"id": -1})).await.unwrap_err(), "the database is down");
    assert_eq!(told(json!(5), json!({"id": 5})).await.unwrap(), ["5 is 5"]);
    let error = told(json!({"a": 1, "b": 2}), json!({"id": 5})).await.unwrap_err();
    assert_eq!(error, "the key has 2 columns, and which of them is the id is not said; write `id_column`");
    assert_eq!(told(json!("x"), json!({"id": 5})).await.unwrap_err(), "a text is no id of this table");
}

#[test]
fn the_topic_is_the_models_or_a_name_with_a_namespace() {
    assert_eq!(Reproduced::model("t").topic().unwrap(), "t");
    assert_eq!(Reproduced::model("t").namespace("n").topic().unwrap(), "n.t");
    assert_eq!(Reproduced::named("x").namespace("n").topic().unwrap(), "n.x");
    assert_eq!(Reproduced::model("t").name("x").topic().unwrap(), "x");
    assert_eq!(Reproduced::default().topic(), Err(ReproducedNameError));
    assert_eq!(<Reproducer<Rows> as Topic>::spec().name, "raw.rows");
}
