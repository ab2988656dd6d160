//! Values that stand in another table: found for many rows at once.

use futures_util::future::BoxFuture;
use kafka_core::error::BoxError;

use crate::value::Value;

/// Finds values by others, such as a row's id by its code. Asked once for each batch, with every value once.
pub trait Lookup: Send + Sync + 'static {
    /// The value for each key, in the order of the keys; none where there is no row.
    ///
    /// # Errors
    /// When it cannot be looked up now: all messages of the batch fail, and come again by the topic's retry policy.
    fn look_up<'a>(&'a self, keys: &'a [Value]) -> BoxFuture<'a, Result<Vec<Option<Value>>, BoxError>>;
}

/// What becomes of a field whose value is not found, or not mapped.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Otherwise {
    /// The message fails, and its topic's retry policy says what follows.
    #[default]
    Fail,
    /// The field gets this value.
    Value(Value),
}
