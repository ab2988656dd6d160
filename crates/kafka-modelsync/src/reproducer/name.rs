//! Which topic a reproducer reads.

use std::fmt;

/// The raw topic of a reproducer: a model's, which is named as the table, or one of another name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reproduced {
    model: Option<String>,
    name: Option<String>,
    namespace: Option<String>,
}

/// Neither a model nor a name says which topic is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reproducer reads the topic of a model or of a name: write `Reproduced::model(\"table\")` or `Reproduced::named(\"topic\")`")]
pub struct ReproducedNameError;

impl Reproduced {
    /// The topic of this table (`reproduce_model` in django-kafka).
    #[must_use]
    pub fn model(table: &str) -> Self {
        Self { model: Some(table.to_owned()), ..Self::default() }
    }

    /// The topic of this name (`reproduce_name`).
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..Self::default() }
    }

    /// Another name than the model's.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// What stands before the name, with a point between them (`reproduce_namespace`). Default: nothing.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// The topic's name.
    ///
    /// # Errors
    /// When neither a model nor a name is set.
    pub fn topic(&self) -> Result<String, ReproducedNameError> {
        let name = self.name.as_deref().or(self.model.as_deref()).filter(|name| !name.is_empty()).ok_or(ReproducedNameError)?;
        Ok(match self.namespace.as_deref().filter(|namespace| !namespace.is_empty()) {
            Some(namespace) => format!("{namespace}.{name}"),
            None => name.to_owned(),
        })
    }
}

impl fmt::Display for Reproduced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.topic().unwrap_or_else(|_| "(no topic)".to_owned()))
    }
}
