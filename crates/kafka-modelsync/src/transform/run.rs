//! Carrying transforms out, over all changes of a batch.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use chrono::{DateTime, NaiveDate, TimeDelta};
use kafka_core::error::BoxError;

use super::field::{BinaryText, Field, Operation, Unit};
use super::lookup::{Lookup, Otherwise};
use super::plan::{Part, Plan, Plans, Step};
use super::{Enrich, Link, NewField, TransformError, Transforms};
use crate::change::{self, Change, Moved};
use crate::row::{Key, Row};
use crate::value::Value;

/// Why each change of the batch failed, if it did.
type Failures = Vec<Option<TransformError>>;

impl Transforms {
    /// Carries the transforms out. The answer says for each change why it failed, if it did; such a change is of no more use.
    ///
    /// In the row as it was before, what cannot be transformed becomes [`Value::Unavailable`]: it fails nothing.
    pub async fn apply(&self, changes: &mut [Change]) -> Failures {
        let mut failures = Failures::new();
        failures.resize_with(changes.len(), || None);
        for link in &self.0 {
            match link {
                Link::Fields(fields, plans) => apply_fields(fields, plans, changes, &mut failures).await,
                Link::Change(function) => {
                    for (change, failure) in changes.iter_mut().zip(&mut failures).filter(|(_, failure)| failure.is_none()) {
                        *failure = function(change).err().map(|source| TransformError::Change { source });
                    }
                }
                Link::Enrich(fields, enricher) => enrich(fields, &**enricher, changes, &mut failures).await,
            }
        }
        failures
    }
}

/// A row that is being transformed.
struct Open {
    change: usize,
    place: Place,
    plan: Arc<Plan>,
    values: Vec<Value>,
}

/// Where in its change a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Key,
    /// The key that the row had before, or has from now on.
    Moved,
    Before,
    After,
}

fn open(change: &mut Change, at: usize, fields: &[Field], plans: &Plans, into: &mut Vec<Open>) {
    let mut take = |row: &mut Row, place| {
        let part = if matches!(place, Place::Key | Place::Moved) { Part::Key } else { Part::Value };
        let plan = plans.of(row.names(), part, fields);
        if plan.steps.iter().any(Option::is_some) {
            let row = std::mem::replace(row, Row::new(Arc::default(), Vec::new()));
            let values = plan.open(row);
            into.push(Open { change: at, place, plan, values });
        }
    };
    if let Some(Key::Row(key)) = &mut change.key {
        take(key, Place::Key);
    }
    if let Some(Moved::To(Key::Row(key)) | Moved::From(Key::Row(key))) = &mut change.moved {
        take(key, Place::Moved);
    }
    match &mut change.operation {
        change::Operation::Upsert { before, after } => {
            if let Some(before) = before {
                take(before, Place::Before);
            }
            take(after, Place::After);
        }
        change::Operation::Delete { before: Some(before) } => take(before, Place::Before),
        _ => {}
    }
}

fn close(open: Open, change: &mut Change) {
    let Open { place, plan, values, .. } = open;
    let row = plan.close(values);
    match (place, &mut change.operation) {
        (Place::Key, _) => change.key = Some(Key::Row(row)),
        (Place::Moved, _) => {
            if let Some(Moved::To(key) | Moved::From(key)) = &mut change.moved {
                *key = Key::Row(row);
            }
        }
        (Place::Before, change::Operation::Upsert { before, .. } | change::Operation::Delete { before }) => *before = Some(row),
        (Place::After, change::Operation::Upsert { after, .. }) => *after = row,
        _ => {}
    }
}

async fn apply_fields(fields: &[Field], plans: &Plans, changes: &mut [Change], failures: &mut Failures) {
    let mut rows = Vec::with_capacity(changes.len());
    for (at, change) in changes.iter_mut().enumerate().filter(|(at, _)| failures[*at].is_none()) {
        open(change, at, fields, plans, &mut rows);
    }
    for (at, field) in fields.iter().enumerate() {
        let found = match &field.operation {
            Operation::Lookup(lookup) => Some(look_up(&**lookup, at, &rows).await),
            _ => None,
        };
        for row in &mut rows {
            let Some(step) = &row.plan.steps[at] else { continue };
            let made = match &found {
                Some(Err(source)) => Err(TransformError::Lookup { field: Arc::clone(&field.source), source: Arc::clone(source) }),
                Some(Ok(found)) => found_for(field, step, &row.values, found),
                None => make(field, step, &row.values),
            };
            row.values[step.target] = match made {
                Ok(value) => value,
                Err(error) => {
                    if row.place != Place::Before {
                        failures[row.change].get_or_insert(error);
                    }
                    Value::Unavailable
                }
            };
        }
    }
    for row in rows {
        let change = &mut changes[row.change];
        close(row, change);
    }
}

/// Every value once, with what was found for it.
type Found = Vec<(Value, Option<Value>)>;

async fn look_up(lookup: &dyn Lookup, at: usize, rows: &[Open]) -> Result<Found, Arc<dyn std::error::Error + Send + Sync>> {
    let mut keys: Vec<Value> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for row in rows {
        let Some(step) = &row.plan.steps[at] else { continue };
        let value = &row.values[step.sources[0]];
        if !matches!(value, Value::Null | Value::Unavailable) && seen.insert(format!("{value:?}")) {
            keys.push(value.clone());
        }
    }
    if keys.is_empty() {
        return Ok(Found::new());
    }
    let found = lookup.look_up(&keys).await.map_err(Arc::from)?;
    if found.len() != keys.len() {
        let wrong: BoxError = format!("{} values were asked for, and {} came back", keys.len(), found.len()).into();
        return Err(Arc::from(wrong));
    }
    Ok(keys.into_iter().zip(found).collect())
}

