//! Connectors in an application: found, named, checked.

use kafka_connect::config::{ConfigProblem, ConnectorConfig, Fragment};
use kafka_connect::connector::{Connector, ConnectorRegistration, ConnectorSpec, Intent};
use kafka_connect::connectors::{Connectors, DeclaredConnectors};
use kafka_core::app::{App, AppBuilder, MissingState, Plugin, State};
use kafka_core::settings::Settings;

#[derive(Clone)]
struct Found;

impl Connector for Found {
    fn spec() -> ConnectorSpec {
        ConnectorSpec::new("Found").class("x.Found")
    }

    fn from_state(state: &State) -> Result<Self, MissingState> {
        state.get()
    }

    fn config(&self) -> Result<ConnectorConfig, ConfigProblem> {
        Ok(ConnectorConfig::new().set("transforms", "unwrap"))
    }
}

kafka_connect::__private::inventory::submit! { ConnectorRegistration::new::<Found>("Found", module_path!()) }

struct Given(ConnectorConfig);

impl Connector for Given {
    fn spec() -> ConnectorSpec {
        ConnectorSpec::new("Given").prefix("")
    }

    fn from_state(_: &State) -> Result<Self, MissingState> {
        unreachable!("it is given as a value")
    }

    fn config(&self) -> Result<ConnectorConfig, ConfigProblem> {
        Ok(self.0.clone())
    }
}

fn given(config: ConnectorConfig) -> Given {
    Given(config)
}

struct Removed;

impl Connector for Removed {
    fn spec() -> ConnectorSpec {
        ConnectorSpec::new("Removed").mark_for_removal()
    }

    fn from_state(_: &State) -> Result<Self, MissingState> {
        unreachable!("what is deleted needs no value")
    }

    fn config(&self) -> Result<ConnectorConfig, ConfigProblem> {
        unreachable!("nor a config")
    }
}

/// A plugin that adds to a connector of somebody else.
struct ModelSync(&'static str, Fragment);

impl Plugin for ModelSync {
    fn install(self, app: &mut AppBuilder) {
        app.component::<Connectors>().push_fragment(self.0, self.1);
    }
}

fn settings() -> Settings {
    Settings::default().section("connector_name_prefix", "crm").unwrap().section("connect_host", "http://localhost:8083").unwrap()
}

#[test]
fn derived_and_given_ones_together_with_fragments() {
    let app = App::builder(settings())
        // Before the connectors: the order of plugins is of no account.
        .plugin(ModelSync("Found", Fragment::new("model sync").list_before("transforms", ["filter"])))
        .plugin(Connectors::new().connector(given(ConnectorConfig::of_class("x.Given"))).connector_type::<Removed>())
        .state(Found)
        .build()
        .unwrap();
    let declared: DeclaredConnectors = app.state().unwrap();
    let names: Vec<_> = declared.iter().map(|connector| (connector.name(), connector.intent())).collect();
    assert_eq!(names, [("Given", Intent::Run), ("crm.Found", Intent::Run), ("crm.Removed", Intent::Remove)]);
    let found = declared.get("Found").unwrap();
    assert_eq!((found.name(), found.config().get("connector.class")), ("crm.Found", Some("x.Found")));
    assert_eq!(found.config().get("transforms"), Some("filter,unwrap"));
    assert!(declared.get("crm.Found").is_some() && declared.get("crm.Given").is_none());
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let settings = settings().section("connect_hots", "x").unwrap().section("connect_auth", "x").unwrap();
    let errors = App::builder(settings)
        .plugin(ModelSync("Given", Fragment::new("model sync").set("slot.name", "b")))
        .plugin(ModelSync("Nobody", Fragment::new("model sync")))
        .plugin(Connectors::new().connector(given(ConnectorConfig::new().set("slot.name", "a").set("name", "other"))))
        .plugin(Connectors::new().connector(given(ConnectorConfig::of_class("x.Y"))))
        .build()
        .unwrap_err();
    let paths: Vec<&str> = errors.iter().map(kafka_core::error::ConfigError::path).collect();
    for path in [
        "connect_hots",
        "connect_auth",
        "connectors.Found",
        "connectors.Nobody",
        "connectors.Given",
        "connectors.Given.config.slot.name",
        "connectors.Given.config.connector.class",
        "connectors.Given.config.name",
    ] {
        assert!(paths.contains(&path), "{path} is not in {errors}");
    }
}

#[test]
fn without_the_component_its_settings_are_mistakes() {
    let errors = App::builder(settings()).build().unwrap_err();
    assert_eq!(errors.iter().count(), 2, "{errors}");
}
