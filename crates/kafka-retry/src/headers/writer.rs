//! The headers of retry records and dead letters: the message's own, untouched, and ours behind them.

use kafka_core::consumer::{Failure, HandlerError};
use kafka_core::message::{Header, Headers, RawMessage, Timestamp};
use kafka_core::names::{GroupId, TopicName};
use serde::{Deserialize, Serialize};

use super::names::spring::{self as spring_names, CHAIN, DEAD_LETTER, Set};
use super::names::{django_kafka as ours, spring as spring_set};
use super::{DueTime, error_text, spring};

/// Whose header names and encodings are written. Reading understands all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HeaderDialect {
    /// django-kafka's, with the origin and the attempt besides. Numbers are text. The default.
    #[default]
    DjangoKafka,
    /// Spring's: `kafka_original-*` and `retry_topic-*` on retry records, `kafka_dlt-*` on dead letters. Numbers are binary.
    /// Spring has no names for the last hop.
    Spring,
}

/// Where an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// On the topic itself: the next hop is the first, and sets the origin.
    Source,
    /// On a retry topic: the origin is what the first hop said, or not known when another framework made that hop.
    Retry,
}

/// A failed attempt, as headers tell it.
#[derive(Debug, Clone, Copy)]
pub struct Hop<'a> {
    /// The message that failed.
    pub message: &'a RawMessage,
    /// The topic that it was read from.
    pub topic: &'a TopicName,
    /// The partition that it was read from.
    pub partition: i32,
    /// The group of the declared consumer, not the one of its retry consumer.
    pub group: &'a GroupId,
    /// Where it failed.
    pub stage: Stage,
    /// Which attempt failed; the first delivery is 1.
    pub attempt: u32,
    /// Why.
    pub error: &'a HandlerError,
}

/// What a retry record says of the attempt to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// Its number; the first delivery was 1, so a first retry is 2.
    pub attempt: u32,
    /// When it is due.
    pub due: DueTime,
}

/// Writes the headers of retry records and dead letters in one dialect.
///
/// Every header of the message is kept byte for byte and in order; those that the dialect writes are replaced, so that they
/// never pile up.
#[derive(Debug, Clone)]
pub struct HeaderWriter {
    dialect: HeaderDialect,
    detail_limit: usize,
}

impl Default for HeaderWriter {
    fn default() -> Self {
        Self::new(HeaderDialect::default())
    }
}

impl<'a> Hop<'a> {
    /// The failure of a message in a consumer of this group.
    #[must_use]
    pub fn of(failure: &'a Failure, group: &'a GroupId, stage: Stage) -> Self {
        Self {
            message: failure.message.raw(),
            topic: failure.message.topic(),
            partition: failure.message.partition(),
            group,
            stage,
            attempt: failure.attempt,
            error: &failure.error,
        }
    }
}

impl HeaderWriter {
    /// How long the detail of an error may be when nothing else is said: 16 KiB.
    pub const DETAIL_LIMIT: usize = 16 * 1_024;

    /// Writes this dialect.
    #[must_use]
    pub fn new(dialect: HeaderDialect) -> Self {
        Self { dialect, detail_limit: Self::DETAIL_LIMIT }
    }

    /// Bounds the detail of an error, in bytes. Default 16 KiB.
    #[must_use]
    pub fn detail_limit(mut self, bytes: usize) -> Self {
        self.detail_limit = bytes;
        self
    }

    /// The headers of the retry record that this hop makes.
    #[must_use]
    pub fn retry(&self, hop: &Hop<'_>, next: Next) -> Headers {
        let mut headers = hop.message.headers();
        match self.dialect {
            HeaderDialect::DjangoKafka => {
                set_origin(&mut headers, hop);
                set_text(&mut headers, ours::RETRY_MESSAGE, error_text::summary(hop.error));
                set_text(&mut headers, ours::RETRY_TIMESTAMP, next.due.to_string());
                set_text(&mut headers, ours::RETRY_ATTEMPT, next.attempt.to_string());
            }
            HeaderDialect::Spring => {
                set_spring_origin(&mut headers, CHAIN, hop);
                self.set_spring_error(&mut headers, CHAIN, hop);
                set(&mut headers, spring_names::ATTEMPTS, spring::int(next.attempt.try_into().unwrap_or(i32::MAX)));
                set(&mut headers, spring_names::DUE, spring::shortest(next.due.as_millis()));
                if let (None, Some(first)) = (headers.get(spring_names::FIRST_TIMESTAMP), hop.message.timestamp().as_millis()) {
                    set(&mut headers, spring_names::FIRST_TIMESTAMP, spring::shortest(first));
                }
            }
        }
        headers
    }

