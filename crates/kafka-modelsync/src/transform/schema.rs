//! What becomes of an Avro schema: the enriched topic's from the source's.

use kafka_core::format::{UnusableSchema, ValueSchema};
use serde_json::{Map, Value as Json, json};

use super::field::{Field, Kept, Operation, is_nullable, nullable_of};
use super::lookup::Otherwise;
use super::plan::Part;
use super::{Link, Transforms};

/// Why no schema can be derived.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeriveSchemaError {
    /// The source's schema is neither a row's nor an envelope's.
    #[error("the source's schema is not that of a row or of an envelope with `before` and `after`")]
    NotARow,
    /// The type of what a transform makes is not known; say it with `returns`.
    #[error("the type of the field `{field}` is not known after its transform; say it with `returns`")]
    UnknownType {
        /// The field.
        field: String,
    },
    /// What came out is no schema.
    #[error("the derived schema cannot be used")]
    Unusable {
        /// What is wrong with it.
        #[source]
        source: UnusableSchema,
    },
}

impl Transforms {
    /// The schema of rows after the transforms, as a record of this full name; the source's is a flattened row's or an envelope's.
    ///
    /// # Errors
    /// When the source's is no schema of a row, or a transform's type is not known.
    pub fn value_schema(&self, source: &ValueSchema, name: &str) -> Result<ValueSchema, DeriveSchemaError> {
        self.derive(source, name, Part::Value)
    }

    /// The schema of keys after the transforms, as a record of this full name.
    ///
    /// # Errors
    /// When the source's is no record, or a transform's type is not known.
    pub fn key_schema(&self, source: &ValueSchema, name: &str) -> Result<ValueSchema, DeriveSchemaError> {
        self.derive(source, name, Part::Key)
    }

    fn derive(&self, source: &ValueSchema, name: &str, part: Part) -> Result<ValueSchema, DeriveSchemaError> {
        let unusable = |source| DeriveSchemaError::Unusable { source };
        let json: Json = serde_json::from_str(source.text().as_str()).map_err(|_| DeriveSchemaError::NotARow)?;
        let mut fields = row_fields(&json).ok_or(DeriveSchemaError::NotARow)?;
        for link in &self.0 {
            match link {
                Link::Fields(transforms, _) => transforms.iter().try_for_each(|transform| change_fields(&mut fields, transform, part))?,
                Link::Enrich(added, _) if part == Part::Value => {
                    added.iter().for_each(|field| put(&mut fields, &field.name, field.kind.clone(), None));
                }
                Link::Enrich(..) | Link::Change(_) => {}
            }
        }
        let (namespace, short) = name.rsplit_once('.').unwrap_or(("", name));
        let record = json!({"type": "record", "name": short, "namespace": namespace, "fields": fields});
        // A field that went may have been the one that wrote a named type out.
        let record = source.text().write_names_out(&record).map_err(unusable)?;
        ValueSchema::parse(&record.to_string()).map_err(unusable)
    }
}

/// The fields of a row: of the record itself, or of an envelope's `before`, which is where the row is written out.
fn row_fields(json: &Json) -> Option<Vec<Json>> {
    let fields = json.get("fields")?.as_array()?;
    let named = |name: &str| fields.iter().find(|field| field.get("name").is_some_and(|known| known == name));
    let (Some(before), Some(_), Some(_), Some(_)) = (named("before"), named("after"), named("source"), named("op")) else {
        return Some(fields.clone());
    };
    let kind = before.get("type")?;
    let record = if kind.is_array() { kind.as_array()?.iter().find(|branch| branch.is_object())? } else { kind };
    record.get("fields")?.as_array().cloned()
}

fn position(fields: &[Json], name: &str) -> Option<usize> {
    fields.iter().position(|field| field.get("name").is_some_and(|known| known == name))
}

fn change_fields(fields: &mut Vec<Json>, transform: &Field, part: Part) -> Result<(), DeriveSchemaError> {
    let meant = if part == Part::Key { transform.parts.has_key() } else { transform.parts.has_value() };
    let source = position(fields, &transform.source).map(|at| fields[at].clone());
    let fixed = matches!(transform.operation, Operation::Fixed(_));
    if !meant || (source.is_none() && !fixed && !matches!(transform.operation, Operation::Coalesce(_))) {
        return Ok(());
    }
    let kind = source.as_ref().and_then(|source| source.get("type"));
    let others: &[_] = if let Operation::Coalesce(others) = &transform.operation { others } else { &[] };
    let of = |name: &std::sync::Arc<str>| position(fields, name).and_then(|at| fields[at].get("type").cloned());
    let mut of_all = kind.cloned().into_iter().chain(others.iter().filter_map(of));
    let output = if others.is_empty() {
        transform.output(kind)
    } else {
        // Null only if all are.
        let first = of_all.next();
        let never_null = first.iter().cloned().chain(of_all).any(|kind| !is_nullable(&kind));
        transform.output(first.as_ref()).map(|kind| if never_null { without_null(kind) } else { kind })
    };
    let output = output.ok_or_else(|| DeriveSchemaError::UnknownType { field: transform.target.to_string() })?;
    let output = if transform.otherwise == Otherwise::Value(crate::value::Value::Null) { nullable_of(output) } else { output };
    // A default stands only where the type is still the source's.
    let default = source.as_ref().filter(|source| source.get("type") == Some(&output)).and_then(|source| source.get("default").cloned());
    if transform.kept == Kept::No && transform.source != transform.target {
        fields.retain(|field| field.get("name").is_none_or(|known| *known != *transform.source));
    }
    put(fields, &transform.target, output, default);
    Ok(())
}

fn without_null(kind: Json) -> Json {
    match kind {
        Json::Array(branches) => {
            let mut others: Vec<Json> = branches.into_iter().filter(|branch| *branch != json!("null")).collect();
            if others.len() == 1 { others.remove(0) } else { Json::Array(others) }
        }
        kind => kind,
    }
}

fn put(fields: &mut Vec<Json>, name: &str, kind: Json, default: Option<Json>) {
    let mut field = Map::new();
    field.insert("name".to_owned(), json!(name));
    let null_first = kind.get(0) == Some(&json!("null"));
    field.insert("type".to_owned(), kind);
    if let Some(default) = default.or(null_first.then_some(Json::Null)) {
        field.insert("default".to_owned(), default);
    }
    match position(fields, name) {
        Some(at) => fields[at] = field.into(),
        None => fields.push(field.into()),
    }
}
