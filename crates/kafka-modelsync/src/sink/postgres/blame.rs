//! Whose fault an error of PostgreSQL is.

use diesel::result::{DatabaseErrorKind, Error};

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    Row,
    Nobody,
}

/// What PostgreSQL says when it is no row's fault: the beginning and the end of it. diesel passes on no `SQLSTATE`, only kinds for a few and
/// the text, and a trigger may say whatever it likes.
const NOBODYS: &[(&str, &str)] = &[
    ("deadlock detected", ""),
    ("terminating connection due to ", ""),
    ("canceling statement due to ", ""),
    ("canceling autovacuum task", ""),
    ("the database system is ", ""),
    ("out of memory", ""),
    ("out of shared memory", ""),
    ("could not extend file ", ""),
    ("could not write ", ""),
    ("could not open ", ""),
    ("could not read ", ""),
    ("could not access ", ""),
    ("could not fsync file ", ""),
    ("could not obtain lock on ", ""),
    ("too many connections for ", ""),
    ("sorry, too many clients", ""),
    ("remaining connection slots ", ""),
    ("cannot execute ", " in a read-only transaction"),
    ("cannot execute ", " during recovery"),
    ("there is no unique or exclusion constraint matching ", ""),
    ("current transaction is aborted", ""),
    // The table was migrated, and is looked at again.
    ("cannot insert a non-DEFAULT value into column ", ""),
    ("column \"", " can only be updated to DEFAULT"),
    ("cached plan must not change result type", ""),
    ("ON CONFLICT does not support ", ""),
    // Somebody shares connections out for single transactions.
    ("prepared statement \"", "\" already exists"),
    ("bind message supplies ", ""),
];

/// What one may lack a right to; a trigger speaks of other things.
const GRANTED: &[&str] = &[
    "table",
    "schema",
    "sequence",
    "relation",
    "view",
    "materialized view",
    "foreign table",
    "function",
    "column",
    "type",
    "database",
    "domain",
];

/// What a statement names; that one of them is not there is no row's fault.
const NAMED: &[&str] = &["relation", "column", "type", "function", "schema", "operator", "role", "prepared statement", "savepoint"];

/// Whether an error is about the statement or the server. What stands behind a colon may be a row's own text.
fn is_nobodys(message: &str) -> bool {
    let own = message.split(": \"").next().unwrap_or_default();
    let is_gone = own.ends_with("does not exist") && NAMED.iter().any(|what| own.starts_with(what));
    let is_denied =
        || own.strip_prefix("permission denied for ").is_some_and(|what| GRANTED.iter().any(|of| what.starts_with(&format!("{of} "))));
    let is_migrated = || own.starts_with("column \"") && own.contains("\" is of type ") && own.contains(" but expression is of type ");
    is_gone || is_migrated() || is_denied() || NOBODYS.iter().any(|(start, end)| own.starts_with(start) && own.ends_with(end))
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
            "cannot execute INSERT in a read-only transaction",
            "prepared statement \"s0\" already exists",
            "prepared statement \"s0\" does not exist",
            "sorry, too many clients already",
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
            "permission denied for customers of the other shop",
            "permission denied",
            "the basket could not write itself",
            "no lock timeout for you",
            "cannot execute this order",
            "the customer is out of memory",
        ] {
            assert_eq!(blamed(DatabaseErrorKind::Unknown, said), Blame::Row, "{said}");
        }
        assert_eq!(blamed(DatabaseErrorKind::CheckViolation, "permission denied"), Blame::Row);
    }
}
