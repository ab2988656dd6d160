//! What is declared against what runs, as pure data: made without asking anyone, shown before anything is done.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::config::ConnectorConfig;
use crate::connector::Intent;
use crate::connectors::DeclaredConnector;

/// What publish would do, connector by connector. Values are as they may be shown: nothing in it is a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Plan {
    /// By name.
    pub steps: Vec<Step>,
}

/// One connector and what is to become of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Step {
    /// Its name on the worker.
    pub connector: String,
    /// What is to become of it.
    #[serde(flatten)]
    pub change: Change,
}

/// What is to become of a connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", content = "keys", rename_all = "snake_case")]
pub enum Change {
    /// It is not there; these keys make it.
    Create(Vec<KeyChange>),
    /// It is there with another config.
    Update(Vec<KeyChange>),
    /// It is there and marked for removal.
    Delete,
    /// It is there as declared.
    Unchanged,
    /// It is marked for removal and not there.
    Gone,
    /// It is there and nobody here declared it. It is left alone.
    NotOurs,
}

/// One key of a config that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "difference", rename_all = "snake_case")]
pub enum KeyChange {
    /// It is new.
    Added {
        /// The key.
        key: String,
        /// Its value.
        to: String,
    },
    /// It has another value.
    Changed {
        /// The key.
        key: String,
        /// The value that runs.
        from: String,
        /// The value that is declared.
        to: String,
    },
    /// The declaration does not have it.
    Removed {
        /// The key.
        key: String,
        /// The value that runs.
        from: String,
    },
}

impl Plan {
    /// Compares. What runs is by name on the worker, with the config in clear.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use kafka_connect::config::ConnectorConfig;
    /// use kafka_connect::connectors::DeclaredConnector;
    /// use kafka_connect::plan::Plan;
    ///
    /// let declared = [DeclaredConnector::new("crm.Customers", ConnectorConfig::of_class("x.Y").tasks_max(2))];
    /// let running = BTreeMap::from([("crm.Customers".to_owned(), ConnectorConfig::of_class("x.Y").tasks_max(1))]);
    /// assert_eq!(Plan::compare(&declared, &running).to_string(), "~ crm.Customers\n    ~ tasks.max = 1 -> 2\n");
    /// ```
    pub fn compare<'a>(declared: impl IntoIterator<Item = &'a DeclaredConnector>, running: &BTreeMap<String, ConnectorConfig>) -> Self {
        let mut steps: BTreeMap<&str, Change> = running.keys().map(|name| (name.as_str(), Change::NotOurs)).collect();
        for connector in declared {
            let change = match (connector.intent(), running.get(connector.name())) {
                (Intent::Run, None) => Change::Create(differences(&ConnectorConfig::new(), connector.config())),
                (Intent::Run, Some(running)) => match differences(running, connector.config()) {
                    keys if keys.is_empty() => Change::Unchanged,
                    keys => Change::Update(keys),
                },
                (Intent::Remove, Some(_)) => Change::Delete,
                (Intent::Remove, None) => Change::Gone,
            };
            steps.insert(connector.name(), change);
        }
        Self { steps: steps.into_iter().map(|(name, change)| Step { connector: name.to_owned(), change }).collect() }
    }

    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.iter().all(|step| matches!(step.change, Change::Unchanged | Change::Gone | Change::NotOurs))
    }
}

/// Key by key, in their order. The name is not part of a config, though Connect writes it into one.
fn differences(running: &ConnectorConfig, declared: &ConnectorConfig) -> Vec<KeyChange> {
    let keys: std::collections::BTreeSet<&str> = running.iter().chain(declared.iter()).map(|(key, _)| key).collect();
    let shown = |key: &str, value: &str| declared.show(key, value);
    let changes = keys.into_iter().filter(|key| *key != "name").filter_map(|key| {
        let (from, to) = (running.get(key), declared.get(key));
        let key_name = key.to_owned();
        match (from, to) {
            (None, Some(to)) => Some(KeyChange::Added { key: key_name, to: shown(key, to) }),
            (Some(from), None) => Some(KeyChange::Removed { key: key_name, from: shown(key, from) }),
            (Some(from), Some(to)) if from != to => Some(KeyChange::Changed { key: key_name, from: shown(key, from), to: shown(key, to) }),
            _ => None,
        }
    });
    changes.collect()
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| step.fmt(f))
    }
}

