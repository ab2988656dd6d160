//! Golden headers of every framework that is read.

use kafka_core::message::{OwnedMessage, Timestamp};

use super::*;

fn headers(pairs: &[(&str, &[u8])]) -> Headers {
    pairs.iter().fold(Headers::new(), |headers, (name, value)| headers.with((*name).to_owned(), value.to_vec()))
}

fn place(topic: &str, partition: i32, offset: i64, timestamp: Option<i64>) -> Option<Place> {
    Some(Place { topic: topic.to_owned(), partition: Some(partition), offset: Some(offset), timestamp })
}

#[test]
fn a_retry_record_of_django_kafka() {
    let headers = headers(&[("RETRY_MESSAGE", b"boom"), ("RETRY_TIMESTAMP", b"1795412432.304118")]);
    let provenance = Provenance::of(&headers);
    assert_eq!(provenance.framework, Some(Framework::DjangoKafka));
    assert_eq!((provenance.origin, provenance.attempt), (None, None));
    assert_eq!(provenance.due, Some(DueTime::from_micros(1_795_412_432_304_118)));
    assert_eq!(provenance.summary.as_deref(), Some("boom"));
}

#[test]
fn a_dead_letter_of_django_kafka() {
    let headers = headers(&[
        ("DEAD_LETTER_MESSAGE_TOPIC", b"g.orders.retry.3"),
        ("DEAD_LETTER_MESSAGE_PARTITION", b"2"),
        ("DEAD_LETTER_MESSAGE_OFFSET", b"9"),
        ("DEAD_LETTER_SUMMARY", b"boom"),
        ("DEAD_LETTER_DETAIL", b"Traceback\nboom"),
    ]);
    let provenance = Provenance::of(&headers);
    assert_eq!((provenance.origin, provenance.last_hop), (None, place("g.orders.retry.3", 2, 9, None)));
    assert_eq!(provenance.detail.as_deref(), Some("Traceback\nboom"));
}

#[test]
fn both_sets_of_spring() {
    for (origin, error) in [("kafka_dlt-original", "kafka_dlt-exception"), ("kafka_original", "kafka_exception")] {
        let mut headers = Headers::new();
        for (name, value) in [
            (format!("{origin}-topic"), &b"orders"[..]),
            (format!("{origin}-partition"), &[0, 0, 1, 0]),
            (format!("{origin}-offset"), &[0, 0, 0, 0, 0, 0, 0, 5]),
            (format!("{origin}-timestamp"), &[0, 0, 0x01, 0xa2, 0x06, 0xeb, 0x95, 0xb0]),
            ("kafka_dlt-original-consumer-group".to_owned(), b"billing"),
            (format!("{error}-fqcn"), b"java.lang.IllegalStateException"),
            (format!("{error}-message"), b"no"),
            (format!("{error}-stacktrace"), b"at Main"),
            ("retry_topic-attempts".to_owned(), &[3]),
            ("retry_topic-backoff-timestamp".to_owned(), &[0x01, 0xa2, 0x06, 0xeb, 0x95, 0xb0]),
        ] {
            headers = headers.with(name, value.to_vec());
        }
        let provenance = Provenance::of(&headers);
        assert_eq!(provenance.framework, Some(Framework::Spring));
        assert_eq!(provenance.origin, place("orders", 256, 5, Some(1_795_412_432_304)));
        assert_eq!(provenance.group.as_deref(), Some("billing"));
        assert_eq!((provenance.attempt, provenance.due), (Some(3), Some(DueTime::from_millis(1_795_412_432_304))));
        let texts = [provenance.error_type, provenance.summary, provenance.detail].map(Option::unwrap_or_default);
        assert_eq!(texts, ["java.lang.IllegalStateException", "no", "at Main"]);
    }
}

#[test]
fn those_with_one_hop() {
    for (names, framework) in [
        (SMALLRYE_DEAD_LETTER, Framework::SmallRye),
        (SMALLRYE_RETRY, Framework::SmallRye),
        (KARAFKA, Framework::Karafka),
        (CONNECT, Framework::Connect),
        (STREAMS, Framework::Streams),
    ] {
        let mut headers = headers(&[(names.topic, b"orders"), (names.partition, b"1"), (names.offset, b"77")]);
        for (name, value) in [(names.error_message, "boom"), (names.attempts, "4"), (names.timestamp, "12"), (names.group, "g")] {
            headers = name.into_iter().fold(headers, |headers, name| headers.with(name, value));
        }
        let provenance = Provenance::of(&headers);
        assert_eq!(provenance.framework, Some(framework));
        assert_eq!(provenance.origin, place("orders", 1, 77, names.timestamp.map(|_| 12)));
        assert_eq!(provenance.last_hop, provenance.origin);
        assert_eq!(provenance.summary.as_deref(), names.error_message.map(|_| "boom"));
        assert_eq!(provenance.attempt, names.attempts.map(|_| 4));
        assert_eq!(provenance.group.as_deref(), names.group.map(|_| "g"));
    }
}

#[test]
fn the_gate_reads_due_time_and_attempt_of_both_dialects() {
    let message = |headers: Headers| -> RawMessage {
        OwnedMessage { offset: 0, timestamp: Timestamp::NotAvailable, key: None, value: None, headers }.into()
    };
    let django = message(headers(&[("RETRY_TIMESTAMP", b"12.5"), ("RETRY_ATTEMPT", b"3")]));
    assert_eq!((due_time(&django), attempt(&django)), (Some(DueTime::from_millis(12_500)), Some(3)));
    let spring = message(headers(&[("retry_topic-attempts", &[0, 0, 0, 2]), ("retry_topic-backoff-timestamp", &[0x30, 0xd4])]));
    assert_eq!((due_time(&spring), attempt(&spring)), (Some(DueTime::from_millis(12_500)), Some(2)));
    let odd = message(headers(&[("RETRY_TIMESTAMP", b"\xff"), ("RETRY_ATTEMPT", b"-1"), ("retry_topic-attempts", b"")]));
    assert_eq!((due_time(&odd), attempt(&odd)), (None, None));
    assert_eq!(Provenance::of(&Headers::new().with("DEAD_LETTER_MESSAGE_OFFSET", "x")), Provenance::default());
}
