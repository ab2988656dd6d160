//! A framework with the names that the derives use and nothing behind them: every call is written down as text.

#![allow(dead_code, missing_docs)]

pub mod __private {
    use std::any::{Any, type_name};
    use std::fmt::Debug;
    use std::time::Duration;

    pub use inventory;

    pub trait Format {
        type Data;
    }
    pub struct Text;
    impl Format for Text {
        type Data = String;
    }
    impl Format for i64 {
        type Data = i64;
    }

    pub struct Single;
    pub struct Batched;
    pub struct Blocking;

    pub trait Topic: Sized + Send + Sync + 'static {
        type Key: Format;
        type Value: Format;
        type Style;
        fn spec() -> TopicSpec;
        fn from_state(state: &State) -> Result<Self, MissingState>;
    }
    pub trait Produce: Topic {}
    pub trait Consume: Topic<Style = Single> {
        fn consume(&self, key: <Self::Key as Format>::Data, value: <Self::Value as Format>::Data);
    }

    pub struct State(pub Vec<Box<dyn Any>>);
    #[derive(Debug, PartialEq)]
    pub struct MissingState(pub &'static str);
    impl State {
        pub fn get<T: Clone + 'static>(&self) -> Result<T, MissingState> {
            self.0.iter().find_map(|value| value.downcast_ref::<T>()).cloned().ok_or(MissingState(type_name::<T>()))
        }
    }

    #[derive(Debug)]
    pub enum Concurrency {
        Partition,
        Key { max: usize },
        Unordered { max: usize },
    }
    #[derive(Debug)]
    pub enum MaxRetries {
        Forever,
        Limited(u32),
    }
    #[derive(Debug)]
    pub enum SubjectStrategy {
        Topic,
        Record,
        TopicRecord,
    }
    pub struct ErrorKind(&'static str);
    impl ErrorKind {
        pub fn of<T: 'static>() -> Self {
            Self(type_name::<T>().rsplit("::").next().unwrap())
        }
    }
    fn names(kinds: impl IntoIterator<Item = ErrorKind>) -> Vec<&'static str> {
        kinds.into_iter().map(|kind| kind.0).collect()
    }

    /// The calls, as text.
    macro_rules! writes {
        ($name:ident { $($method:ident($($arg:ident: $ty:ty),*) => $value:expr;)* }) => {
            #[derive(Debug, PartialEq)]
            pub struct $name(pub String);
            impl $name {$(
                pub fn $method(mut self, $($arg: $ty),*) -> Self {
                    self.0 += &format!(" {}={:?}", stringify!($method), $value);
                    self
                }
            )*}
        };
    }
    writes! { RetryPolicy {
        backoff() => ();
        max_delay(delay: Duration) => delay;
        jitter(share: f64) => share;
        include(kinds: impl IntoIterator<Item = ErrorKind>) => names(kinds);
        exclude(kinds: impl IntoIterator<Item = ErrorKind>) => names(kinds);
        classify(function: fn(&str) -> bool) => function("transient");
        non_blocking() => ();
        log_every(every: u32) => every;
        use_offset_tracker() => ();
    }}
    impl RetryPolicy {
        pub fn new(max: MaxRetries, delay: Duration) -> Self {
            Self(format!("{max:?} {delay:?}"))
        }
    }
    #[derive(Debug)]
    pub struct DeadLetterLimit {
        pub consecutive: Option<u32>,
        pub ratio: Option<f64>,
        pub window: u32,
    }
    impl DeadLetterLimit {
        pub const WINDOW: u32 = 1_000;
    }
    writes! { TopicSpec {
        concurrency(concurrency: Concurrency) => concurrency;
        batch(max: usize, wait: Duration) => (max, wait);
        retry(policy: RetryPolicy) => policy.0;
        dead_letter_limit(limit: DeadLetterLimit) => (limit.consecutive, limit.ratio, limit.window);
        suppress_all() => ();
        suppress(topics: impl IntoIterator<Item = &'static str> + Debug) => topics;
        subject(strategy: SubjectStrategy) => strategy;
    }}
    impl TopicSpec {
        pub fn named(name: &str) -> Self {
            Self(format!("named {name}"))
        }
        pub fn pattern(regex: &str) -> Self {
            Self(format!("pattern {regex}"))
        }
    }

    pub trait Consumer {
        fn spec() -> ConsumerSpec;
    }
    writes! { ConsumerSpec {
        config(key: &str, value: &str) => (key, value);
        suppress_all() => ();
        exactly_once() => ();
        suppress(topics: impl IntoIterator<Item = &'static str> + Debug) => topics;
    }}
    impl ConsumerSpec {
        pub fn new(name: &str, group: &str) -> Self {
            Self(format!("{name} in {group}"))
        }
        pub fn topic<T: Topic>(mut self) -> Self {
            self.0 += &format!(" topic={:?}", T::spec().0);
            self
        }
    }

    pub struct Registration {
        pub name: &'static str,
        pub module: &'static str,
        pub spec: fn() -> ConsumerSpec,
    }
    impl Registration {
        pub const fn consumer(name: &'static str, module: &'static str, spec: fn() -> ConsumerSpec) -> Self {
            Self { name, module, spec }
        }
    }
    inventory::collect!(Registration);

    pub trait Connector: Sized {
        fn spec() -> ConnectorSpec;
        fn from_state(state: &State) -> Result<Self, MissingState>;
        fn config(&self) -> Result<ConnectorConfig, ConfigProblem>;
    }
    writes! { ConnectorSpec {
        class(class: &str) => class;
        prefix(prefix: &str) => prefix;
        secret(key: &str) => key;
        mark_for_removal() => ();
    }}
    impl ConnectorSpec {
        pub fn new(name: &str) -> Self {
            Self(name.to_owned())
        }
    }
    #[derive(Debug, PartialEq)]
    pub struct ConfigProblem;
    #[derive(Debug, PartialEq)]
    pub struct ConnectorConfig(pub String);
    impl ConnectorConfig {
        pub fn new() -> Self {
            Self(String::new())
        }
        pub fn from_json(text: &str) -> Result<Self, ConfigProblem> {
            Ok(Self(format!("json {}", text.trim())))
        }
        pub fn from_serialize<T>(_: &T) -> Result<Self, ConfigProblem> {
            Ok(Self(type_name::<T>().rsplit("::").next().unwrap().to_owned()))
        }
    }
    pub trait IntoConfig {
        fn into_config(self) -> Result<ConnectorConfig, ConfigProblem>;
    }
    impl IntoConfig for &str {
        fn into_config(self) -> Result<ConnectorConfig, ConfigProblem> {
            Ok(ConnectorConfig(format!("data {self}")))
        }
    }
    pub struct ConnectorRegistration {
        pub name: &'static str,
        pub module: &'static str,
        pub spec: fn() -> ConnectorSpec,
    }
    impl ConnectorRegistration {
        pub const fn new<C: Connector>(name: &'static str, module: &'static str) -> Self {
            Self { name, module, spec: C::spec }
        }
    }
    inventory::collect!(ConnectorRegistration);
    pub struct ProducedTopic(pub fn() -> TopicSpec);
    impl ProducedTopic {
        pub const fn of<T: Produce>() -> Self {
            Self(T::spec)
        }
    }
    inventory::collect!(ProducedTopic);

    pub struct TypeSchema(pub String);
    #[derive(Default)]
    pub struct SchemaScope(Vec<&'static str>);
    pub struct RecordSchema<'a>(&'a mut SchemaScope, String);
    pub struct FieldSchema<'a>(&'a mut String);
    pub trait AvroSchema {
        fn avro_schema(scope: &mut SchemaScope) -> TypeSchema;
        fn text() -> String {
            Self::avro_schema(&mut SchemaScope::default()).0
        }
    }
    impl AvroSchema for i64 {
        fn avro_schema(_: &mut SchemaScope) -> TypeSchema {
            TypeSchema("long".to_owned())
        }
    }
    impl AvroSchema for str {
        fn avro_schema(_: &mut SchemaScope) -> TypeSchema {
            TypeSchema("string".to_owned())
        }
    }
    impl<T: AvroSchema + ?Sized> AvroSchema for &T {
        fn avro_schema(scope: &mut SchemaScope) -> TypeSchema {
            T::avro_schema(scope)
        }
    }
    impl<T: AvroSchema> AvroSchema for Option<T> {
        fn avro_schema(scope: &mut SchemaScope) -> TypeSchema {
            let inner = T::avro_schema(scope);
            scope.optional(inner)
        }
    }
    impl SchemaScope {
        pub fn primitive(&self, word: &str) -> TypeSchema {
            TypeSchema(word.to_owned())
        }
        pub fn decimal(&self, precision: u32, scale: u32) -> TypeSchema {
            TypeSchema(format!("decimal({precision},{scale})"))
        }
        pub fn optional(&self, inner: TypeSchema) -> TypeSchema {
            TypeSchema(inner.0 + "?")
        }
        pub fn array(&self, items: TypeSchema) -> TypeSchema {
            TypeSchema(format!("[{}]", items.0))
        }
        pub fn map(&self, values: TypeSchema) -> TypeSchema {
            TypeSchema(format!("{{{}}}", values.0))
        }
        pub fn union(&self, branches: impl IntoIterator<Item = TypeSchema>) -> TypeSchema {
            TypeSchema(branches.into_iter().map(|branch| branch.0).collect::<Vec<_>>().join("|"))
        }
        pub fn symbols(&mut self, name: &str, doc: Option<&str>, symbols: &[&str], default: Option<&str>) -> TypeSchema {
            TypeSchema(format!("{name} {doc:?} {symbols:?} {default:?}"))
        }
        pub fn record(&mut self, name: &str, doc: Option<&str>, aliases: &[&str], fields: impl FnOnce(&mut RecordSchema<'_>)) -> TypeSchema {
            let mut record = RecordSchema(self, format!("{name} {doc:?} {aliases:?}"));
            fields(&mut record);
            TypeSchema(record.1)
        }
        pub fn literal(&mut self, text: &str) -> TypeSchema {
            TypeSchema(text.trim().to_owned())
        }
        pub fn reference<T: AvroSchema>(&mut self) {
            self.0.push(type_name::<T>());
        }
    }
    impl RecordSchema<'_> {
        pub fn field<T: AvroSchema>(&mut self, name: &str, more: impl FnOnce(FieldSchema<'_>)) {
            self.field_with(name, T::avro_schema, more);
        }
        pub fn field_with(&mut self, name: &str, schema: impl FnOnce(&mut SchemaScope) -> TypeSchema, more: impl FnOnce(FieldSchema<'_>)) {
            let references = self.0.0.len();
            self.1 += &format!("; {name}: {}", schema(self.0).0);
            if self.0.0.len() > references {
                self.1 += " by reference";
            }
            more(FieldSchema(&mut self.1));
        }
    }
    impl FieldSchema<'_> {
        #[must_use]
        pub fn doc(self, doc: &str) -> Self {
            *self.0 += &format!(" doc={doc:?}");
            self
        }
        #[must_use]
        pub fn default(self, json: &str) -> Self {
            *self.0 += &format!(" default={json}");
            self
        }
        #[must_use]
        pub fn aliases(self, aliases: &[&str]) -> Self {
            *self.0 += &format!(" aliases={aliases:?}");
            self
        }
    }

    pub struct Avro<T>(std::marker::PhantomData<T>);
    pub struct AvroValue;
    impl Format for Avro<AvroValue> {
        type Data = AvroValue;
    }

    pub trait ModelTopic: Send + Sync + 'static {
        type Key: Format;
        type Value: Format;
        fn spec() -> TopicSpec;
        fn model() -> Model;
    }
    pub struct Value;
    pub struct Row;
    pub struct Table(pub String);
    impl Table {
        pub fn of<T>(_: T) -> Self {
            Self(type_name::<T>().to_owned())
        }
    }
    pub trait Column {
        const NAME: &'static str;
    }
    pub fn column_name<C: Column>(_: C) -> &'static str {
        C::NAME
    }
    pub struct Guard(String);
    impl Guard {
        pub fn lsn(column: &str) -> Self {
            Self(format!("lsn {column}"))
        }
        pub fn offset(partition: &str, offset: &str) -> Self {
            Self(format!("offset {partition} {offset}"))
        }
    }
    #[derive(Debug)]
    pub enum Truncations {
        Applied,
    }
    pub struct Transforms;
    #[derive(Debug)]
    pub enum ForeignKeys {
        Ignored,
        WaitedFor,
    }
    pub struct Model(pub String);
    pub struct Polymorphic(pub &'static str);

    impl Model {
        fn with(self, more: &str) -> Self {
            Self(self.0 + " " + more)
        }
        pub fn of(table: Table) -> Self {
            Self(table.0)
        }
        #[must_use]
        pub fn exclude(self, column: &str) -> Self {
            self.with(&format!("exclude {column}"))
        }
        #[must_use]
        pub fn rename(self, column: &str, field: &str) -> Self {
            self.with(&format!("rename {column} {field}"))
        }
        #[must_use]
        pub fn transform<E>(self, column: &str, _: impl Fn(Value) -> Result<Value, E>) -> Self {
            self.with(&format!("transform {column}"))
        }
        #[must_use]
        pub fn relation(self, column: &str, table: &str, parent: &str) -> Self {
            self.with(&format!("relation {column} {table}.{parent}"))
        }
        #[must_use]
        pub fn deletion_key(self, field: &str) -> Self {
            self.with(&format!("deletion_key {field}"))
        }
        #[must_use]
        pub fn deletion(self, _: fn(&Row) -> bool) -> Self {
            self.with("deletion")
        }
        #[must_use]
        pub fn lookup<C: Into<String>>(self, columns: impl IntoIterator<Item = C>) -> Self {
            let columns: Vec<String> = columns.into_iter().map(Into::into).collect();
            self.with(&format!("lookup {columns:?}"))
        }
        #[must_use]
        pub fn guard(self, guard: Guard) -> Self {
            self.with(&guard.0)
        }
        #[must_use]
        pub fn transforms(self, _: Transforms) -> Self {
            self.with("transforms")
        }
        #[must_use]
        pub fn foreign_keys(self, foreign_keys: ForeignKeys) -> Self {
            self.with(&format!("foreign_keys {foreign_keys:?}"))
        }
        #[must_use]
        pub fn polymorphic(self, reference: Polymorphic) -> Self {
            self.with(&format!("polymorphic {}", reference.0))
        }
        #[must_use]
        pub fn reroute(self, table: &str, model: Self) -> Self {
            self.with(&format!("reroute {table} to ({})", model.0))
        }
        #[must_use]
        pub fn reroute_own(self, table: &str) -> Self {
            self.with(&format!("reroute_own {table}"))
        }
        #[must_use]
        pub fn truncations(self, truncations: Truncations) -> Self {
            self.with(&format!("{truncations:?}"))
        }
    }

    pub mod sync {
        use super::inventory;

        pub trait ModelSync: 'static {
            fn spec() -> SyncSpec;
        }
        pub struct SyncSpec(pub String);
        pub struct Source(String);
        pub struct Enricher;
        pub struct JdbcSink;
        pub enum Sink {
            Here(&'static str),
            Jdbc(JdbcSink),
        }
        impl Sink {
            pub fn of<M>() -> Self {
                Self::Here(std::any::type_name::<M>())
            }
        }
        impl Source {
            pub fn shared() -> Self {
                Self("shared".to_owned())
            }
            pub fn of_connector(name: &str) -> Self {
                Self(name.to_owned())
            }
            #[must_use]
            pub fn message_key<const N: usize>(self, columns: [&str; N]) -> Self {
                Self(format!("{} key {columns:?}", self.0))
            }
        }
        impl SyncSpec {
            pub fn new(name: &str, table: super::Table) -> Self {
                Self(format!("{name} {}", table.0))
            }
            fn with(self, more: &str) -> Self {
                Self(self.0 + " " + more)
            }
            #[must_use]
            pub fn topic(self, name: &str) -> Self {
                self.with(&format!("topic {name}"))
            }
            #[must_use]
            pub fn only<const N: usize>(self, columns: [&str; N]) -> Self {
                self.with(&format!("only {columns:?}"))
            }
            #[must_use]
            pub fn except<const N: usize>(self, columns: [&str; N]) -> Self {
                self.with(&format!("except {columns:?}"))
            }
            #[must_use]
            pub fn bidirectional(self) -> Self {
                self.with("bidirectional")
            }
            #[must_use]
            pub fn source(self, source: Source) -> Self {
                self.with(&format!("source {}", source.0))
            }
            #[must_use]
            pub fn enricher(self, _: Enricher) -> Self {
                self.with("enricher")
            }
            #[must_use]
            pub fn sink(self, sink: Sink) -> Self {
                match sink {
                    Sink::Here(topic) => self.with(&format!("sink {topic}")),
                    Sink::Jdbc(JdbcSink) => self.with("sink jdbc"),
                }
            }
        }
        pub struct SyncRegistration(pub fn() -> SyncSpec);
        impl SyncRegistration {
            pub const fn new<S: ModelSync>(_: &'static str) -> Self {
                Self(S::spec)
            }
        }
        inventory::collect!(SyncRegistration);
    }
}
