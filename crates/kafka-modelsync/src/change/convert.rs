//! From what stands in the message to values.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kafka_core::format::Datum;
use serde_json::Value as Json;

use super::placeholder::Placeholder;
use super::semantic::Semantic;
use super::shape::{Kind, Shape};
use crate::value::{Decimal, Value};

type Converted = Result<Value, String>;

fn text(text: String, semantic: Semantic, placeholder: &Placeholder) -> Converted {
    if placeholder.is_text(&text) { Ok(Value::Unavailable) } else { semantic.text(text) }
}

fn bytes(bytes: Vec<u8>, semantic: Semantic, placeholder: &Placeholder) -> Converted {
    if placeholder.is_bytes(&bytes) { Ok(Value::Unavailable) } else { semantic.bytes(bytes) }
}

fn array(items: Vec<Value>, semantic: Semantic, placeholder: &Placeholder) -> Value {
    if placeholder.is_array(&items) {
        return Value::Unavailable;
    }
    if semantic == Semantic::Vector {
        let number = |item: &Value| match item {
            Value::Float32(number) => number.to_string(),
            Value::Float64(number) => number.to_string(),
            Value::Int(number) => number.to_string(),
            _ => String::from("0"),
        };
        return Value::Text(format!("[{}]", items.iter().map(number).collect::<Vec<_>>().join(",")));
    }
    Value::Array(items)
}

fn object(json: Json, placeholder: &Placeholder) -> Value {
    let json = json.to_string();
    if placeholder.is_text(&json) { Value::Unavailable } else { Value::Json(json) }
}

/// The value of a datum.
pub(super) fn of_datum(datum: Datum, shape: &Shape, placeholder: &Placeholder) -> Converted {
    Ok(match datum {
        Datum::Null => Value::Null,
        Datum::Boolean(value) => Value::Bool(value),
        Datum::Int(number) => shape.semantic.number(number.into())?,
        Datum::Long(number) => shape.semantic.number(number)?,
        Datum::Float(number) => Value::Float32(number),
        Datum::Double(number) => Value::Float64(number),
        Datum::Bytes(value) => bytes(value, shape.semantic, placeholder)?,
        Datum::String(value) | Datum::Enum(value) => text(value, shape.semantic, placeholder)?,
        Datum::Array(items) => {
            let number = |item: &Datum| match item {
                Datum::Int(number) => Some(i64::from(*number)),
                Datum::Long(number) => Some(*number),
                _ => None,
            };
            if placeholder.are_numbers(items.iter().map(number)) {
                return Ok(Value::Unavailable);
            }
            let inner = if let Kind::Array(inner) = &shape.kind { inner } else { &Shape::UNSAID };
            let items = items.into_iter().map(|item| of_datum(item, inner, placeholder)).collect::<Result<_, _>>()?;
            array(items, shape.semantic, placeholder)
        }
        Datum::Map(_) => object(json_of(&datum), placeholder),
        Datum::Record(_, ref fields) => {
            let shapes: &[_] = if let Kind::Record(shapes) = &shape.kind { shapes } else { &[] };
            let field = |name: &str| {
                let (_, datum) = fields.iter().find(|(known, _)| **known == *name)?;
                let shape = shapes.iter().find(|(known, _)| **known == *name).map_or(&Shape::UNSAID, |(_, shape)| shape);
                of_datum(datum.clone(), shape, placeholder).ok()
            };
            match shape.semantic.record(field) {
                Some(value) => value?,
                None => object(json_of(&datum), placeholder),
            }
        }
        _ => return Err("it is of a type that is not known here".to_owned()),
    })
}

/// What has no type of its own in a table: nested records and maps.
fn json_of(datum: &Datum) -> Json {
    match datum {
        Datum::Boolean(value) => (*value).into(),
        Datum::Int(number) => (*number).into(),
        Datum::Long(number) => (*number).into(),
        Datum::Float(number) => (*number).into(),
        Datum::Double(number) => (*number).into(),
        Datum::Bytes(value) => BASE64_STANDARD.encode(value).into(),
        Datum::String(value) | Datum::Enum(value) => value.as_str().into(),
        Datum::Array(items) => items.iter().map(json_of).collect(),
        Datum::Map(entries) => entries.iter().map(|(key, value)| (key.clone(), json_of(value))).collect::<serde_json::Map<_, _>>().into(),
        Datum::Record(_, fields) => {
            fields.iter().map(|(key, value)| (key.to_string(), json_of(value))).collect::<BTreeMap<_, _>>().into_iter().collect()
        }
        _ => Json::Null,
    }
}

/// The value of JSON; without a schema the shape says nothing, and the JSON has to.
pub(super) fn of_json(json: Json, shape: &Shape, placeholder: &Placeholder) -> Converted {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => match (&shape.kind, number.as_i64()) {
            (Kind::Float32, _) => Value::Float32(number.to_string().parse().map_err(|_| format!("`{number}` is no number"))?),
            (Kind::Simple, Some(whole)) => shape.semantic.number(whole)?,
            (Kind::Simple, None) if number.is_u64() => Value::Decimal(Decimal::new(number.as_u64().unwrap_or_default().into(), 0)),
            _ => Value::Float64(number.as_f64().ok_or_else(|| format!("`{number}` is no number"))?),
        },
        Json::String(value) => match shape.kind {
            Kind::Bytes => bytes(BASE64_STANDARD.decode(&value).map_err(|_| "it is not base64".to_owned())?, shape.semantic, placeholder)?,
            // Java's words for what JSON has no numbers for.
            Kind::Float32 => Value::Float32(value.parse().map_err(|_| format!("`{value}` is no number"))?),
            Kind::Float64 => Value::Float64(value.parse().map_err(|_| format!("`{value}` is no number"))?),
            _ if placeholder.is_base64(&value) => Value::Unavailable,
            _ => text(value, shape.semantic, placeholder)?,
        },
        Json::Array(items) => {
            if placeholder.are_numbers(items.iter().map(Json::as_i64)) {
                return Ok(Value::Unavailable);
            }
            let inner = if let Kind::Array(inner) = &shape.kind { inner } else { &Shape::UNSAID };
            let items = items.into_iter().map(|item| of_json(item, inner, placeholder)).collect::<Result<_, _>>()?;
            array(items, shape.semantic, placeholder)
        }
        Json::Object(ref fields) => {
            let shapes: &[_] = if let Kind::Record(shapes) = &shape.kind { shapes } else { &[] };
            // Without a schema only its fields tell a decimal: no column of PostgreSQL comes as such an object otherwise.
            let decimal = shapes.is_empty() && fields.len() == 2 && fields.contains_key("scale") && fields.contains_key("value");
            let semantic = if decimal { Semantic::VariableScaleDecimal } else { shape.semantic };
            let field = |name: &str| {
                let shape = shapes.iter().find(|(known, _)| **known == *name).map_or(&Shape::UNSAID, |(_, shape)| shape);
                of_json(fields.get(name)?.clone(), shape, placeholder).ok()
            };
            match semantic.record(field) {
                Some(value) => value?,
                None => object(json, placeholder),
            }
        }
    })
}
