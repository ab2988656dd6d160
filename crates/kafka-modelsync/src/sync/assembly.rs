//! From declarations to an application: what each sync pushes, and to whom. Connects to nothing.

use std::sync::Arc;

use kafka_connect::connectors::Connectors;
use kafka_core::app::{AppBuilder, Component, Plugin, State, Tools};
use kafka_core::consumer::ConsumerSpec;
use kafka_core::error::ConfigErrors;
use kafka_core::settings::Settings;

use super::names::SyncNames;
use super::settings::{ModelSyncSettings, SECTIONS};
use super::sink::Sink;
use super::source::{Columns, fragment, says_columns};
use super::spec::{ModelSync, Source, SyncRegistration, SyncSpec};

/// The consumer that is made for enrichers where the settings name none.
const ENRICHERS: &str = "ModelSyncEnrichers";

/// Gathers declarations of model sync. Derived ones are found without being named; others are added by hand.
#[derive(Debug, Default)]
pub struct ModelSyncs {
    explicit: Vec<SyncSpec>,
    discovery: Discovery,
    declared: Vec<DeclaredSync>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Discovery {
    #[default]
    On,
    Off,
}

/// A sync and its names.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeclaredSync {
    /// What was declared.
    pub spec: SyncSpec,
    /// What its topics are called.
    pub names: SyncNames,
}

/// The syncs of an application. It is in the application's state.
#[derive(Debug, Clone)]
pub struct DeclaredSyncs(Arc<[DeclaredSync]>);

impl DeclaredSyncs {
    /// Each sync, by name.
    pub fn iter(&self) -> std::slice::Iter<'_, DeclaredSync> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a DeclaredSyncs {
    type Item = &'a DeclaredSync;
    type IntoIter = std::slice::Iter<'a, DeclaredSync>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl ModelSyncs {
    /// None so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sync.
    #[must_use]
    pub fn sync<S: ModelSync>(self) -> Self {
        self.spec(S::spec())
    }

    /// Adds a sync that was declared as data.
    #[must_use]
    pub fn spec(mut self, spec: SyncSpec) -> Self {
        self.explicit.push(spec);
        self
    }

    /// Takes only the syncs that are added by hand.
    #[must_use]
    pub fn without_discovery(mut self) -> Self {
        self.discovery = Discovery::Off;
        self
    }

    fn gathered(&mut self, errors: &mut ConfigErrors) -> Vec<SyncSpec> {
        let mut specs = std::mem::take(&mut self.explicit);
        if self.discovery == Discovery::On {
            let mut found: Vec<&SyncRegistration> = inventory::iter::<SyncRegistration>.into_iter().collect();
            found.sort_by_key(|registration| registration.module);
            for spec in found.into_iter().map(|registration| (registration.declare)()) {
                // Adding a derived one by hand as well is not a second one.
                if specs.iter().all(|known| known.name != spec.name) {
                    specs.push(spec);
                }
            }
        }
        specs.sort_by(|one, other| one.name.cmp(&other.name));
        for pair in specs.windows(2).filter(|pair| pair[0].name == pair[1].name) {
            errors.push(format!("model_sync.{}", pair[0].name), "two syncs have this name; name one of them otherwise");
        }
        specs
    }
}

impl Plugin for ModelSyncs {
    fn install(self, app: &mut AppBuilder) {
        let gathered = app.component::<Self>();
        gathered.explicit.extend(self.explicit);
        if self.discovery == Discovery::Off {
            gathered.discovery = Discovery::Off;
        }
    }
}

impl Component for ModelSyncs {
    fn sections(&self) -> &'static [&'static str] {
        &SECTIONS
    }

    fn contribute(&mut self, app: &mut AppBuilder, settings: &Settings) -> Result<(), ConfigErrors> {
        let mut errors = ConfigErrors::new();
        let specs = self.gathered(&mut errors);
        let Some(settings) = errors.take(ModelSyncSettings::read(settings)) else { return Err(errors) };
        let connector = |source: &Source| source.connector.clone().or_else(|| settings.source_connector.clone());
        let mut enrichers = ConsumerSpec::new(ENRICHERS, settings.enricher_group.clone().unwrap_or_default());
        for spec in &specs {
            errors.extend(spec.problems());
            let names = SyncNames::of(spec, &settings);
            self.declared.push(DeclaredSync { spec: spec.clone(), names: names.clone() });
            let place = Place { spec, names: &names, settings: &settings };
            if let Some(source) = &spec.source {
                let target = connector(source);
                let shared = specs.iter().filter(|other| other.source.as_ref().is_some_and(|source| connector(source) == target));
                let shared: Vec<_> = shared.collect();
                let synced: Vec<_> = shared.iter().map(|other| SyncNames::of(other, &settings).table).collect();
                let is_said = shared.iter().any(|other| says_columns(other));
                let columns = if is_said { Columns::Said { synced: &synced } } else { Columns::Unsaid };
                place.source(source, target, columns, app, &mut errors);
            }
            place.enricher(&mut enrichers, app, &mut errors);
            place.sink(app, &mut errors);
        }
        if !enrichers.topics.is_empty() {
            app.push_consumer(enrichers);
        }
        errors.or_ok(())
    }

    fn build(self: Box<Self>, _: &Tools<'_>, made: &mut State) -> Result<(), ConfigErrors> {
        made.insert(DeclaredSyncs(self.declared.into()));
        Ok(())
    }
}

