//! What a sink's topic declares for others: its model, which is looked at before the application starts, and the rows that its messages
//! need, for the resolver.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kafka_core::app::{App, StartStep};
use kafka_core::error::BoxError;
use kafka_core::topic::{Concurrency, Decoded, KeyOf, Topic, TopicSpec, ValueOf};
use kafka_resolver::{DeclaredRelations, Needs, Relation, RelationValue};

use super::error::DatabaseError;
use super::referral::{ForeignKey, Referrals};
use super::shape::{SelfReference, Shape};
use super::tables::Tables;
use super::target::Targets;
use crate::change::{Change, ChangeReader, Event, Operation};
use crate::model::{ForeignKeys, Model, Written};
use crate::row::{Key, Row};
use crate::transform::Later;
use crate::value::Value;

/// The models of a sink's topic.
#[derive(Debug)]
struct SinkModel(Arc<Targets>);

/// The topic's declarations with those of a sink.
pub(super) fn declare<T: Topic>(spec: TopicSpec, model: &Model) -> TopicSpec
where
    KeyOf<T>: Event + Clone,
    ValueOf<T>: Event + Clone,
{
    let (targets, reader) = (Arc::new(Targets::of(model.clone())), reader(model));
    let spec = spec.declare(SinkModel(Arc::clone(&targets)));
    if targets.models().all(|model| model.relations.is_empty() && model.foreign_keys != Some(ForeignKeys::WaitedFor)) {
        return spec;
    }
    spec.declare(DeclaredRelations::by(move |decoded: &Decoded<KeyOf<T>, ValueOf<T>>| {
        let (key, value) = decoded.as_ref().ok()?;
        value.as_ref()?;
        let referrals = targets.referrals.get().map(|referrals| &**referrals);
        if targets.models().all(|model| model.relations.is_empty() && found(model, referrals).is_empty()) {
            return None;
        }
        // What cannot be read needs nothing: it fails when it is written.
        let mut change = reader.read(key.clone(), value.clone()).ok()?;
        let target = targets.at(targets.place_of(&change).ok()?);
        let (transforms, later) = &target.at_once;
        // What fails here fails again when it is written.
        let failed = transforms.apply(std::slice::from_mut(&mut change)).now_or_never()?.pop().flatten();
        if failed.is_some() {
            return None;
        }
        Some(needs(&change, &target.model, (&found(&target.model, referrals), later)))
    }))
}

/// Reads what the model's messages are.
pub(super) fn reader(model: &Model) -> ChangeReader {
    match (&model.deletion, &model.deletion_key) {
        (None, Some(field)) => ChangeReader::new().deletion_field(field),
        (None, None) => ChangeReader::new(),
        // Only the model's own judgement counts.
        (Some(_), _) => ChangeReader::new().deletion_field(""),
    }
}

/// The foreign keys of its table that are waited for.
fn found(model: &Model, referrals: Option<&Referrals>) -> Arc<[ForeignKey]> {
    let known = || referrals?.of(&model.table);
    if model.foreign_keys == Some(ForeignKeys::WaitedFor) { known().unwrap_or_default() } else { Arc::default() }
}

fn needs(change: &Change, model: &Model, found: (&[ForeignKey], &Later)) -> Needs {
    match &change.operation {
        Operation::Upsert { after, .. } if !model.is_deletion(after) => of_row(after, change.key.as_ref(), model, found),
        Operation::Upsert { .. } | Operation::Delete { .. } => Needs::deletion(),
        Operation::Truncate | Operation::Nothing => Needs::default(),
    }
}

fn of_row(row: &Row, key: Option<&Key>, model: &Model, (found, later): (&[ForeignKey], &Later)) -> Needs {
    let mut needs = Needs::default();
    for relation in &model.relations {
        if later.changes(source(model, &relation.column)) {
            continue;
        }
        let value = match to_be_written(row, model, &relation.column) {
            Some(Value::Int(value)) => RelationValue::Int(value),
            Some(Value::Text(value)) => RelationValue::Text(value),
            Some(Value::Uuid(value)) => RelationValue::Uuid(value.to_string()),
            _ => continue,
        };
        needs.relation(Relation::row(&*relation.table, &*relation.parent, value));
    }
    for referral in found {
        let said = model.relations.iter().any(|relation| *relation.column == *referral.column);
        let excluded = model.fields.get(&*referral.column).is_some_and(|field| field.written == Written::Never);
        if said || excluded || later.changes(source(model, &referral.column)) {
            continue;
        }
        let value = to_be_written(row, model, &referral.column).and_then(|value| referral.kind.value(value));
        let Some(value) = value else { continue };
        // A row that refers to itself waits for nobody.
        let own = to_be_written(row, model, &referral.parent).or_else(|| match key {
            Some(Key::Row(key)) => to_be_written(key, model, &referral.parent),
            Some(Key::Whole(value)) if matches!(model.key(), [only] if **only == *referral.parent) => Some(value.clone()),
            _ => None,
        });
        if referral.itself == SelfReference::Some && own.and_then(|value| referral.kind.value(value)).as_ref() == Some(&value) {
            continue;
        }
        needs.relation(Relation::row(&referral.table, &referral.parent, value));
    }
    needs
}

