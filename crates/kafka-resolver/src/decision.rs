//! What is done with a message that has relations: pure logic, replaceable.

use std::fmt;

use crate::reason::{Reason, Relation};
use crate::relations::Nature;

/// Decides what is done with a message.
pub trait Decide: Send + Sync + fmt::Debug {
    /// Decides. Called for each message of a run in order; once one pauses, those behind it wait unasked.
    fn decide(&self, situation: &Situation<'_>) -> Decision;
}

/// What is known of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Situation<'a> {
    /// Whether it changes or deletes. A message with a null key deletes nothing.
    pub nature: Nature,
    /// The first of its relations that does not exist.
    pub missing: Option<&'a Relation>,
    /// What earlier messages of its key wait for.
    pub behind: Option<Behind<'a>>,
    /// Whether messages of its topic still wait for one of its relations.
    pub awaited: Awaited,
}

/// What earlier messages of the same key wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind<'a> {
    /// The reason of the first of them.
    pub reason: &'a Reason,
    /// Whether it is met.
    pub met: Met,
}

/// Whether a reason to wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    /// It is: what waits for it is about to be replayed, or is being replayed.
    Yes,
    /// It is not.
    No,
}

/// Whether earlier messages wait for a relation of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// None does.
    ByNone,
    /// Some do.
    ByEarlier,
}

/// What is done with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The handler runs.
    Continue,
    /// It is parked with this reason, and the partition goes on.
    Skip(Reason),
    /// It waits in its lane until what is before it was replayed, its offset not stored.
    Pause,
    /// What waits of its key is discarded, then the handler runs. If some of it is being replayed, it pauses first.
    Supersede,
}

/// The default: nothing overtakes what it belongs behind.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeepOrder;

impl Decide for KeepOrder {
    fn decide(&self, situation: &Situation<'_>) -> Decision {
        match (situation.nature, situation.behind, situation.missing) {
            (Nature::Deletion, Some(_), _) => Decision::Supersede,
            (Nature::Deletion, None, _) => Decision::Continue,
            (Nature::Change, Some(Behind { reason, met: Met::No }), _) => Decision::Skip(reason.clone()),
            (Nature::Change, Some(_) | None, Some(missing)) => Decision::Skip(missing.clone().into()),
            (Nature::Change, Some(Behind { met: Met::Yes, .. }), None) => Decision::Pause,
            (Nature::Change, None, None) => match situation.awaited {
                Awaited::ByEarlier => Decision::Pause,
                Awaited::ByNone => Decision::Continue,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case() {
        let (own, other) = (Relation::row("a", "id", 1), Reason::from(Relation::row("b", "id", 2)));
        let behind = |met| Some(Behind { reason: &other, met });
        let case = |nature, missing, behind, awaited| KeepOrder.decide(&Situation { nature, missing, behind, awaited });
        let skip_own = Decision::Skip(own.clone().into());
        use Awaited::{ByEarlier, ByNone};
        use Nature::{Change, Deletion};

        assert_eq!(case(Change, None, None, ByNone), Decision::Continue);
        assert_eq!(case(Change, None, None, ByEarlier), Decision::Pause);
        assert_eq!(case(Change, Some(&own), None, ByNone), skip_own);
        assert_eq!(case(Change, Some(&own), None, ByEarlier), skip_own);
        assert_eq!(case(Change, None, behind(Met::No), ByNone), Decision::Skip(other.clone()));
        assert_eq!(case(Change, Some(&own), behind(Met::No), ByNone), Decision::Skip(other.clone()), "it inherits");
        assert_eq!(case(Change, None, behind(Met::Yes), ByNone), Decision::Pause);
        assert_eq!(case(Change, Some(&own), behind(Met::Yes), ByNone), skip_own);
        assert_eq!(case(Deletion, None, None, ByEarlier), Decision::Continue);
        assert_eq!(case(Deletion, None, behind(Met::No), ByNone), Decision::Supersede);
        assert_eq!(case(Deletion, None, behind(Met::Yes), ByNone), Decision::Supersede);
    }
}
