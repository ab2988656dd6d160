//! Which model a message of a topic of several tables belongs to.

use std::collections::BTreeMap;

use super::Change;

/// The field that Debezium's `ByLogicalTableRouter` adds to the key, so that rows of several tables do not share one.
pub const PHYSICAL_TABLE: &str = "__dbz__physicalTableIdentifier";

/// Models by the tables that a topic carries, for keys with [`PHYSICAL_TABLE`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RerouteModelMap<M>(BTreeMap<Box<str>, M>);

/// Why no model was chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RerouteError {
    /// The key names a table, and there is no map.
    #[error(
        "the key names the table `{table}` in `{PHYSICAL_TABLE}`, and there is no reroute_model_map that says its model; write `reroute` for it"
    )]
    MissingMap {
        /// The table.
        table: String,
    },
    /// The map does not know the table.
    #[error(
        "the key names the table `{table}` in `{PHYSICAL_TABLE}`, which reroute_model_map does not know; it knows {known}; write `reroute` for this one"
    )]
    UnknownTable {
        /// The table.
        table: String,
        /// The tables that the map knows.
        known: String,
    },
}

impl<M> RerouteModelMap<M> {
    /// Models by what stands in the key, which is the topic's former name unless the router is told otherwise.
    pub fn new<N: Into<Box<str>>>(models: impl IntoIterator<Item = (N, M)>) -> Self {
        Self(models.into_iter().map(|(table, model)| (table.into(), model)).collect())
    }

    /// The models.
    pub fn models(&self) -> impl Iterator<Item = (&str, &M)> {
        self.0.iter().map(|(table, model)| (&**table, model))
    }
}

impl Change {
    /// The model of the change: by the table in its key if one is named there, else the topic's own.
    ///
    /// # Errors
    /// When the key names a table and there is no map, or the map does not know it.
    pub fn model<'a, M>(&self, own: &'a M, map: Option<&'a RerouteModelMap<M>>) -> Result<&'a M, RerouteError> {
        let Some(table) = &self.physical_table else { return Ok(own) };
        let Some(map) = map else { return Err(RerouteError::MissingMap { table: table.to_string() }) };
        map.0.get(&**table).ok_or_else(|| RerouteError::UnknownTable {
            table: table.to_string(),
            known: map.0.keys().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", "),
        })
    }
}