fn found_for(field: &Field, step: &Step, values: &[Value], found: &Found) -> Result<Value, TransformError> {
    let value = &values[step.sources[0]];
    if matches!(value, Value::Null | Value::Unavailable) {
        return Ok(value.clone());
    }
    match (found.iter().find(|(known, _)| known == value).and_then(|(_, found)| found.clone()), &field.otherwise) {
        (Some(found), _) => Ok(found),
        (None, Otherwise::Value(value)) => Ok(value.clone()),
        (None, Otherwise::Fail) => Err(TransformError::NotFound { field: Arc::clone(&field.source), value: shown(value) }),
    }
}

fn make(field: &Field, step: &Step, values: &[Value]) -> Result<Value, TransformError> {
    if let Operation::Fixed(value) = &field.operation {
        return Ok(value.clone());
    }
    if let Operation::Coalesce(_) = &field.operation {
        // What was not sent may be something: it is not known which is the first.
        let first = step.sources.iter().map(|source| &values[*source]).find(|value| !value.is_null());
        return Ok(first.cloned().unwrap_or(Value::Null));
    }
    let value = &values[step.sources[0]];
    let wrong = |reason: &str| TransformError::Field { field: Arc::clone(&field.source), value: shown(value), reason: reason.to_owned() };
    Ok(match (&field.operation, value) {
        (_, Value::Unavailable) => Value::Unavailable,
        (Operation::Function(function), value) => {
            function(value.clone()).map_err(|source| TransformError::Function { field: Arc::clone(&field.source), source })?
        }
        (Operation::Mapping(mapping), value) => match (mapping.iter().find(|(from, _)| from == value), &field.otherwise) {
            (Some((_, to)), _) => to.clone(),
            (None, _) if value.is_null() => Value::Null,
            (None, Otherwise::Value(value)) => value.clone(),
            (None, Otherwise::Fail) => return Err(TransformError::NotMapped { field: Arc::clone(&field.source), value: shown(value) }),
        },
        (Operation::Copy, value) => value.clone(),
        (_, Value::Null) => Value::Null,
        (Operation::Date, Value::Int(days)) => {
            let date = TimeDelta::try_days(*days).and_then(|days| NaiveDate::default().checked_add_signed(days));
            Value::Date(date.ok_or_else(|| wrong("no calendar has so many days"))?)
        }
        (Operation::Date, Value::Date(date)) => Value::Date(*date),
        (Operation::Timestamp(unit), Value::Int(number)) => {
            let at = match unit {
                Unit::Millis => DateTime::from_timestamp_millis(*number),
                Unit::Micros => DateTime::from_timestamp_micros(*number),
            };
            Value::TimestampTz(at.ok_or_else(|| wrong("no calendar reaches so far"))?)
        }
        (Operation::Timestamp(_), Value::TimestampTz(at)) => Value::TimestampTz(*at),
        (Operation::Timestamp(_), Value::Timestamp(at)) => Value::TimestampTz(at.and_utc()),
        (Operation::Bytes(text), Value::Text(spelled)) => Value::Bytes(match text {
            BinaryText::Base64 => BASE64_STANDARD.decode(spelled).map_err(|_| wrong("it is not base64"))?,
            BinaryText::Base64UrlSafe => BASE64_URL_SAFE.decode(spelled).map_err(|_| wrong("it is not URL-safe base64"))?,
            BinaryText::Hex => from_hex(spelled).ok_or_else(|| wrong("it is not hexadecimal"))?,
        }),
        (Operation::Bytes(_), Value::Bytes(bytes)) => Value::Bytes(bytes.clone()),
        (Operation::Date | Operation::Timestamp(_), _) => return Err(wrong("it is no whole number")),
        _ => return Err(wrong("it is no text")),
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(byte).collect()
}

/// Enough of a value to find it again.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::Int(number) => number.to_string(),
        Value::Text(text) | Value::Json(text) => format!("`{text}`"),
        Value::Uuid(uuid) => uuid.to_string(),
        Value::Decimal(decimal) => decimal.to_string(),
        other => other.kind().to_owned(),
    };
    if text.chars().count() > 80 { text.chars().take(80).chain(['…']).collect() } else { text }
}

async fn enrich(fields: &[NewField], enricher: &dyn Enrich, changes: &mut [Change], failures: &mut Failures) {
    let has_row = |change: &Change| matches!(change.operation, change::Operation::Upsert { .. });
    let asked: Vec<usize> = (0..changes.len()).filter(|at| failures[*at].is_none() && has_row(&changes[*at])).collect();
    if asked.is_empty() {
        return;
    }
    let about: Vec<&Change> = asked.iter().map(|at| &changes[*at]).collect();
    let answer = enricher.enrich(&about).await;
    let answer = answer.and_then(|rows| match rows.iter().all(|row| row.len() == fields.len()) && rows.len() == asked.len() {
        true => Ok(rows),
        false => Err(format!("it was asked for {} values in {} rows, and answered others", fields.len(), asked.len()).into()),
    });
    match answer {
        Ok(rows) => {
            for (at, row) in asked.into_iter().zip(rows) {
                let change::Operation::Upsert { after, .. } = &mut changes[at].operation else { continue };
                for (field, value) in fields.iter().zip(row) {
                    after.set(&field.name, value);
                }
            }
        }
        Err(source) => {
            let source: Arc<dyn std::error::Error + Send + Sync> = Arc::from(source);
            let fields = fields.iter().map(|field| format!("`{}`", field.name)).collect::<Vec<_>>().join(", ");
            for at in asked {
                failures[at] = Some(TransformError::Enrich { fields: fields.clone(), source: Arc::clone(&source) });
            }
        }
    }
}
