//! What a sink's topic declares for others: its model, which is looked at before the application starts, and the rows that its messages
//! need, for the resolver.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use kafka_core::app::{App, StartStep};
use kafka_core::error::BoxError;
use kafka_core::topic::{Decoded, KeyOf, Topic, TopicSpec, ValueOf};
use kafka_resolver::{DeclaredRelations, Needs, Relation, RelationValue};

use super::database::Database;
use super::error::DatabaseError;
use super::shape::Shape;
use super::target::Targets;
use crate::change::{Change, ChangeReader, Event, Operation};
use crate::model::Model;
use crate::row::Row;
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
    if targets.models().all(|model| model.relations.is_empty()) {
        return spec;
    }
    spec.declare(DeclaredRelations::by(move |decoded: &Decoded<KeyOf<T>, ValueOf<T>>| {
        let (key, value) = decoded.as_ref().ok()?;
        value.as_ref()?;
        // What cannot be read needs nothing: it fails when it is written.
        let change = reader.read(key.clone(), value.clone()).ok()?;
        let target = targets.at(targets.place_of(&change).ok()?);
        Some(needs(&change, &target.model))
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

fn needs(change: &Change, model: &Model) -> Needs {
    match &change.operation {
        Operation::Upsert { after, .. } if !model.is_deletion(after) => of_row(after, model),
        Operation::Upsert { .. } | Operation::Delete { .. } => Needs::deletion(),
        Operation::Truncate | Operation::Nothing => Needs::default(),
    }
}

fn of_row(row: &Row, model: &Model) -> Needs {
    let mut needs = Needs::default();
    for relation in &model.relations {
        let field = model.fields.get(&relation.column);
        let source = field.and_then(|field| field.source.as_ref()).unwrap_or(&relation.column);
        let Some(value) = row.get(source).filter(|value| **value != Value::Unavailable).cloned() else { continue };
        // What is written is what is waited for; a transform that fails is for the handler to tell.
        let value = match field.and_then(|field| field.transform.as_ref()) {
            Some(transform) => transform(value),
            None => Ok(value),
        };
        let value = match value {
            Ok(Value::Int(value)) => RelationValue::Int(value),
            Ok(Value::Text(value)) => RelationValue::Text(value),
            Ok(Value::Uuid(value)) => RelationValue::Uuid(value.to_string()),
            _ => continue,
        };
        needs.relation(Relation::row(&*relation.table, &*relation.parent, value));
    }
    needs
}

/// Looks at the tables of all sinks before the application starts: one that is not as declared keeps it from starting.
#[derive(Debug)]
pub(super) struct CheckTables(pub(super) Arc<dyn Database>);

impl StartStep for CheckTables {
    fn name(&self) -> &'static str {
        "looking at the tables of sinks"
    }

    fn run<'a>(&'a self, app: &'a App) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(async move {
            let mut problems = Vec::new();
            for topic in app.assembled_topics() {
                let Some(SinkModel(targets)) = topic.spec().declared() else { continue };
                for model in targets.models() {
                    match self.0.describe(&model.table).await.and_then(|found| Shape::new(model, &found)) {
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
    use crate::row::Key;
    use crate::table::Table;

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
        assert_eq!(needs(&both, &model).relations(), relations);
        assert_eq!(needs(&upsert(&[("customer_id", Value::Null), ("product", Value::Unavailable)]), &model), Needs::default());
        let deleted = upsert(&[("customer_id", Value::Int(7)), ("__deleted", Value::Bool(true))]);
        assert_eq!(needs(&deleted, &model), Needs::deletion());
        assert_eq!(needs(&Change::new(None, Operation::Delete { before: None }), &model), Needs::deletion());
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
            needs(&Change::new(None, Operation::Upsert { before: None, after }), &model).relations().to_vec()
        };
        assert_eq!(waits(Value::Int(1_007)), [Relation::row("customers", "id", RelationValue::Int(7))]);
        // Nothing is referred to; or the handler tells what is wrong.
        assert_eq!((waits(Value::Int(0)), waits(Value::Int(5)), waits(Value::Unavailable)), (vec![], vec![], vec![]));
    }
}