/// One sync, and where it is put.
struct Place<'a> {
    spec: &'a SyncSpec,
    names: &'a SyncNames,
    settings: &'a ModelSyncSettings,
}

impl Place<'_> {
    fn path(&self, field: &str) -> String {
        format!("model_sync.{}.{field}", self.spec.name)
    }

    fn source(&self, source: &Source, connector: Option<String>, columns: Columns<'_>, app: &mut AppBuilder, errors: &mut ConfigErrors) {
        if connector.is_none() {
            let problem = "it names no connector; set `model_sync_source_connector`, or write the connector in `source`";
            errors.push(self.path("source"), problem);
        }
        if self.names.by_table.is_none() {
            errors.push(self.path("source"), "the names of its topics have no beginning; set `model_sync_topic_prefix`");
        }
        let (Some(connector), Some(_)) = (connector, &self.names.by_table) else { return };
        let fragment = fragment(self.spec, source, self.names, columns, self.settings.topic_prefix.as_deref());
        app.component::<Connectors>().push_fragment(connector, fragment);
    }

    fn enricher(&self, made: &mut ConsumerSpec, app: &mut AppBuilder, errors: &mut ConfigErrors) {
        let (Some(enricher), Some(raw), Some(public)) = (&self.spec.enricher, &self.names.raw, &self.names.public) else { return };
        let Some(topic) = errors.take((enricher.make)(self.spec, raw, public)) else { return };
        match (&self.settings.enricher_consumer, &self.settings.enricher_group) {
            (Some(consumer), _) => app.push_topic(consumer, topic),
            (None, Some(_)) => made.topics.push(topic),
            (None, None) => {
                let problem =
                    "it needs a consumer; set `model_sync_enricher_consumer` to one, or `model_sync_enricher_group` for one of its own";
                errors.push(self.path("enricher"), problem);
            }
        }
    }

    fn sink(&self, app: &mut AppBuilder, errors: &mut ConfigErrors) {
        let Some(sink) = &self.spec.sink else { return };
        let Some(topic) = &self.names.public else {
            let problem = "its topic has no name; write `topic`, or set `model_sync_topic_prefix`";
            return errors.push(self.path("sink"), problem);
        };
        match (sink, &self.settings.consumer) {
            (Sink::Jdbc(sink), _) => {
                let (spec, config) = sink.connector(self.spec, self.names, topic);
                app.component::<Connectors>().push_connector(spec, config);
            }
            (Sink::Here(make), Some(consumer)) => {
                if let Some(topic) = errors.take(make(self.spec, topic)) {
                    app.push_topic(consumer, topic);
                }
            }
            (Sink::Here(_), None) => errors.push(self.path("sink"), "it needs a consumer; set `model_sync_consumer` to the name of one"),
        }
    }
}

#[cfg(test)]
mod tests {
    use kafka_connect::config::{ConfigProblem, ConnectorConfig};
    use kafka_connect::connector::{Connector, ConnectorSpec};
    use kafka_connect::connectors::DeclaredConnectors;
    use kafka_core::app::{App, MissingState};
    use kafka_core::broker::memory::MemoryBroker;
    use kafka_core::clock::Clock;
    use kafka_core::consumer::DeclaredTopic;
    use kafka_core::format::Text;
    use kafka_core::message::Message;
    use kafka_core::topic::{Consume, Single, Topic, TopicSpec};

    use super::*;
    use crate::sync::jdbc::JdbcSink;
    use crate::sync::spec::Enricher;
    use crate::table::Table;

    struct Shared;

    impl Connector for Shared {
        fn spec() -> ConnectorSpec {
            ConnectorSpec::new("Shared")
        }

        fn from_state(_: &State) -> Result<Self, MissingState> {
            Ok(Self)
        }

        fn config(&self) -> Result<ConnectorConfig, ConfigProblem> {
            Ok(ConnectorConfig::of_class("io.debezium.connector.postgresql.PostgresConnector"))
        }
    }

    struct Words;

    impl Topic for Words {
        type Key = Text;
        type Value = Text;
        type Style = Single;

        fn spec() -> TopicSpec {
            TopicSpec::named("words")
        }

        fn from_state(_: &State) -> Result<Self, MissingState> {
            Ok(Self)
        }
    }

    impl Consume for Words {
        async fn consume(&self, _: Message<String, String>) -> Result<(), kafka_core::consumer::HandlerError> {
            Ok(())
        }
    }

    fn reading(topic: &str) -> DeclaredTopic {
        let mut declared = DeclaredTopic::of::<Words>();
        declared.spec.name = topic.to_owned();
        declared
    }

    fn sync(name: &str) -> SyncSpec {
        SyncSpec::new(name, Table::named(&name.to_lowercase(), ["id", "name", "kafka_skip"], ["id"]))
    }

