//! Which errors mean that a related row is missing.

use kafka_core::consumer::HandlerError;

/// Whether a driver that is built in says that a row was not found or that an integrity rule was broken, anywhere in the error's
/// chain of sources.
#[cfg(feature = "__diesel")]
pub(super) fn known(error: &HandlerError) -> bool {
    use diesel::result::DatabaseErrorKind as Kind;
    use diesel::result::Error;

    match error.find::<Error>() {
        Some(Error::NotFound) => true,
        Some(Error::DatabaseError(kind, _)) => matches!(
            kind,
            Kind::ForeignKeyViolation
                | Kind::UniqueViolation
                | Kind::NotNullViolation
                | Kind::CheckViolation
                | Kind::RestrictViolation
                | Kind::ExclusionViolation
        ),
        _ => false,
    }
}

/// No driver is built in; only what the application says is relational.
#[cfg(not(feature = "__diesel"))]
pub(super) fn known(_error: &HandlerError) -> bool {
    false
}

#[cfg(all(test, feature = "__diesel"))]
mod tests {
    use anyhow::Context;
    use diesel::result::{DatabaseErrorKind, Error};

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("order failed")]
    struct OrderFailed(#[source] Error);

    fn violation(kind: DatabaseErrorKind) -> Error {
        Error::DatabaseError(kind, Box::new("violated".to_owned()))
    }

    #[test]
    fn relational_errors_are_found_anywhere_in_the_chain() {
        let table: [(HandlerError, bool); 9] = [
            (Error::NotFound.into(), true),
            (violation(DatabaseErrorKind::ForeignKeyViolation).into(), true),
            (violation(DatabaseErrorKind::UniqueViolation).into(), true),
            (OrderFailed(violation(DatabaseErrorKind::NotNullViolation)).into(), true),
            (anyhow::Error::new(OrderFailed(Error::NotFound)).context("while saving").into(), true),
            (Err::<(), _>(Error::NotFound).context("top").unwrap_err().into(), true),
            (violation(DatabaseErrorKind::ClosedConnection).into(), false),
            (violation(DatabaseErrorKind::SerializationFailure).into(), false),
            (OrderFailed(Error::RollbackTransaction).into(), false),
        ];
        for (error, relational) in table {
            assert_eq!(known(&error), relational, "{error:?}");
        }
        assert!(!known(&HandlerError::from("not found")), "words say nothing");
    }
}
