//! The shape of a message: names and semantic types, made once for each schema.

use std::sync::Arc;

use kafka_core::format::{SchemaShape, SchemaType};
use serde_json::Value as Json;

use super::ReadChangeError;
use super::semantic::Semantic;
use crate::row::Names;

/// How a message is built.
#[derive(Debug)]
pub(super) enum Root {
    /// A row alone.
    Row(RowShape),
    /// `before`, `after`, `source` and `op`; the shape is the row's.
    Envelope(RowShape),
    /// One value.
    Whole(Shape),
}

/// A type.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    pub(super) semantic: Semantic,
}

/// How a value stands in the message.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// As it comes: what says its type itself, as all data of Avro do, and maps.
    Simple,
    Float32,
    Float64,
    /// In JSON a text in base64.
    Bytes,
    Array(Box<Shape>),
    Record(Arc<[(Arc<str>, Shape)]>),
}

/// A row's names, the types of its columns, and where it says what is no column.
#[derive(Debug, Clone)]
pub(super) struct RowShape {
    pub(super) names: Names,
    pub(super) shapes: Arc<[Shape]>,
    pub(super) meta: Meta,
}

/// Where a flattened row says what an envelope says beside it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Meta {
    pub(super) deleted: Option<usize>,
    pub(super) operation: Option<usize>,
    pub(super) lsn: Option<usize>,
    pub(super) ts_ms: Option<usize>,
    pub(super) schema: Option<usize>,
    pub(super) table: Option<usize>,
}

/// Types may contain themselves; rows do not.
const DEEPEST: u8 = 24;

impl Shape {
    /// Of what says its type itself.
    pub(super) const UNSAID: Self = Self { kind: Kind::Simple, semantic: Semantic::Plain };

    fn of_avro(schema: SchemaType<'_>, depth: u8) -> Self {
        let schema = schema.without_null();
        let semantic = schema.semantic_name().map_or(Semantic::Plain, |name| Semantic::of(name, |key| schema.parameter(key)));
        if depth > DEEPEST {
            return Self::UNSAID;
        }
        let kind = match schema.shape() {
            SchemaShape::Array(items) => Kind::Array(Box::new(Self::of_avro(items, depth + 1))),
            SchemaShape::Record(fields) => {
                Kind::Record(fields.into_iter().map(|(name, field)| (name.into(), Self::of_avro(field, depth + 1))).collect())
            }
            _ => Kind::Simple,
        };
        Self { kind, semantic }
    }

    fn of_connect(schema: &Json, depth: u8) -> Result<Self, ReadChangeError> {
        let wrong = |reason: &str| ReadChangeError::Schema { reason: reason.to_owned() };
        let text = |key| schema.get(key).and_then(Json::as_str);
        let parameters = schema.get("parameters");
        let parameter = |key: &str| parameters.and_then(|parameters| parameters.get(key)).and_then(Json::as_str);
        let semantic = text("name").map_or(Semantic::Plain, |name| Semantic::of(name, parameter));
        if depth > DEEPEST {
            return Err(wrong("its types are nested too deep"));
        }
        let part = |key: &str| schema.get(key).ok_or_else(|| wrong(&format!("a type has no `{key}`")));
        let kind = match text("type").ok_or_else(|| wrong("a type has no `type`"))? {
            "bytes" => Kind::Bytes,
            "float" => Kind::Float32,
            "double" => Kind::Float64,
            "array" => Kind::Array(Box::new(Self::of_connect(part("items")?, depth + 1)?)),
            "struct" => {
                let fields = part("fields")?.as_array().ok_or_else(|| wrong("`fields` is no list"))?;
                let field = |field: &Json| {
                    let name = field.get("field").and_then(Json::as_str).ok_or_else(|| wrong("a field has no `field`"))?;
                    Ok((name.into(), Self::of_connect(field, depth + 1)?))
                };
                Kind::Record(fields.iter().map(field).collect::<Result<_, ReadChangeError>>()?)
            }
            _ => Kind::Simple,
        };
        Ok(Self { kind, semantic })
    }
}

impl Root {
    /// From a schema of Avro.
    pub(super) fn of_avro(schema: SchemaType<'_>, deleted: &str) -> Self {
        Self::of(Shape::of_avro(schema, 0), deleted)
    }

    /// From a schema of Connect, as its JSON converter writes it.
    pub(super) fn of_connect(schema: &Json, deleted: &str) -> Result<Self, ReadChangeError> {
        Ok(Self::of(Shape::of_connect(schema, 0)?, deleted))
    }

    fn of(shape: Shape, deleted: &str) -> Self {
        // A record that stands for one value is no row.
        let Kind::Record(fields) = &shape.kind else { return Self::Whole(shape) };
        let field = |name: &str| fields.iter().find(|(known, _)| **known == *name).map(|(_, shape)| shape);
        if is_envelope(|name| field(name).is_some())
            && let Some(Shape { kind: Kind::Record(row), .. }) = field("after")
        {
            return Self::Envelope(RowShape::of(row, deleted));
        }
        Self::Row(RowShape::of(fields, deleted))
    }
}

/// A row may have a column `op` or `source`, but hardly all four.
pub(super) fn is_envelope(has: impl Fn(&str) -> bool) -> bool {
    ["op", "source", "before", "after"].iter().all(|name| has(name))
}

impl RowShape {
    fn of(fields: &[(Arc<str>, Shape)], deleted: &str) -> Self {
        let names = fields.iter().map(|(name, _)| Arc::clone(name)).collect();
        let shapes = fields.iter().map(|(_, shape)| shape.clone()).collect();
        Self { meta: Meta::of(&names, deleted), names, shapes }
    }

    /// Of columns that say their types themselves.
    pub(super) fn unsaid(names: Names, deleted: &str) -> Self {
        let shapes = names.iter().map(|_| Shape::UNSAID).collect();
        Self { meta: Meta::of(&names, deleted), names, shapes }
    }
}

impl Meta {
    /// With Debezium's prefix `__`, and `source.` spelled out or left out.
    fn of(names: &Names, deleted: &str) -> Self {
        let at = |wanted: &[&str]| wanted.iter().find_map(|wanted| names.iter().position(|name| **name == **wanted));
        Self {
            deleted: at(&[deleted]),
            operation: at(&["__op"]),
            lsn: at(&["__source_lsn", "__lsn"]),
            ts_ms: at(&["__source_ts_ms", "__ts_ms"]),
            schema: at(&["__source_schema", "__schema"]),
            table: at(&["__source_table", "__table"]),
        }
    }
}
