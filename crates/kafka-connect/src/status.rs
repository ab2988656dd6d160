//! How a connector is, judged: running, not yet, or wrong. A connector that runs with a failed task does not run.

use std::time::Duration;

use serde::Serialize;

use crate::client::ConnectClient;
use crate::error::ConnectError;
use crate::secrets::Secrets;
use crate::wire::{ConnectorStatus, State};

/// What a status means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The connector and all of its tasks run.
    Running,
    /// It may run soon: no worker has it yet, or it is being restarted.
    NotYet,
    /// It does not run and will not by itself: paused, stopped, failed.
    Wrong,
}

/// How often and how patiently a status is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Patience {
    /// How many looks.
    pub tries: u32,
    /// The wait after the first look, doubled after each further one.
    pub first: Duration,
}

/// How a connector was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StatusReport {
    /// Its name.
    pub connector: String,
    /// Its state; absent when the worker does not know the connector.
    pub state: Option<State>,
    /// Whether it and all of its tasks run.
    pub running: bool,
    /// Its tasks.
    pub tasks: Vec<TaskReport>,
    /// The stack trace of its own failure, without the secrets of its config.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// How a task was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TaskReport {
    /// Its number, from 0.
    pub id: u32,
    /// Its state.
    pub state: State,
    /// The stack trace of its failure, without the secrets of the connector's config.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

impl Patience {
    /// Three looks, with 1 s and 2 s between them.
    pub const CHECK: Self = Self { tries: 3, first: Duration::from_secs(1) };

    /// Seven looks over half a minute: a connector that was just published connects to a database before it runs.
    pub const PUBLISH: Self = Self { tries: 7, first: Duration::from_millis(500) };

    /// So many looks, with this wait after the first.
    #[must_use]
    pub const fn new(tries: u32, first: Duration) -> Self {
        Self { tries, first }
    }
}

impl ConnectorStatus {
    /// What it means. The worst of the connector and its tasks counts.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let states = || std::iter::once(&self.connector.state).chain(self.tasks.iter().map(|task| &task.state));
        if states().any(|state| matches!(state, State::Failed | State::Paused | State::Stopped | State::Other(_))) {
            Verdict::Wrong
        } else if states().all(|state| *state == State::Running) {
            Verdict::Running
        } else {
            Verdict::NotYet
        }
    }

    fn failed(&self) -> bool {
        self.connector.state == State::Failed || self.tasks.iter().any(|task| task.state == State::Failed)
    }
}

impl StatusReport {
    fn unknown(connector: &str) -> Self {
        Self { connector: connector.to_owned(), state: None, running: false, tasks: Vec::new(), trace: None }
    }

    fn of(status: &ConnectorStatus, secrets: &Secrets) -> Self {
        let scrub = |trace: &Option<String>| trace.as_deref().map(|trace| secrets.scrub(trace));
        let tasks = status.tasks.iter().map(|task| TaskReport { id: task.id, state: task.state.clone(), trace: scrub(&task.trace) });
        Self {
            connector: status.name.clone(),
            state: Some(status.connector.state.clone()),
            running: status.verdict() == Verdict::Running,
            tasks: tasks.collect(),
            trace: scrub(&status.connector.trace),
        }
    }

    /// Each trace with whose it is: `connector`, `task 0`.
    pub fn traces(&self) -> impl Iterator<Item = (String, &str)> {
        let own = self.trace.as_deref().map(|trace| ("connector".to_owned(), trace));
        own.into_iter().chain(self.tasks.iter().filter_map(|task| Some((format!("task {}", task.id), task.trace.as_deref()?))))
    }
}

/// `RUNNING, 2 tasks`, `RUNNING, task 0 FAILED`, `unknown to the worker`.
impl std::fmt::Display for StatusReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(state) = &self.state else { return f.write_str("unknown to the worker") };
        write!(f, "{state}")?;
        let mut all_run = true;
        for task in self.tasks.iter().filter(|task| task.state != State::Running) {
            all_run = false;
            write!(f, ", task {} {}", task.id, task.state)?;
        }
        match self.tasks.len() {
            _ if !all_run => Ok(()),
            0 => f.write_str(", no tasks"),
            1 => f.write_str(", 1 task"),
            many => write!(f, ", {many} tasks"),
        }
    }
}

