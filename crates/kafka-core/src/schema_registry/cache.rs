//! What was asked is kept, and what is being asked is shared. A failure is neither.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::RegistryError;

/// An answer that is there or on its way.
type Answer<V> = Shared<BoxFuture<'static, Result<V, RegistryError>>>;

pub(super) struct Cache<K, V: Clone>(Mutex<HashMap<K, Answer<V>>>);

impl<K, V: Clone> Default for Cache<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq + Clone, V: Clone + Send + Sync + 'static> Cache<K, V> {
    /// The value: kept, or of a request under way, or of a new one.
    pub(super) async fn get<F>(&self, key: &K, fetch: impl FnOnce() -> F) -> Result<V, RegistryError>
    where
        F: Future<Output = Result<V, RegistryError>> + Send + 'static,
    {
        let answer = {
            let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match answers.get(key) {
                Some(answer) => answer.clone(),
                None => {
                    let answer = fetch().boxed().shared();
                    answers.insert(key.clone(), answer.clone());
                    answer
                }
            }
        };
        let value = answer.clone().await;
        if value.is_err() {
            let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Another may have asked anew already.
            if answers.get(key).is_some_and(|known| known.ptr_eq(&answer)) {
                answers.remove(key);
            }
        }
        value
    }
}
