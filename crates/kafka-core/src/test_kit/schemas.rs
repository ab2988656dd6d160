//! The schemas of an application under test: a registry in memory, in place of the one that the settings name.

use crate::app::AppBuilder;

/// One registry for all processes of a test. Nothing where no format needs one.
#[derive(Debug, Clone)]
pub(crate) struct Schemas {
    #[cfg(feature = "__registry")]
    registry: crate::schema_registry::Shared,
}

impl Schemas {
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(feature = "__registry")]
            registry: crate::schema_registry::Shared::in_memory(),
        }
    }

    /// The application with this registry.
    #[cfg_attr(not(feature = "__registry"), expect(clippy::unused_self, reason = "without such formats there is nothing to give"))]
    pub(crate) fn given_to(&self, app: AppBuilder) -> AppBuilder {
        #[cfg(feature = "__registry")]
        let app = app.registry(self.registry.clone());
        app
    }
}
