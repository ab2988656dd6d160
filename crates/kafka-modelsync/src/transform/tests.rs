//! Transforms one by one and in chains, and the schemas that come of them.

use std::sync::Mutex;

use kafka_core::format::ValueSchema;
use serde_json::json;

use super::*;
use crate::change::{ChangeReader, Operation};
use crate::row::{Key, Row};

fn row(columns: &[(&str, Value)]) -> Row {
    columns.iter().map(|(name, value)| (*name, value.clone())).collect()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn upsert(columns: &[(&str, Value)]) -> Change {
    Change::new(Some(Key::Row(row(&[("id", Value::Int(1))]))), Operation::Upsert { before: None, after: row(columns) })
}

fn after(change: &Change) -> &Row {
    let Operation::Upsert { after, .. } = &change.operation else { panic!("no upsert") };
    after
}

async fn applied(transforms: &Transforms, columns: &[(&str, Value)]) -> Result<Row, TransformError> {
    let mut changes = [upsert(columns)];
    match transforms.apply(&mut changes).await.remove(0) {
        Some(error) => Err(error),
        None => Ok(after(&changes[0]).clone()),
    }
}

#[tokio::test]
async fn fields_one_by_one() {
    let of = |field: Field| Transforms::new().field(field);
    let date = Value::Date("1990-05-06".parse().unwrap());
    let at = Value::TimestampTz("2026-01-02T03:04:05.678Z".parse().unwrap());
    let upper = |value: Value| match value {
        Value::Text(text) => Ok(Value::Text(text.to_uppercase())),
        other => Err(format!("{} has no letters", other.kind())),
    };
    let map = [(Value::Int(1), text("one")), (Value::Null, text("none"))];
    let bytes = Value::Bytes(vec![0xde, 0xad]);
    for (field, from, to) in [
        (Field::of("a").to("b"), &[("a", Value::Int(1))][..], &[("b", Value::Int(1))][..]),
        (Field::of("a").to("b").keep(), &[("a", Value::Int(1))], &[("a", Value::Int(1)), ("b", Value::Int(1))]),
        (Field::of("a").to("b"), &[("a", Value::Int(1)), ("b", Value::Int(2))], &[("b", Value::Int(1))]),
        (Field::of("a").to("b"), &[("c", Value::Int(1))], &[("c", Value::Int(1))]),
        (
            Field::of("a").coalesce(["b", "c"]).keep(),
            &[("a", Value::Null), ("c", Value::Int(3))],
            &[("a", Value::Int(3)), ("c", Value::Int(3))],
        ),
        (
            Field::of("a").coalesce(["b"]),
            &[("a", Value::Null), ("b", Value::Unavailable)],
            &[("a", Value::Unavailable), ("b", Value::Unavailable)],
        ),
        (Field::fixed("o", text("crm")), &[("a", Value::Null)], &[("a", Value::Null), ("o", text("crm"))]),
        (Field::of("a").mapping(map.clone()), &[("a", Value::Int(1))], &[("a", text("one"))]),
        (Field::of("a").mapping(map.clone()), &[("a", Value::Null)], &[("a", text("none"))]),
        (Field::of("a").mapping(map.clone()).otherwise(text("other")), &[("a", Value::Int(2))], &[("a", text("other"))]),
        (Field::of("a").date_from_days(), &[("a", Value::Int(7430))], &[("a", date.clone())]),
        (Field::of("a").date_from_days(), &[("a", date.clone())], &[("a", date.clone())]),
        (Field::of("a").timestamp_from(Unit::Millis), &[("a", Value::Int(1_767_323_045_678))], &[("a", at.clone())]),
        (Field::of("a").timestamp_from(Unit::Micros), &[("a", Value::Int(1_767_323_045_678_000))], &[("a", at.clone())]),
        (Field::of("a").timestamp_from(Unit::Micros), &[("a", Value::Null)], &[("a", Value::Null)]),
        (Field::of("a").bytes_from(BinaryText::Hex), &[("a", text("dead"))], &[("a", bytes.clone())]),
        (Field::of("a").bytes_from(BinaryText::Base64), &[("a", text("3q0="))], &[("a", bytes.clone())]),
        (Field::of("a").by(upper), &[("a", text("ada"))], &[("a", text("ADA"))]),
        (Field::of("a").by(upper), &[("a", Value::Unavailable)], &[("a", Value::Unavailable)]),
        (Field::of("id").on(Parts::Key).to("key"), &[("id", Value::Int(1))], &[("id", Value::Int(1))]),
    ] {
        assert_eq!(applied(&of(field.clone()), from).await.unwrap(), row(to), "{field:?} {from:?}");
    }
    for (field, from, error) in [
        (Field::of("a").mapping(map), Value::Int(7), "the field `a` has no mapping for 7"),
        (Field::of("a").date_from_days(), text("x"), "the field `a` of `x` cannot be transformed: it is no whole number"),
        (
            Field::of("a").date_from_days(),
            Value::Int(i64::MAX),
            "the field `a` of 9223372036854775807 cannot be transformed: no calendar has so many days",
        ),
        (Field::of("a").bytes_from(BinaryText::Hex), text("de a"), "the field `a` of `de a` cannot be transformed: it is not hexadecimal"),
        (Field::of("a").by(upper), Value::Int(1), "the transform of the field `a` failed"),
    ] {
        assert_eq!(applied(&of(field), &[("a", from)]).await.unwrap_err().to_string(), error);
    }
}

#[tokio::test]
async fn a_chain_works_on_key_and_value_and_a_failure_fails_one_change() {
    let transforms = Transforms::new()
        .field(Field::of("id").to("customer_id").on(Parts::Both))
        .field(Field::of("kind").mapping([(Value::Int(1), text("one"))]))
        .change(|change| {
            if let Operation::Upsert { after, .. } = &mut change.operation {
                after.set("seen", Value::Bool(true));
            }
            Ok::<_, String>(())
        });
    let columns = |kind| [("id", Value::Int(1)), ("kind", Value::Int(kind))];
    let old = row(&columns(9));
    let deleted = Change::new(Some(Key::Row(row(&[("id", Value::Int(1))]))), Operation::Delete { before: Some(old) });
    let mut changes = [upsert(&columns(1)), upsert(&columns(2)), deleted, upsert(&columns(1))];
    let failures = transforms.apply(&mut changes).await;
    let failed: Vec<bool> = failures.iter().map(Option::is_some).collect();
    assert_eq!(failed, [false, true, false, false]);
    assert_eq!(changes[0].key, Some(Key::Row(row(&[("customer_id", Value::Int(1))]))));
    let made = row(&[("kind", text("one")), ("customer_id", Value::Int(1)), ("seen", Value::Bool(true))]);
    assert_eq!((after(&changes[0]), after(&changes[3])), (&made, &made));
    // What was before fails nothing.
    let before = row(&[("kind", Value::Unavailable), ("customer_id", Value::Int(1))]);
    assert_eq!(changes[2].operation, Operation::Delete { before: Some(before) });
    assert_eq!(transforms.made().collect::<Vec<_>>(), ["customer_id", "kind"]);
}

/// Codes and ids; notes what it was asked.
struct Ids(Arc<Mutex<Vec<Vec<Value>>>>);

impl Lookup for Ids {
    fn look_up<'a>(&'a self, keys: &'a [Value]) -> BoxFuture<'a, Result<Vec<Option<Value>>, BoxError>> {
        self.0.lock().unwrap().push(keys.to_vec());
        let found =
            keys.iter().map(|key| if let Value::Text(code) = key { code.strip_prefix('c')?.parse().ok().map(Value::Int) } else { None });
        let answer = if keys.contains(&text("down")) { Err("the database is down".into()) } else { Ok(found.collect()) };
        Box::pin(std::future::ready(answer))
    }
}

#[tokio::test]
async fn lookups_are_asked_once_for_each_batch() {
    let asked = Arc::default();
    let transforms = Transforms::new().field(Field::of("code").look_up(Ids(Arc::clone(&asked))).to("customer_id").returns::<i64>());
    let code = |code: Value| upsert(&[("code", code)]);
    let mut changes = [code(text("c1")), code(text("c2")), code(text("c1")), code(Value::Null), code(Value::Unavailable), code(text("x"))];
    let failures = transforms.apply(&mut changes).await;
    assert_eq!(*asked.lock().unwrap(), [[text("c1"), text("c2"), text("x")]]);
    let ids: Vec<Value> = changes[..5].iter().map(|change| after(change).get("customer_id").unwrap().clone()).collect();
    assert_eq!(ids, [Value::Int(1), Value::Int(2), Value::Int(1), Value::Null, Value::Unavailable]);
    let failed: Vec<String> = failures.iter().flatten().map(ToString::to_string).collect();
    assert_eq!(failed, ["nothing is found for the field `code` of `x`"]);

    let mut changes = [code(text("down")), code(text("c1"))];
    assert!(transforms.apply(&mut changes).await.iter().all(Option::is_some));
    let lenient = Transforms::new().field(Field::of("code").look_up(Ids(Arc::default())).otherwise(Value::Int(0)));
    assert_eq!(applied(&lenient, &[("code", text("x"))]).await.unwrap(), row(&[("code", Value::Int(0))]));
}

struct Names;

impl Enrich for Names {
    fn enrich<'a>(&'a self, changes: &'a [&'a Change]) -> BoxFuture<'a, Result<Vec<Vec<Value>>, BoxError>> {
        let named = changes.iter().map(|change| match after(change).get("name") {
            Some(Value::Text(name)) => Ok(vec![text(&format!("Dr. {name}")), Value::Int(1)]),
            _ => Err("a row has no name".into()),
        });
        Box::pin(std::future::ready(named.collect()))
    }
}

