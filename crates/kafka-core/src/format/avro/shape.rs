//! A schema to look at: for who reads data whose types are known only from it.

use std::fmt;

use super::plan::{Node, NodeId, Plan};

/// A type within a schema.
#[derive(Clone, Copy)]
pub struct SchemaType<'a> {
    plan: &'a Plan,
    node: NodeId,
}

/// How a type stands in the bytes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SchemaShape<'a> {
    /// `null`.
    Null,
    /// `boolean`.
    Boolean,
    /// `int`.
    Int,
    /// `long`.
    Long,
    /// `float`.
    Float,
    /// `double`.
    Double,
    /// `bytes` or `fixed`.
    Bytes,
    /// `string`.
    String,
    /// One of several symbols.
    Enum,
    /// Items of one type.
    Array(SchemaType<'a>),
    /// Values of one type, by their keys.
    Map(SchemaType<'a>),
    /// One of several types.
    Union(Vec<SchemaType<'a>>),
    /// Fields in the order of the bytes.
    Record(Vec<(&'a str, SchemaType<'a>)>),
}

impl<'a> SchemaType<'a> {
    pub(super) fn root(plan: &'a Plan) -> Self {
        Self { plan, node: plan.root }
    }

    fn at(self, node: NodeId) -> Self {
        Self { plan: self.plan, node }
    }

    /// How the type stands in the bytes.
    #[must_use]
    pub fn shape(self) -> SchemaShape<'a> {
        match self.plan.node(self.node) {
            Node::Null | Node::Misfit(_) => SchemaShape::Null,
            Node::Boolean => SchemaShape::Boolean,
            Node::Int(_) => SchemaShape::Int,
            Node::Long(_) => SchemaShape::Long,
            Node::Float => SchemaShape::Float,
            Node::Double => SchemaShape::Double,
            Node::Bytes(_) | Node::Fixed { .. } => SchemaShape::Bytes,
            Node::String(_) => SchemaShape::String,
            Node::Enum { .. } => SchemaShape::Enum,
            Node::Array(items) => SchemaShape::Array(self.at(*items)),
            Node::Map(values) => SchemaShape::Map(self.at(*values)),
            Node::Union(branches) => SchemaShape::Union(branches.iter().map(|branch| self.at(*branch)).collect()),
            Node::Record(record) => SchemaShape::Record(record.fields.iter().map(|field| (&*field.name, self.at(field.node))).collect()),
        }
    }

    /// The full name of a record, an enum or a `fixed`.
    #[must_use]
    pub fn name(self) -> Option<&'a str> {
        match self.plan.node(self.node) {
            Node::Record(record) => Some(record.name.full()),
            Node::Enum { name, .. } | Node::Fixed { name, .. } => Some(name.full()),
            _ => None,
        }
    }

    /// What the type is called beside its Avro type: the name that Connect or Debezium gave it (`connect.name`), else its logical type.
    #[must_use]
    pub fn semantic_name(self) -> Option<&'a str> {
        self.plan.semantics.get(&self.node).map(|semantics| &*semantics.name)
    }

    /// A parameter of it, as text: `scale`, `precision`, and whatever Connect's parameters say.
    #[must_use]
    pub fn parameter(self, name: &str) -> Option<&'a str> {
        let parameters = &self.plan.semantics.get(&self.node)?.parameters;
        parameters.iter().find(|(known, _)| **known == *name).map(|(_, value)| &**value)
    }

    /// The type without null, when it is a union of null and one type; else the type itself.
    #[must_use]
    pub fn without_null(self) -> Self {
        let Node::Union(branches) = self.plan.node(self.node) else { return self };
        let mut others = branches.iter().filter(|branch| !matches!(self.plan.node(**branch), Node::Null));
        match (others.next(), others.next()) {
            (Some(only), None) => self.at(*only),
            _ => self,
        }
    }
}

impl PartialEq for SchemaType<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.plan, other.plan) && self.node == other.node
    }
}

impl fmt::Debug for SchemaType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A record may contain itself: only its name.
        f.debug_tuple("SchemaType").field(&self.plan.branch_names(self.node).1).finish()
    }
}
