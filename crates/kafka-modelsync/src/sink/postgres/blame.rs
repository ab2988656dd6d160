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
    "too many connections",
    "too many clients",
    "lock timeout",
    "permission denied",
    "cannot execute",
    "there is no unique or exclusion constraint",
    "current transaction is aborted",
    // The table was migrated, and is looked at again.
    "but expression is of type",
    "cannot insert a non-DEFAULT value",
    "can only be updated to DEFAULT",
    "cached plan must not change",
    "ON CONFLICT does not support",
    "could not open",
    "could not read",
];

/// What a statement names; that one of them is not there is no row's fault.
const NAMED: &[&str] = &["relation", "column", "type", "function", "schema", "operator", "role", "prepared statement", "savepoint"];

/// Whether an error is about the statement or the server. What stands behind a colon may be a row's own text.
fn is_nobodys(message: &str) -> bool {
    let own = message.split(": \"").next().unwrap_or_default();
    let is_gone = own.ends_with("does not exist") && NAMED.iter().any(|what| own.starts_with(what));
    is_gone || NOBODYS.iter().any(|text| own.contains(text))
}

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
        Error::DatabaseError(Of::Unknown, said) if !is_nobodys(said.message()) => Blame::Row,
        _ => Blame::Nobody,
    }
}
