//! Whose fault an error of PostgreSQL is.

use diesel::result::{DatabaseErrorKind, Error};

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    Row,
    Nobody,
}

/// What PostgreSQL says when it is no row's fault. diesel passes on no `SQLSTATE`, only kinds for a few and the text.
const NOBODYS: &[&str] = &[
    "deadlock detected",
    "terminating connection",
    "canceling statement",
    "the database system is",
    "out of memory",
    "out of shared memory",
    "No space left",
    "could not extend file",
    "could not write",
    "too many",
    "lock timeout",
    "permission denied",
    "does not exist",
    "cannot execute",
    "there is no unique or exclusion constraint",
    "current transaction is aborted",
];

pub(super) fn blame(error: &Error) -> Blame {
    use DatabaseErrorKind as Of;
    match error {
        Error::DatabaseError(
            Of::UniqueViolation
            | Of::ForeignKeyViolation
            | Of::NotNullViolation
            | Of::CheckViolation
            | Of::RestrictViolation
            | Of::ExclusionViolation,
            _,
        ) => Blame::Row,
        Error::DatabaseError(Of::Unknown, said) if !NOBODYS.iter().any(|text| said.message().contains(text)) => Blame::Row,
        _ => Blame::Nobody,
    }
}
