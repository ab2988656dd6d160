//! What feature crates have a topic declare: values by type, which core carries and does not know.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Declarations of feature crates. One of each type.
#[derive(Clone, Default)]
pub(super) struct Extensions(HashMap<TypeId, (Arc<dyn Any + Send + Sync>, &'static str)>);

impl Extensions {
    pub(super) fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.0.insert(TypeId::of::<T>(), (Arc::new(value), type_name::<T>()));
    }

    pub(super) fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>()).and_then(|(value, _)| value.downcast_ref())
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<_> = self.0.values().map(|(_, name)| name).collect();
        names.sort_unstable();
        f.debug_set().entries(names).finish()
    }
}
