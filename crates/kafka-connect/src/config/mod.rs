//! The config of a connector: keys and texts, as Connect has them. Not the framework's settings.
//!
//! `Debug` and everything made of a config for people hides what is secret in it; see [`secrets`](crate::secrets).

mod fragment;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::secrets::{HIDDEN, Secrets, shown};

pub use fragment::{Fragment, MergeConflict};
pub use value::ConfigValue;

/// The key that names the plugin.
pub const CLASS: &str = "connector.class";

/// The config of a connector.
///
/// ```
/// use kafka_connect::config::ConnectorConfig;
///
/// let config = ConnectorConfig::of_class("io.debezium.connector.postgresql.PostgresConnector")
///     .tasks_max(1)
///     .set("table.include.list", ["public.customers", "public.orders"])
///     .set("database.password", "${env:DB_PASSWORD}")
///     .transform("unwrap", "io.debezium.transforms.ExtractNewRecordState", [("add.fields", "op")]);
/// assert_eq!(config.get("table.include.list"), Some("public.customers,public.orders"));
/// assert_eq!(config.get("transforms.unwrap.add.fields"), Some("op"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ConnectorConfig {
    entries: BTreeMap<String, String>,
    /// Keys that hold a secret though their names do not say so.
    marked: BTreeSet<String>,
}

/// A config that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct ConfigProblem {
    problem: String,
}

impl ConfigProblem {
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into() }
    }
}

impl ConnectorConfig {
    /// A config with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A config for a plugin of this class: `connector.class`.
    #[must_use]
    pub fn of_class(class: impl Into<String>) -> Self {
        Self::new().set(CLASS, class.into())
    }

    /// Reads JSON: an object of keys and values, or one with `name` and `config` as in requests to Connect.
    ///
    /// # Errors
    /// When it is not such JSON. The text is not quoted: it may hold a password.
    pub fn from_json(text: &str) -> Result<Self, ConfigProblem> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| ConfigProblem::new(format!("line {} column {} is not JSON", error.line(), error.column())))?;
        match value {
            Value::Object(mut outer) if outer.get("config").is_some_and(Value::is_object) => {
                Self::from_value(outer.remove("config").unwrap_or_default())
            }
            other => Self::from_value(other),
        }
    }

    /// Writes data as a config: a struct with serde's renames, a map, a `json!` value.
    ///
    /// Numbers and booleans become text, lists are joined with commas, tables within go one level deeper with a dot, and what is null
    /// is left out.
    ///
    /// # Errors
    /// When it is not a table, or holds a list of tables.
    pub fn from_serialize(data: &impl Serialize) -> Result<Self, ConfigProblem> {
        // serde's error may quote data.
        Self::from_value(serde_json::to_value(data).map_err(|_| ConfigProblem::new("it cannot be written as JSON"))?)
    }

    fn from_value(value: Value) -> Result<Self, ConfigProblem> {
        let Value::Object(table) = value else {
            return Err(ConfigProblem::new("it is not a table; write keys with their values"));
        };
        let mut config = Self::new();
        config.flatten("", table)?;
        Ok(config)
    }

    fn flatten(&mut self, outer: &str, table: Map<String, Value>) -> Result<(), ConfigProblem> {
        for (key, value) in table {
            let path = if outer.is_empty() { key } else { format!("{outer}.{key}") };
            match value {
                Value::Object(inner) => self.flatten(&path, inner)?,
                other => {
                    let text = value::text(&other)
                        .ok_or_else(|| ConfigProblem::new(format!("`{path}` is a list of tables; Connect's values are texts")))?;
                    if let Some(text) = text
                        && self.entries.insert(path.clone(), text).is_some()
                    {
                        return Err(ConfigProblem::new(format!("`{path}` is given twice")));
                    }
                }
            }
        }
        Ok(())
    }

    /// Sets a key: a text, a number, a boolean, a duration (as milliseconds) or a list (joined with commas).
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<ConfigValue>) -> Self {
        self.entries.insert(key.into(), value.into().into_text());
        self
    }

    /// Sets a key whose value is a secret, whatever its name.
    #[must_use]
    pub fn secret(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let key = key.into();
        self.mark_secret(key.clone()).set(key, value.into())
    }

    /// Marks the value of a key as a secret.
    #[must_use]
    pub fn mark_secret(mut self, key: impl Into<String>) -> Self {
        self.marked.insert(key.into());
        self
    }

    /// The most tasks it is split into: `tasks.max`. Connect's default is 1.
    #[must_use]
    pub fn tasks_max(self, tasks: u32) -> Self {
        self.set("tasks.max", tasks)
    }

    /// Adds a transform behind those there are: its name to `transforms`, its class and settings under `transforms.{name}`.
    #[must_use]
    pub fn transform<K: AsRef<str>, V: Into<ConfigValue>>(
        self,
        name: &str,
        class: &str,
        settings: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let names = match self.get("transforms") {
            Some(before) if !before.is_empty() => format!("{before},{name}"),
            _ => name.to_owned(),
        };
        let config = self.set("transforms", names).set(format!("transforms.{name}.type"), class);
        settings.into_iter().fold(config, |config, (key, value)| config.set(format!("transforms.{name}.{}", key.as_ref()), value))
    }

    /// The value of a key, in clear.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.get(key).map(String::as_str)
    }

    /// Each key with its value in clear, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Each key with what may be shown of its value, by key.
    pub fn shown(&self) -> impl Iterator<Item = (&str, String)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), self.show(key, value)))
    }

    /// What may be shown of a value that this key has here or elsewhere.
    pub(crate) fn show(&self, key: &str, value: &str) -> String {
        if self.marked.contains(key) && !crate::secrets::is_reference(value) { HIDDEN.to_owned() } else { shown(key, value) }
    }

    /// What is secret in it, for texts of others to be scrubbed of it.
    #[must_use]
    pub fn secrets(&self) -> Secrets {
        let mut secrets = Secrets::default();
        for (key, value) in &self.entries {
            secrets.learn(key, value);
            if self.marked.contains(key) {
                secrets.learn_whole(value);
            }
        }
        secrets
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<String> {
        self.entries.remove(key)
    }

    pub(crate) fn entries(&self) -> &BTreeMap<String, String> {
        &self.entries
    }
}