    fn here() -> Sink {
        Sink::made_by(|_, topic| Ok(reading(topic)))
    }

    fn settings(named: &[(&'static str, &str)]) -> Settings {
        named.iter().fold(Settings::default(), |settings, (name, value)| settings.section(name, *value).unwrap())
    }

    fn build(settings: Settings, syncs: ModelSyncs) -> Result<App, ConfigErrors> {
        let consumer = ConsumerSpec::new("Mirror", "g");
        let app = App::builder(settings).without_discovery().broker(Arc::new(MemoryBroker::new(Clock::System))).consumer_spec(consumer);
        app.plugin(syncs.without_discovery()).plugin(Connectors::new().without_discovery().connector(Shared)).build()
    }

    const ALL: [(&str, &str); 4] = [
        ("model_sync_source_connector", "Shared"),
        ("model_sync_topic_prefix", "app"),
        ("model_sync_consumer", "Mirror"),
        ("model_sync_enricher_group", "enrichers"),
    ];

    #[test]
    fn each_sync_is_put_where_it_belongs() {
        let enricher = Enricher::made_by(|_, raw, _| Ok(reading(raw)));
        let syncs = ModelSyncs::new()
            .spec(sync("Orders").source(Source::shared()).enricher(enricher).topic("crm.orders").sink(here()))
            .spec(sync("Customers").source(Source::shared()).bidirectional().topic("crm.customers").sink(here()))
            .spec(sync("Invoices").topic("crm.invoices").sink(Sink::Jdbc(JdbcSink::new("jdbc:postgresql://db/app"))));
        let app = build(settings(&ALL), syncs).unwrap();
        let topics: Vec<_> = app.assembled_topics().map(|topic| (topic.consumer().to_owned(), topic.spec().name.clone())).collect();
        let expected = [("Mirror", "crm.customers"), ("Mirror", "crm.orders"), (ENRICHERS, "app.public.orders")];
        assert_eq!(topics, expected.map(|(consumer, topic)| (consumer.to_owned(), topic.to_owned())));
        let connectors: DeclaredConnectors = app.state().unwrap();
        let shared = connectors.get("Shared").unwrap().config();
        assert_eq!(shared.get("table.include.list"), Some("public.customers,public.orders"));
        assert_eq!(shared.get("transforms"), Some("kafka_skip,route_Customers,kafka_skip_drop"));
        assert_eq!(connectors.get("InvoicesSink").unwrap().config().get("topics"), Some("crm.invoices"));
        let declared: DeclaredSyncs = app.state().unwrap();
        assert_eq!(
            declared.iter().map(|sync| sync.names.public.as_deref().unwrap()).collect::<Vec<_>>(),
            ["crm.customers", "crm.invoices", "crm.orders"]
        );
    }

    #[test]
    fn what_is_missing_is_said_at_once() {
        let enricher = Enricher::made_by(|_, raw, _| Ok(reading(raw)));
        let syncs = || {
            ModelSyncs::new()
                .spec(sync("Orders").source(Source::shared()).enricher(enricher.clone()).topic("crm.orders"))
                .spec(sync("Customers").source(Source::of_connector("Nobody")).topic("crm.customers").sink(here()))
        };
        let said = |named: &[(&'static str, &str)]| {
            let errors = build(settings(named), syncs()).unwrap_err();
            errors.iter().map(|error| format!("{}: {}", error.path(), error.problem())).collect::<Vec<_>>().join("\n")
        };
        insta::assert_snapshot!(said(&[]), @r"
        model_sync.Customers.source: the names of its topics have no beginning; set `model_sync_topic_prefix`
        model_sync.Customers.sink: it needs a consumer; set `model_sync_consumer` to the name of one
        model_sync.Orders.source: it names no connector; set `model_sync_source_connector`, or write the connector in `source`
        model_sync.Orders.source: the names of its topics have no beginning; set `model_sync_topic_prefix`
        ");
        let nearly = [("model_sync_topic_prefix", "app"), ("model_sync_consumer", "Mirrors"), ("model_sync_source_conector", "x")];
        insta::assert_snapshot!(said(&nearly), @r"
        model_sync.Orders.source: it names no connector; set `model_sync_source_connector`, or write the connector in `source`
        model_sync.Orders.enricher: it needs a consumer; set `model_sync_enricher_consumer` to one, or `model_sync_enricher_group` for one of its own
        model_sync_source_conector: unknown setting; did you mean `model_sync_source_connector` (set in code)
        connectors.Nobody: a plugin adds to this connector, and there is none; declare it
        consumers.Mirrors: a plugin adds the topic crm.customers to this consumer, and there is none; declare it
        ");
    }

    #[test]
    fn two_of_one_name_are_one_too_many() {
        let errors =
            build(settings(&ALL), ModelSyncs::new().spec(sync("A").topic("a").sink(here())).spec(sync("A").topic("b").sink(here())));
        assert!(errors.unwrap_err().to_string().contains("two syncs have this name"));
    }
}
