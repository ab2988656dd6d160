//! A default, which stands in a schema as JSON, as the bytes it would be.

use serde_json::Value;

use super::{Node, NodeId, Plan, UnusableSchema};
use crate::format::avro::read::DEEPEST;
use crate::format::avro::write::{put_blob, put_long};

/// Why a default is none.
enum Unfit {
    /// Not of this type; another branch of a union may take it.
    Misfit(UnusableSchema),
    TooDeep,
}

impl Plan {
    /// Appends the default's bytes.
    pub(crate) fn put_default(&self, id: NodeId, json: &Value, into: &mut Vec<u8>) -> Result<(), UnusableSchema> {
        self.put_nested(id, json, into, 0).map_err(|unfit| match unfit {
            Unfit::Misfit(error) => error,
            Unfit::TooDeep => UnusableSchema::new(format!("a default is nested more than {DEEPEST} times")),
        })
    }

    fn put_nested(&self, id: NodeId, json: &Value, into: &mut Vec<u8>, depth: u8) -> Result<(), Unfit> {
        // A record may be its own field's default.
        if depth >= DEEPEST {
            return Err(Unfit::TooDeep);
        }
        let put = |id, json, into: &mut Vec<u8>| self.put_nested(id, json, into, depth + 1);
        let misfit =
            || Unfit::Misfit(UnusableSchema::new(format!("the default `{json}` is not of its type `{}`", self.branch_names(id).0)));
        match (self.node(id), json) {
            (Node::Null, Value::Null) => {}
            (Node::Boolean, Value::Bool(value)) => into.push(u8::from(*value)),
            (Node::Int(_), json) => put_long(json.as_i64().and_then(|number| i32::try_from(number).ok()).ok_or_else(misfit)?.into(), into),
            (Node::Long(_), json) => put_long(json.as_i64().ok_or_else(misfit)?, into),
            #[allow(clippy::cast_possible_truncation, reason = "the type is a float")]
            (Node::Float, json) => into.extend((json.as_f64().ok_or_else(misfit)? as f32).to_le_bytes()),
            (Node::Double, json) => into.extend(json.as_f64().ok_or_else(misfit)?.to_le_bytes()),
            (Node::String(_), Value::String(text)) => put_blob(text.as_bytes(), into),
            (Node::Bytes(_), Value::String(text)) => put_blob(&latin(text).ok_or_else(misfit)?, into),
            (Node::Fixed { size, .. }, Value::String(text)) => {
                into.extend(latin(text).filter(|bytes| bytes.len() == *size).ok_or_else(misfit)?);
            }
            (Node::Enum { symbols, .. }, Value::String(symbol)) => {
                put_long(index(symbols.iter().position(|known| **known == **symbol)).ok_or_else(misfit)?, into);
            }
            (Node::Array(item), Value::Array(items)) => {
                if !items.is_empty() {
                    put_long(index(Some(items.len())).ok_or_else(misfit)?, into);
                    items.iter().try_for_each(|json| put(*item, json, into))?;
                }
                put_long(0, into);
            }
            (Node::Map(value), Value::Object(entries)) => {
                if !entries.is_empty() {
                    put_long(index(Some(entries.len())).ok_or_else(misfit)?, into);
                    for (key, json) in entries {
                        put_blob(key.as_bytes(), into);
                        put(*value, json, into)?;
                    }
                }
                put_long(0, into);
            }
            (Node::Record(record), Value::Object(entries)) => {
                for field in &record.fields {
                    let json = entries.get(&*field.name).or(field.default.as_ref()).ok_or_else(misfit)?;
                    put(field.node, json, into)?;
                }
            }
            // The first branch by the letter, any that fits since Avro 1.12.
            (Node::Union(branches), json) => {
                let start = into.len();
                for (at, branch) in branches.iter().enumerate() {
                    put_long(index(Some(at)).ok_or_else(misfit)?, into);
                    match put(*branch, json, into) {
                        Err(Unfit::Misfit(_)) => into.truncate(start),
                        other => return other,
                    }
                }
                return Err(misfit());
            }
            _ => return Err(misfit()),
        }
        Ok(())
    }
}

fn index(at: Option<usize>) -> Option<i64> {
    at.and_then(|at| i64::try_from(at).ok())
}

/// Bytes stand in JSON as the characters of their numbers.
fn latin(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}
