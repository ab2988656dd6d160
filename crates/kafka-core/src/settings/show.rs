//! What `settings show` shows: every value with its layer, secrets hidden.

use figment::value::{Num, Value};

use super::layer::{Layer, leaves};
use super::secret::redacted;
use super::{LayeredProperties, Settings};

/// One value, as it may be shown to anyone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shown {
    /// Its path, such as `global_config.bootstrap.servers`.
    pub path: String,
    /// The value; `…` in place of a secret.
    pub value: String,
    /// Where it came from.
    pub layer: Layer,
}

impl Settings {
    /// Every setting, by path.
    #[must_use]
    pub fn show(&self) -> Vec<Shown> {
        let mut shown = Vec::new();
        leaves("", &self.to_dict(), &mut |path, value| {
            // What is not there is no secret.
            let value = if matches!(value, Value::Empty(..)) { "none".to_owned() } else { redacted(path, &text(value)) };
            shown.push(Shown { path: path.to_owned(), value, layer: self.layers.of(path) });
        });
        shown
    }
}

impl LayeredProperties {
    /// Every property as its client gets it, by name.
    #[must_use]
    pub fn show(&self) -> Vec<Shown> {
        let shown = self.iter().map(|(name, value)| Shown {
            path: name.to_owned(),
            value: redacted(name, &value.value),
            layer: value.layer.clone(),
        });
        shown.collect()
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(_, text) => text.clone(),
        Value::Char(_, char) => char.to_string(),
        Value::Bool(_, bool) => bool.to_string(),
        Value::Num(_, num) => number(*num),
        Value::Empty(..) => "none".to_owned(),
        Value::Array(_, values) => format!("[{}]", values.iter().map(text).collect::<Vec<_>>().join(", ")),
        Value::Dict(_, dict) => {
            let pairs = dict.iter().map(|(key, value)| format!("{key} = {}", redacted(key, &text(value))));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

fn number(num: Num) -> String {
    num.to_u128()
        .map(|num| num.to_string())
        .or_else(|| num.to_i128().map(|num| num.to_string()))
        .or_else(|| num.to_f64().map(|num| num.to_string()))
        .unwrap_or_default()
}
