//! Why a message is parked, as a value: what it waits for, and the form in which that survives restarts and upgrades.

mod relation;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::relation::{Relation, RelationValue};
use crate::stable_hash::stable_hash;

/// What a parked message waits for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Something must exist first.
    Relation(Relation),
    /// A time must have come: milliseconds since the epoch. A replay that failed waits so for its next attempt.
    Due {
        /// When it may be replayed.
        at_ms: i64,
    },
    /// Somebody must release it by hand.
    Manual {
        /// Why it was parked, for whoever looks at it.
        note: String,
    },
    /// It was released by hand: it is replayed without another look at what it waited for.
    Released,
    /// It was released by hand, and its replay failed: it is replayed again once this time has come, as if just released. Messages that
    /// come to wait behind it wait for the time alone.
    ReleasedDue {
        /// When it may be replayed, in milliseconds since the epoch.
        at_ms: i64,
    },
    /// A form that a later version wrote. Its messages stay where they are, and are reported.
    Unknown(String),
}

/// The number under which stores index a reason. Two reasons may share one; the text decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReasonId(pub i64);

/// What is written. Never changed, only added to: rows of an older version must be read for ever.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Written {
    Relation(Relation),
    Due(i64),
    Manual(String),
    Released(()),
    ReleasedDue(i64),
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    v: u32,
    #[serde(flatten)]
    reason: Written,
}

/// The version of the written form.
const VERSION: u32 = 1;

impl Reason {
    /// The written form: JSON with a version.
    #[must_use]
    pub fn to_text(&self) -> String {
        let reason = match self {
            Self::Relation(relation) => Written::Relation(relation.clone()),
            Self::Due { at_ms } => Written::Due(*at_ms),
            Self::Manual { note } => Written::Manual(note.clone()),
            Self::Released => Written::Released(()),
            Self::ReleasedDue { at_ms } => Written::ReleasedDue(*at_ms),
            Self::Unknown(text) => return text.clone(),
        };
        // Of strings and numbers alone; it cannot fail.
        serde_json::to_string(&Envelope { v: VERSION, reason }).unwrap_or_default()
    }

    /// Reads the written form. One that is not understood is kept as it is.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        match serde_json::from_str::<Envelope>(text) {
            Ok(Envelope { v: VERSION, reason }) => match reason {
                Written::Relation(relation) => Self::Relation(relation),
                Written::Due(at_ms) => Self::Due { at_ms },
                Written::Manual(note) => Self::Manual { note },
                Written::Released(()) => Self::Released,
                Written::ReleasedDue(at_ms) => Self::ReleasedDue { at_ms },
            },
            _ => Self::Unknown(text.to_owned()),
        }
    }

    /// The number under which stores index it.
    #[must_use]
    pub fn id(&self) -> ReasonId {
        ReasonId(stable_hash(&[self.to_text().as_bytes()]))
    }

    /// The relation, if it is one.
    #[must_use]
    pub fn relation(&self) -> Option<&Relation> {
        match self {
            Self::Relation(relation) => Some(relation),
            Self::Due { .. } | Self::Manual { .. } | Self::Released | Self::ReleasedDue { .. } | Self::Unknown(_) => None,
        }
    }

    /// When it is due, if it waits for a time.
    pub(crate) fn due_ms(&self) -> Option<i64> {
        match self {
            Self::Due { at_ms } | Self::ReleasedDue { at_ms } => Some(*at_ms),
            Self::Relation(_) | Self::Manual { .. } | Self::Released | Self::Unknown(_) => None,
        }
    }

    /// What a message waits for that comes to wait behind one with this reason: it was not released with it.
    pub(crate) fn inherited(self) -> Self {
        match self {
            Self::ReleasedDue { at_ms } => Self::Due { at_ms },
            other => other,
        }
    }
}

impl From<Relation> for Reason {
    fn from(relation: Relation) -> Self {
        Self::Relation(relation)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relation(relation) => relation.fmt(f),
            Self::Due { at_ms: 0 } => f.write_str("due at once"),
            Self::Due { at_ms } => write!(f, "due at {at_ms}"),
            Self::Manual { note } => write!(f, "parked by hand: {note}"),
            Self::Released => f.write_str("released by hand"),
            Self::ReleasedDue { at_ms } => write!(f, "released by hand, due at {at_ms}"),
            Self::Unknown(text) => write!(f, "unknown to this version: {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_form_is_a_contract() {
        let written = [
            (
                Relation::row("customers", "id", 42).into(),
                r#"{"v":1,"relation":{"kind":"row","table":"customers","column":"id","value":{"int":42}}}"#,
            ),
            (
                Relation::of_kind("file", "in", "name", "a").into(),
                r#"{"v":1,"relation":{"kind":"file","table":"in","column":"name","value":{"text":"a"}}}"#,
            ),
            (Reason::Due { at_ms: 7 }, r#"{"v":1,"due":7}"#),
            (Reason::Manual { note: "look".to_owned() }, r#"{"v":1,"manual":"look"}"#),
            (Reason::Released, r#"{"v":1,"released":null}"#),
            (Reason::ReleasedDue { at_ms: 7 }, r#"{"v":1,"released_due":7}"#),
        ];
        for (reason, text) in written {
            assert_eq!(reason.to_text(), text);
            assert_eq!(Reason::from_text(text), reason);
        }
    }

    #[test]
    fn what_a_later_version_wrote_is_kept_as_it_is() {
        for text in [r#"{"v":2,"due":7}"#, r#"{"v":1,"limit":"x"}"#, "no json"] {
            let reason = Reason::from_text(text);
            assert_eq!(reason, Reason::Unknown(text.to_owned()));
            assert_eq!(reason.to_text(), text);
        }
    }

    #[test]
    fn the_identity_holds_kind_table_column_and_value() {
        let ids = [
            Relation::row("a", "id", 1),
            Relation::row("b", "id", 1),
            Relation::row("a", "no", 1),
            Relation::row("a", "id", 2),
            Relation::row("a", "id", "1"),
            Relation::of_kind("x", "a", "id", 1),
        ]
        .map(|relation| Reason::from(relation).id());
        assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), ids.len());
        assert_eq!(ids[0], ReasonId(2_136_730_002_281_455_129), "stored numbers must be found again by every version");
    }
}
