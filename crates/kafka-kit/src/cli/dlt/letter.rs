//! A dead letter as an answer.

use std::fmt::{self, Display};

use kafka_core::message::Header;
use kafka_retry::dead_letters::{DeadLetter, PayloadForm, ShownPayload};
use kafka_retry::headers::Place;
use serde::Serialize;
use serde_json::Value;

use super::chosen::time;

/// Header values are shown to this length, in bytes; the detail of the error is shown in full beside them.
const HEADER_SHOWN: usize = 200;

#[derive(Debug, Serialize)]
pub(super) struct Letter {
    topic: String,
    partition: i32,
    offset: i64,
    timestamp: Option<i64>,
    error: Option<String>,
    error_type: Option<String>,
    detail: Option<String>,
    attempts: Option<u32>,
    origin: Option<Stand>,
    last_hop: Option<Stand>,
    key: Option<Payload>,
    value: Option<Payload>,
    headers: Vec<(String, Option<String>)>,
}

#[derive(Debug, Serialize)]
struct Stand {
    topic: String,
    partition: Option<i32>,
    offset: Option<i64>,
    timestamp: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Payload {
    /// JSON where the text is JSON, else the text.
    shown: Value,
    form: &'static str,
    bytes: usize,
    undecodable: Option<String>,
    #[serde(skip)]
    text: String,
}

impl From<DeadLetter> for Letter {
    fn from(letter: DeadLetter) -> Self {
        let provenance = letter.provenance;
        Self {
            topic: letter.topic.to_string(),
            partition: letter.partition,
            offset: letter.offset,
            timestamp: letter.timestamp,
            error: provenance.summary,
            error_type: provenance.error_type,
            detail: provenance.detail,
            attempts: provenance.attempt,
            origin: provenance.origin.map(Into::into),
            last_hop: provenance.last_hop.map(Into::into),
            key: letter.shown_key.map(Into::into),
            value: letter.shown_value.map(Into::into),
            headers: letter.headers.iter().map(header).collect(),
        }
    }
}

impl From<Place> for Stand {
    fn from(place: Place) -> Self {
        Self { topic: place.topic, partition: place.partition, offset: place.offset, timestamp: place.timestamp }
    }
}

impl From<ShownPayload> for Payload {
    fn from(payload: ShownPayload) -> Self {
        let form = match payload.form {
            PayloadForm::Format => "format",
            PayloadForm::Text => "text",
            PayloadForm::Hex => "hex",
        };
        let json = if payload.form == PayloadForm::Hex { None } else { serde_json::from_str(&payload.text).ok() };
        let shown = json.unwrap_or_else(|| Value::String(payload.text.clone()));
        Self { shown, form, bytes: payload.bytes, undecodable: payload.undecodable, text: payload.text }
    }
}

fn header(header: &Header) -> (String, Option<String>) {
    let shown = |bytes: &[u8]| ShownPayload::guess(bytes, HEADER_SHOWN).text;
    (shown(header.name()), header.value().map(shown))
}

impl Display for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.timestamp.map(time).unwrap_or_default();
        writeln!(f, "{}:{} {at} {}", self.partition, self.offset, self.error.as_deref().unwrap_or("(no error is told)"))?;
        if let Some(origin) = &self.origin {
            writeln!(f, "  origin:  {origin}")?;
        }
        if let Some(last_hop) = &self.last_hop {
            let attempts = self.attempts.map(|attempts| format!(", after {attempts} attempts")).unwrap_or_default();
            writeln!(f, "  died at: {last_hop}{attempts}")?;
        }
        for (what, payload) in [("key:    ", &self.key), ("value:  ", &self.value)] {
            match payload {
                None => writeln!(f, "  {what} null")?,
                Some(payload) => writeln!(f, "  {what} {payload}")?,
            }
        }
        for (name, value) in &self.headers {
            // The error's detail has many lines; it is there in JSON, and by the kafka tools.
            let value = value.as_deref().unwrap_or("null");
            writeln!(f, "  header:  {name} = {}", value.lines().next().unwrap_or_default())?;
        }
        Ok(())
    }
}

impl Display for Stand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.topic)?;
        self.partition.iter().try_for_each(|partition| write!(f, " {partition}"))?;
        self.offset.iter().try_for_each(|offset| write!(f, ":{offset}"))
    }
}

impl Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if self.form == "hex" {
            write!(f, " ({} bytes)", self.bytes)?;
        }
        self.undecodable.iter().try_for_each(|error| write!(f, "\n           not readable as declared: {error}"))
    }
}
