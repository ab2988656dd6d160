//! Lays the layers over each other: code, then the file, then the environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use figment::value::{Dict, Value};
use serde::de::DeserializeOwned;

use super::environment::{self, FILE_VARIABLE};
use super::layer::{join, lay_over};
use super::read::{Sections, read};
use super::{PROPERTY_TABLES, Settings};
use crate::error::{ConfigError, ConfigErrors};

/// The file that is read when none is named and it is there.
const DEFAULT_FILE: &str = "kafka-kit.toml";

impl Settings {
    /// The defaults, with the file and the environment over them.
    ///
    /// # Errors
    /// Everything in file and environment that cannot be read, each with its path and layer.
    pub fn from_env() -> Result<Self, ConfigErrors> {
        Self::default().load()
    }

    /// These settings with what can be read of file and environment over them, and what is wrong with the rest.
    pub(crate) fn load_what_can_be_read(self) -> (Self, ConfigErrors) {
        let (variables, mut errors) = environment::of_process();
        let settings = self.lay_over_it(None, &variables, &mut errors);
        (settings, errors)
    }

    /// These settings, with the file and the environment over them.
    ///
    /// # Errors
    /// Everything in file and environment that cannot be read, each with its path and layer.
    pub fn load(self) -> Result<Self, ConfigErrors> {
        let (settings, errors) = self.load_what_can_be_read();
        errors.or_ok(settings)
    }

    /// These settings, with this file and these variables over them. Without a file the one that `KAFKA_KIT_SETTINGS`
    /// names is read, or `kafka-kit.toml` if it is there.
    ///
    /// # Errors
    /// Everything in file and environment that cannot be read, each with its path and layer.
    pub fn load_from(self, file: Option<&Path>, variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::new();
        let settings = self.lay_over_it(file, &variables.into_iter().collect(), &mut errors);
        errors.or_ok(settings)
    }

    fn lay_over_it(self, file: Option<&Path>, variables: &BTreeMap<String, String>, errors: &mut ConfigErrors) -> Self {
        let named = file.map(Path::to_owned).or_else(|| variables.get(FILE_VARIABLE).map(PathBuf::from));
        let path = named.clone().unwrap_or_else(|| DEFAULT_FILE.into());
        let text = match fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                errors.push(path.display().to_string(), format!("the settings file cannot be read: {error}"));
                None
            }
        };
        self.overlay(text.as_deref().map(|text| (path.as_path(), text)), variables, errors)
    }

    /// Reads a setting of a plugin: a top-level key of its own, a table or a single value. The default where nobody set it.
    /// A plugin that reads a section also names it to [`Settings::check`], which takes all other names for mistakes.
    ///
    /// # Errors
    /// Everything in it that cannot be read, each with its path and layer.
    pub fn read_section<T: DeserializeOwned + Default>(&self, name: &str) -> Result<T, ConfigErrors> {
        let Some(value) = self.sections.get(name) else { return Ok(T::default()) };
        let mut errors = ConfigErrors::new();
        let section = read(value.clone(), name, &self.layers, &mut errors);
        errors.or_ok(section.unwrap_or_default())
    }

    /// These settings with what can be read of both layers over them.
    pub(super) fn overlay(mut self, file: Option<(&Path, &str)>, variables: &BTreeMap<String, String>, errors: &mut ConfigErrors) -> Self {
        let mut layers = std::mem::take(&mut self.layers);
        let mut merged = self.to_dict();
        layers.record_code(&merged, &Self::default().to_dict());
        if let Some((path, text)) = file
            && let Some(dict) = errors.take(parse(path, text).map_err(ConfigErrors::from))
        {
            layers.record_file(&dict, path);
            lay_over(&mut merged, dict);
        }
        lay_over(&mut merged, environment::read(variables, &mut layers));

        let known = Self::default().to_dict();
        let (own, foreign): (Dict, Dict) = merged.into_iter().partition(|(key, _)| known.contains_key(key));
        let mut sections = Sections::default();
        foreign.into_iter().for_each(|(key, value)| sections.insert(key, value));
        let settings: Option<Self> = read(Value::from(own), "", &layers, errors);
        Self { sections, layers, ..settings.unwrap_or_default() }
    }
}

/// The file's table. The error does not quote the line: it may hold a password.
fn parse(path: &Path, text: &str) -> Result<Dict, ConfigError> {
    let refuse = |problem: String| ConfigError::new(path.display().to_string(), problem);
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        refuse(format!("line {line} is not TOML, so nothing of the file counts: {}", error.message()))
    })?;
    match Value::serialize(table) {
        Ok(Value::Dict(_, mut dict)) => {
            flatten_tables(&mut dict);
            Ok(dict)
        }
        Ok(_) => Ok(Dict::new()),
        Err(error) => Err(refuse(error.to_string())),
    }
}

/// `bootstrap.servers = …` is a table in a table for TOML, and one property for librdkafka.
fn flatten_tables(dict: &mut Dict) {
    for table in PROPERTY_TABLES {
        if let Some(Value::Dict(_, properties)) = dict.get_mut(table) {
            let mut flat = Dict::new();
            flatten("", std::mem::take(properties), &mut flat);
            *properties = flat;
        }
    }
}

fn flatten(outer: &str, dict: Dict, into: &mut Dict) {
    for (key, value) in dict {
        let name = join(outer, &key);
        match value {
            Value::Dict(_, inner) => flatten(&name, inner, into),
            value => drop(into.insert(name, value)),
        }
    }
}
