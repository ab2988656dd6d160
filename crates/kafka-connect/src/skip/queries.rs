//! `kafka_skip` in diesel's queries: every write names the flag, by the rule.
//!
//! ```
//! use diesel::prelude::*;
//! use kafka_connect::skip::queries::SkipTable;
//!
//! diesel::table! {
//!     customers {
//!         id -> BigInt,
//!         name -> Text,
//!         kafka_skip -> Bool,
//!     }
//! }
//! kafka_connect::kafka_skip!(customers);
//!
//! let insert = diesel::insert_into(customers::table)
//!     .values(customers::table.flagged((customers::id.eq(1), customers::name.eq("Ada"))));
//! let rows = ["Ada", "Bob"].map(|name| customers::name.eq(name));
//! let bulk = diesel::insert_into(customers::table).values(customers::table.flagged_all(rows));
//! let update = diesel::update(customers::table.find(1)).set(customers::table.flagged(customers::name.eq("Ida")));
//! # let _ = (insert, bulk, update);
//! ```
//!
//! An upsert flags both halves, its values and its `set`. A deletion is [`delete_flagged`], which updates the flag first. A row type
//! that holds the column itself is not flagged a second time; give it [`SkipTable::skip_flag`] as the value.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AsChangeset, AsQuery, DeleteStatement, IntoUpdateTarget, QueryFragment, QueryId, UpdateStatement};
use diesel::query_dsl::methods::FilterDsl;
use diesel::sql_types::Text;
use diesel_async::{AsyncConnection, RunQueryDsl, TransactionManager};

use super::migration::SkipMigration;
use super::trigger::SETTING;
use super::{Given, Scope, flag};

#[doc(hidden)]
pub use diesel::{ExpressionMethods as __ExpressionMethods, dsl as __dsl};

/// A table with the column `kafka_skip`; implemented by [`kafka_skip!`](crate::kafka_skip).
pub trait SkipTable: Table + Sized {
    /// `kafka_skip.eq(bool)`
    type Assignment: AsChangeset<Target = Self>;

    /// `kafka_skip.ne(bool)`
    type Differs;

    /// The column, set.
    fn set_flag(flag: bool) -> Self::Assignment;

    /// The column, compared.
    fn flag_differs(flag: bool) -> Self::Differs;

    /// The flag that a write of this code has to set.
    fn skip_flag(self, given: impl Into<Given>) -> bool {
        flag(Scope::here(), given.into())
    }

    /// Values or changes with the flag.
    fn flagged<V>(self, values: V) -> (V, Self::Assignment) {
        self.flagged_as(Given::Nothing, values)
    }

    /// Values or changes with the flag, where something is given for it.
    fn flagged_as<V>(self, given: impl Into<Given>, values: V) -> (V, Self::Assignment) {
        (values, Self::set_flag(flag(Scope::here(), given.into())))
    }

    /// Rows with the flag.
    fn flagged_all<V>(self, rows: impl IntoIterator<Item = V>) -> Vec<(V, Self::Assignment)> {
        let flag = flag(Scope::here(), Given::Nothing);
        rows.into_iter().map(|row| (row, Self::set_flag(flag))).collect()
    }
}

/// Says of tables that they have the column `kafka_skip`: `kafka_skip!(customers, schema::orders)`.
#[macro_export]
macro_rules! kafka_skip {
    ($($($segment:ident)::+),+ $(,)?) => {$(
        impl $crate::skip::queries::SkipTable for $($segment)::+::table {
            type Assignment = $crate::skip::queries::__dsl::Eq<$($segment)::+::kafka_skip, bool>;
            type Differs = $crate::skip::queries::__dsl::NotEq<$($segment)::+::kafka_skip, bool>;

            fn set_flag(flag: bool) -> Self::Assignment {
                $crate::skip::queries::__ExpressionMethods::eq($($segment)::+::kafka_skip, flag)
            }

            fn flag_differs(flag: bool) -> Self::Differs {
                $crate::skip::queries::__ExpressionMethods::ne($($segment)::+::kafka_skip, flag)
            }
        }
    )+};
}

/// The update of the flag alone.
type FlagUpdate<T, W> = UpdateStatement<T, W, <<T as SkipTable>::Assignment as AsChangeset>::Changeset>;

