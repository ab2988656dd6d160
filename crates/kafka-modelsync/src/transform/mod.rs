//! Transforms: from the fields of a change to others, before they are written or published.
//!
//! In reading order: `field` is what one field may become, `lookup` what stands in other tables; `plan` and `run` carry it out, `schema`
//! says what becomes of the Avro schema.

mod field;
mod lookup;
mod plan;
mod run;
mod schema;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use kafka_core::error::BoxError;
use kafka_core::format::{AvroSchema, SchemaText};
use serde_json::Value as Json;

use self::field::Operation;
pub use self::field::{BinaryText, Field, Parts, Unit};
pub use self::lookup::{Lookup, Otherwise};
use self::plan::Plans;
pub use self::schema::DeriveSchemaError;
use crate::change::Change;
use crate::value::Value;

/// A chain of transforms, carried out in order over a whole batch. Cheap to clone.
#[derive(Clone, Default)]
pub struct Transforms(Vec<Link>);

/// A function over a whole change.
type OnChange = dyn Fn(&mut Change) -> Result<(), BoxError> + Send + Sync;

/// The fields that transforms may change which somebody has to be asked for, or which come after such.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Later {
    Nothing,
    Fields(Vec<Arc<str>>),
    Anything,
}

impl Later {
    pub(crate) fn changes(&self, name: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Fields(fields) => fields.iter().any(|field| **field == *name),
            Self::Anything => true,
        }
    }

    fn add<'a>(&mut self, names: impl IntoIterator<Item = &'a Arc<str>>) {
        match self {
            Self::Nothing => *self = Self::Fields(names.into_iter().cloned().collect()),
            Self::Fields(fields) => fields.extend(names.into_iter().cloned()),
            Self::Anything => {}
        }
    }
}

/// Consecutive transforms of single fields are one link.
#[derive(Clone)]
enum Link {
    Fields(Vec<Field>, Arc<Plans>),
    Change(Arc<OnChange>),
    Enrich(Arc<[NewField]>, Arc<dyn Enrich>),
}

/// Adds fields to rows, of whatever it can find out: asked once for each batch.
pub trait Enrich: Send + Sync + 'static {
    /// The values of the new fields, in their order, for each change. Only changes that have a row are asked about.
    ///
    /// # Errors
    /// When they cannot be had now: all messages of the batch fail, and come again by the topic's retry policy.
    fn enrich<'a>(&'a self, changes: &'a [&'a Change]) -> BoxFuture<'a, Result<Vec<Vec<Value>>, BoxError>>;
}

/// A field that an enricher adds.
#[derive(Debug, Clone, PartialEq)]
pub struct NewField {
    name: Arc<str>,
    kind: Json,
}

/// Why a transform failed. The topic's retry policy says what follows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransformError {
    /// A field's value cannot become what it should.
    #[error("the field `{field}` of {value} cannot be transformed: {reason}")]
    Field {
        /// The field.
        field: Arc<str>,
        /// What it holds.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The transform's function failed.
    #[error("the transform of the field `{field}` failed")]
    Function {
        /// The field.
        field: Arc<str>,
        /// The function's error.
        #[source]
        source: BoxError,
    },
    /// A value is not mapped, and nothing is said for that: map it, or say `otherwise`.
    #[error("the field `{field}` has no mapping for {value}")]
    NotMapped {
        /// The field.
        field: Arc<str>,
        /// The value.
        value: String,
    },
    /// No row has the value, and nothing is said for that.
    #[error("nothing is found for the field `{field}` of {value}")]
    NotFound {
        /// The field.
        field: Arc<str>,
        /// The value.
        value: String,
    },
    /// Looking up failed, for all messages of the batch.
    #[error("the field `{field}` cannot be looked up")]
    Lookup {
        /// The field.
        field: Arc<str>,
        /// What went wrong.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The transform of the whole change failed.
    #[error("the change's transform failed")]
    Change {
        /// The function's error.
        #[source]
        source: BoxError,
    },
    /// The enricher failed, for all messages of the batch.
    #[error("the fields {fields} cannot be added")]
    Enrich {
        /// The fields.
        fields: String,
        /// What went wrong.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

impl Transforms {
    /// No transforms.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Transforms a field.
    #[must_use]
    pub fn field(mut self, field: Field) -> Self {
        match self.0.last_mut() {
            Some(Link::Fields(fields, plans)) => {
                fields.push(field);
                // Those made so far do not know it.
                *plans = Arc::default();
            }
            _ => self.0.push(Link::Fields(vec![field], Arc::default())),
        }
        self
    }

    /// Transforms a change as a whole. The schema is not told: make fields by [`enrich`](Self::enrich).
    #[must_use]
    pub fn change<E: Into<BoxError>>(mut self, function: impl Fn(&mut Change) -> Result<(), E> + Send + Sync + 'static) -> Self {
        self.0.push(Link::Change(Arc::new(move |change| function(change).map_err(Into::into))));
        self
    }

    /// Adds fields to rows; fields of their names are replaced.
    #[must_use]
    pub fn enrich(mut self, fields: impl IntoIterator<Item = NewField>, enricher: impl Enrich) -> Self {
        self.0.push(Link::Enrich(fields.into_iter().collect(), Arc::new(enricher)));
        self
    }

    /// The transforms before the first that asks somebody, and what that and those after it may change.
    pub(crate) fn at_once(&self) -> (Self, Later) {
        let (mut before, mut later) = (Self::new(), Later::Nothing);
        for link in &self.0 {
            match link {
                Link::Fields(fields, _) => {
                    for field in fields {
                        if later == Later::Nothing && !matches!(field.operation, Operation::Lookup(_)) {
                            before = before.field(field.clone());
                        } else {
                            later.add([&field.source, &field.target]);
                        }
                    }
                }
                Link::Change(function) if later == Later::Nothing => before.0.push(Link::Change(Arc::clone(function))),
                Link::Change(_) => later = Later::Anything,
                Link::Enrich(added, _) => later.add(added.iter().map(|field| &field.name)),
            }
        }
        (before, later)
    }

    /// How many transforms there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|link| if let Link::Fields(fields, _) = link { fields.len() } else { 1 }).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields of rows that the transforms make.
    pub fn made(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|link| {
            let (fields, added): (&[Field], &[NewField]) = match link {
                Link::Fields(fields, _) => (fields, &[]),
                Link::Enrich(_, _) | Link::Change(_) => (&[], if let Link::Enrich(added, _) = link { added } else { &[] }),
            };
            let of_rows = fields.iter().filter(|field| field.parts.has_value()).map(|field| &*field.target);
            of_rows.chain(added.iter().map(|field| &*field.name))
        })
    }
}

impl NewField {
    /// A field with the schema of this type.
    #[must_use]
    pub fn of<T: AvroSchema>(name: &str) -> Self {
        Self { name: name.into(), kind: serde_json::from_str(SchemaText::of::<T>().as_str()).unwrap_or_default() }
    }

    /// The field's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for Transforms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.made()).finish()
    }
}
