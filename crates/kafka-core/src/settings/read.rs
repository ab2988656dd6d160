//! Reads typed data from the merged table and gathers every error in it, each with its path, its layer and a suggestion.

use std::collections::BTreeMap;
use std::fmt;

use figment::error::Kind;
use figment::value::Value;
use serde::de::DeserializeOwned;

use super::layer::{Layer, Layers, join};
use super::secret::is_secret;
use crate::error::ConfigErrors;

/// Top-level settings that are not the framework core's: a plugin's, or mistakes.
#[derive(Clone, Default)]
pub(super) struct Sections(BTreeMap<String, Value>);

impl Sections {
    pub(super) fn insert(&mut self, name: String, value: Value) {
        self.0.insert(name, value);
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter()
    }
}

impl fmt::Debug for Sections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Reads the value, taking out what is wrong until the rest can be read; `None` when nothing can.
pub(super) fn read<T: DeserializeOwned>(mut value: Value, outer: &str, layers: &Layers, errors: &mut ConfigErrors) -> Option<T> {
    loop {
        let error = match value.deserialize::<T>() {
            Ok(read) => return Some(read),
            Err(error) => error,
        };
        let path = error.path.iter().fold(outer.to_owned(), |outer, key| join(&outer, key));
        if let Some(place) = find(&mut value, &error.path)
            && let Some(raw) = layers.raw(&path)
            && place.as_str() != Some(raw)
            && !matches!(error.kind, Kind::UnknownField(..))
        {
            // An environment variable that looks like a number or a list may be meant as a text.
            *place = Value::from(raw);
            continue;
        }
        let (path, problem) = explain(&error.kind, path);
        errors.push(path.clone(), problem + &said_in(&layers.of(&path)));
        if !take_out(&mut value, &error.path) {
            return None;
        }
    }
}

/// ` (set in …)`, for the end of a problem.
pub(super) fn said_in(layer: &Layer) -> String {
    match layer {
        Layer::Default => String::new(),
        layer => format!(" (set in {layer})"),
    }
}

/// `; did you mean …`, if one of the names is near.
pub(super) fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // Jaro-Winkler weighs the beginning, where people err least: `max_retry` is `max_retries` and not `max_delay`.
    let likeness = |known: &str| strsim::jaro_winkler(name, known);
    let nearest = known.into_iter().map(|known| (likeness(known), known)).max_by(|(a, _), (b, _)| a.total_cmp(b));
    match nearest {
        Some((likeness, nearest)) if likeness > 0.85 => format!("; did you mean `{nearest}`"),
        _ => String::new(),
    }
}

fn explain(kind: &Kind, path: String) -> (String, String) {
    let problem = match kind {
        Kind::UnknownField(name, known) => format!("unknown setting{}", suggestion(name, known.iter().copied())),
        Kind::UnknownVariant(_, known) => format!("is none of {}", known.join(", ")),
        Kind::MissingField(field) => return (join(&path, field), "is missing".to_owned()),
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) if is_secret(&path) => format!("is not {expected}"),
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => format!("{actual} is not {expected}"),
        Kind::Message(_) if is_secret(&path) => "cannot be read".to_owned(),
        other => other.to_string(),
    };
    (path, problem)
}

fn find<'a>(value: &'a mut Value, path: &[String]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, key| match value {
        Value::Dict(_, dict) => dict.get_mut(key),
        Value::Array(_, array) => array.get_mut(key.parse::<usize>().ok()?),
        _ => None,
    })
}

fn take_out(value: &mut Value, path: &[String]) -> bool {
    let Some((key, outer)) = path.split_last() else { return false };
    match find(value, outer) {
        Some(Value::Dict(_, dict)) => dict.remove(key).is_some(),
        Some(Value::Array(_, array)) => match key.parse::<usize>() {
            Ok(index) if index < array.len() => {
                array.remove(index);
                true
            }
            _ => false,
        },
        _ => false,
    }
}
