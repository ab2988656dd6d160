//! What is declared of a table: where it goes, where it comes from, and which of its columns. Nothing is checked before assembly.

use std::fmt;
use std::sync::Arc;

use kafka_connect::skip;
use kafka_core::consumer::DeclaredTopic;
use kafka_core::error::ConfigErrors;
use kafka_core::topic::TopicSpec;

use super::jdbc::JdbcSink;
use super::sink::Sink;
use crate::table::Table;
use crate::transform::Transforms;

/// A table kept in step with a topic. Derive it, or write it by hand:
///
/// ```
/// use kafka_modelsync::sync::{ModelSync, Source, SyncSpec};
/// use kafka_modelsync::table::Table;
///
/// diesel::table! {
///     customers {
///         id -> BigInt,
///         name -> Text,
///     }
/// }
///
/// struct Customers;
///
/// impl ModelSync for Customers {
///     fn spec() -> SyncSpec {
///         SyncSpec::new("Customers", Table::of(customers::table)).source(Source::shared()).topic("crm.customers")
///     }
/// }
/// ```
pub trait ModelSync: 'static {
    /// Its declaration.
    fn spec() -> SyncSpec;
}

/// A declaration of model sync.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SyncSpec {
    /// What it is called in errors and in the names of its connectors.
    pub name: String,
    /// Its table.
    pub table: Table,
    /// The public topic. Default: `{prefix}.{schema}.{table}`; said, the source reroutes to it.
    pub topic: Option<String>,
    /// The columns that are sent and written. Default: all.
    pub fields: Fields,
    /// One way or both. Default: one.
    pub direction: Direction,
    /// How changes of the table get into the topic. Default: not from here.
    pub source: Option<Source>,
    /// What stands between the source's raw topic and the public one. Default: nothing, they are the same.
    pub enricher: Option<Enricher>,
    /// How messages of the topic get into the table. Default: not here.
    pub sink: Option<Sink>,
}

/// Which columns are sent and written. The primary key always is, and so are foreign keys that were waited for and what transforms make.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Fields {
    /// All.
    #[default]
    All,
    /// These.
    Only(Vec<String>),
    /// All but these.
    Except(Vec<String>),
}

/// One way or both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Direction {
    /// Changes go one way.
    #[default]
    OneWay,
    /// The table is changed here and elsewhere: what came from the topic does not go back into it. Needs the column `kafka_skip` and an
    /// explicit topic, which both sides share.
    Bidirectional,
}

/// A piece of the config of a shared Debezium PostgreSQL source connector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Source {
    /// The name of the connector, without prefix. Default: the setting `model_sync_source_connector`.
    pub connector: Option<String>,
    /// The columns of the message's key, `message.key.columns`. Default: those of the primary key, which Debezium finds by itself.
    pub message_key: Vec<String>,
    /// The replica identity that Debezium gives the table. Default: none, or `FULL` where the sync is bidirectional.
    pub replica_identity: Option<ReplicaIdentity>,
}

/// What PostgreSQL logs of the old row in an update or a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaIdentity {
    /// The primary key.
    Default,
    /// All of it. What `kafka_skip` needs: a deletion is judged by the old row.
    Full,
}

/// What reads the raw topic of the source and produces to the public one.
#[derive(Clone)]
#[non_exhaustive]
pub struct Enricher {
    pub(crate) make: Arc<MakeEnricher>,
}

/// Makes the topic that reads the raw one, by the names of the raw and of the public topic.
pub type MakeEnricher = dyn Fn(&SyncSpec, &str, &str) -> Result<DeclaredTopic, ConfigErrors> + Send + Sync;

impl SyncSpec {
    /// A declaration of this name for a table, which does nothing yet.
    #[must_use]
    pub fn new(name: impl Into<String>, table: Table) -> Self {
        let (fields, direction) = (Fields::All, Direction::OneWay);
        Self { name: name.into(), table, topic: None, fields, direction, source: None, enricher: None, sink: None }
    }

    /// The public topic.
    #[must_use]
    pub fn topic(mut self, name: impl Into<String>) -> Self {
        self.topic = Some(name.into());
        self
    }

    /// The columns that are sent and written.
    #[must_use]
    pub fn fields(mut self, fields: Fields) -> Self {
        self.fields = fields;
        self
    }

    /// Only these columns, and the primary key.
    #[must_use]
    pub fn only(self, columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.fields(Fields::Only(columns.into_iter().map(Into::into).collect()))
    }

    /// All columns but these; the primary key stays.
    #[must_use]
    pub fn except(self, columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.fields(Fields::Except(columns.into_iter().map(Into::into).collect()))
    }

