//! The bodies of Connect's REST API. Only what is of use is read; what newer workers add is ignored.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `GET /`: the worker.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct WorkerInfo {
    /// The version of Kafka Connect.
    pub version: String,
    /// The cluster it works for.
    #[serde(default)]
    pub kafka_cluster_id: Option<String>,
}

/// A connector as the worker knows it. The config is in clear: Connect hides nothing.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ConnectorInfo {
    /// Its name.
    pub name: String,
    /// Its config, secrets included. `Debug` shows the keys only.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    /// Its tasks.
    #[serde(default)]
    pub tasks: Vec<TaskId>,
    /// `source` or `sink`.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
}

impl fmt::Debug for ConnectorInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&String> = self.config.keys().collect();
        f.debug_struct("ConnectorInfo").field("name", &self.name).field("config", &keys).field("tasks", &self.tasks).finish()
    }
}

/// A task's place.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct TaskId {
    /// Its connector.
    pub connector: String,
    /// Its number, from 0.
    pub task: u32,
}

/// One connector of `GET /connectors?expand=info&expand=status`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Expanded {
    /// What it is.
    pub info: ConnectorInfo,
    /// How it is; absent while the worker does not know yet.
    #[serde(default)]
    pub status: Option<ConnectorStatus>,
}

/// How a connector and its tasks are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct ConnectorStatus {
    /// The connector's name.
    pub name: String,
    /// The connector itself. It may be running while its tasks have failed.
    pub connector: InstanceStatus,
    /// Its tasks.
    #[serde(default)]
    pub tasks: Vec<TaskStatus>,
}

/// How a connector itself is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct InstanceStatus {
    /// Its state.
    pub state: State,
    /// Where it runs.
    #[serde(default)]
    pub worker_id: Option<String>,
    /// The stack trace of its failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// How a task is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct TaskStatus {
    /// Its number, from 0.
    pub id: u32,
    /// Its state.
    pub state: State,
    /// Where it runs.
    #[serde(default)]
    pub worker_id: Option<String>,
    /// The stack trace of its failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// The state of a connector or task.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum State {
    /// It works.
    Running,
    /// It was paused and keeps its place.
    Paused,
    /// It was stopped and gave its place up.
    Stopped,
    /// It failed; the trace says why.
    Failed,
    /// No worker has it, or not yet.
    Unassigned,
    /// It is being restarted.
    Restarting,
    /// A state that this version does not know.
    Other(String),
}

impl From<String> for State {
    fn from(text: String) -> Self {
        match text.as_str() {
            "RUNNING" => Self::Running,
            "PAUSED" => Self::Paused,
            "STOPPED" => Self::Stopped,
            "FAILED" => Self::Failed,
            "UNASSIGNED" => Self::Unassigned,
            "RESTARTING" => Self::Restarting,
            _ => Self::Other(text),
        }
    }
}

impl From<State> for String {
    fn from(state: State) -> Self {
        state.to_string()
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Stopped => "STOPPED",
            Self::Failed => "FAILED",
            Self::Unassigned => "UNASSIGNED",
            Self::Restarting => "RESTARTING",
            Self::Other(text) => text,
        })
    }
}

/// An installed plugin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Plugin {
    /// Its class.
    pub class: String,
    /// `source`, `sink`, `transformation`, `predicate`, `converter` or `header_converter`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its version.
    #[serde(default)]
    pub version: Option<String>,
}

/// The answer to a validation. It comes with status 200, errors or not.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Validation {
    /// The plugin's class.
    pub name: String,
    /// The number of messages, not of fields.
    pub error_count: u32,
    /// Each field that the plugin knows.
    #[serde(default)]
    pub configs: Vec<ValidatedField>,
}

/// A field of a validation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ValidatedField {
    /// What was given for it, and what is wrong.
    pub value: ValidatedValue,
}

/// What was given for a field. The value itself is not read: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ValidatedValue {
    /// The field's key.
    pub name: String,
    /// What is wrong with it.
    #[serde(default)]
    pub errors: Vec<String>,
}

/// One thing that is wrong with a config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FieldError {
    /// The field's key.
    pub field: String,
    /// What is wrong with it, as the plugin says.
    pub message: String,
}

impl Validation {
    /// Everything that is wrong, field by field.
    #[must_use]
    pub fn errors(&self) -> Vec<FieldError> {
        let fields = self.configs.iter().map(|field| &field.value);
        let all =
            fields.flat_map(|value| value.errors.iter().map(|message| FieldError { field: value.name.clone(), message: message.clone() }));
        let mut errors: Vec<FieldError> = all.collect();
        if errors.is_empty() && self.error_count > 0 {
            let message = format!("Connect counts {} errors and names none", self.error_count);
            errors.push(FieldError { field: "connector.class".to_owned(), message });
        }
        errors
    }
}

/// The offsets of a connector: what it has read, or for a sink, what it has written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Offsets {
    /// One for each partition, in the connector's own terms.
    pub offsets: Vec<PartitionOffset>,
}

/// A place in one partition, in the connector's own terms.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct PartitionOffset {
    /// Which partition, for example `{"server": "app"}`, or `{"kafka_topic": "orders", "kafka_partition": 0}` for a sink.
    pub partition: Value,
    /// The place; null forgets it.
    pub offset: Value,
}

impl Offsets {
    /// Offsets to be set.
    #[must_use]
    pub fn new(offsets: impl IntoIterator<Item = PartitionOffset>) -> Self {
        Self { offsets: offsets.into_iter().collect() }
    }
}

/// The level of a logger.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct LoggerLevel {
    /// `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR`, `FATAL` or `OFF`; absent where it is inherited.
    #[serde(default)]
    pub level: Option<String>,
    /// When it was changed last, in milliseconds since the epoch.
    #[serde(default)]
    pub last_modified: Option<i64>,
}

/// Topics of a connector, `GET /connectors/{name}/topics`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Topics {
    #[serde(default)]
    pub(crate) topics: Vec<String>,
}

/// Connect's own error body.
#[derive(Debug, Deserialize)]
pub(crate) struct ErrorBody {
    pub(crate) message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_newer_workers_add_is_ignored() {
        let status: ConnectorStatus = serde_json::from_str(
            r#"{"name":"src","connector":{"state":"RUNNING","worker_id":"w:1","version":null,"new":1},"tasks":[
                {"id":0,"state":"FAILED","worker_id":"w:1","trace":"boom"},{"id":1,"state":"DREAMING"}],"type":"source","newer":{}}"#,
        )
        .unwrap();
        assert_eq!(status.connector.state, State::Running);
        assert_eq!(status.tasks[0].trace.as_deref(), Some("boom"));
        assert_eq!(status.tasks[1].state, State::Other("DREAMING".to_owned()));
    }

    #[test]
    fn validation_is_an_error_count_and_not_a_status() {
        let body = r#"{"name":"x","error_count":2,"groups":["Common"],"configs":[
            {"definition":{"name":"name"},"value":{"name":"name","value":"v","recommended_values":[],"errors":[],"visible":true}},
            {"definition":{},"value":{"name":"database.hostname","value":null,"errors":["A value is required","and more"],"visible":true}}]}"#;
        let validation: Validation = serde_json::from_str(body).unwrap();
        let errors: Vec<String> = validation.errors().into_iter().map(|error| format!("{}: {}", error.field, error.message)).collect();
        assert_eq!(errors, ["database.hostname: A value is required", "database.hostname: and more"]);
        let unnamed = Validation { configs: Vec::new(), ..validation };
        assert_eq!(unnamed.errors().len(), 1);
    }
}
