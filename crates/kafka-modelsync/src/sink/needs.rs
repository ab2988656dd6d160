//! The rows that a message needs, so that what it writes refers to nothing that is not there.

use std::sync::Arc;

use kafka_resolver::{Needs, Relation, RelationValue};

use super::referral::ForeignKey;
use super::shape::SelfReference;
use super::types::{self, Types};
use crate::change::{Change, Operation};
use crate::model::{Model, Polymorphic, Written};
use crate::row::{Key, Row};
use crate::table::Table;
use crate::transform::Later;
use crate::value::Value;

/// What is known of a table's references besides its model.
pub(super) struct Known<'a> {
    pub(super) foreign_keys: &'a [ForeignKey],
    pub(super) types: &'a [Arc<Types>],
    /// What nobody knows before the message is handled.
    pub(super) later: &'a Later,
}

/// What a change needs.
pub(super) fn needs(change: &Change, model: &Model, known: &Known<'_>) -> Needs {
    match &change.operation {
        Operation::Upsert { after, .. } if !model.is_deletion(after) => {
            let coming = Coming { row: after, key: change.key.as_ref(), model };
            let mut needs = Needs::default();
            coming.relations(known, &mut needs);
            coming.foreign_keys(known, &mut needs);
            coming.polymorphic(known, &mut needs);
            needs
        }
        Operation::Upsert { .. } | Operation::Delete { .. } => Needs::deletion(),
        Operation::Truncate | Operation::Nothing => Needs::default(),
    }
}

/// A row that is to be written.
struct Coming<'a> {
    row: &'a Row,
    key: Option<&'a Key>,
    model: &'a Model,
}

impl Coming<'_> {
    fn relations(&self, known: &Known<'_>, needs: &mut Needs) {
        for relation in &self.model.relations {
            if known.later.changes(self.source(&relation.column)) {
                continue;
            }
            let value = match self.value(&relation.column) {
                Some(Value::Int(value)) => RelationValue::Int(value),
                Some(Value::Text(value)) => RelationValue::Text(value),
                Some(Value::Uuid(value)) => RelationValue::Uuid(value.to_string()),
                _ => continue,
            };
            needs.relation(Relation::row(&*relation.table, &*relation.parent, value));
        }
    }

    /// Those that the database has, where nothing else is said.
    fn foreign_keys(&self, known: &Known<'_>, needs: &mut Needs) {
        for referral in known.foreign_keys {
            let said = self.model.relations.iter().any(|relation| *relation.column == *referral.column);
            let excluded = self.model.fields.get(&*referral.column).is_some_and(|field| field.written == Written::Never);
            if said || excluded || known.later.changes(self.source(&referral.column)) {
                continue;
            }
            let value = self.value(&referral.column).and_then(|value| referral.kind.value(value));
            let Some(value) = value else { continue };
            let own = || self.value(&referral.parent).and_then(|value| referral.kind.value(value));
            if referral.itself == SelfReference::Some && own().as_ref() == Some(&value) {
                continue;
            }
            needs.relation(Relation::row(&referral.table, &referral.parent, value));
        }
    }

    fn polymorphic(&self, known: &Known<'_>, needs: &mut Needs) {
        for reference in &self.model.polymorphic {
            let Polymorphic { type_column, id_column, .. } = reference;
            if reference.columns().iter().any(|column| known.later.changes(self.source(column))) {
                continue;
            }
            let (Some(sent), Some(id)) = (self.value(type_column), self.value(id_column)) else { continue };
            let Some(types) = types::of(known.types, reference) else { continue };
            let Some((referent, row)) = types.row(&sent, id) else { continue };
            let own = Table::named::<&str>(&referent.table, [], []).may_be(&self.model.table);
            let itself = || self.value(&referent.column).and_then(|id| types.row(&sent, id)).is_some_and(|(_, own)| own == row);
            if !(own && itself()) {
                needs.relation(row);
            }
        }
    }

    /// The field that the column is filled from.
    fn source<'a>(&'a self, column: &'a str) -> &'a str {
        self.model.fields.get(column).and_then(|field| field.source.as_deref()).unwrap_or(column)
    }

    /// What is written into the column, from the value or, for columns that rows are found by, the key. A transform that fails is for the
    /// handler to tell.
    fn value(&self, column: &str) -> Option<Value> {
        let source = self.source(column);
        let of_key = || match self.key? {
            Key::Row(key) => key.get(source).or_else(|| key.get(column)),
            Key::Whole(value) => matches!(self.model.key(), [only] if **only == *column).then_some(value),
        };
        let is_key = || self.model.key().iter().any(|key| **key == *column);
        let value = self.row.get(source).or_else(|| if is_key() { of_key() } else { None });
        let value = value.filter(|value| **value != Value::Unavailable).cloned()?;
        match self.model.fields.get(column).and_then(|field| field.transform.as_ref()) {
            Some(transform) => transform(value).ok(),
            None => Some(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;
    use kafka_core::error::BoxError;

    use super::*;
    use crate::sink::referral::ReferralKind;
    use crate::sink::target::Targets;
    use crate::transform::{Enrich, Field, Lookup, NewField, Transforms};

    fn known<'a>(foreign_keys: &'a [ForeignKey], later: &'a Later) -> Known<'a> {
        Known { foreign_keys, types: &[], later }
    }

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
        assert_eq!(needs(&both, &model, &known(&[], &Later::Nothing)).relations(), relations);
        assert_eq!(
            needs(&upsert(&[("customer_id", Value::Null), ("product", Value::Unavailable)]), &model, &known(&[], &Later::Nothing)),
            Needs::default()
        );
        let deleted = upsert(&[("customer_id", Value::Int(7)), ("__deleted", Value::Bool(true))]);
        assert_eq!(needs(&deleted, &model, &known(&[], &Later::Nothing)), Needs::deletion());
        assert_eq!(needs(&Change::new(None, Operation::Delete { before: None }), &model, &known(&[], &Later::Nothing)), Needs::deletion());
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
            needs(&Change::new(None, Operation::Upsert { before: None, after }), &model, &known(&[], &Later::Nothing)).relations().to_vec()
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
            needs(&Change::new(None, Operation::Upsert { before: None, after }), model, &known(&found, &Later::Nothing))
                .relations()
                .to_vec()
        };
        let row = |table: &str, id: i64| Relation::row(table, "id", RelationValue::Int(id));
        let whole = [("id", Value::Int(1)), ("customer", Value::Text("7".into())), ("parent_id", Value::Int(3)), ("code", Value::Int(5))];
        assert_eq!(waits(&model(), &whole), [row("public.customers", 7), row("public.orders", 3)]);
        let root = [("id", Value::Int(1)), ("parent_id", Value::Int(1)), ("customer", Value::Null), ("code", Value::Unavailable)];
        assert_eq!(waits(&model(), &root), []);
        let of_key = |key: Key| {
            let after = [("parent_id", Value::Int(1))].into_iter().collect();
            needs(&Change::new(Some(key), Operation::Upsert { before: None, after }), &model(), &known(&found, &Later::Nothing))
                .relations()
                .len()
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
            needs(&change, &targets.own().model, &known(&[], later)).relations().len()
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