/// Why stored positions and messages side by side do not go together.
pub(super) fn side_by_side(topic: &str) -> String {
    format!("topic `{topic}` keeps its positions in the database, and handles messages side by side; leave out `concurrency`")
}

/// The field that the column is filled from.
fn source<'a>(model: &'a Model, column: &'a str) -> &'a str {
    model.fields.get(column).and_then(|field| field.source.as_deref()).unwrap_or(column)
}

/// What is written is what is waited for; a transform that fails is for the handler to tell.
fn to_be_written(row: &Row, model: &Model, column: &str) -> Option<Value> {
    let field = model.fields.get(column);
    let value = row.get(source(model, column)).filter(|value| **value != Value::Unavailable).cloned()?;
    match field.and_then(|field| field.transform.as_ref()) {
        Some(transform) => transform(value).ok(),
        None => Some(value),
    }
}

/// Looks at the tables of all sinks before the application starts: one that is not as declared keeps it from starting.
#[derive(Debug)]
pub(super) struct CheckTables(pub(super) Tables);

impl StartStep for CheckTables {
    fn name(&self) -> &'static str {
        "looking at the tables of sinks"
    }

    fn run<'a>(&'a self, app: &'a App) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(async move {
            let mut problems = Vec::new();
            for topic in app.assembled_topics() {
                let Some(SinkModel(targets)) = topic.spec().declared() else { continue };
                if self.0.keeps_positions_of(topic.offset_storage()) && topic.spec().concurrency != Concurrency::Partition {
                    problems.push(side_by_side(&topic.spec().name));
                }
                let referrals = targets.referrals.get_or_init(|| Arc::clone(&self.0.referrals));
                for model in targets.models() {
                    let found = self.0.database.describe(&model.table).await;
                    if let Ok(found) = &found {
                        referrals.found(&model.table, &found.foreign_keys);
                    }
                    match found.and_then(|found| Shape::new(model, &found)) {
                        Ok(_) => {}
                        Err(DatabaseError::Table { problem }) => problems.push(problem),
                        // Time may mend it: messages wait until then.
                        Err(error) => {
                            tracing::warn!(table = %model.table, error = &error as &dyn std::error::Error, "a table could not be looked at");
                        }
                    }
                }
            }
            problems.dedup();
            if problems.is_empty() { Ok(()) } else { Err(problems.join("\n").into()) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::referral::ReferralKind;
    use crate::table::Table;
    use crate::transform::{Enrich, Field, Lookup, NewField, Transforms};

    #[test]
    fn messages_need_the_rows_that_their_columns_refer_to() {
        let table = Table::named("orders", ["id", "customer_id", "code", "__deleted"], ["id"]);
        let model =
            Model::of(table).rename("code", "product").relation("customer_id", "customers", "id").relation("code", "products", "code");
        let upsert = |fields: &[(&str, Value)]| {
            let after = fields.iter().map(|(name, value)| (*name, value.clone())).collect();
            Change::new(Some(Key::Whole(Value::Int(1))), Operation::Upsert { before: None, after })
        };
        let both = upsert(&[("customer_id", Value::Int(7)), ("product", Value::Text("x".into()))]);
        let relations =
            [Relation::row("customers", "id", RelationValue::Int(7)), Relation::row("products", "code", RelationValue::Text("x".into()))];
        assert_eq!(needs(&both, &model, (&[], &Later::Nothing)).relations(), relations);
        assert_eq!(
            needs(&upsert(&[("customer_id", Value::Null), ("product", Value::Unavailable)]), &model, (&[], &Later::Nothing)),
            Needs::default()
        );
        let deleted = upsert(&[("customer_id", Value::Int(7)), ("__deleted", Value::Bool(true))]);
        assert_eq!(needs(&deleted, &model, (&[], &Later::Nothing)), Needs::deletion());
        assert_eq!(needs(&Change::new(None, Operation::Delete { before: None }), &model, (&[], &Later::Nothing)), Needs::deletion());
    }
    #[test]
    fn what_a_transform_makes_of_a_column_is_what_is_waited_for() {
        let local = |value: Value| match value {
            Value::Int(id) if id >= 1_000 => Ok(Value::Int(id - 1_000)),
            Value::Int(0) => Ok(Value::Null),
            other => Err(format!("{other:?} is none of theirs")),
        };
        let table = Table::named("orders", ["id", "customer_id"], ["id"]);
        let model = Model::of(table).rename("customer_id", "customer").transform("customer_id", local);
        let model = model.relation("customer_id", "customers", "id");
        let waits = |value: Value| {
            let after = [("customer", value)].into_iter().collect();
            needs(&Change::new(None, Operation::Upsert { before: None, after }), &model, (&[], &Later::Nothing)).relations().to_vec()
        };
        assert_eq!(waits(Value::Int(1_007)), [Relation::row("customers", "id", RelationValue::Int(7))]);
        // Nothing is referred to; or the handler tells what is wrong.
        assert_eq!((waits(Value::Int(0)), waits(Value::Int(5)), waits(Value::Unavailable)), (vec![], vec![], vec![]));
    }

    #[test]
    fn foreign_keys_are_waited_for_unless_something_else_is_said() {
        let key = |column: &str, table: &str, itself, kind| ForeignKey {
            column: column.to_owned(),
            table: table.to_owned(),
            parent: "id".to_owned(),
            itself,
            kind,
        };
        let found = [
            key("customer_id", "public.customers", SelfReference::None, ReferralKind::Int),
            key("parent_id", "public.orders", SelfReference::Some, ReferralKind::Int),
            key("code", "public.products", SelfReference::None, ReferralKind::Uuid),
        ];
        let model =
            || Model::of(Table::named("orders", ["id", "customer_id", "parent_id", "code"], ["id"])).rename("customer_id", "customer");
        let waits = |model: &Model, fields: &[(&str, Value)]| {
            let after = fields.iter().map(|(name, value)| (*name, value.clone())).collect();
            needs(&Change::new(None, Operation::Upsert { before: None, after }), model, (&found, &Later::Nothing)).relations().to_vec()
        };
        let row = |table: &str, id: i64| Relation::row(table, "id", RelationValue::Int(id));
        let whole = [("id", Value::Int(1)), ("customer", Value::Text("7".into())), ("parent_id", Value::Int(3)), ("code", Value::Int(5))];
        assert_eq!(waits(&model(), &whole), [row("public.customers", 7), row("public.orders", 3)]);
        let root = [("id", Value::Int(1)), ("parent_id", Value::Int(1)), ("customer", Value::Null), ("code", Value::Unavailable)];
        assert_eq!(waits(&model(), &root), []);
        let of_key = |key: Key| {
            let after = [("parent_id", Value::Int(1))].into_iter().collect();
            needs(&Change::new(Some(key), Operation::Upsert { before: None, after }), &model(), (&found, &Later::Nothing)).relations().len()
        };
        let in_key = |id: i64| Key::Row([("id", Value::Int(id))].into_iter().collect());
        assert_eq!([in_key(1), in_key(2), Key::Whole(Value::Int(1)), Key::Whole(Value::Int(2))].map(of_key), [0, 1, 0, 1]);
        assert_eq!(waits(&model().relation("customer_id", "people", "id").exclude("parent_id"), &root), []);
        let said = model().relation("parent_id", "roots", "id").exclude("customer_id");
        assert_eq!(waits(&said, &whole), [row("roots", 3)]);
    }

    #[test]
    fn what_transforms_make_is_waited_for_unless_somebody_has_to_be_asked() {
        let spec = |transforms: Transforms| {
            let model = Model::of(Table::named("orders", ["id", "customer_id", "shop_id"], ["id"])).transforms(transforms);
            Targets::of(model.relation("customer_id", "customers", "id").relation("shop_id", "shops", "id"))
        };
        let waits = |transforms: Transforms| {
            let targets = spec(transforms);
            let (transforms, later) = &targets.own().at_once;
            let after = [("customer", Value::Int(7)), ("shop_id", Value::Int(3))].into_iter().collect();
            let mut change = Change::new(None, Operation::Upsert { before: None, after });
            assert!(transforms.apply(std::slice::from_mut(&mut change)).now_or_never().unwrap()[0].is_none());
            needs(&change, &targets.own().model, (&[], later)).relations().len()
        };
        let rename = || Field::of("customer").to("customer_id");
        assert_eq!(waits(Transforms::new().field(rename())), 2);
        assert_eq!(waits(Transforms::new().field(rename()).field(Field::of("shop_id").look_up(Nobody))), 1);
        assert_eq!(waits(Transforms::new().field(rename().look_up(Nobody))), 1);
        assert_eq!(waits(Transforms::new().field(rename()).enrich([NewField::of::<i64>("shop_id")], Nobody)), 1);
        let anything = Transforms::new().field(Field::of("x").look_up(Nobody)).change(|_| Ok::<_, std::io::Error>(()));
        assert_eq!(waits(anything), 0);
    }

    /// Not to be asked by the gate.
    struct Nobody;

    impl Lookup for Nobody {
        fn look_up<'a>(&'a self, _: &'a [Value]) -> BoxFuture<'a, Result<Vec<Option<Value>>, BoxError>> {
            panic!("the gate asks nobody")
        }
    }

    impl Enrich for Nobody {
        fn enrich<'a>(&'a self, _: &'a [&'a Change]) -> BoxFuture<'a, Result<Vec<Vec<Value>>, BoxError>> {
            panic!("the gate asks nobody")
        }
    }
}