    /// Changes go both ways.
    #[must_use]
    pub fn bidirectional(mut self) -> Self {
        self.direction = Direction::Bidirectional;
        self
    }

    /// Sends changes of the table.
    #[must_use]
    pub fn source(mut self, source: Source) -> Self {
        self.source = Some(source);
        self
    }

    /// Puts something between the raw topic and the public one.
    #[must_use]
    pub fn enricher(mut self, enricher: Enricher) -> Self {
        self.enricher = Some(enricher);
        self
    }

    /// Writes messages into the table.
    #[must_use]
    pub fn sink(mut self, sink: Sink) -> Self {
        self.sink = Some(sink);
        self
    }

    /// The columns that are sent and written, in the order of the table. The key is always among them, `kafka_skip` never.
    #[must_use]
    pub fn written(&self) -> Vec<&str> {
        let is_written = |column: &str| {
            column != skip::COLUMN
                && (self.table.primary_key().iter().any(|key| **key == *column)
                    || match &self.fields {
                        Fields::All => true,
                        Fields::Only(names) => names.iter().any(|name| name == column),
                        Fields::Except(names) => names.iter().all(|name| name != column),
                    })
        };
        self.table.columns().iter().map(|column| &**column).filter(|column| is_written(column)).collect()
    }

    /// Everything that is wrong with it, whatever the application.
    #[must_use]
    pub fn problems(&self) -> ConfigErrors {
        let mut errors = ConfigErrors::new();
        let path = |field: &str| format!("model_sync.{}.{field}", self.name);
        if self.source.is_none() && self.sink.is_none() {
            errors.push(path("source"), "it has neither a source nor a sink and would do nothing; write one of them");
        }
        if self.enricher.is_some() && self.source.is_none() {
            errors.push(path("enricher"), "an enricher reads what the source sends, and there is no source; write `source`");
        }
        if self.enricher.is_some() && self.topic.is_none() {
            errors
                .push(path("topic"), "the raw topic has the table's name, so the enricher needs another for the public one; write `topic`");
        }
        if self.direction == Direction::Bidirectional {
            if !self.table.has(skip::COLUMN) {
                let problem = "a bidirectional sync needs the column `kafka_skip`, or changes would go round for ever; add it to the table";
                errors.push(path("bidirectional"), format!("{problem} (`connect skip-sql {}` prints the SQL)", self.table.name()));
            }
            if self.topic.is_none() {
                errors.push(path("topic"), "both sides of a bidirectional sync share one topic; write its name as `topic`");
            }
            if self.source.is_none() || self.sink.is_none() {
                errors.push(path("bidirectional"), "it needs both a source and a sink; write both");
            }
            if let (Some(Sink::Jdbc(_)), Some(problem)) = (&self.sink, JdbcSink::problem(self)) {
                errors.push(path("sink"), problem);
            }
        }
        let unknown = |name: &String| !self.table.has(name);
        let (Fields::Only(named) | Fields::Except(named)) = &self.fields else { return errors };
        for name in named.iter().filter(|name| unknown(name)) {
            let (table, columns) = (&self.table, self.table.columns().join(", "));
            errors.push(path("fields"), format!("the table {table} has no column `{name}`; there are: {columns}"));
        }
        errors
    }
}

impl Source {
    /// A piece of the connector that the setting `model_sync_source_connector` names.
    #[must_use]
    pub fn shared() -> Self {
        Self::default()
    }

    /// A piece of this connector.
    #[must_use]
    pub fn of_connector(name: impl Into<String>) -> Self {
        Self { connector: Some(name.into()), ..Self::default() }
    }

    /// The columns of the message's key.
    #[must_use]
    pub fn message_key(mut self, columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.message_key = columns.into_iter().map(Into::into).collect();
        self
    }

    /// The replica identity that Debezium gives the table.
    #[must_use]
    pub fn replica_identity(mut self, identity: ReplicaIdentity) -> Self {
        self.replica_identity = Some(identity);
        self
    }
}

