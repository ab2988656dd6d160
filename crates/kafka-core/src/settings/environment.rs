//! Environment variables as a table of settings. Reads what it is given; never changes the process's environment.

use std::collections::BTreeMap;

use figment::value::{Dict, Value};

use super::PROPERTY_TABLES;
use super::layer::{Layers, join};
use super::property_names;
use crate::error::ConfigErrors;

/// What all variables begin with.
pub(super) const PREFIX: &str = "KAFKA_KIT_";

/// The variable that names the settings file.
pub(super) const FILE_VARIABLE: &str = "KAFKA_KIT_SETTINGS";

/// The variables of this process that begin with the prefix, and those that are no text.
pub(super) fn of_process() -> (BTreeMap<String, String>, ConfigErrors) {
    let mut errors = ConfigErrors::new();
    let mut variables = BTreeMap::new();
    for (name, value) in std::env::vars_os() {
        // A name that is no text cannot be one of ours.
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        match value.into_string() {
            Ok(value) => drop(variables.insert(name.to_owned(), value)),
            Err(_) => errors.push(name, "the value of this environment variable is not UTF-8"),
        }
    }
    (variables, errors)
}

/// The table that the variables make.
pub(super) fn read(variables: &BTreeMap<String, String>, layers: &mut Layers) -> Dict {
    let mut dict = Dict::new();
    for (name, text) in variables {
        let Some(spelled) = name.strip_prefix(PREFIX).filter(|rest| !rest.is_empty() && name != FILE_VARIABLE) else { continue };
        let path = path(&spelled.to_ascii_lowercase());
        layers.record_variable(path.iter().fold(String::new(), |outer, key| join(&outer, key)), name, text);
        put(&mut dict, &path, value(&path, text));
    }
    dict
}

fn path(spelled: &str) -> Vec<String> {
    match spelled.split_once("__") {
        Some((table, property)) if PROPERTY_TABLES.contains(&table) => {
            vec![table.to_owned(), property_names::from_underscores(&property.replace("__", "_"))]
        }
        _ => spelled.split("__").map(str::to_owned).collect(),
    }
}

fn value(path: &[String], text: &str) -> Value {
    // librdkafka takes text, and 010 is not 10 for everyone.
    if path.len() == 2 && PROPERTY_TABLES.contains(&path[0].as_str()) {
        return Value::from(text);
    }
    match text.parse() {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

fn put(dict: &mut Dict, path: &[String], value: Value) {
    match path {
        [] => {}
        [key] => drop(dict.insert(key.clone(), value)),
        [key, rest @ ..] => {
            let inner = dict.entry(key.clone()).or_insert_with(|| Value::from(Dict::new()));
            if !matches!(inner, Value::Dict(..)) {
                *inner = Value::from(Dict::new());
            }
            if let Value::Dict(_, inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}