#[tokio::test]
async fn enrichers_add_fields_to_rows_alone() {
    let transforms = Transforms::new().enrich([NewField::of::<String>("title"), NewField::of::<Option<i64>>("rank")], Names);
    let mut changes = [upsert(&[("name", text("Ada"))]), Change::new(None, Operation::Delete { before: None })];
    assert!(transforms.apply(&mut changes).await.iter().all(Option::is_none));
    assert_eq!(after(&changes[0]), &row(&[("name", text("Ada")), ("title", text("Dr. Ada")), ("rank", Value::Int(1))]));
    let failures = transforms.apply(&mut [upsert(&[("a", Value::Null)])]).await;
    assert_eq!(failures[0].as_ref().unwrap().to_string(), "the fields `title`, `rank` cannot be added");
}

#[tokio::test]
async fn the_enriched_schema_is_derived_and_takes_the_rows() {
    let source = json!({"type": "record", "name": "Envelope", "namespace": "app.public.t", "fields": [
        {"name": "before", "type": ["null", {"type": "record", "name": "Value", "fields": [
            {"name": "id", "type": "long"},
            {"name": "n", "type": ["null", {"type": "record", "name": "VariableScaleDecimal", "namespace": "io.debezium.data",
                "fields": [{"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}],
                "connect.name": "io.debezium.data.VariableScaleDecimal"}], "default": null},
            {"name": "m", "type": ["null", "io.debezium.data.VariableScaleDecimal"], "default": null},
            {"name": "born", "type": "int"},
            {"name": "kind", "type": ["null", "int"], "default": null},
            {"name": "nick", "type": ["null", "string"], "default": null},
            {"name": "name", "type": "string", "default": "?"},
            {"name": "code", "type": ["null", "string"], "default": null},
        ]}], "default": null},
        {"name": "after", "type": ["null", "Value"], "default": null},
        {"name": "source", "type": "string"},
        {"name": "op", "type": "string"},
    ]});
    let source = ValueSchema::parse(&source.to_string()).unwrap();
    let transforms = Transforms::new()
        // The field that writes the decimal's record out goes, and the next has to.
        .field(Field::of("n").by(|_| Ok::<_, String>(text("n"))).returns::<String>())
        .field(Field::of("born").date_from_days().to("birthday"))
        .field(Field::of("kind").mapping([(Value::Int(1), text("one"))]))
        .field(Field::of("nick").coalesce(["name"]).keep())
        .field(Field::of("name").to("first_name"))
        .field(Field::of("code").look_up(Ids(Arc::default())).to("customer_id").returns::<i64>())
        .field(Field::fixed("origin", text("crm")))
        .enrich([NewField::of::<Option<i64>>("rank")], Ranks);
    let derived = transforms.value_schema(&source, "shop.Customer").unwrap();
    let json: serde_json::Value = serde_json::from_str(derived.text().as_str()).unwrap();
    let fields: Vec<(String, String)> = json["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| (field["name"].as_str().unwrap().to_owned(), field["type"].to_string()))
        .collect();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, kind)| (&**name, &**kind)).filter(|(name, _)| *name != "m").collect();
    assert_eq!(
        fields,
        [
            ("id", r#""long""#),
            ("n", r#""string""#),
            ("kind", r#"["null","string"]"#),
            ("nick", r#""string""#),
            ("birthday", r#"{"logicalType":"date","type":"int"}"#),
            ("first_name", r#""string""#),
            ("customer_id", r#"["null","long"]"#),
            ("origin", r#""string""#),
            ("rank", r#"["null","long"]"#),
        ]
    );
    assert_eq!(json["namespace"], "shop");

    let columns = [
        ("id", Value::Int(1)),
        ("n", Value::Null),
        ("m", Value::Decimal("1.50".parse().unwrap())),
        ("born", Value::Int(7430)),
        ("kind", Value::Int(1)),
        ("nick", Value::Null),
        ("name", text("Ada")),
        ("code", text("c7")),
    ];
    let row = applied(&transforms, &columns).await.unwrap();
    let back = ChangeReader::new().read(None::<String>, Some(row.to_avro(&derived).unwrap())).unwrap();
    for (name, value) in row.iter() {
        assert_eq!(after(&back).get(name), Some(value), "{name}");
    }

    let unknown = Transforms::new().field(Field::of("kind").mapping([(Value::Int(1), text("one")), (Value::Int(2), Value::Int(2))]));
    let error = unknown.value_schema(&source, "shop.Customer").unwrap_err();
    assert_eq!(error, DeriveSchemaError::UnknownType { field: "kind".into() });
}

struct Ranks;

impl Enrich for Ranks {
    fn enrich<'a>(&'a self, changes: &'a [&'a Change]) -> BoxFuture<'a, Result<Vec<Vec<Value>>, BoxError>> {
        Box::pin(std::future::ready(Ok(changes.iter().map(|_| vec![Value::Int(9)]).collect())))
    }
}
