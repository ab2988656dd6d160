//! The application's own values, handed to topics at build.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;

/// Values by type: pools, clients, configuration. One of each type.
#[derive(Default)]
pub struct State(HashMap<TypeId, (Box<dyn Any + Send + Sync>, &'static str)>);

/// A topic wants a value that the application did not provide.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it wants a {wanted} from the application's state, and there is none; add `.state(…)` with one to the app")]
pub struct MissingState {
    /// The wanted type.
    pub wanted: &'static str,
}

impl State {
    /// Adds a value. One of the same type is replaced.
    pub fn insert<T: Clone + Send + Sync + 'static>(&mut self, value: T) {
        self.0.insert(TypeId::of::<T>(), (Box::new(value), type_name::<T>()));
    }

    /// Adds all values of another.
    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// A clone of the value of this type.
    ///
    /// # Errors
    /// When there is none.
    pub fn get<T: Clone + Send + Sync + 'static>(&self) -> Result<T, MissingState> {
        let found = self.0.get(&TypeId::of::<T>()).and_then(|(value, _)| value.downcast_ref::<T>());
        found.cloned().ok_or(MissingState { wanted: type_name::<T>() })
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<_> = self.0.values().map(|(_, name)| name).collect();
        names.sort_unstable();
        f.debug_set().entries(names).finish()
    }
}
