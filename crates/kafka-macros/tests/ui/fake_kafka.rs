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
    writes! { TopicSpec {
        concurrency(concurrency: Concurrency) => concurrency;
        batch(max: usize, wait: Duration) => (max, wait);
        retry(policy: RetryPolicy) => policy.0;
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
}
