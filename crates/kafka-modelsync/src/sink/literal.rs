//! Texts that PostgreSQL reads as arrays, as `hstore`, and as years that no calendar shows.

use chrono::{Datelike, NaiveDate};

use super::cell::Cell;
use super::convert::{Unfit, text, unfit};
use crate::value::Value;

/// Keys and values, which come as JSON in both of the connector's modes; or a text as PostgreSQL has it.
pub(super) fn hstore(value: Value) -> Result<Cell, Unfit> {
    let (Value::Json(text) | Value::Text(text)) = &value else { return unfit(value) };
    let pairs = match (serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text), &value) {
        (Ok(pairs), _) => pairs,
        (Err(_), Value::Text(text)) => return Ok(Cell::Text(text.clone())),
        (Err(_), _) => return unfit(value),
    };
    let mut literal = String::new();
    for (key, value) in pairs {
        if !literal.is_empty() {
            literal.push(',');
        }
        quote(&key, &mut literal);
        literal.push_str("=>");
        match value {
            serde_json::Value::Null => literal.push_str("NULL"),
            serde_json::Value::String(text) => quote(&text, &mut literal),
            value => quote(&value.to_string(), &mut literal),
        }
    }
    Ok(Cell::Text(literal))
}

/// In the quotes of arrays and of `hstore`.
fn quote(text: &str, literal: &mut String) {
    literal.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            literal.push('\\');
        }
        literal.push(character);
    }
    literal.push('"');
}

/// What the database reads from text.
pub(super) fn other(value: Value) -> Result<Cell, Unfit> {
    match value {
        Value::Array(_) => {
            let mut literal = String::new();
            if array(&value, &mut literal) { Ok(Cell::Text(literal)) } else { unfit(value) }
        }
        Value::Bytes(_) => {
            let mut literal = String::new();
            element(&value, &mut literal);
            Ok(Cell::Text(literal))
        }
        value => text(value),
    }
}

/// An array as PostgreSQL reads it.
fn array(value: &Value, literal: &mut String) -> bool {
    let Value::Array(elements) = value else { return false };
    literal.push('{');
    for (at, value) in elements.iter().enumerate() {
        if at > 0 {
            literal.push(',');
        }
        let written = match value {
            Value::Null => {
                literal.push_str("NULL");
                true
            }
            Value::Array(_) => array(value, literal),
            value => {
                let mut text = String::new();
                let written = element(value, &mut text);
                quote(&text, literal);
                written
            }
        };
        if !written {
            return false;
        }
    }
    literal.push('}');
    true
}

fn element(value: &Value, literal: &mut String) -> bool {
    match value {
        Value::Bytes(bytes) => {
            literal.push_str("\\x");
            literal.extend(bytes.iter().map(|byte| format!("{byte:02x}")));
            true
        }
        // Years before the first, and of more than four digits, PostgreSQL writes otherwise.
        Value::Date(date) if !is_plain(*date) => spell(Cell::Date(*date), literal),
        Value::Timestamp(at) if !is_plain(at.date()) => spell(Cell::Timestamp(*at), literal),
        Value::TimestampTz(at) if !is_plain(at.date_naive()) => spell(Cell::TimestampTz(*at), literal),
        value => match text(value.clone()) {
            Ok(Cell::Text(text)) => {
                literal.push_str(&text);
                true
            }
            _ => false,
        },
    }
}

fn is_plain(date: NaiveDate) -> bool {
    (1..=9_999).contains(&date.year())
}

fn spell(cell: Cell, literal: &mut String) -> bool {
    literal.push_str(&cell.spelled());
    true
}
