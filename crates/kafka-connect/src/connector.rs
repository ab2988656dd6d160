//! A connector as a type: its name, what publish does with it, and its config. Not a running one: that is in `wire`.

use kafka_core::app::{MissingState, State};
use kafka_core::error::ConfigErrors;

use crate::config::{CLASS, ConfigProblem, ConnectorConfig};

/// A connector, declared. Derive it, or write it by hand:
///
/// ```
/// use kafka_connect::config::{ConfigProblem, ConnectorConfig};
/// use kafka_connect::connector::{Connector, ConnectorSpec};
/// use kafka_core::app::{MissingState, State};
///
/// struct Customers;
///
/// impl Connector for Customers {
///     fn spec() -> ConnectorSpec {
///         ConnectorSpec::new("Customers")
///     }
///     fn from_state(_: &State) -> Result<Self, MissingState> {
///         Ok(Self)
///     }
///     fn config(&self) -> Result<ConnectorConfig, ConfigProblem> {
///         Ok(ConnectorConfig::of_class("io.debezium.connector.postgresql.PostgresConnector").set("topic.prefix", "app"))
///     }
/// }
/// ```
pub trait Connector: Sized {
    /// Its name and what publish does with it.
    fn spec() -> ConnectorSpec;

    /// Its value, made from the application's state at build.
    ///
    /// # Errors
    /// When the state lacks something.
    fn from_state(state: &State) -> Result<Self, MissingState>;

    /// Its config.
    ///
    /// # Errors
    /// When it cannot be written as keys and texts.
    fn config(&self) -> Result<ConnectorConfig, ConfigProblem>;
}

/// What is declared of a connector beside its config.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectorSpec {
    /// Its name, without the prefix.
    pub name: String,
    /// The class of its plugin, where the config does not say it.
    pub class: Option<String>,
    /// The prefix of its name, where it is not that of the settings. Empty for none.
    pub prefix: Option<String>,
    /// What publish does with it.
    pub intent: Intent,
    /// Keys that hold secrets though their names do not say so.
    pub secrets: Vec<String>,
}

/// What publish does with a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Makes it, or gives it the declared config.
    Run,
    /// Deletes it. A declaration may go once this was published everywhere.
    Remove,
}

impl ConnectorSpec {
    /// A connector of this name that is to run.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), class: None, prefix: None, intent: Intent::Run, secrets: Vec::new() }
    }

    /// The class of its plugin: `connector.class`.
    #[must_use]
    pub fn class(mut self, class: impl Into<String>) -> Self {
        self.class = Some(class.into());
        self
    }

    /// The prefix of its name, `{prefix}.{name}`, instead of `connector_name_prefix`. Empty for none.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Makes publish delete it.
    #[must_use]
    pub fn mark_for_removal(mut self) -> Self {
        self.intent = Intent::Remove;
        self
    }

    /// A key that holds a secret though its name does not say so.
    #[must_use]
    pub fn secret(mut self, key: impl Into<String>) -> Self {
        self.secrets.push(key.into());
        self
    }

    /// Its name on the worker.
    #[must_use]
    pub fn full_name(&self, settings_prefix: &str) -> String {
        match self.prefix.as_deref().unwrap_or(settings_prefix) {
            "" => self.name.clone(),
            prefix => format!("{prefix}.{}", self.name),
        }
    }
}

/// A declaration with its config, before plugins add to it.
#[derive(Debug, Clone)]
pub(crate) struct Declaration {
    pub(crate) spec: ConnectorSpec,
    pub(crate) config: ConnectorConfig,
}

/// One announcement of a derive.
#[derive(Debug)]
pub struct ConnectorRegistration {
    /// The name it is registered under.
    pub name: &'static str,
    /// The module it was declared in.
    pub module: &'static str,
    pub(crate) declare: fn(&State) -> Result<Declaration, ConfigErrors>,
}

impl ConnectorRegistration {
    /// Announces a connector.
    #[must_use]
    pub const fn new<C: Connector>(name: &'static str, module: &'static str) -> Self {
        Self { name, module, declare: declare::<C> }
    }
}

inventory::collect!(ConnectorRegistration);

/// Everything announced by crates linked into this binary, in an order that does not depend on the linker.
pub(crate) fn discovered() -> Vec<&'static ConnectorRegistration> {
    let mut found: Vec<_> = inventory::iter::<ConnectorRegistration>.into_iter().collect();
    found.sort_by_key(|registration| (registration.module, registration.name));
    found
}

/// A connector that takes its value from the state.
pub(crate) fn declare<C: Connector>(state: &State) -> Result<Declaration, ConfigErrors> {
    let spec = C::spec();
    // What is to be deleted needs no config, and so no state.
    if spec.intent == Intent::Remove {
        return Ok(Declaration { spec, config: ConnectorConfig::new() });
    }
    let path = format!("connectors.{}", spec.name);
    let mut errors = ConfigErrors::new();
    let value = C::from_state(state).map_err(|error| errors.push(&path, error.to_string()));
    match value {
        Ok(value) => declare_value(&value),
        Err(()) => Err(errors),
    }
}

/// A connector that was given as a value.
pub(crate) fn declare_value<C: Connector>(connector: &C) -> Result<Declaration, ConfigErrors> {
    let spec = C::spec();
    match connector.config() {
        Ok(config) => declare_config(spec, config),
        Err(problem) => {
            let mut errors = ConfigErrors::new();
            errors.push(format!("connectors.{}.config", spec.name), problem.to_string());
            Err(errors)
        }
    }
}

/// A connector of which nothing but this is known.
pub(crate) fn declare_config(spec: ConnectorSpec, mut config: ConnectorConfig) -> Result<Declaration, ConfigErrors> {
    let path = format!("connectors.{}.config", spec.name);
    let mut errors = ConfigErrors::new();
    match (config.get(CLASS), &spec.class) {
        (Some(given), Some(declared)) if given != declared => {
            errors.push(format!("{path}.{CLASS}"), format!("is `{given}`, and the declaration says `{declared}`; remove one of the two"));
        }
        (None, Some(declared)) => config = config.set(CLASS, declared.as_str()),
        _ => {}
    }
    let config = spec.secrets.iter().fold(config, ConnectorConfig::mark_secret);
    errors.or_ok(Declaration { spec, config })
}