impl Enricher {
    /// Carries these transforms out on what the source sends, and produces to the public topic.
    ///
    /// Keys and values are Avro, flattened or enveloped; what is produced is flattened, under schemas that are derived from the
    /// source's and registered for the public topic. Rows that are flagged `kafka_skip` are passed over, deletions are not: they are null
    /// values, or rows with `__deleted` where the source sends such. In a consumer that is
    /// [`exactly_once`](kafka_core::consumer::ConsumerSpec::exactly_once) each is produced once. A registry that is away holds the
    /// partition; a transform that fails is its message's failure.
    ///
    /// ```
    /// use kafka_modelsync::sync::{Enricher, Source, SyncSpec};
    /// use kafka_modelsync::table::Table;
    /// use kafka_modelsync::transform::{Field, Transforms};
    ///
    /// let table = Table::named("orders", ["id", "customer"], ["id"]);
    /// let renamed = Transforms::new().field(Field::of("customer").to("customer_id"));
    /// let sync = SyncSpec::new("Orders", table).source(Source::shared()).enricher(Enricher::of(renamed)).topic("shop.orders");
    /// # assert_eq!(sync.problems().iter().count(), 0);
    /// ```
    #[must_use]
    pub fn of(transforms: Transforms) -> Self {
        Self::declared(transforms, |spec| spec)
    }

    /// The same with what else the raw topic declares: retries, a dead letter, how many messages are taken at once.
    pub fn declared(transforms: Transforms, declare: impl Fn(TopicSpec) -> TopicSpec + Send + Sync + 'static) -> Self {
        Self::made_by(move |_, raw, public| super::enriching::declared(declare(TopicSpec::named(raw)), public, transforms.clone()))
    }

    /// An enricher that is made of the names of the raw and of the public topic.
    pub fn made_by(make: impl Fn(&SyncSpec, &str, &str) -> Result<DeclaredTopic, ConfigErrors> + Send + Sync + 'static) -> Self {
        Self { make: Arc::new(make) }
    }
}

impl fmt::Debug for Enricher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enricher").finish_non_exhaustive()
    }
}

/// One announcement of a derive.
#[derive(Debug)]
pub struct SyncRegistration {
    /// The module it was declared in.
    pub module: &'static str,
    pub(crate) declare: fn() -> SyncSpec,
}

impl SyncRegistration {
    /// Announces a declaration.
    #[must_use]
    pub const fn new<S: ModelSync>(module: &'static str) -> Self {
        Self { module, declare: S::spec }
    }
}

inventory::collect!(SyncRegistration);

#[cfg(test)]
mod tests {
    use super::*;

    fn customers() -> SyncSpec {
        SyncSpec::new("Customers", Table::named("customers", ["id", "name", "note", "kafka_skip"], ["id"]))
    }

    fn topic(_: &SyncSpec, name: &str) -> Result<DeclaredTopic, ConfigErrors> {
        Ok(DeclaredTopic::with_handler(TopicSpec::named(name), |_, _| Err(ConfigErrors::new())))
    }

    #[test]
    fn the_key_is_always_written_and_the_flag_never() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        for (fields, expected) in [
            (Fields::All, vec!["id", "name", "note"]),
            (Fields::Only(names(&["note", "kafka_skip"])), vec!["id", "note"]),
            (Fields::Except(names(&["note", "id"])), vec!["id", "name"]),
        ] {
            assert_eq!(customers().fields(fields).written(), expected);
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_write() {
        let both = || customers().source(Source::shared()).sink(Sink::made_by(topic));
        let enricher = || Enricher::made_by(|spec, _, public| topic(spec, public));
        let mut without_flag = both().bidirectional().topic("crm.customers");
        without_flag.table = Table::named("customers", ["id"], ["id"]);
        for (spec, problems) in [
            (both(), vec![]),
            (both().bidirectional().topic("crm.customers"), vec![]),
            (customers(), vec!["source: it has neither a source nor a sink"]),
            (both().bidirectional(), vec!["topic: both sides of a bidirectional sync share one topic"]),
            (without_flag, vec!["bidirectional: a bidirectional sync needs the column `kafka_skip`"]),
            (customers().source(Source::shared()).bidirectional().topic("t"), vec!["bidirectional: it needs both a source and a sink"]),
            (both().enricher(enricher()), vec!["topic: the raw topic has the table's name"]),
            (
                customers().sink(Sink::made_by(topic)).enricher(enricher()).topic("t"),
                vec!["enricher: an enricher reads what the source sends"],
            ),
            (
                both().fields(Fields::Only(vec!["nmae".to_owned()])),
                vec!["fields: the table customers has no column `nmae`; there are: id, name"],
            ),
        ] {
            let errors = spec.problems();
            let said: Vec<String> = errors.iter().map(|error| format!("{}: {}", error.path(), error.problem())).collect();
            assert_eq!(said.len(), problems.len(), "{said:?}");
            for (said, problem) in said.iter().zip(problems) {
                assert!(said.starts_with(&format!("model_sync.Customers.{problem}")), "{said}");
            }
        }
    }
}
