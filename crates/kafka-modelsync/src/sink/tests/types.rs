//! Types of polymorphic references: what is written for them, and what is said of those that nobody knows.

use super::stage::Stage;
use crate::model::{Model, Polymorphic, Referent, TypeTable};
use crate::sink::types::Types;
use crate::table::Table;
use crate::value::Value;

const SQL: &str = "CREATE TABLE notes (id BIGINT PRIMARY KEY NOT NULL, kind BIGINT, of BIGINT);
    CREATE TABLE types (id BIGINT PRIMARY KEY NOT NULL, name TEXT); INSERT INTO types VALUES (7, 'note'), (8, 'person'), (9, NULL)";

async fn types(reference: Polymorphic) -> Types {
    let notes = Table::named("notes", ["id", "kind", "of"], ["id"]);
    let stage = Stage::new(SQL, Model::of(notes.clone())).await;
    Types::found(&stage.database, &notes, &reference).await.unwrap()
}

fn called(types: &Types, sent: Value) -> Result<Value, String> {
    types.called(sent).map_err(|unknown| unknown.to_string())
}

#[tokio::test]
async fn a_type_that_nobody_knows_is_told_with_those_that_are_known() {
    let said =
        Polymorphic::of("kind", "of").to(7, Referent::row("notes", "id").written_as(Value::Int(1))).to("x", Referent::row("notes", "id"));
    let said = types(said).await;
    assert_eq!(called(&said, Value::Int(7)), Ok(Value::Int(1)));
    assert_eq!(called(&said, Value::Text("7".into())), Ok(Value::Int(1)));
    assert_eq!(called(&said, Value::Text("x".into())), Ok(Value::Text("x".into())));
    assert_eq!((called(&said, Value::Null), called(&said, Value::Unavailable)), (Ok(Value::Null), Ok(Value::Unavailable)));
    assert_eq!(called(&said, Value::Int(8)), Err("which is none of `7`, `x`".to_owned()));
    assert_eq!(called(&said, Value::Bool(true)), Err("which is no type".to_owned()));
    let named = Polymorphic::of("kind", "of").sent_ids(TypeTable::new("types", "id", "name")).to("note", Referent::row("notes", "id"));
    let named = types(named).await;
    // Without a table of ours, theirs is what is written.
    assert_eq!(called(&named, Value::Int(7)), Ok(Value::Int(7)));
    assert_eq!(called(&named, Value::Int(8)), Err("which is `person` in `types`, and is none of `note`".to_owned()));
    for unknown in [9, 10] {
        assert_eq!(called(&named, Value::Int(unknown)), Err("which `types` does not have".to_owned()));
    }
    let lenient = types(Polymorphic::of("kind", "of").to(7, Referent::row("notes", "id")).otherwise(Value::Int(0))).await;
    assert_eq!(called(&lenient, Value::Int(8)), Ok(Value::Int(0)));
    assert!(lenient.row(&Value::Int(8), Value::Int(1)).is_none() && lenient.row(&Value::Int(7), Value::Text("a".into())).is_none());
}
