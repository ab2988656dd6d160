//! From a schema's JSON to its plan. Takes what other writers call a schema: what we do not need is not judged here.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{Field, Meaning, Name, Node, NodeId, Plan, Record, Semantics, Take, UnusableSchema};

type Compiled<T> = Result<T, UnusableSchema>;

impl Plan {
    /// The plan of a schema; `references` are the schemas whose names it uses, each after those that it uses itself.
    pub(crate) fn compile<'a>(text: &str, references: impl IntoIterator<Item = &'a str>) -> Compiled<Self> {
        let mut compiler = Compiler { nodes: Vec::new(), names: HashMap::new(), semantics: HashMap::new() };
        for reference in references {
            compiler.text(reference)?;
        }
        let root = compiler.text(text)?;
        Ok(Self { nodes: compiler.nodes, root, semantics: compiler.semantics })
    }
}

struct Compiler {
    nodes: Vec<Node>,
    names: HashMap<String, NodeId>,
    semantics: HashMap<NodeId, Semantics>,
}

/// The types that are words.
fn primitive(word: &str, meaning: Meaning) -> Option<Node> {
    Some(match word {
        "null" => Node::Null,
        "boolean" => Node::Boolean,
        "int" => Node::Int(meaning),
        "long" => Node::Long(meaning),
        "float" => Node::Float,
        "double" => Node::Double,
        "bytes" => Node::Bytes(meaning),
        "string" => Node::String(meaning),
        _ => return None,
    })
}

impl Compiler {
    fn text(&mut self, text: &str) -> Compiled<NodeId> {
        // The parser bounds how deep the text may be nested, and with it how deep we go.
        let json = serde_json::from_str(text).map_err(|error| match error.to_string() {
            words if words.starts_with("recursion limit exceeded") => UnusableSchema::new("it is nested more than 127 times"),
            words => UnusableSchema::new(format!("it is not JSON: {words}")),
        })?;
        self.schema(&json, "")
    }

    fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn schema(&mut self, json: &Value, namespace: &str) -> Compiled<NodeId> {
        match json {
            Value::String(word) => self.word(word, namespace),
            Value::Array(branches) => {
                let branches = branches.iter().map(|branch| self.schema(branch, namespace)).collect::<Compiled<Vec<_>>>()?;
                if branches.iter().any(|branch| matches!(self.nodes[*branch], Node::Union(_))) {
                    return Err(UnusableSchema::new("a union stands directly within a union; write their branches as one"));
                }
                Ok(self.add(Node::Union(branches)))
            }
            Value::Object(object) => self.object(object, namespace),
            other => Err(UnusableSchema::new(format!("`{other}` is no type"))),
        }
    }

    fn word(&mut self, word: &str, namespace: &str) -> Compiled<NodeId> {
        if let Some(node) = primitive(word, Meaning::Plain) {
            return Ok(self.add(node));
        }
        // A name without a namespace is of the one around it; some writers leave it out all the same.
        let known = self.names.get(&qualified(word, namespace)).or_else(|| self.names.get(word));
        known.copied().ok_or_else(|| UnusableSchema::new(format!("the type `{word}` is not defined; is a reference missing?")))
    }

    fn object(&mut self, object: &Map<String, Value>, namespace: &str) -> Compiled<NodeId> {
        let id = self.type_of(object, namespace)?;
        // A name that was defined elsewhere has said what it is there.
        if !matches!(object.get("type"), Some(Value::String(word)) if self.names.contains_key(&**word)) {
            self.note(id, object);
        }
        Ok(id)
    }

    fn note(&mut self, id: NodeId, attributes: &Map<String, Value>) {
        let name = ["connect.name", "logicalType"].iter().find_map(|key| attributes.get(*key).and_then(Value::as_str));
        if let Some(name) = name {
            let of_connect = attributes.get("connect.parameters").and_then(Value::as_object).into_iter().flatten();
            let own = attributes.iter().filter(|(key, _)| matches!(&***key, "scale" | "precision"));
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let parameters = of_connect.chain(own).map(|(key, value)| (key.as_str().into(), text(value).into())).collect();
            self.semantics.insert(id, Semantics { name: name.into(), parameters });
        }
    }

