//! What the steps of `connect` found and did, as it is answered.

use std::collections::BTreeMap;
use std::fmt;

use kafka_connect::plan::Plan;
use kafka_connect::status::StatusReport;
use kafka_connect::wire::FieldError;
use serde::Serialize;

/// The answer: a part for each step that was taken.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) list: Option<Vec<Listed>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) validate: Option<Vec<Validated>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) plan: Option<Plan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) publish: Option<Vec<Done>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) check_status: Option<Vec<Checked>>,
    /// How many connectors failed, over all steps.
    pub(super) failures: usize,
}

/// A declared connector.
#[derive(Debug, Serialize)]
pub(super) struct Listed {
    pub(super) connector: String,
    pub(super) marked_for_removal: bool,
    /// Secrets are hidden.
    pub(super) config: BTreeMap<String, String>,
}

/// A connector whose config was checked.
#[derive(Debug, Serialize)]
pub(super) struct Validated {
    pub(super) connector: String,
    /// What is wrong, field by field.
    pub(super) errors: Vec<FieldError>,
    /// Why it could not be checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

/// A connector that was published.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    pub(super) connector: String,
    /// `created`, `updated`, `deleted`, `unchanged`, `failed`.
    pub(super) result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<StatusReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

/// A connector that was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Checked {
    pub(super) connector: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<StatusReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

impl Validated {
    pub(super) fn is_valid(&self) -> bool {
        self.errors.is_empty() && self.error.is_none()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for listed in self.list.iter().flatten() {
            writeln!(f, "{}{}", listed.connector, if listed.marked_for_removal { " (marked for removal)" } else { "" })?;
            listed.config.iter().try_for_each(|(key, value)| writeln!(f, "    {key} = {value}"))?;
        }
        for validated in self.validate.iter().flatten() {
            let valid = if validated.is_valid() { "valid" } else { "NOT valid" };
            writeln!(f, "validate {}: {valid}", validated.connector)?;
            validated.errors.iter().try_for_each(|error| writeln!(f, "    {}: {}", error.field, error.message))?;
            told(f, validated.error.as_deref())?;
        }
        if let Some(plan) = &self.plan {
            write!(f, "{plan}")?;
        }
        for done in self.publish.iter().flatten() {
            write!(f, "publish {}: {}", done.connector, done.result)?;
            status(f, done.status.as_ref())?;
            told(f, done.error.as_deref())?;
        }
        for checked in self.check_status.iter().flatten() {
            write!(f, "status {}", checked.connector)?;
            status(f, checked.status.as_ref())?;
            told(f, checked.error.as_deref())?;
        }
        match self.failures {
            0 => Ok(()),
            1 => writeln!(f, "1 connector failed"),
            many => writeln!(f, "{many} connectors failed"),
        }
    }
}

fn status(f: &mut fmt::Formatter<'_>, status: Option<&StatusReport>) -> fmt::Result {
    let Some(status) = status else { return writeln!(f) };
    writeln!(f, ": {status}")?;
    for (whose, trace) in status.traces() {
        writeln!(f, "    trace of the {whose}:")?;
        trace.lines().try_for_each(|line| writeln!(f, "        {line}"))?;
    }
    Ok(())
}

fn told(f: &mut fmt::Formatter<'_>, error: Option<&str>) -> fmt::Result {
    error.map_or(Ok(()), |error| writeln!(f, "    {error}"))
}