/// A line for the connector and one for each key, in the manner of a diff.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.connector;
        match &self.change {
            Change::Create(keys) => {
                writeln!(f, "+ {name}")?;
                keys.iter().try_for_each(|key| writeln!(f, "    {key}"))
            }
            Change::Update(keys) => {
                writeln!(f, "~ {name}")?;
                keys.iter().try_for_each(|key| writeln!(f, "    {key}"))
            }
            Change::Delete => writeln!(f, "- {name}"),
            Change::Unchanged => writeln!(f, "= {name}"),
            Change::Gone => writeln!(f, "= {name} (removed already)"),
            Change::NotOurs => writeln!(f, "? {name} (not declared here, left alone)"),
        }
    }
}

impl fmt::Display for KeyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { key, to } => write!(f, "+ {key} = {to}"),
            Self::Changed { key, from, to } if from == to => write!(f, "~ {key} = {to} (another one)"),
            Self::Changed { key, from, to } => write!(f, "~ {key} = {from} -> {to}"),
            Self::Removed { key, from } => write!(f, "- {key} = {from}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let of = |tasks: u32| ConnectorConfig::of_class("x.Y").tasks_max(tasks);
        let declared = [
            DeclaredConnector::new(
                "crm.New",
                of(1)
                    .set("database.password", "hunter2")
                    .set("connection.url", "jdbc:x://db?password=hunter2")
                    .set("other.password", "${env:P}"),
            ),
            DeclaredConnector::new("crm.Changed", of(2).set("added", "a").set("database.password", "hunter2").secret("pin", "hunter4")),
            DeclaredConnector::new("crm.Same", of(1)),
            DeclaredConnector::removed("crm.Old"),
            DeclaredConnector::removed("crm.Older"),
        ];
        let running = BTreeMap::from([
            (
                "crm.Changed".to_owned(),
                of(1).set("name", "crm.Changed").set("removed", "r").set("database.password", "hunter3").set("pin", "hunter5"),
            ),
            ("crm.Same".to_owned(), of(1).set("name", "crm.Same")),
            ("crm.Old".to_owned(), of(1)),
            ("else.Where".to_owned(), of(1).set("password", "hunter6")),
        ]);
        Plan::compare(&declared, &running)
    }

    #[test]
    fn a_plan_for_people() {
        insta::assert_snapshot!(plan(), @r"
        ~ crm.Changed
            + added = a
            ~ database.password = … (another one)
            ~ pin = … (another one)
            - removed = r
            ~ tasks.max = 1 -> 2
        + crm.New
            + connection.url = jdbc:x://db?password=…
            + connector.class = x.Y
            + database.password = …
            + other.password = ${env:P}
            + tasks.max = 1
        - crm.Old
        = crm.Older (removed already)
        = crm.Same
        ? else.Where (not declared here, left alone)
        ");
    }

    #[test]
    fn a_plan_for_programs() {
        let plan = serde_json::to_value(plan()).unwrap();
        assert_eq!(
            plan["steps"][0],
            serde_json::json!({"connector": "crm.Changed", "change": "update", "keys": [
                {"difference": "added", "key": "added", "to": "a"},
                {"difference": "changed", "key": "database.password", "from": "…", "to": "…"},
                {"difference": "changed", "key": "pin", "from": "…", "to": "…"},
                {"difference": "removed", "key": "removed", "from": "r"},
                {"difference": "changed", "key": "tasks.max", "from": "1", "to": "2"},
            ]})
        );
        assert_eq!(plan["steps"][5], serde_json::json!({"connector": "else.Where", "change": "not_ours"}));
    }

    #[test]
    fn no_secret_is_in_a_plan() {
        let plan = plan();
        let texts = [plan.to_string(), format!("{plan:?}"), serde_json::to_string(&plan).unwrap()];
        assert!(texts.iter().all(|text| !text.contains("hunter")), "{texts:?}");
        assert!(!plan.is_empty() && Plan::default().is_empty());
    }
}
