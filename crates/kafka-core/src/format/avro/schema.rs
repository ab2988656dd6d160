//! The Avro schema of a Rust type.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::plan::{Plan, UnusableSchema};
use crate::schema_registry::{Written, WrittenReference};

/// A type that has an Avro schema. Written by `#[derive(AvroSchema)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no Avro schema",
    label = "needs a schema to be written as Avro",
    note = "derive `AvroSchema` for a type of your own; a type that is only read needs none: declare its topic `consume`"
)]
pub trait AvroSchema {
    /// The type's schema. A named type is written out where the scope meets it first, and by its name after that.
    fn avro_schema(scope: &mut SchemaScope) -> TypeSchema;
}

/// A part of a schema.
#[derive(Debug, Clone, PartialEq)]
pub struct TypeSchema(Value);

/// A whole schema: its text, and the schemas that are registered on their own and that it names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SchemaText {
    text: Arc<str>,
    references: Vec<(String, SchemaText)>,
}

/// What a schema under way has named so far.
#[derive(Debug, Default)]
pub struct SchemaScope {
    named: HashSet<String>,
    references: Vec<(String, SchemaText)>,
    /// The Rust types that are being written as references of one another.
    within: Vec<&'static str>,
}

/// A record under way.
#[derive(Debug)]
pub struct RecordSchema<'a> {
    scope: &'a mut SchemaScope,
    json: Map<String, Value>,
    fields: Vec<Value>,
}

/// A field under way.
#[derive(Debug)]
pub struct FieldSchema<'a>(&'a mut Map<String, Value>);

impl SchemaScope {
    /// A type that Avro has a word for, such as `long`.
    #[must_use]
    pub fn primitive(&self, word: &str) -> TypeSchema {
        TypeSchema(json!(word))
    }

    /// A primitive with a logical type.
    #[must_use]
    pub fn logical(&self, word: &str, logical: &str) -> TypeSchema {
        TypeSchema(json!({ "type": word, "logicalType": logical }))
    }