/// What a look takes for the end, beside a running connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Final {
    /// Everything that is wrong.
    Wrong,
    /// What somebody did on purpose; failures may be those of the config before.
    PausedOrStopped,
}

/// Looks at a connector. Unassigned, restarting and unknown (404) ones are looked at again, all else is an answer.
///
/// # Errors
/// When a request fails otherwise.
pub async fn check(client: &ConnectClient, connector: &str, secrets: &Secrets, patience: Patience) -> Result<StatusReport, ConnectError> {
    look(client, connector, secrets, patience, Final::Wrong).await
}

/// The same after a publish, when the status of a task that failed before may still be there.
pub(crate) async fn settle(
    client: &ConnectClient,
    connector: &str,
    secrets: &Secrets,
    patience: Patience,
) -> Result<StatusReport, ConnectError> {
    look(client, connector, secrets, patience, Final::PausedOrStopped).await
}

async fn look(
    client: &ConnectClient,
    connector: &str,
    secrets: &Secrets,
    patience: Patience,
    end: Final,
) -> Result<StatusReport, ConnectError> {
    let mut wait = patience.first;
    for left in (0..patience.tries.max(1)).rev() {
        let status = match client.status(connector).await {
            Ok(status) => Some(status),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        let again = match &status {
            None => true,
            Some(status) => match status.verdict() {
                // One that was just made runs before it has tasks.
                Verdict::Running => end == Final::PausedOrStopped && status.tasks.is_empty(),
                Verdict::NotYet => true,
                Verdict::Wrong => end == Final::PausedOrStopped && status.failed(),
            },
        };
        if !again || left == 0 {
            return Ok(status.map_or_else(|| StatusReport::unknown(connector), |status| StatusReport::of(&status, secrets)));
        }
        tracing::debug!(connector, ?wait, "it does not run yet");
        client.clock().sleep(wait).await;
        wait *= 2;
    }
    Ok(StatusReport::unknown(connector))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(connector: &str, tasks: &[&str]) -> ConnectorStatus {
        let tasks: Vec<_> = tasks
            .iter()
            .enumerate()
            .map(
                |(id, state)| serde_json::json!({"id": id, "state": state, "trace": (*state == "FAILED").then_some("no route to hunter2")}),
            )
            .collect();
        serde_json::from_value(serde_json::json!({"name": "src", "connector": {"state": connector}, "tasks": tasks})).unwrap()
    }

    #[test]
    fn the_worst_counts() {
        for (connector, tasks, verdict, text) in [
            ("RUNNING", &["RUNNING", "RUNNING"][..], Verdict::Running, "RUNNING, 2 tasks"),
            ("RUNNING", &["RUNNING"], Verdict::Running, "RUNNING, 1 task"),
            ("RUNNING", &[], Verdict::Running, "RUNNING, no tasks"),
            ("RUNNING", &["RUNNING", "FAILED"], Verdict::Wrong, "RUNNING, task 1 FAILED"),
            ("RUNNING", &["UNASSIGNED"], Verdict::NotYet, "RUNNING, task 0 UNASSIGNED"),
            ("RESTARTING", &["RUNNING"], Verdict::NotYet, "RESTARTING, 1 task"),
            ("UNASSIGNED", &[], Verdict::NotYet, "UNASSIGNED, no tasks"),
            ("PAUSED", &["PAUSED"], Verdict::Wrong, "PAUSED, task 0 PAUSED"),
            ("STOPPED", &[], Verdict::Wrong, "STOPPED, no tasks"),
            ("DREAMING", &["RUNNING"], Verdict::Wrong, "DREAMING, 1 task"),
        ] {
            let status = status(connector, tasks);
            assert_eq!(status.verdict(), verdict, "{connector} {tasks:?}");
            assert_eq!(StatusReport::of(&status, &Secrets::default()).to_string(), text);
        }
    }

    #[test]
    fn traces_are_shown_without_secrets() {
        let mut secrets = Secrets::default();
        secrets.learn("database.password", "hunter2");
        let report = StatusReport::of(&status("RUNNING", &["RUNNING", "FAILED"]), &secrets);
        assert_eq!(report.traces().collect::<Vec<_>>(), [("task 1".to_owned(), "no route to …")]);
    }
}
