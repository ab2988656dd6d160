//! Where a message comes from, read from its headers, whichever framework wrote them.

use kafka_core::message::{Headers, RawMessage};

use super::names::spring::{self as spring_names, CHAIN, DEAD_LETTER, Set};
use super::names::{CONNECT, Foreign, KARAFKA, SMALLRYE_DEAD_LETTER, SMALLRYE_RETRY, STREAMS, django_kafka as ours};
use super::{DueTime, spring};

/// Where a message comes from and what became of it, as its headers tell. What they do not tell is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Provenance {
    /// Whose headers it carries.
    pub framework: Option<Framework>,
    /// Where the message first came from.
    pub origin: Option<Place>,
    /// Where it stood when it last failed; a retry topic, or the same as the origin.
    pub last_hop: Option<Place>,
    /// The group that failed.
    pub group: Option<String>,
    /// On a retry record, which attempt the next delivery is; on a dead letter, how many there were.
    pub attempt: Option<u32>,
    /// When the retry is due.
    pub due: Option<DueTime>,
    /// Why it failed, on one line.
    pub summary: Option<String>,
    /// Why it failed, in full.
    pub detail: Option<String>,
    /// The error's type.
    pub error_type: Option<String>,
}

/// Whose headers a message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Framework {
    /// This framework's, or django-kafka's.
    DjangoKafka,
    /// Spring's.
    Spring,
    /// SmallRye's (Quarkus).
    SmallRye,
    /// Karafka's.
    Karafka,
    /// Kafka Connect's.
    Connect,
    /// Kafka Streams'.
    Streams,
}

/// A place in a topic, as far as headers tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: Option<i32>,
    /// The offset.
    pub offset: Option<i64>,
    /// The timestamp, in milliseconds since the epoch.
    pub timestamp: Option<i64>,
}

impl Provenance {
    /// Reads the headers. Where several frameworks left some, the one that has a due time or a dead letter of ours comes first.
    #[must_use]
    pub fn of(headers: &Headers) -> Self {
        ours_or_django(headers)
            .or_else(|| spring_headers(headers))
            .or_else(|| foreign(headers, SMALLRYE_DEAD_LETTER, Framework::SmallRye))
            .or_else(|| foreign(headers, SMALLRYE_RETRY, Framework::SmallRye))
            .or_else(|| foreign(headers, CONNECT, Framework::Connect))
            .or_else(|| foreign(headers, STREAMS, Framework::Streams))
            .or_else(|| foreign(headers, KARAFKA, Framework::Karafka))
            .unwrap_or_default()
    }
}

/// When the retry of this message is due; `None` is at once. Reads both dialects without copying the other headers.
#[must_use]
pub fn due_time(message: &RawMessage) -> Option<DueTime> {
    if let Some(value) = message.header(ours::RETRY_TIMESTAMP) {
        return std::str::from_utf8(&value).ok().and_then(DueTime::parse);
    }
    message.header(spring_names::DUE).and_then(|value| spring::read(&value)).map(DueTime::from_millis)
}

/// Which attempt a delivery of this retry record is, when its headers say; django-kafka's records say it by their topic alone.
#[must_use]
pub fn attempt(message: &RawMessage) -> Option<u32> {
    if let Some(value) = message.header(ours::RETRY_ATTEMPT) {
        return std::str::from_utf8(&value).ok().and_then(|text| text.trim().parse().ok());
    }
    message.header(spring_names::ATTEMPTS).and_then(|value| spring::read(&value)).and_then(|attempt| attempt.try_into().ok())
}

/// Where this message first came from, when its headers say.
#[must_use]
pub fn origin(message: &RawMessage) -> Option<Place> {
    Provenance::of(&message.headers()).origin
}

fn ours_or_django(headers: &Headers) -> Option<Provenance> {
    let last_hop =
        text_place(headers, ours::DEAD_LETTER_MESSAGE_TOPIC, ours::DEAD_LETTER_MESSAGE_PARTITION, ours::DEAD_LETTER_MESSAGE_OFFSET, None);
    let origin = text_place(headers, ours::ORIGIN_TOPIC, ours::ORIGIN_PARTITION, ours::ORIGIN_OFFSET, Some(ours::ORIGIN_TIMESTAMP));
    let due = text(headers, ours::RETRY_TIMESTAMP).and_then(|due| DueTime::parse(&due));
    if last_hop.is_none() && origin.is_none() && due.is_none() {
        return None;
    }
    Some(Provenance {
        framework: Some(Framework::DjangoKafka),
        origin,
        last_hop,
        attempt: number(headers, ours::RETRY_ATTEMPT),
        due,
        summary: text(headers, ours::DEAD_LETTER_SUMMARY).or_else(|| text(headers, ours::RETRY_MESSAGE)),
        detail: text(headers, ours::DEAD_LETTER_DETAIL),
        ..Provenance::default()
    })
}

fn spring_headers(headers: &Headers) -> Option<Provenance> {
    let origin = spring_place(headers, DEAD_LETTER).or_else(|| spring_place(headers, CHAIN));
    let due = headers.get(spring_names::DUE).and_then(spring::read).map(DueTime::from_millis);
    if origin.is_none() && due.is_none() {
        return None;
    }
    let either = |of: fn(Set) -> &'static str| text(headers, of(DEAD_LETTER)).or_else(|| text(headers, of(CHAIN)));
    Some(Provenance {
        framework: Some(Framework::Spring),
        origin,
        group: text(headers, spring_names::GROUP),
        attempt: headers.get(spring_names::ATTEMPTS).and_then(spring::read).and_then(|attempt| attempt.try_into().ok()),
        due,
        summary: either(|set| set.error_message),
        detail: either(|set| set.error_detail),
        error_type: either(|set| set.error_type),
        ..Provenance::default()
    })
}

fn spring_place(headers: &Headers, names: Set) -> Option<Place> {
    let long = |name| headers.get(name).and_then(spring::read);
    Some(Place {
        topic: text(headers, names.topic)?,
        partition: long(names.partition).and_then(|partition| partition.try_into().ok()),
        offset: long(names.offset),
        timestamp: long(names.timestamp).filter(|millis| *millis >= 0),
    })
}

/// A framework whose first hop is its last: both places are the same.
fn foreign(headers: &Headers, names: Foreign, framework: Framework) -> Option<Provenance> {
    let place = text_place(headers, names.topic, names.partition, names.offset, names.timestamp)?;
    let optional = |name: Option<&str>| name.and_then(|name| text(headers, name));
    Some(Provenance {
        framework: Some(framework),
        origin: Some(place.clone()),
        last_hop: Some(place),
        group: optional(names.group),
        attempt: names.attempts.and_then(|name| number(headers, name)),
        due: None,
        summary: optional(names.error_message),
        detail: optional(names.error_detail),
        error_type: optional(names.error_type),
    })
}

fn text_place(headers: &Headers, topic: &str, partition: &str, offset: &str, timestamp: Option<&str>) -> Option<Place> {
    Some(Place {
        topic: text(headers, topic)?,
        partition: number(headers, partition),
        offset: number(headers, offset),
        timestamp: timestamp.and_then(|name| number(headers, name)),
    })
}

fn text(headers: &Headers, name: &str) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value).into_owned())
}

fn number<N: std::str::FromStr>(headers: &Headers, name: &str) -> Option<N> {
    headers.get_str(name).and_then(|text| text.trim().parse().ok())
}

#[cfg(test)]
#[path = "provenance_tests.rs"]
mod tests;
