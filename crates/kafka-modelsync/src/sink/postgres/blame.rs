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

#[cfg(test)]
mod tests {
    use super::*;

    fn blamed(kind: DatabaseErrorKind, said: &str) -> Blame {
        blame(&Error::DatabaseError(kind, Box::new(said.to_owned())))
    }

    #[test]
    fn what_is_about_the_statement_or_the_server_is_no_rows_fault() {
        for said in [
            "deadlock detected",
            "column \"price\" of relation \"items\" does not exist",
            "relation \"items\" does not exist",
            "type \"mood\" does not exist",
            "column \"price\" is of type integer but expression is of type text",
            "cannot insert a non-DEFAULT value into column \"id\"",
            "could not extend file \"base/1\": No space left on device",
            "canceling statement due to statement timeout",
            "permission denied for table items",
        ] {
            assert_eq!(blamed(DatabaseErrorKind::Unknown, said), Blame::Nobody, "{said}");
        }
        assert_eq!(blamed(DatabaseErrorKind::ClosedConnection, "closed"), Blame::Nobody);
        assert_eq!(blamed(DatabaseErrorKind::SerializationFailure, "could not serialize access"), Blame::Nobody);
        assert_eq!(blame(&Error::NotFound), Blame::Nobody);
    }

    #[test]
    fn a_rows_own_text_takes_the_blame_off_no_row() {
        for said in [
            "value too long for type character varying(20)",
            "invalid input value for enum mood: \"deadlock detected\"",
            "invalid input syntax for type inet: \"out of memory\"",
            "invalid input value for enum mood: \"relation does not exist\"",
            // Of a trigger.
            "the customer 7 does not exist",
        ] {
            assert_eq!(blamed(DatabaseErrorKind::Unknown, said), Blame::Row, "{said}");
        }
        assert_eq!(blamed(DatabaseErrorKind::CheckViolation, "permission denied"), Blame::Row);
    }
}
