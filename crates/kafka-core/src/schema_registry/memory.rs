//! A registry in memory, of an application under test: it takes every schema, whatever the subject, and knows what it took.

use std::sync::{Arc, Mutex, PoisonError};

use super::error::UnknownSchemaId;
use super::{Referenced, Registered, RegistryError, SchemaKind, Written};

/// Schemas in the order in which they came; the first has the id 1.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Vec<Taken>>);

#[derive(Debug)]
struct Taken {
    kind: SchemaKind,
    written: Written,
}

impl Memory {
    pub(super) fn schema(&self, id: u32) -> Result<Registered, RegistryError> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let position = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
        let Some(found) = position.and_then(|position| taken.get(position)) else {
            return Err(RegistryError::Unknown(UnknownSchemaId { id, address: "memory, of the test".to_owned() }));
        };
        let mut references = Vec::new();
        add_references(&found.written, &mut references);
        Ok(Registered { kind: found.kind.clone(), text: Arc::clone(&found.written.text), references })
    }

    pub(super) fn id(&self, kind: &SchemaKind, schema: &Written) -> u32 {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = taken.iter().position(|taken| taken.kind == *kind && taken.written == *schema);
        let position = known.unwrap_or_else(|| {
            taken.push(Taken { kind: kind.clone(), written: schema.clone() });
            taken.len() - 1
        });
        u32::try_from(position + 1).unwrap_or(u32::MAX)
    }
}

/// Adds what a schema refers to, each after those that it refers to itself.
fn add_references(of: &Written, into: &mut Vec<Referenced>) {
    for reference in &of.references {
        if into.iter().all(|known| known.name != reference.name) {
            add_references(&reference.schema, into);
            into.push(Referenced { name: reference.name.clone(), text: Arc::clone(&reference.schema.text) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema_registry::WrittenReference;

    fn written(text: &str, references: Vec<WrittenReference>) -> Written {
        Written { text: text.into(), references }
    }

    fn reference(name: &str, schema: Written) -> WrittenReference {
        WrittenReference { name: name.to_owned(), subject: name.to_owned(), schema }
    }

    #[test]
    fn a_schema_has_one_id_in_its_language_and_is_found_by_it() {
        let memory = Memory::default();
        let text = written("\"string\"", Vec::new());
        let (avro, json) = (memory.id(&SchemaKind::Avro, &text), memory.id(&SchemaKind::Json, &text));
        assert_eq!((avro, json), (1, 2));
        assert_eq!(memory.id(&SchemaKind::Avro, &text), avro);
        assert_eq!(memory.schema(json).unwrap().kind, SchemaKind::Json);
        for unknown in [0, 3] {
            assert!(matches!(memory.schema(unknown), Err(RegistryError::Unknown(error)) if error.id == unknown));
        }
    }

    #[test]
    fn what_a_schema_refers_to_comes_with_it_each_after_its_own() {
        let memory = Memory::default();
        let inner = reference("Inner", written("inner", Vec::new()));
        let outer = reference("Outer", written("outer", vec![inner.clone()]));
        let id = memory.id(&SchemaKind::Avro, &written("all", vec![outer, inner]));
        let names: Vec<_> = memory.schema(id).unwrap().references.into_iter().map(|referenced| referenced.name).collect();
        assert_eq!(names, ["Inner", "Outer"]);
    }
}
