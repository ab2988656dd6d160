//! Reproducers: the raw topic of a table in, a public topic out, with what only the application knows added.
//!
//! In reading order: `name` says which topic is read, `id` how a row is found, and this page the rules.

mod id;
mod name;
#[cfg(test)]
mod tests;

use std::future::Future;

use kafka_core::app::{MissingState, State};
use kafka_core::consumer::HandlerError;
use kafka_core::error::BoxError;
use kafka_core::format::{Decode, Format};
use kafka_core::message::Message;
use kafka_core::topic::{Consume, KeyOf, Single, Topic, TopicSpec, ValueOf};

pub use self::id::{NoRowId, RowId, row_id};
pub use self::name::{Reproduced, ReproducedNameError};
use crate::change::{Change, ChangeReader, Event, Operation};
use crate::value::Value;

/// Reads the raw topic of a table, adds what it knows, and produces to a public topic.
///
/// For each upsert it loads the row by its id and calls [`reproduce_upsert`](Self::reproduce_upsert); a row that is gone by now is passed
/// over, since its deletion comes next, and so is one that is flagged `kafka_skip`. For each deletion it calls
/// [`reproduce_deletion`](Self::reproduce_deletion), flagged or not. [`reproduce`](Self::reproduce) as a whole can be another.
///
/// It is made a topic by [`Reproducer`], of the application's state ([`from_state`](Self::from_state)). In a consumer that is
/// [`exactly_once`](kafka_core::consumer::ConsumerSpec::exactly_once) what it produces is written once; `enqueue` is as safe there as
/// `send`, and faster.
///
/// ```
/// use kafka_core::app::App;
/// use kafka_core::consumer::{ConsumerSpec, HandlerError};
/// use kafka_core::error::BoxError;
/// use kafka_core::format::Json;
/// use kafka_core::settings::Settings;
/// use kafka_modelsync::change::Change;
/// use kafka_modelsync::reproducer::{Reproduced, Reproducer, TopicReproducer};
///
/// struct Customer {
///     name: String,
///     kafka_skip: bool,
/// }
///
/// #[derive(Clone)]
/// struct Customers;
///
/// impl TopicReproducer for Customers {
///     type Key = Json<serde_json::Value>;
///     type Value = Json<serde_json::Value>;
///     type Id = i64;
///     type Row = Customer;
///
///     fn reproduced() -> Reproduced {
///         Reproduced::model("customers").namespace("raw")
///     }
///
///     async fn load(&self, id: &i64) -> Result<Option<Customer>, BoxError> {
///         // With diesel: customers::table.find(id).select(Customer::as_select()).first(&mut connection).await.optional()
///         Ok(Some(Customer { name: format!("customer {id}"), kafka_skip: false }))
///     }
///
///     fn is_skipped(&self, row: &Customer) -> bool {
///         row.kafka_skip
///     }
///
///     async fn reproduce_upsert(&self, row: Customer, id: i64, _: &Change) -> Result<(), HandlerError> {
///         println!("{id} is {}", row.name);
///         Ok(())
///     }
///
///     async fn reproduce_deletion(&self, id: i64, _: &Change) -> Result<(), HandlerError> {
///         println!("{id} is gone");
///         Ok(())
///     }
/// }
///
/// let consumer = ConsumerSpec::new("reproduce", "reproduce").topic::<Reproducer<Customers>>().exactly_once();
/// let settings = Settings::default().global_config([("bootstrap.servers", "localhost:9092")]);
/// App::builder(settings).state(Customers).consumer_spec(consumer).build()?;
/// # Ok::<(), kafka_core::error::ConfigErrors>(())
/// ```
pub trait TopicReproducer: Clone + Send + Sync + 'static {
    /// The format of the raw topic's keys.
    type Key: Format<Value: Event> + Decode;
    /// The format of the raw topic's values.
    type Value: Format<Value: Event> + Decode;
    /// What rows are found by: `i64`, `i32`, `String`, `Uuid`, or a type of your own.
    type Id: RowId;
    /// A row as it is loaded.
    type Row: Send;

    /// Which topic is read.
    fn reproduced() -> Reproduced;

    /// Made when the application is built, of its state: take the `Producer` here. Default: it is a value of the state itself.
    ///
    /// # Errors
    /// When the state lacks something.
    fn from_state(state: &State) -> Result<Self, MissingState> {
        state.get::<Self>()
    }

    /// What else the topic declares: retries, a dead letter. Default: nothing.
    fn declare(spec: TopicSpec) -> TopicSpec {
        spec
    }

    /// How messages are read. Default: as Debezium writes them.
    fn reader() -> ChangeReader {
        ChangeReader::new()
    }

    /// The key's column that is the id. Default: the only one.
    fn id_column() -> Option<&'static str> {
        None
    }

    /// Loads the row; none if it is gone.
    fn load(&self, id: &Self::Id) -> impl Future<Output = Result<Option<Self::Row>, BoxError>> + Send;

    /// Whether the row is flagged `kafka_skip`: what came from elsewhere is not told again. Default: it is not.
    fn is_skipped(&self, row: &Self::Row) -> bool {
        let _every_row = row;
        false
    }

    /// Produces a row.
    fn reproduce_upsert(&self, row: Self::Row, id: Self::Id, change: &Change) -> impl Future<Output = Result<(), HandlerError>> + Send;

    /// Produces a deletion.
    fn reproduce_deletion(&self, id: Self::Id, change: &Change) -> impl Future<Output = Result<(), HandlerError>> + Send;

    /// Reproduces a change, by the rules above unless you write others. A truncation tells no rows, and is passed over with a warning.
    fn reproduce(&self, change: Change) -> impl Future<Output = Result<(), HandlerError>> + Send {
        by_the_rules(self, change)
    }
}

