//! Foreign keys as the database has them: what rows of a table wait for, without being told.
//!
//! A derive sees only what is written where it stands, and diesel's `joinable!` tells nobody which tables it joins. The database's catalog
//! knows it, and the parent's column too. It is read when a sink's table is looked at: before the application starts, and again whenever
//! the table may have been migrated. Until the database was there once, nothing is known, and what comes too early fails as without it.
//!
//! Only columns that may not be null count. A nullable reference is how two tables refer to each other, and then each would wait for the
//! other; whoever wants it says so by [`Model::relation`](crate::model::Model::relation).

use std::sync::{Arc, PoisonError, RwLock};

use kafka_resolver::RelationValue;

use super::shape::{Kind, SelfReference};
use super::types::Types;
use crate::model::Polymorphic;
use crate::table::Table;
use crate::value::Value;

/// A column that may not be null and refers to a column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForeignKey {
    pub(crate) column: String,
    /// The table as the resolver finds it, with its schema where there are any.
    pub(crate) table: String,
    pub(crate) parent: String,
    /// Whether that is the same table: a row may refer to itself.
    pub(crate) itself: SelfReference,
    pub(crate) kind: ReferralKind,
}

/// What a reference is looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReferralKind {
    Int,
    Text,
    Uuid,
}

/// The foreign keys of an application's tables, and the types of their polymorphic references, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Referrals(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    foreign_keys: Vec<(Table, Arc<[ForeignKey]>)>,
    types: Vec<Arc<Types>>,
}

impl Referrals {
    pub(super) fn of(&self, table: &Table) -> Option<Arc<[ForeignKey]>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.foreign_keys.iter().find(|(known, _)| known.is_same(table)).map(|(_, keys)| Arc::clone(keys))
    }

    pub(super) fn found(&self, table: &Table, keys: &[ForeignKey]) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.foreign_keys.retain(|(known, _)| !known.is_same(table));
        known.foreign_keys.push((table.clone(), keys.into()));
    }

    pub(super) fn types(&self, references: &[Polymorphic]) -> Vec<Arc<Types>> {
        if references.is_empty() {
            return Vec::new();
        }
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.types.iter().filter(|types| references.contains(&types.reference)).cloned().collect()
    }

    pub(super) fn types_found(&self, types: &[Arc<Types>]) {
        if types.is_empty() {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.types.retain(|known| types.iter().all(|types| types.reference != known.reference));
        known.types.extend(types.iter().cloned());
    }
}

impl ReferralKind {
    /// By a column's type; none for what the resolver does not look up.
    pub(crate) fn of(kind: Kind, sql_type: &str) -> Option<Self> {
        match kind {
            Kind::Int2 | Kind::Int4 | Kind::Int8 => Some(Self::Int),
            Kind::Text => Some(Self::Text),
            Kind::Other if sql_type == "uuid" => Some(Self::Uuid),
            _ => None,
        }
    }

    /// What is looked up for a value; none where it refers to nothing, or is for the database to judge.
    pub(super) fn value(self, value: Value) -> Option<RelationValue> {
        match (self, value) {
            (Self::Int, Value::Int(number)) => Some(RelationValue::Int(number)),
            (Self::Int, Value::Text(text)) => text.trim().parse().ok().map(RelationValue::Int),
            (Self::Int, Value::Decimal(number)) => number.to_string().parse().ok().map(RelationValue::Int),
            (Self::Text, Value::Text(text)) => Some(RelationValue::Text(text)),
            (Self::Text, Value::Uuid(uuid)) => Some(RelationValue::Text(uuid.to_string())),
            (Self::Text, Value::Int(number)) => Some(RelationValue::Text(number.to_string())),
            (Self::Uuid, Value::Uuid(uuid)) => Some(RelationValue::Uuid(uuid.to_string())),
            (Self::Uuid, Value::Text(text)) => uuid::Uuid::parse_str(&text).ok().map(|uuid| RelationValue::Uuid(uuid.to_string())),
            _ => None,
        }
    }
}
