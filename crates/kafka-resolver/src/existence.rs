//! Whether what messages wait for exists: rows by the store, other kinds by the user's own.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use kafka_core::error::{BoxError, in_full};

use crate::decision::Met;
use crate::reason::{Reason, Relation};
use crate::store::{Store, StoreError};

/// Looks up relations of a kind of the user's own.
pub trait Existence: Send + Sync + fmt::Debug {
    /// The kind that it knows: the first argument of [`Relation::of_kind`].
    fn kind(&self) -> &str;

    /// Which of these exist. Asked once for many messages; an error holds them, and it is asked again: what is
    /// parked goes on waiting, and what is not waits in its lane.
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
    own: Vec<Arc<dyn Existence>>,
    /// What could not be looked up: reported once, until it can be again.
    reported: Arc<Mutex<HashSet<String>>>,
}

impl Existences {
    pub(crate) fn new(store: Arc<dyn Store>, own: Vec<Arc<dyn Existence>>) -> Self {
        Self { store, own, reported: Arc::default() }
    }

    /// Which of the relations exist that parked messages wait for: one question for each kind. What cannot be looked up (a table that
    /// was renamed, a column of another type, a kind whose backend is down) counts as missing and is reported: it must not keep what
    /// waits for anything else. A store that cannot be reached is an error.
    pub(crate) async fn existing(&self, relations: impl IntoIterator<Item = Relation>) -> Result<HashSet<Relation>, BoxError> {
        let mut existing = HashSet::new();
        for relations in alike(relations, |one, other| one.kind() == other.kind()) {
            let found = match self.own(relations[0].kind())? {
                None => self.rows(relations).await?,
                Some(own) => self.known(own.kind(), own.existing(&relations).await).unwrap_or_default(),
            };
            existing.extend(found);
        }
        Ok(existing)
    }

    /// Which rows exist: asked in one go, and table by table if that fails.
    async fn rows(&self, relations: Vec<Relation>) -> Result<HashSet<Relation>, StoreError> {
        match self.store.existing(&relations).await {
            Err(StoreError::Statement { .. }) => {}
            Ok(found) if self.lock().is_empty() => return Ok(found),
            Ok(_) => {}
            Err(unreachable) => return Err(unreachable),
        }
        let mut existing = HashSet::new();
        for relations in alike(relations, Relation::is_beside) {
            let place = format!("{}.{}", relations[0].table(), relations[0].column());
            match self.store.existing(&relations).await {
                Err(error @ StoreError::Unreachable { .. }) => return Err(error),
                answer => existing.extend(self.known(&place, answer.map_err(BoxError::from)).unwrap_or_default()),
            }
        }
        Ok(existing)
    }

    /// The answer, if there is one.
    fn known<T>(&self, place: &str, answer: Result<T, BoxError>) -> Option<T> {
        match answer {
            Ok(answer) => {
                self.lock().remove(place);
                Some(answer)
            }
            Err(error) => {
                if self.lock().insert(place.to_owned()) {
                    tracing::error!(place, error = %in_full(&*error), "what parked messages wait for cannot be looked up, they go on waiting; mend it, or let them go by `resolver release` or `resolver drop` with `--reason`");
                }
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.reported.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which of them do not. What cannot be looked up is an error: messages that nobody parked yet wait in their lane for that.
    pub(crate) async fn missing(&self, relations: impl IntoIterator<Item = Relation>) -> Result<HashSet<Relation>, BoxError> {
        let mut missing = HashSet::new();
        for mut relations in alike(relations, |one, other| one.kind() == other.kind()) {
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

fn alike(relations: impl IntoIterator<Item = Relation>, same: impl Fn(&Relation, &Relation) -> bool) -> Vec<Vec<Relation>> {
    let mut groups: Vec<Vec<Relation>> = Vec::new();
    for relation in relations {
        match groups.iter_mut().find(|group| same(&group[0], &relation)) {
            Some(group) => group.push(relation),
            None => groups.push(vec![relation]),
        }
    }
    groups
}

/// Whether a reason to wait is over, given what exists.
pub(crate) fn met(reason: &Reason, existing: &HashSet<Relation>, now_ms: i64) -> Met {
    let over = match reason {
        Reason::Relation(relation) => existing.contains(relation),
        Reason::Due { at_ms } | Reason::ReleasedDue { at_ms } => *at_ms <= now_ms,
        Reason::Released => true,
        Reason::Manual { .. } | Reason::Unknown(_) => false,
    };
    if over { Met::Yes } else { Met::No }
}
