//! The headers of a dead letter that is sent again.

use kafka_core::message::{Header, Headers};

use super::names::django_kafka as ours;
use super::names::spring::{self as spring_names, CHAIN, DEAD_LETTER, Set};
use super::{DueTime, Framework, Provenance, spring};

/// The attempt that a delivery from the first retry topic is.
const FIRST_RETRY: u32 = 2;

/// The headers of a dead letter that begins anew in its topic: those that the message came with, and none of ours.
///
/// The origin goes too. The record gets a place of its own in the topic, which a failure will name; an older place would make the
/// key offset tracker take the record for one that it replaces itself.
#[must_use]
pub fn begin_anew(letter: &Headers) -> Headers {
    let mut headers = letter.clone();
    match Provenance::of(letter).framework {
        Some(Framework::DjangoKafka) => ours::ALL.iter().for_each(|name| headers.remove(name)),
        Some(Framework::Spring) => {
            let sets = [CHAIN, DEAD_LETTER].into_iter().flat_map(|set| origin_names(set).into_iter().chain(error_names(set)));
            let others = [spring_names::GROUP, spring_names::ATTEMPTS, spring_names::DUE, spring_names::FIRST_TIMESTAMP];
            sets.chain(others).for_each(|name| headers.remove(name));
        }
        _ => {}
    }
    headers
}

/// The headers of a dead letter that goes to its handler by way of the first retry topic, due at this time: its attempts begin
/// again, and where it first came from stays. `source` is the topic that the group takes it for.
#[must_use]
pub fn go_on(letter: &Headers, source: &str, due: DueTime) -> Headers {
    let provenance = Provenance::of(letter);
    let mut headers = letter.clone();
    if provenance.framework == Some(Framework::Spring) {
        for (from, to) in origin_names(DEAD_LETTER).into_iter().zip(origin_names(CHAIN)) {
            if let (None, Some(value)) = (headers.get(to), headers.get(from).map(<[u8]>::to_vec)) {
                headers.set(Header::new(to, value));
            }
            headers.remove(from);
        }
        error_names(DEAD_LETTER).into_iter().for_each(|name| headers.remove(name));
        headers.set(Header::new(spring_names::ATTEMPTS, spring::int(FIRST_RETRY.cast_signed())));
        headers.set(Header::new(spring_names::DUE, spring::shortest(due.as_millis())));
        return headers;
    }
    for name in [
        ours::DEAD_LETTER_MESSAGE_TOPIC,
        ours::DEAD_LETTER_MESSAGE_PARTITION,
        ours::DEAD_LETTER_MESSAGE_OFFSET,
        ours::DEAD_LETTER_SUMMARY,
        ours::DEAD_LETTER_DETAIL,
        ours::RETRY_MESSAGE,
    ] {
        headers.remove(name);
    }
    // django-kafka says no origin, but a message that it never retried died where it first stood.
    if let (None, Some(place)) = (provenance.origin, provenance.last_hop.filter(|place| place.topic == source)) {
        let numbers = [(ours::ORIGIN_PARTITION, place.partition.map(i64::from)), (ours::ORIGIN_OFFSET, place.offset)];
        headers.set(Header::new(ours::ORIGIN_TOPIC, place.topic.into_bytes()));
        for (name, number) in numbers {
            number.into_iter().for_each(|number| headers.set(Header::new(name, number.to_string())));
        }
    }
    headers.set(Header::new(ours::RETRY_TIMESTAMP, due.to_string()));
    headers.set(Header::new(ours::RETRY_ATTEMPT, FIRST_RETRY.to_string()));
    headers
}

fn origin_names(set: Set) -> [&'static str; 5] {
    [set.topic, set.partition, set.offset, set.timestamp, set.timestamp_type]
}

fn error_names(set: Set) -> [&'static str; 3] {
    [set.error_type, set.error_message, set.error_detail]
}

#[cfg(test)]
mod tests {
    use kafka_core::consumer::HandlerError;
    use kafka_core::message::{OwnedMessage, RawMessage, Timestamp};
    use kafka_core::names::{GroupId, TopicName};

    use super::*;
    use crate::headers::{HeaderDialect, HeaderWriter, Hop, Stage, attempt, due_time};

    fn letter(dialect: HeaderDialect, headers: Headers) -> Headers {
        let (topic, group, error) = (TopicName::new("orders").unwrap(), GroupId::new("g").unwrap(), HandlerError::from("it broke"));
        let raw: RawMessage = OwnedMessage { offset: 41, timestamp: Timestamp::CreateTime(12), key: None, value: None, headers }.into();
        let hop = Hop { message: &raw, topic: &topic, partition: 7, group: &group, stage: Stage::Source, attempt: 1, error: &error };
        HeaderWriter::new(dialect).dead_letter(&hop)
    }

    #[test]
    fn what_begins_anew_is_as_it_came() {
        // Spring's names of a message that came with them are the message's own.
        let came = Headers::new().with("trace", "1").with("kafka_dlt-original-topic", "elsewhere").with("trace", "2");
        assert_eq!(begin_anew(&letter(HeaderDialect::DjangoKafka, came.clone())), came);
        let came = Headers::new().with("trace", "1");
        assert_eq!(begin_anew(&letter(HeaderDialect::Spring, came.clone())), came);
        assert_eq!(begin_anew(&came), came);
    }

    #[test]
    fn what_goes_on_is_due_keeps_its_origin_and_begins_its_attempts_again() {
        for dialect in [HeaderDialect::DjangoKafka, HeaderDialect::Spring] {
            let due = DueTime::from_millis(1_795_412_432_304);
            let headers = go_on(&letter(dialect, Headers::new().with("trace", "1")), "orders", due);
            let provenance = Provenance::of(&headers);
            let origin = provenance.origin.unwrap();
            assert_eq!((origin.topic.as_str(), origin.partition, origin.offset, origin.timestamp), ("orders", Some(7), Some(41), Some(12)));
            assert_eq!((provenance.last_hop, provenance.summary, provenance.detail), (None, None, None), "{dialect:?}");
            assert_eq!(headers.get_str("trace"), Some("1"));
            let raw: RawMessage = OwnedMessage { offset: 0, timestamp: Timestamp::NotAvailable, key: None, value: None, headers }.into();
            assert_eq!((due_time(&raw), attempt(&raw)), (Some(due), Some(2)));
        }
    }

    #[test]
    fn django_kafkas_letters_get_the_origin_that_their_last_hop_tells() {
        let letter = |topic: &'static str| {
            Headers::new()
                .with(ours::DEAD_LETTER_MESSAGE_TOPIC, topic)
                .with(ours::DEAD_LETTER_MESSAGE_PARTITION, "3")
                .with(ours::DEAD_LETTER_MESSAGE_OFFSET, "9")
        };
        let origin = |topic| Provenance::of(&go_on(&letter(topic), "orders", DueTime::from_millis(0))).origin;
        assert_eq!(origin("orders").map(|place| (place.partition, place.offset)), Some((Some(3), Some(9))));
        assert_eq!(origin("g.orders.retry.3"), None);
    }
}