    /// The headers of the dead letter that this hop makes.
    #[must_use]
    pub fn dead_letter(&self, hop: &Hop<'_>) -> Headers {
        let mut headers = hop.message.headers();
        match self.dialect {
            HeaderDialect::DjangoKafka => {
                // What they say is over: the summary says why, and nothing is due.
                headers.remove(ours::RETRY_MESSAGE);
                headers.remove(ours::RETRY_TIMESTAMP);
                set_origin(&mut headers, hop);
                set_text(&mut headers, ours::RETRY_ATTEMPT, hop.attempt.to_string());
                set_text(&mut headers, ours::DEAD_LETTER_MESSAGE_TOPIC, hop.topic.to_string());
                set_text(&mut headers, ours::DEAD_LETTER_MESSAGE_PARTITION, hop.partition.to_string());
                set_text(&mut headers, ours::DEAD_LETTER_MESSAGE_OFFSET, hop.message.offset().to_string());
                set_text(&mut headers, ours::DEAD_LETTER_SUMMARY, error_text::summary(hop.error));
                set_text(&mut headers, ours::DEAD_LETTER_DETAIL, error_text::detail(hop.error, self.detail_limit));
            }
            HeaderDialect::Spring => {
                headers.remove(spring_names::DUE);
                for name in [CHAIN.error_type, CHAIN.error_message, CHAIN.error_detail] {
                    headers.remove(name);
                }
                copy_spring_origin(&mut headers);
                set_spring_origin(&mut headers, DEAD_LETTER, hop);
                self.set_spring_error(&mut headers, DEAD_LETTER, hop);
                set(&mut headers, spring_names::ATTEMPTS, spring::int(hop.attempt.try_into().unwrap_or(i32::MAX)));
            }
        }
        headers
    }

    /// Leaves the error's detail away, for a record that the broker refuses as too large.
    pub fn drop_detail(&self, headers: &mut Headers) {
        for name in [ours::DEAD_LETTER_DETAIL, CHAIN.error_detail, DEAD_LETTER.error_detail] {
            headers.remove(name);
        }
    }

    /// Leaves the error's text away, for a record that is too large even without its detail.
    pub fn drop_summary(&self, headers: &mut Headers) {
        for name in [ours::RETRY_MESSAGE, ours::DEAD_LETTER_SUMMARY, CHAIN.error_message, DEAD_LETTER.error_message] {
            headers.remove(name);
        }
    }

    fn set_spring_error(&self, headers: &mut Headers, names: Set, hop: &Hop<'_>) {
        set_text(headers, spring_set::GROUP, hop.group.to_string());
        set_text(headers, names.error_type, hop.error.type_name().to_owned());
        set_text(headers, names.error_message, error_text::summary(hop.error));
        set_text(headers, names.error_detail, error_text::detail(hop.error, self.detail_limit));
    }
}

/// Puts the header in the place of all that have its name.
fn set(headers: &mut Headers, name: &'static str, value: Vec<u8>) {
    headers.set(Header::new(name, value));
}

fn set_text(headers: &mut Headers, name: &'static str, text: String) {
    set(headers, name, text.into_bytes());
}

/// Where the message first came from. Said by the first hop, and by no other.
fn set_origin(headers: &mut Headers, hop: &Hop<'_>) {
    if hop.stage == Stage::Retry || headers.get(ours::ORIGIN_TOPIC).is_some() {
        return;
    }
    set_text(headers, ours::ORIGIN_TOPIC, hop.topic.to_string());
    set_text(headers, ours::ORIGIN_PARTITION, hop.partition.to_string());
    set_text(headers, ours::ORIGIN_OFFSET, hop.message.offset().to_string());
    if let Some(millis) = hop.message.timestamp().as_millis() {
        set_text(headers, ours::ORIGIN_TIMESTAMP, millis.to_string());
    }
}

fn set_spring_origin(headers: &mut Headers, names: Set, hop: &Hop<'_>) {
    if hop.stage == Stage::Retry || headers.get(names.topic).is_some() {
        return;
    }
    let timestamp = hop.message.timestamp();
    let kind = match timestamp {
        Timestamp::CreateTime(_) => "CreateTime",
        Timestamp::LogAppendTime(_) => "LogAppendTime",
        Timestamp::NotAvailable => "NoTimestampType",
    };
    set_text(headers, names.topic, hop.topic.to_string());
    set(headers, names.partition, spring::int(hop.partition));
    set(headers, names.offset, spring::long(hop.message.offset()));
    set(headers, names.timestamp, spring::long(timestamp.as_millis().unwrap_or(-1)));
    set_text(headers, names.timestamp_type, kind.to_owned());
}

/// What the chain said of the origin, under the names of dead letters.
fn copy_spring_origin(headers: &mut Headers) {
    let names = |set: Set| [set.topic, set.partition, set.offset, set.timestamp, set.timestamp_type];
    if headers.get(DEAD_LETTER.topic).is_some() {
        return;
    }
    for (from, to) in names(CHAIN).into_iter().zip(names(DEAD_LETTER)) {
        if let Some(value) = headers.get(from).map(<[u8]>::to_vec) {
            set(headers, to, value);
        }
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
