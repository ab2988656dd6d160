//! The connectors of an application: gathered until it is built, then checked and named. Connects to nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use kafka_core::app::{AppBuilder, Component, Plugin, State, Tools};
use kafka_core::clock::Clock;
use kafka_core::error::ConfigErrors;

use crate::client::ConnectClient;
use crate::config::{CLASS, ConnectorConfig, Fragment};
use crate::connector::{Connector, ConnectorSpec, Declaration, Intent, declare, declare_config, declare_value, discovered};
use crate::error::ConnectError;
use crate::settings::{ConnectSettings, SECTIONS};

/// Gathers connectors. Derived ones are found without being named; others are added by hand.
///
/// ```
/// use kafka_connect::connectors::{Connectors, DeclaredConnectors};
/// use kafka_core::app::App;
/// use kafka_core::settings::Settings;
/// # use kafka_connect::config::{ConfigProblem, ConnectorConfig};
/// # use kafka_connect::connector::{Connector, ConnectorSpec};
/// # use kafka_core::app::{MissingState, State};
/// # struct Customers { host: String }
/// # impl Connector for Customers {
/// #     fn spec() -> ConnectorSpec { ConnectorSpec::new("Customers") }
/// #     fn from_state(_: &State) -> Result<Self, MissingState> { unreachable!() }
/// #     fn config(&self) -> Result<ConnectorConfig, ConfigProblem> {
/// #         Ok(ConnectorConfig::of_class("x.Y").set("database.hostname", self.host.as_str()))
/// #     }
/// # }
///
/// let connectors = Connectors::new().connector(Customers { host: "db".to_owned() });
/// let app = App::builder(Settings::default()).plugin(connectors).build().unwrap();
/// let declared: DeclaredConnectors = app.state().unwrap();
/// assert_eq!(declared.iter().next().unwrap().name(), "Customers");
/// ```
#[derive(Debug, Default)]
pub struct Connectors {
    explicit: Vec<Explicit>,
    fragments: Vec<(String, Fragment)>,
    discovery: Discovery,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Discovery {
    #[default]
    On,
    Off,
}

/// A connector that was added by hand.
enum Explicit {
    Value(Result<Declaration, ConfigErrors>),
    FromState(fn(&State) -> Result<Declaration, ConfigErrors>),
}

impl fmt::Debug for Explicit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(Ok(declaration)) => f.write_str(&declaration.spec.name),
            Self::Value(Err(_)) => f.write_str("(wrong)"),
            Self::FromState(_) => f.write_str("(from state)"),
        }
    }
}

impl Connectors {
    /// None so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a connector.
    #[must_use]
    pub fn connector<C: Connector>(mut self, connector: C) -> Self {
        self.explicit.push(Explicit::Value(declare_value(&connector)));
        self
    }

    /// Adds a connector that takes its value from the application's state.
    #[must_use]
    pub fn connector_type<C: Connector>(mut self) -> Self {
        self.explicit.push(Explicit::FromState(declare::<C>));
        self
    }

    /// Takes only the connectors that are added by hand.
    #[must_use]
    pub fn without_discovery(mut self) -> Self {
        self.discovery = Discovery::Off;
        self
    }

    /// Adds a connector that has no type of its own, as plugins do.
    pub fn push_connector(&mut self, spec: ConnectorSpec, config: ConnectorConfig) {
        self.explicit.push(Explicit::Value(declare_config(spec, config)));
    }

    /// Adds a piece of config to the connector of this name (without prefix), as plugins do.
    pub fn push_fragment(&mut self, connector: impl Into<String>, fragment: Fragment) {
        self.fragments.push((connector.into(), fragment));
    }
}

impl Plugin for Connectors {
    fn install(self, app: &mut AppBuilder) {
        let gathered = app.component::<Self>();
        gathered.explicit.extend(self.explicit);
        gathered.fragments.extend(self.fragments);
        if self.discovery == Discovery::Off {
            gathered.discovery = Discovery::Off;
        }
    }
}

impl Component for Connectors {
    fn sections(&self) -> &'static [&'static str] {
        &SECTIONS
    }

    fn build(self: Box<Self>, tools: &Tools<'_>, made: &mut State) -> Result<(), ConfigErrors> {
        let mut errors = ConfigErrors::new();
        let settings = errors.take(ConnectSettings::read(tools.settings));
        let declarations = self.declarations(tools.state, &mut errors);
        let connectors = named(declarations, &self.fragments, settings.as_ref().map_or("", |settings| &settings.name_prefix), &mut errors);
        match settings {
            Some(settings) if errors.is_empty() => {
                let declared = Declared { settings, connectors, clock: tools.clock.clone() };
                made.insert(DeclaredConnectors(Arc::new(declared)));
                Ok(())
            }
            _ => Err(errors),
        }
    }
}

