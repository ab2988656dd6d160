//! The client of the schema registry: schemas by their ids, and ids for the schemas that are written.
//!
//! One client for each application's settings. What the registry said is kept for good, because an id never changes
//! its meaning; a failure is never kept. Look-ups of one id at the same time share one request.
//!
//! The errors are types of their own, to be found in the source chain of what a handler or a send reports,
//! by `HandlerError::find` for example.

mod cache;
mod call;
mod error;
mod framing;
#[cfg(feature = "test-kit")]
mod memory;
#[cfg(test)]
pub(crate) mod stub;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use self::error::RegistryError;
pub use self::error::{
    IncompatibleSchema, InvalidSchema, NotRegistered, RegistryRefused, RegistryUnreachable, UnknownMagicByte, UnknownSchemaId,
    WrongSchemaType,
};
pub(crate) use self::framing::{frame, unframe};
pub(crate) use self::writer::Subjects;

use self::cache::Cache;
use self::call::Caller;
use crate::error::ConfigError;
use crate::format::FormatContext;
use crate::settings::SchemaRegistrySettings;

/// The languages of schemas.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SchemaKind {
    /// Avro.
    Avro,
    /// JSON Schema.
    Json,
    /// Protobuf.
    Protobuf,
    /// One that we do not know.
    Other(String),
}

impl SchemaKind {
    fn parse(word: Option<&str>) -> Self {
        match word {
            None | Some("AVRO") => Self::Avro,
            Some("JSON") => Self::Json,
            Some("PROTOBUF") => Self::Protobuf,
            Some(other) => Self::Other(other.to_owned()),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Avro => "AVRO",
            Self::Json => "JSON",
            Self::Protobuf => "PROTOBUF",
            Self::Other(word) => word,
        }
    }
}

/// A schema as the registry has it.
#[derive(Debug, Clone)]
pub(crate) struct Registered {
    pub(crate) kind: SchemaKind,
    pub(crate) text: Arc<str>,
    /// Every schema it refers to, directly or not, each after those that it refers to itself.
    pub(crate) references: Vec<Referenced>,
}

/// A schema that another refers to.
#[derive(Debug, Clone)]
pub(crate) struct Referenced {
    /// What it is called where it is referred to.
    pub(crate) name: String,
    pub(crate) text: Arc<str>,
}

/// A schema to be written with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Written {
    pub(crate) text: Arc<str>,
    pub(crate) references: Vec<WrittenReference>,
}

/// A schema that is registered under a subject of its own, before the one that refers to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct WrittenReference {
    pub(crate) name: String,
    pub(crate) subject: String,
    pub(crate) schema: Written,
}

/// Who has the schemas.
#[derive(Debug, Clone)]
enum Source {
    /// A server.
    Remote(Arc<Caller>),
    /// This process, in a test.
    #[cfg(feature = "test-kit")]
    Memory(Arc<memory::Memory>),
}

/// The client.
pub(crate) struct Registry {
    source: Source,
    schemas: Cache<u32, Arc<Registered>>,
    /// The same text may be a schema in two languages.
    ids: Cache<(SchemaKind, String, Written), u32>,
}

impl Registry {
    /// The client of the application, for a format of a topic.
    pub(crate) fn of(context: &FormatContext<'_>) -> Result<Arc<Self>, ConfigError> {
        if let Some(of_test) = &context.settings.registry.of_test {
            return Ok(Arc::clone(of_test));
        }
        let Some(settings) = &context.settings.schema_registry else {
            let path = format!("topics.{}.{}", context.topic, context.field.as_str());
            let what = "its format needs a schema registry and none is configured; write `schema_registry.url = \"http://…\"`, \
                        or set KAFKA_KIT_SCHEMA_REGISTRY__URL";
            return Err(ConfigError::new(path, what));
        };
        context.settings.registry.get(settings)
    }

    fn new(settings: &SchemaRegistrySettings) -> Result<Self, ConfigError> {
        Ok(Self::of_source(Source::Remote(Arc::new(Caller::new(settings)?))))
    }

    fn of_source(source: Source) -> Self {
        Self { source, schemas: Cache::default(), ids: Cache::default() }
    }

    /// The schema of an id, with all that it refers to.
    pub(crate) async fn schema(&self, id: u32) -> Result<Arc<Registered>, RegistryError> {
        let fetch = || {
            let source = self.source.clone();
            async move { source.schema(id).await.map(Arc::new) }
        };
        self.schemas.get(&id, fetch).await
    }

    /// The id of a schema under a subject; registers it, or only looks it up, as the settings say.
    pub(crate) async fn id(&self, kind: &SchemaKind, subject: &str, schema: &Written) -> Result<u32, RegistryError> {
        let fetch = || {
            let (source, kind, subject, schema) = (self.source.clone(), kind.clone(), subject.to_owned(), schema.clone());
            async move { source.id(&kind, &subject, &schema).await }
        };
        self.ids.get(&(kind.clone(), subject.to_owned(), schema.clone()), fetch).await
    }
}

impl Source {
    async fn schema(&self, id: u32) -> Result<Registered, RegistryError> {
        match self {
            Self::Remote(caller) => caller.schema(id).await,
            #[cfg(feature = "test-kit")]
            Self::Memory(memory) => memory.schema(id),
        }
    }

    async fn id(&self, kind: &SchemaKind, subject: &str, schema: &Written) -> Result<u32, RegistryError> {
        match self {
            Self::Remote(caller) => caller.id(kind, subject, schema).await,
            #[cfg(feature = "test-kit")]
            Self::Memory(memory) => Ok(memory.id(kind, schema)),
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("source", &self.source).finish_non_exhaustive()
    }
}

/// The client that belongs to settings, made when first needed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shared {
    made: Arc<Mutex<Option<MadeFor>>>,
    /// The registry of a test, which counts before every other.
    of_test: Option<Arc<Registry>>,
}

/// A client, and the settings that it was made for.
type MadeFor = (SchemaRegistrySettings, Arc<Registry>);

impl Shared {
    /// A registry in memory, whatever the settings say; clones are the same registry.
    #[cfg(feature = "test-kit")]
    pub(crate) fn in_memory() -> Self {
        let registry = Registry::of_source(Source::Memory(Arc::default()));
        Self { made: Arc::default(), of_test: Some(Arc::new(registry)) }
    }

    fn get(&self, settings: &SchemaRegistrySettings) -> Result<Arc<Registry>, ConfigError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        // The setting may have been changed since, in a clone.
        if let Some((made_for, registry)) = &*made
            && made_for == settings
        {
            return Ok(Arc::clone(registry));
        }
        let registry = Arc::new(Registry::new(settings)?);
        *made = Some((settings.clone(), Arc::clone(&registry)));
        Ok(registry)
    }
}