    /// A decimal of so many digits, of which `scale` are behind the point.
    #[must_use]
    pub fn decimal(&self, precision: u32, scale: u32) -> TypeSchema {
        TypeSchema(json!({ "type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale }))
    }

    /// A type or null.
    #[must_use]
    pub fn optional(&self, inner: TypeSchema) -> TypeSchema {
        match inner.0 {
            Value::Array(mut branches) => {
                if !branches.contains(&json!("null")) {
                    branches.insert(0, json!("null"));
                }
                TypeSchema(Value::Array(branches))
            }
            other => TypeSchema(json!(["null", other])),
        }
    }

    /// One of several types.
    pub fn union(&self, branches: impl IntoIterator<Item = TypeSchema>) -> TypeSchema {
        TypeSchema(Value::Array(branches.into_iter().map(|branch| branch.0).collect()))
    }

    /// Items of one type.
    #[must_use]
    pub fn array(&self, items: TypeSchema) -> TypeSchema {
        TypeSchema(json!({ "type": "array", "items": items.0 }))
    }

    /// Values of one type, by their keys.
    #[must_use]
    pub fn map(&self, values: TypeSchema) -> TypeSchema {
        TypeSchema(json!({ "type": "map", "values": values.0 }))
    }

    /// One of several symbols.
    pub fn symbols(&mut self, name: &str, doc: Option<&str>, symbols: &[&str], default: Option<&str>) -> TypeSchema {
        if !self.named.insert(name.to_owned()) {
            return TypeSchema(json!(name));
        }
        let mut json = named("enum", name, doc);
        json.insert("symbols".to_owned(), json!(symbols));
        if let Some(default) = default {
            json.insert("default".to_owned(), json!(default));
        }
        TypeSchema(json.into())
    }

    /// A record; `fields` is called where the record is written out.
    pub fn record(&mut self, name: &str, doc: Option<&str>, aliases: &[&str], fields: impl FnOnce(&mut RecordSchema<'_>)) -> TypeSchema {
        if !self.named.insert(name.to_owned()) {
            return TypeSchema(json!(name));
        }
        let mut record = RecordSchema { scope: self, json: named("record", name, doc), fields: Vec::new() };
        if !aliases.is_empty() {
            record.json.insert("aliases".to_owned(), json!(aliases));
        }
        fields(&mut record);
        let RecordSchema { mut json, fields, .. } = record;
        json.insert("fields".to_owned(), fields.into());
        TypeSchema(json.into())
    }

    /// A schema that is given as text. One that is not JSON shows when the schema is first used.
    pub fn literal(&mut self, text: &str) -> TypeSchema {
        let Ok(json) = serde_json::from_str::<Value>(text) else { return TypeSchema(json!(text)) };
        let part = |key| json.get(key).and_then(Value::as_str);
        if let Some(name) = part("name") {
            let full = match part("namespace") {
                Some(namespace) if !name.contains('.') => format!("{namespace}.{name}"),
                _ => name.to_owned(),
            };
            if !self.named.insert(full.clone()) {
                return TypeSchema(json!(full));
            }
        }
        TypeSchema(json)
    }

    /// The schema of a type is registered on its own, and this one names it. A type that refers to itself is named without.
    pub fn reference<T: AvroSchema>(&mut self) {
        let this = std::any::type_name::<T>();
        if self.within.contains(&this) {
            return;
        }
        let within = self.within.iter().copied().chain([this]).collect();
        let schema = SchemaText::within::<T>(Self { within, ..Self::default() });
        let Some(name) = schema.plan().ok().and_then(|plan| plan.name().map(str::to_owned)) else { return };
        // It may be the one that is being written out.
        if self.named.insert(name.clone()) {
            self.references.push((name, schema));
        }
    }
}

fn named(kind: &str, name: &str, doc: Option<&str>) -> Map<String, Value> {
    let mut json = Map::new();
    json.insert("type".to_owned(), json!(kind));
    // Of its own, so that a name inside never depends on what stands around it.
    let (namespace, short) = name.rsplit_once('.').unwrap_or(("", name));
    json.insert("name".to_owned(), json!(short));
    json.insert("namespace".to_owned(), json!(namespace));
    if let Some(doc) = doc {
        json.insert("doc".to_owned(), json!(doc));
    }
    json
}

impl RecordSchema<'_> {
    /// A field of a type that has a schema.
    pub fn field<T: AvroSchema>(&mut self, name: &str, more: impl FnOnce(FieldSchema<'_>)) {
        let schema = T::avro_schema(self.scope);
        self.field_of(name, schema, more);
    }

    /// A field of a schema that is said here.
    pub fn field_with(&mut self, name: &str, schema: impl FnOnce(&mut SchemaScope) -> TypeSchema, more: impl FnOnce(FieldSchema<'_>)) {
        let schema = schema(self.scope);
        self.field_of(name, schema, more);
    }

    fn field_of(&mut self, name: &str, schema: TypeSchema, more: impl FnOnce(FieldSchema<'_>)) {
        let mut json = Map::new();
        json.insert("name".to_owned(), json!(name));
        let nullable = schema.0.as_array().is_some_and(|branches| branches.first() == Some(&json!("null")));
        json.insert("type".to_owned(), schema.0);
        if nullable {
            json.insert("default".to_owned(), Value::Null);
        }
        more(FieldSchema(&mut json));
        self.fields.push(json.into());
    }
}

impl FieldSchema<'_> {
    /// What the field is for.
    #[must_use]
    pub fn doc(self, doc: &str) -> Self {
        self.0.insert("doc".to_owned(), json!(doc));
        self
    }

    /// What readers take when the field was not written, as JSON.
    #[must_use]
    pub fn default(self, json: &str) -> Self {
        let default = serde_json::from_str(json).unwrap_or_else(|_| json!(json));
        // A default is of the first branch: null must not stand before it.
        if let (false, Some(Value::Array(branches))) = (default.is_null(), self.0.get_mut("type"))
            && branches.len() == 2
            && branches[0] == json!("null")
        {
            branches.swap(0, 1);
        }
        self.0.insert("default".to_owned(), default);
        self
    }

    /// Earlier names of the field.
    #[must_use]
    pub fn aliases(self, aliases: &[&str]) -> Self {
        self.0.insert("aliases".to_owned(), json!(aliases));
        self
    }
}

impl SchemaText {
    /// The schema of a type.
    #[must_use]
    pub fn of<T: AvroSchema>() -> Self {
        Self::within::<T>(SchemaScope::default())
    }

    fn within<T: AvroSchema>(mut scope: SchemaScope) -> Self {
        let schema = T::avro_schema(&mut scope);
        Self { text: schema.0.to_string().into(), references: scope.references }
    }

    /// A schema as it stands in a registry, with those that it names.
    pub fn new(text: impl Into<Arc<str>>, references: impl IntoIterator<Item = (String, Self)>) -> Self {
        Self { text: text.into(), references: references.into_iter().collect() }
    }

    /// The schema's JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Every schema that this one needs, each once, after those that it needs itself.
    fn needed<'a>(&'a self, into: &mut Vec<(&'a str, &'a str)>) {
        for (name, schema) in &self.references {
            schema.needed(into);
            if into.iter().all(|(known, _)| known != name) {
                into.push((name, &schema.text));
            }
        }
    }

    pub(super) fn plan(&self) -> Result<Plan, UnusableSchema> {
        let mut needed = Vec::new();
        self.needed(&mut needed);
        Plan::compile(&self.text, needed.into_iter().map(|(_, text)| text))
    }

    /// What the Avro library says of it: names, defaults, unions. Stricter than our own reading, since others must read it.
    pub(super) fn judge(&self) -> Result<(), UnusableSchema> {
        let mut needed = Vec::new();
        self.needed(&mut needed);
        let judged = apache_avro::Schema::parse_str_with_list(&self.text, needed.into_iter().map(|(_, text)| text));
        judged.map(drop).map_err(|error| UnusableSchema::new(error.to_string()))
    }

    /// Each branch of a union as a schema of its own.
    pub(super) fn branches(&self) -> Result<Vec<Self>, UnusableSchema> {
        let json: Value = serde_json::from_str(&self.text).map_err(|error| UnusableSchema::new(error.to_string()))?;
        let Value::Array(branches) = json else { return Err(UnusableSchema::new("it is no union")) };
        // A branch may name a type that one before it has written out.
        let mut written = HashMap::new();
        branches.iter().for_each(|branch| definitions(branch, &mut written));
        let whole = |branch: &Value| expanded(branch, &written, &mut HashSet::new());
        Ok(branches.iter().map(|branch| Self { text: whole(branch).to_string().into(), references: self.references.clone() }).collect())
    }

    /// Another schema that names types of this one, with each of them written out where it is met first.
    ///
    /// # Errors
    /// When this schema is not JSON.
    pub fn write_names_out(&self, schema: &Value) -> Result<Value, UnusableSchema> {
        let json: Value = serde_json::from_str(&self.text).map_err(|error| UnusableSchema::new(error.to_string()))?;
        let mut written = HashMap::new();
        definitions(&json, &mut written);
        Ok(expanded(schema, &written, &mut HashSet::new()))
    }

    pub(super) fn written(&self) -> Written {
        let references = self.references.iter().map(|(name, schema)| WrittenReference {
            name: name.clone(),
            subject: name.clone(),
            schema: schema.written(),
        });
        Written { text: Arc::clone(&self.text), references: references.collect() }
    }
}

fn defined_name(json: &Value) -> Option<String> {
    let name = json.get("name")?.as_str()?;
    matches!(json.get("type")?.as_str()?, "record" | "enum" | "fixed").then_some(())?;
    let namespace = json.get("namespace").and_then(Value::as_str).filter(|namespace| !namespace.is_empty());
    Some(namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}.{name}")))
}

fn definitions(json: &Value, into: &mut HashMap<String, Value>) {
    if let Some(name) = defined_name(json) {
        into.insert(name, json.clone());
    }
    match json {
        Value::Array(parts) => parts.iter().for_each(|part| definitions(part, into)),
        Value::Object(parts) => {
            ["type", "items", "values", "fields"].iter().filter_map(|key| parts.get(*key)).for_each(|part| definitions(part, into));
        }
        _ => {}
    }
}

/// The schema with every name written out where it is met first.
fn expanded(json: &Value, written: &HashMap<String, Value>, met: &mut HashSet<String>) -> Value {
    match json {
        Value::String(word) => match written.get(word) {
            Some(definition) if !met.contains(word) => expanded(definition, written, met),
            _ => json.clone(),
        },
        Value::Array(parts) => parts.iter().map(|part| expanded(part, written, met)).collect(),
        Value::Object(parts) => {
            if let Some(name) = defined_name(json)
                && !met.insert(name.clone())
            {
                return json!(name);
            }
            let schema_in = |key: &str| matches!(key, "type" | "items" | "values" | "fields");
            let inner = |(key, part): (&String, &Value)| {
                let part = if schema_in(key) { expanded(part, written, met) } else { part.clone() };
                (key.clone(), part)
            };
            Value::Object(parts.iter().map(inner).collect())
        }
        other => other.clone(),
    }
}