/// What a derive takes as a config: a config, or data that serde writes. See [`ConnectorConfig::from_serialize`].
pub trait IntoConfig {
    /// The config.
    ///
    /// # Errors
    /// When it cannot be written as keys and texts.
    fn into_config(self) -> Result<ConnectorConfig, ConfigProblem>;
}

/// A config itself is no data for serde, which would write its secrets anywhere.
impl IntoConfig for ConnectorConfig {
    fn into_config(self) -> Result<ConnectorConfig, ConfigProblem> {
        Ok(self)
    }
}

impl<T: Serialize> IntoConfig for T {
    fn into_config(self) -> Result<ConnectorConfig, ConfigProblem> {
        ConnectorConfig::from_serialize(&self)
    }
}

impl From<BTreeMap<String, String>> for ConnectorConfig {
    fn from(entries: BTreeMap<String, String>) -> Self {
        Self { entries, marked: BTreeSet::new() }
    }
}

impl fmt::Debug for ConnectorConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.shown()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(config: &ConnectorConfig) -> Vec<String> {
        config.iter().map(|(key, value)| format!("{key}={value}")).collect()
    }

    #[test]
    fn data_becomes_keys_and_texts() {
        #[derive(Serialize)]
        struct Database {
            hostname: &'static str,
            port: u16,
        }
        #[derive(Serialize)]
        struct Source {
            #[serde(rename = "connector.class")]
            class: &'static str,
            database: Database,
            #[serde(rename = "table.include.list")]
            tables: Vec<&'static str>,
            #[serde(rename = "slot.drop.on.stop")]
            drop_slot: bool,
            absent: Option<u8>,
        }
        let source = Source {
            class: "x.Y",
            database: Database { hostname: "db", port: 5432 },
            tables: vec!["a", "b"],
            drop_slot: false,
            absent: None,
        };
        let config = ConnectorConfig::from_serialize(&source).unwrap();
        assert_eq!(
            pairs(&config),
            ["connector.class=x.Y", "database.hostname=db", "database.port=5432", "slot.drop.on.stop=false", "table.include.list=a,b"]
        );
    }

    #[test]
    fn json_comes_in_two_shapes_and_is_never_quoted() {
        let bare = ConnectorConfig::from_json(r#"{"connector.class":"x.Y","tasks.max":2}"#).unwrap();
        let request = ConnectorConfig::from_json(r#"{"name":"n","config":{"connector.class":"x.Y","tasks.max":"2"}}"#).unwrap();
        assert_eq!(bare, request);
        for (text, problem) in [
            ("{\n\"password\": hunter2}", "line 2 column 14 is not JSON"),
            ("[1]", "it is not a table; write keys with their values"),
            (r#"{"a":[{"b":"hunter2"}]}"#, "`a` is a list of tables; Connect's values are texts"),
            (r#"{"a":{"b":1},"a.b":2}"#, "`a.b` is given twice"),
        ] {
            let error = ConnectorConfig::from_json(text).unwrap_err().to_string();
            assert!(error.starts_with(&problem[..problem.len().min(10)]) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn secrets_are_hidden_and_references_stay() {
        let config = ConnectorConfig::of_class("x.Y")
            .set("database.password", "hunter2")
            .set("other.password", "${file:/run/secrets:db}")
            .secret("pin", "hunter3");
        let text = format!("{config:?} {config:#?}");
        assert!(!text.contains("hunter") && text.contains("${file:/run/secrets:db}") && text.contains("database.password"), "{text}");
        assert_eq!(config.secrets().scrub("hunter2 hunter3"), "… …");
    }

    #[test]
    fn transforms_keep_their_order() {
        let none: [(&str, &str); 0] = [];
        let config = ConnectorConfig::new().transform("b", "x.B", none).transform("a", "x.A", [("k", 1)]);
        assert_eq!(pairs(&config), ["transforms=b,a", "transforms.a.k=1", "transforms.a.type=x.A", "transforms.b.type=x.B"]);
    }
}