impl Connectors {
    /// Each declaration with the place it comes from.
    fn declarations(&self, state: &State, errors: &mut ConfigErrors) -> Vec<(Declaration, String)> {
        let mut all = Vec::new();
        for explicit in &self.explicit {
            let declaration = match explicit {
                Explicit::Value(declaration) => declaration.clone(),
                Explicit::FromState(declare) => declare(state),
            };
            all.extend(errors.take(declaration).map(|declaration| (declaration, "added to the app by hand".to_owned())));
        }
        if self.discovery == Discovery::On {
            for registration in discovered() {
                // Giving a derived connector its value by hand is not a second one.
                if all.iter().any(|(known, _): &(Declaration, String)| known.spec.name == registration.name) {
                    continue;
                }
                tracing::debug!(connector = registration.name, module = registration.module, "discovered");
                let declaration = errors.take((registration.declare)(state));
                all.extend(declaration.map(|declaration| (declaration, format!("derived in {}", registration.module))));
            }
        }
        all
    }
}

/// Checked, with the fragments in their configs, by their names on the worker.
fn named(
    declarations: Vec<(Declaration, String)>,
    fragments: &[(String, Fragment)],
    prefix: &str,
    errors: &mut ConfigErrors,
) -> Vec<DeclaredConnector> {
    for (target, _) in fragments.iter().filter(|(target, _)| declarations.iter().all(|(declaration, _)| declaration.spec.name != *target)) {
        errors.push(format!("connectors.{target}"), "a plugin adds to this connector, and there is none; declare it");
    }
    let mut places: BTreeMap<String, String> = BTreeMap::new();
    let mut connectors = Vec::new();
    for (Declaration { spec, mut config }, origin) in declarations {
        let path = format!("connectors.{}", spec.name);
        let name = spec.full_name(prefix);
        if name.trim().is_empty() || name.chars().any(char::is_control) {
            errors.push(&path, format!("{name:?} cannot be the name of a connector; write letters, digits, '.', '-' and '_'"));
        }
        if let Some(first) = places.insert(name.clone(), origin.clone()) {
            errors.push(&path, format!("two connectors are called {name}, one {first}, one {origin}; name one of them otherwise"));
        }
        for (_, fragment) in fragments.iter().filter(|(target, _)| *target == spec.name) {
            for conflict in config.merge(fragment).err().unwrap_or_default() {
                errors.push(format!("{path}.config.{}", conflict.key), conflict.to_string());
            }
        }
        if spec.intent == Intent::Run {
            check(&path, &name, &mut config, errors);
        }
        connectors.push(DeclaredConnector { name, short_name: spec.name, intent: spec.intent, config });
    }
    connectors.sort_by(|one, other| one.name.cmp(&other.name));
    connectors
}

fn check(path: &str, name: &str, config: &mut ConnectorConfig, errors: &mut ConfigErrors) {
    if config.get(CLASS).is_none_or(str::is_empty) {
        errors.push(format!("{path}.config.{CLASS}"), "is missing; write the class of the plugin, or `class = \"…\"` in the declaration");
    }
    // Connect wants the name nowhere but in the path, or the same.
    if let Some(other) = config.remove("name").filter(|given| given != name) {
        errors.push(format!("{path}.config.name"), format!("is `{other}`, and the connector is called `{name}`; remove it"));
    }
    if let Some((key, _)) = config.iter().find(|(key, _)| key.trim().is_empty()) {
        errors.push(format!("{path}.config"), format!("has the key {key:?}; remove it"));
    }
}

/// The connectors of an application, checked. It is in the application's state.
#[derive(Debug, Clone)]
pub struct DeclaredConnectors(Arc<Declared>);

#[derive(Debug)]
struct Declared {
    settings: ConnectSettings,
    connectors: Vec<DeclaredConnector>,
    clock: Clock,
}

/// A connector as it is to be on the worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredConnector {
    name: String,
    short_name: String,
    intent: Intent,
    config: ConnectorConfig,
}

impl DeclaredConnectors {
    /// Where they are published.
    #[must_use]
    pub fn settings(&self) -> &ConnectSettings {
        &self.0.settings
    }

    /// Each connector, by name.
    pub fn iter(&self) -> std::slice::Iter<'_, DeclaredConnector> {
        self.0.connectors.iter()
    }

    /// The connector of this name, with or without its prefix.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&DeclaredConnector> {
        self.iter().find(|connector| connector.name == name).or_else(|| self.iter().find(|connector| connector.short_name == name))
    }

    /// A client to the configured worker.
    ///
    /// # Errors
    /// When none is configured, or it cannot be made.
    pub fn client(&self) -> Result<ConnectClient, ConnectError> {
        ConnectClient::new(&self.0.settings, self.0.clock.clone())
    }
}

impl<'a> IntoIterator for &'a DeclaredConnectors {
    type Item = &'a DeclaredConnector;
    type IntoIter = std::slice::Iter<'a, DeclaredConnector>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl DeclaredConnector {
    /// A connector that is to run with this config.
    #[must_use]
    pub fn new(name: impl Into<String>, config: ConnectorConfig) -> Self {
        let name = name.into();
        Self { short_name: name.clone(), name, intent: Intent::Run, config }
    }

    /// A connector that is to be deleted.
    #[must_use]
    pub fn removed(name: impl Into<String>) -> Self {
        Self { intent: Intent::Remove, ..Self::new(name, ConnectorConfig::new()) }
    }

    /// Its name on the worker.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What publish does with it.
    #[must_use]
    pub fn intent(&self) -> Intent {
        self.intent
    }

    /// Its config; empty when it is to be deleted.
    #[must_use]
    pub fn config(&self) -> &ConnectorConfig {
        &self.config
    }
}