/// The rules of [`TopicReproducer::reproduce`].
async fn by_the_rules<R: TopicReproducer>(reproducer: &R, change: Change) -> Result<(), HandlerError> {
    match &change.operation {
        Operation::Nothing => Ok(()),
        Operation::Truncate => {
            tracing::warn!(topic = %R::reproduced(), "the table was truncated; its rows are not told, and nothing is reproduced");
            Ok(())
        }
        Operation::Delete { .. } => {
            let id = row_id(&change, R::id_column()).map_err(HandlerError::permanent)?;
            reproducer.reproduce_deletion(id, &change).await
        }
        Operation::Upsert { after, .. } => {
            if after.get("kafka_skip") == Some(&Value::Bool(true)) {
                return Ok(());
            }
            let id: R::Id = row_id(&change, R::id_column()).map_err(HandlerError::permanent)?;
            match reproducer.load(&id).await? {
                Some(row) if !reproducer.is_skipped(&row) => reproducer.reproduce_upsert(row, id, &change).await,
                Some(_) | None => Ok(()),
            }
        }
    }
}

/// A reproducer as a topic of a consumer.
#[derive(Debug)]
pub struct Reproducer<R> {
    reproducer: R,
    reader: ChangeReader,
}

impl<R: TopicReproducer> Topic for Reproducer<R> {
    type Key = R::Key;
    type Value = R::Value;
    type Style = Single;

    /// A name that is missing is found when the application is built: no topic is named so.
    fn spec() -> TopicSpec {
        R::declare(TopicSpec::named(R::reproduced().topic().unwrap_or_default()))
    }

    fn from_state(state: &State) -> Result<Self, MissingState> {
        Ok(Self { reproducer: R::from_state(state)?, reader: R::reader() })
    }
}

impl<R: TopicReproducer> Consume for Reproducer<R>
where
    <R::Key as Format>::Value: Event,
    <R::Value as Format>::Value: Event,
{
    async fn consume(&self, message: Message<KeyOf<Self>, ValueOf<Self>>) -> Result<(), HandlerError> {
        let (key, value) = message.into_parts();
        let change = self.reader.read(key, value).map_err(HandlerError::permanent)?;
        self.reproducer.reproduce(change).await
    }
}