/// The same, where the flag is another one.
type FlagChange<T, W> = <FlagUpdate<T, W> as FilterDsl<<T as SkipTable>::Differs>>::Output;

/// Deletes rows, one or many, so that the deletions carry the flag: they get it first, in the same transaction. The number of rows.
///
/// The target is what `diesel::delete` takes: a table, a filter, a reference to an `Identifiable`. Where [`with_triggers`] were made,
/// they are told.
///
/// [`with_triggers`]: SkipMigration::with_triggers
///
/// # Errors
/// Those of the database; nothing is deleted then.
pub async fn delete_flagged<C, S, T, W>(connection: &mut C, target: S) -> QueryResult<usize>
where
    C: AsyncConnection<Backend = Pg>,
    S: IntoUpdateTarget<Table = T, WhereClause = W> + Clone,
    T: SkipTable,
    FlagUpdate<T, W>: AsQuery + FilterDsl<T::Differs>,
    FlagChange<T, W>: QueryFragment<Pg> + QueryId + Send,
    DeleteStatement<T, W>: QueryFragment<Pg> + QueryId + Send,
{
    delete_flagged_as(connection, Given::Nothing, target).await
}

/// As [`delete_flagged`], where something is given for the flag.
///
/// # Errors
/// Those of the database; nothing is deleted then.
pub async fn delete_flagged_as<C, S, T, W>(connection: &mut C, given: impl Into<Given>, target: S) -> QueryResult<usize>
where
    C: AsyncConnection<Backend = Pg>,
    S: IntoUpdateTarget<Table = T, WhereClause = W> + Clone,
    T: SkipTable,
    FlagUpdate<T, W>: AsQuery + FilterDsl<T::Differs>,
    FlagChange<T, W>: QueryFragment<Pg> + QueryId + Send,
    DeleteStatement<T, W>: QueryFragment<Pg> + QueryId + Send,
{
    let flag = flag(Scope::here(), given.into());
    let update = diesel::update(target.clone()).set(T::set_flag(flag));
    let update = FilterDsl::filter(update, T::flag_differs(flag));
    let delete = diesel::delete(target);
    let told = diesel::sql_query(format!(
        "SELECT set_config('kafka_kit.outer', coalesce(current_setting('{SETTING}', true), ''), true), set_config('{SETTING}', $1, true)"
    ))
    .bind::<Text, _>(setting(flag));
    let untold = diesel::sql_query(format!("SELECT set_config('{SETTING}', current_setting('kafka_kit.outer'), true)"));

    C::TransactionManager::begin_transaction(connection).await?;
    let done = async {
        told.execute(connection).await?;
        update.execute(connection).await?;
        let deleted = delete.execute(connection).await?;
        untold.execute(connection).await?;
        Ok(deleted)
    };
    match done.await {
        Ok(deleted) => {
            C::TransactionManager::commit_transaction(connection).await?;
            Ok(deleted)
        }
        Err(error) => {
            // The first error is the one that says something.
            drop(C::TransactionManager::rollback_transaction(connection).await);
            Err(error)
        }
    }
}

/// Tells the triggers whether this code is suppressed, until the end of the transaction; call it first in one. Not needed for writes
/// that are flagged.
///
/// # Errors
/// Those of the database.
pub async fn tell_triggers<C: AsyncConnection<Backend = Pg>>(connection: &mut C) -> QueryResult<()> {
    let flag = Scope::here() == Scope::Suppressed;
    let query = diesel::sql_query(format!("SELECT set_config('{SETTING}', $1, true)")).bind::<Text, _>(setting(flag));
    query.execute(connection).await.map(drop)
}

impl SkipMigration {
    /// Applies it, in one transaction and never twice at the same time.
    ///
    /// # Errors
    /// Those of the database: nothing was changed then.
    pub async fn apply<C: AsyncConnection<Backend = Pg>>(&self, connection: &mut C) -> QueryResult<()> {
        // Two processes that replace one function at once would trip over each other.
        let sql = format!("BEGIN;\nSELECT pg_advisory_xact_lock(hashtext('kafka_skip'));\n{}COMMIT;", self.up());
        let done = connection.batch_execute(&sql).await;
        if done.is_err() {
            drop(connection.batch_execute("ROLLBACK").await);
        }
        done
    }
}

const fn setting(suppressed: bool) -> &'static str {
    if suppressed { "on" } else { "off" }
}