    fn type_of(&mut self, object: &Map<String, Value>, namespace: &str) -> Compiled<NodeId> {
        let Some(kind) = object.get("type") else {
            return Err(UnusableSchema::new("a type has no `type`"));
        };
        let Some(word) = kind.as_str() else {
            return self.schema(kind, namespace);
        };
        let part = |key: &str| object.get(key).ok_or_else(|| UnusableSchema::new(format!("a type `{word}` has no `{key}`")));
        let meaning = Meaning::of(word, object);
        match word {
            "array" => {
                let items = self.schema(part("items")?, namespace)?;
                Ok(self.add(Node::Array(items)))
            }
            "map" => {
                let values = self.schema(part("values")?, namespace)?;
                Ok(self.add(Node::Map(values)))
            }
            "fixed" => {
                let size = part("size")?.as_u64().and_then(|size| usize::try_from(size).ok());
                let size = size.ok_or_else(|| UnusableSchema::new("a size is no number"))?;
                let name = full_name(object, namespace)?;
                let id = self.add(Node::Fixed { name: name.clone(), size, meaning });
                self.define(&name, object, id)
            }
            "enum" => {
                let symbols = part("symbols")?.as_array().into_iter().flatten().filter_map(Value::as_str).map(Into::into).collect();
                let name = full_name(object, namespace)?;
                let default = object.get("default").and_then(Value::as_str).map(Into::into);
                let id = self.add(Node::Enum { name: name.clone(), symbols, default });
                self.define(&name, object, id)
            }
            "record" | "error" => self.record(object, meaning, namespace),
            word => match primitive(word, meaning) {
                Some(node) => Ok(self.add(node)),
                None => self.word(word, namespace),
            },
        }
    }

    fn record(&mut self, object: &Map<String, Value>, meaning: Meaning, namespace: &str) -> Compiled<NodeId> {
        let name = full_name(object, namespace)?;
        // A place first: the record may contain itself.
        let id = self.add(Node::Null);
        self.define(&name, object, id)?;
        let namespace = name.full().rsplit_once('.').map_or("", |(namespace, _)| namespace);
        let mut fields = Vec::new();
        for field in object.get("fields").and_then(Value::as_array).into_iter().flatten() {
            let text = |key| field.get(key).and_then(Value::as_str);
            let named = text("name").ok_or_else(|| UnusableSchema::new(format!("a field of `{}` has no name", name.full())))?;
            let json = field.get("type").ok_or_else(|| UnusableSchema::new(format!("the field `{named}` has no type")))?;
            let mut node = self.schema(json, namespace)?;
            // Some writers annotate the field instead of its type.
            if let (Some(word), Some(attributes)) = (json.as_str(), field.as_object())
                && (text("logicalType").is_some() || text("connect.name").is_some())
                && let Some(annotated) = primitive(word, Meaning::of(word, attributes))
            {
                node = self.add(annotated);
                self.note(node, attributes);
            }
            let (default, aliases) = (field.get("default").cloned(), words(field.get("aliases")));
            fields.push(Field { name: named.into(), node, take: Take::Read, default, aliases });
        }
        let aliases = words(object.get("aliases"));
        self.nodes[id] = Node::Record(Box::new(Record { name, meaning, fields, added: Vec::new(), aliases }));
        Ok(id)
    }

    fn define(&mut self, name: &Name, object: &Map<String, Value>, id: NodeId) -> Compiled<NodeId> {
        let namespace = name.full().rsplit_once('.').map_or("", |(namespace, _)| namespace);
        for alias in words(object.get("aliases")) {
            self.names.entry(qualified(&alias, namespace)).or_insert(id);
        }
        self.names.insert(name.full().to_owned(), id);
        Ok(id)
    }
}

fn words(json: Option<&Value>) -> Vec<Box<str>> {
    json.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(Into::into).collect()
}

fn qualified(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

fn full_name(object: &Map<String, Value>, around: &str) -> Compiled<Name> {
    let text = |key| object.get(key).and_then(Value::as_str);
    let name = text("name").ok_or_else(|| UnusableSchema::new("a named type has no name"))?;
    Ok(Name(qualified(name, text("namespace").unwrap_or(around)).trim_start_matches('.').into()))
}
