//! What is known of the rows that an application's tables refer to: found when a table is looked at, asked by the gate.

use std::sync::{Arc, PoisonError, RwLock};

use super::referral::ForeignKey;
use super::types::Types;
use crate::model::Polymorphic;
use crate::table::Table;

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
