//! A schema made ready for reading and writing: every name followed, every annotation kept, nothing to look up.
//!
//! Made from the schema's JSON and not from the Avro library's schema, which drops the attributes of primitive types:
//! what Debezium and Connect say (`connect.name`) stands exactly there.

mod compile;
mod default;
mod meaning;
mod resolve;

use std::collections::HashMap;
use std::sync::Arc;

pub(crate) use self::meaning::{Meaning, Unit};

/// A place in the plan's nodes.
pub(crate) type NodeId = usize;

/// A schema, ready. Types that contain themselves are rings of places.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: NodeId,
    /// What types are called beside their Avro type: Connect's and Debezium's names, else logical types.
    pub(crate) semantics: HashMap<NodeId, Semantics>,
}

/// What a type says of itself beside its Avro type.
#[derive(Debug, Clone)]
pub(crate) struct Semantics {
    pub(crate) name: Box<str>,
    /// Among them Connect's (`connect.parameters`); all as text.
    pub(crate) parameters: Vec<(Box<str>, Box<str>)>,
}

/// One type: how it stands in the bytes, and what it means.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Null,
    Boolean,
    Int(Meaning),
    Long(Meaning),
    Float,
    Double,
    Bytes(Meaning),
    String(Meaning),
    Fixed {
        name: Name,
        size: usize,
        meaning: Meaning,
    },
    /// With the symbol that stands for one that the reader's schema has not.
    Enum {
        name: Name,
        symbols: Vec<Box<str>>,
        default: Option<Box<str>>,
    },
    Array(NodeId),
    Map(NodeId),
    Union(Vec<NodeId>),
    Record(Box<Record>),
    /// What a writer may have written and the reader's schema has no place for; an error when it is met.
    Misfit(Box<str>),
}

/// A record: its fields in the order of the bytes.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) name: Name,
    pub(crate) meaning: Meaning,
    pub(crate) fields: Vec<Field>,
    /// Fields of the reader's schema that the writer's has not: their names, types and encoded defaults.
    pub(crate) added: Vec<(Arc<str>, NodeId, Vec<u8>)>,
    /// Earlier names, by which a reader's schema may know the writer's.
    pub(crate) aliases: Vec<Box<str>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: Arc<str>,
    pub(crate) node: NodeId,
    pub(crate) take: Take,
    /// The default, for who reads or writes a record without the field.
    pub(crate) default: Option<serde_json::Value>,
    pub(crate) aliases: Vec<Box<str>>,
}

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Take {
    Read,
    /// The reader's schema has not got it.
    Skip,
}

/// A full name, and where its last part begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(Arc<str>);

impl Name {
    pub(crate) fn full(&self) -> &str {
        &self.0
    }

    /// The same, to keep.
    pub(crate) fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// Without the namespace.
    pub(crate) fn short(&self) -> &str {
        self.0.rsplit_once('.').map_or(&*self.0, |(_, name)| name)
    }
}

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a usable Avro schema: {reason}")]
pub struct UnusableSchema {
    /// What is wrong with it.
    pub reason: String,
}

impl UnusableSchema {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl Plan {
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        // Places come from `compile` alone, and nodes are never taken away.
        &self.nodes[id]
    }

    /// What the type is called as a branch of a union: a named type's short and full name, a primitive's own word.
    pub(crate) fn branch_names(&self, id: NodeId) -> (&str, &str) {
        match self.node(id) {
            Node::Null => ("null", "null"),
            Node::Boolean => ("boolean", "boolean"),
            Node::Int(_) => ("int", "int"),
            Node::Long(_) => ("long", "long"),
            Node::Float => ("float", "float"),
            Node::Double => ("double", "double"),
            Node::Bytes(_) => ("bytes", "bytes"),
            Node::String(_) => ("string", "string"),
            Node::Array(_) => ("array", "array"),
            Node::Map(_) => ("map", "map"),
            Node::Union(_) => ("union", "union"),
            Node::Fixed { name, .. } | Node::Enum { name, .. } => (name.short(), name.full()),
            Node::Record(record) => (record.name.short(), record.name.full()),
            Node::Misfit(_) => ("misfit", "misfit"),
        }
    }

    /// The full name of the root, if it has one.
    pub(crate) fn name(&self) -> Option<&str> {
        match self.node(self.root) {
            Node::Record(record) => Some(record.name.full()),
            Node::Enum { name, .. } | Node::Fixed { name, .. } => Some(name.full()),
            _ => None,
        }
    }
}
