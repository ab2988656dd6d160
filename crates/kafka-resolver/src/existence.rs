//! Whether what messages wait for exists: rows by the store, other kinds by the user's own.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use kafka_core::error::BoxError;

use crate::decision::Met;
use crate::reason::{Reason, Relation};
use crate::store::Store;

/// Looks up relations of a kind of the user's own.
pub trait Existence: Send + Sync + fmt::Debug {
    /// The kind that it knows: the first argument of [`Relation::of_kind`].
    fn kind(&self) -> &str;

    /// Which of these exist. Asked once for many messages; an error holds them, and it is asked again.
    fn existing<'a>(&'a self, relations: &'a [Relation]) -> BoxFuture<'a, Result<HashSet<Relation>, BoxError>>;
}

/// A message needs something of a kind that nobody here can look up: register its [`Existence`] with the resolver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nothing here can tell whether a relation of kind {kind:?} exists; register it: `RelationResolver::new(…).kind(…)`")]
pub struct UnknownKind {
    /// The kind.
    pub kind: String,
}

/// All kinds together.
#[derive(Debug, Clone)]
pub(crate) struct Existences {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) own: Vec<Arc<dyn Existence>>,
}

impl Existences {
    /// Which of the relations exist: one question for each kind (and table).
    pub(crate) async fn existing(&self, relations: impl IntoIterator<Item = Relation>) -> Result<HashSet<Relation>, BoxError> {
        let mut existing = HashSet::new();
        for relations in by_kind(relations) {
            existing.extend(match self.own(relations[0].kind())? {
                None => self.store.existing(&relations).await?,
                Some(own) => own.existing(&relations).await?,
            });
        }
        Ok(existing)
    }

    /// Which of them do not.
    pub(crate) async fn missing(&self, relations: impl IntoIterator<Item = Relation>) -> Result<HashSet<Relation>, BoxError> {
        let mut missing = HashSet::new();
        for mut relations in by_kind(relations) {
            match self.own(relations[0].kind())? {
                None => missing.extend(self.store.missing(&relations).await?),
                Some(own) => {
                    let existing = own.existing(&relations).await?;
                    relations.retain(|relation| !existing.contains(relation));
                    missing.extend(relations);
                }
            }
        }
        Ok(missing)
    }

    /// Who looks up relations of the kind; `None` is the store.
    fn own(&self, kind: &str) -> Result<Option<&dyn Existence>, UnknownKind> {
        if kind == Relation::ROW {
            return Ok(None);
        }
        let own = self.own.iter().find(|own| own.kind() == kind);
        own.map(|own| Some(&**own)).ok_or_else(|| UnknownKind { kind: kind.to_owned() })
    }

    /// Whether anyone can tell whether the relation exists.
    pub(crate) fn knows(&self, relation: &Relation) -> bool {
        relation.kind() == Relation::ROW || self.own.iter().any(|own| own.kind() == relation.kind())
    }
}

fn by_kind(relations: impl IntoIterator<Item = Relation>) -> Vec<Vec<Relation>> {
    let mut kinds: Vec<Vec<Relation>> = Vec::new();
    for relation in relations {
        match kinds.iter_mut().find(|same| same[0].kind() == relation.kind()) {
            Some(same) => same.push(relation),
            None => kinds.push(vec![relation]),
        }
    }
    kinds
}

/// Whether a reason to wait is over, given what exists.
pub(crate) fn met(reason: &Reason, existing: &HashSet<Relation>, now_ms: i64) -> Met {
    let over = match reason {
        Reason::Relation(relation) => existing.contains(relation),
        Reason::Due { at_ms } => *at_ms <= now_ms,
        Reason::Released => true,
        Reason::Manual { .. } | Reason::Unknown(_) => false,
    };
    if over { Met::Yes } else { Met::No }
}
