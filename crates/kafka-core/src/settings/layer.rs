//! Where each value came from. Later layers win: default, code, file, environment.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use figment::value::{Dict, Value};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layer {
    /// The framework.
    Default,
    /// The program.
    Code,
    /// A settings file.
    File(PathBuf),
    /// An environment variable, by its name.
    Environment(String),
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Code => f.write_str("code"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// The layer of each path, such as `global_config.bootstrap.servers`.
#[derive(Clone, Default)]
pub(super) struct Layers(BTreeMap<String, Place>);

#[derive(Clone)]
struct Place {
    layer: Layer,
    /// The text of an environment variable, before anyone took it for a number.
    raw: Option<String>,
}

impl Layers {
    /// The layer of a path, or of what it lies in.
    pub(super) fn of(&self, path: &str) -> Layer {
        let mut path = path;
        loop {
            if let Some(place) = self.0.get(path) {
                return place.layer.clone();
            }
            match path.rsplit_once('.') {
                Some((outer, _)) => path = outer,
                None => return Layer::Default,
            }
        }
    }

    /// The layer of a path, or of the first that lies in it.
    pub(super) fn of_table(&self, path: &str) -> Layer {
        let inside = format!("{path}.");
        let mut within = self.0.range(inside.clone()..).take_while(|(known, _)| known.starts_with(&inside));
        match self.of(path) {
            Layer::Default => within.next().map_or(Layer::Default, |(_, place)| place.layer.clone()),
            layer => layer,
        }
    }

    pub(super) fn raw(&self, path: &str) -> Option<&str> {
        self.0.get(path)?.raw.as_deref()
    }

    /// The program set all of the path.
    pub(super) fn set_by_code(&mut self, path: &str) {
        let inside = format!("{path}.");
        self.0.retain(|known, _| known != path && !known.starts_with(&inside));
        self.0.insert(path.to_owned(), Place { layer: Layer::Code, raw: None });
    }

    /// What differs from the defaults and has no layer yet was set by the program.
    pub(super) fn record_code(&mut self, settings: &Dict, defaults: &Dict) {
        let mut known = BTreeMap::new();
        leaves("", defaults, &mut |path, value| drop(known.insert(path.to_owned(), value.clone())));
        leaves("", settings, &mut |path, value| {
            if known.get(path) != Some(value) && self.of(path) == Layer::Default {
                self.0.insert(path.to_owned(), Place { layer: Layer::Code, raw: None });
            }
        });
    }

    pub(super) fn record_file(&mut self, file: &Dict, path: &std::path::Path) {
        leaves("", file, &mut |leaf, _| {
            self.0.insert(leaf.to_owned(), Place { layer: Layer::File(path.to_owned()), raw: None });
        });
    }

    pub(super) fn record_variable(&mut self, path: String, name: &str, text: &str) {
        self.0.insert(path, Place { layer: Layer::Environment(name.to_owned()), raw: Some(text.to_owned()) });
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(path, place)| (path, &place.layer))).finish()
    }
}

/// Shows every value that is not a table, with its path.
pub(super) fn leaves(outer: &str, dict: &Dict, show: &mut dyn FnMut(&str, &Value)) {
    for (key, value) in dict {
        let path = join(outer, key);
        match value {
            Value::Dict(_, inner) => leaves(&path, inner, show),
            leaf => show(&path, leaf),
        }
    }
}

pub(super) fn join(outer: &str, key: &str) -> String {
    if outer.is_empty() { key.to_owned() } else { format!("{outer}.{key}") }
}

/// Lays one table over another; tables meet key by key, anything else is replaced.
pub(super) fn lay_over(base: &mut Dict, top: Dict) {
    for (key, value) in top {
        match (base.get_mut(&key), value) {
            (Some(Value::Dict(_, below)), Value::Dict(_, above)) => lay_over(below, above),
            (_, value) => drop(base.insert(key, value)),
        }
    }
}
