//! Golden headers of each hop, and five hops of any headers.

use kafka_core::message::OwnedMessage;
use proptest::prelude::*;

use super::*;
use crate::headers::Provenance;

#[derive(Debug, thiserror::Error)]
#[error("payment is down")]
struct PaymentDown;

fn message(offset: i64, headers: Headers) -> RawMessage {
    let timestamp = Timestamp::CreateTime(1_795_412_400_123);
    OwnedMessage { offset, timestamp, key: Some("k".into()), value: None, headers }.into()
}

/// The headers after a hop, as text; binary ones as hexadecimal.
fn shown(headers: &Headers) -> Vec<String> {
    let value = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(char::is_control) => text.to_owned(),
        _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    headers.iter().map(|header| format!("{}={}", value(header.name()), header.value().map_or("null".to_owned(), value))).collect()
}

struct Journey {
    writer: HeaderWriter,
    group: GroupId,
    headers: Headers,
    attempt: u32,
}

impl Journey {
    fn new(dialect: HeaderDialect, headers: Headers) -> Self {
        let writer = HeaderWriter::new(dialect).detail_limit(400);
        Self { writer, group: GroupId::new("group").unwrap(), headers, attempt: 1 }
    }

    fn fail(&mut self, make: impl FnOnce(&HeaderWriter, &Hop<'_>) -> Headers) {
        let stage = if self.attempt == 1 { Stage::Source } else { Stage::Retry };
        let topic = match self.attempt {
            1 => TopicName::new("orders").unwrap(),
            n => TopicName::new(&format!("group.orders.retry.{}", n - 1)).unwrap(),
        };
        let (raw, error) = (message(40 + i64::from(self.attempt), self.headers.clone()), HandlerError::from(PaymentDown));
        let hop = Hop { message: &raw, topic: &topic, partition: 7, group: &self.group, stage, attempt: self.attempt, error: &error };
        self.headers = make(&self.writer, &hop);
    }

    fn retry(&mut self) {
        let next = Next { attempt: self.attempt + 1, due: DueTime::from_micros(1_795_412_432_304_118) };
        self.fail(|writer, hop| writer.retry(hop, next));
        self.attempt += 1;
    }

    fn dead_letter(&mut self) {
        self.fail(HeaderWriter::dead_letter);
    }
}

#[test]
fn the_headers_of_each_hop() {
    let mut journey = Journey::new(HeaderDialect::DjangoKafka, Headers::new().with("trace", "1"));
    journey.retry();
    let first = [
        "trace=1",
        "ORIGIN_TOPIC=orders",
        "ORIGIN_PARTITION=7",
        "ORIGIN_OFFSET=41",
        "ORIGIN_TIMESTAMP=1795412400123",
        "RETRY_MESSAGE=payment is down",
        "RETRY_TIMESTAMP=1795412432.304118",
        "RETRY_ATTEMPT=2",
    ];
    assert_eq!(shown(&journey.headers), first);
    journey.retry();
    let mut second = first;
    second[7] = "RETRY_ATTEMPT=3";
    assert_eq!(shown(&journey.headers), second);
    journey.dead_letter();
    let dead = shown(&journey.headers);
    assert_eq!(dead[..5], first[..5]);
    assert_eq!(
        dead[5..10],
        [
            "RETRY_ATTEMPT=3",
            "DEAD_LETTER_MESSAGE_TOPIC=group.orders.retry.2",
            "DEAD_LETTER_MESSAGE_PARTITION=7",
            "DEAD_LETTER_MESSAGE_OFFSET=43",
            "DEAD_LETTER_SUMMARY=payment is down",
        ]
    );
    assert!(journey.headers.get_str("DEAD_LETTER_DETAIL").unwrap().ends_with("PaymentDown: payment is down\n\nPaymentDown"));
    assert_eq!(dead.len(), 11);

    let mut headers = journey.headers.clone();
    journey.writer.drop_detail(&mut headers);
    assert_eq!(headers.len(), 10);
    journey.writer.drop_summary(&mut headers);
    assert_eq!(headers.len(), 9);
}

#[test]
fn spring_reads_its_own_headers() {
    let mut journey = Journey::new(HeaderDialect::Spring, Headers::new());
    journey.retry();
    let retry = shown(&journey.headers);
    assert_eq!(
        retry[..6],
        [
            "kafka_original-topic=orders",
            "kafka_original-partition=00000007",
            "kafka_original-offset=0000000000000029",
            "kafka_original-timestamp=000001a206eb17fb",
            "kafka_original-timestamp-type=CreateTime",
            "kafka_dlt-original-consumer-group=group",
        ]
    );
    assert!(retry[6].starts_with("kafka_exception-fqcn=") && retry[6].ends_with("PaymentDown"), "{retry:?}");
    assert_eq!(retry[7], "kafka_exception-message=payment is down");
    assert_eq!(
        retry[9..],
        ["retry_topic-attempts=00000002", "retry_topic-backoff-timestamp=01a206eb95b1", "retry_topic-original-timestamp=01a206eb17fb"]
    );
    journey.retry();
    journey.dead_letter();
    for (name, value) in [
        ("kafka_dlt-original-topic", &b"orders"[..]),
        ("kafka_dlt-original-partition", &[0, 0, 0, 7]),
        ("kafka_dlt-original-offset", &[0, 0, 0, 0, 0, 0, 0, 41]),
        ("kafka_dlt-exception-message", b"payment is down"),
        ("retry_topic-attempts", &[0, 0, 0, 3]),
    ] {
        assert_eq!(journey.headers.get(name), Some(value), "{name}");
    }
    for gone in ["retry_topic-backoff-timestamp", "kafka_exception-message", "kafka_exception-stacktrace"] {
        assert_eq!(journey.headers.get(gone), None, "{gone}");
    }
}

#[test]
fn an_origin_that_the_first_hop_did_not_say_is_not_made_up() {
    for dialect in [HeaderDialect::DjangoKafka, HeaderDialect::Spring] {
        let mut journey = Journey::new(dialect, Headers::new().with("RETRY_TIMESTAMP", "1795412432.304118"));
        journey.attempt = 2;
        journey.retry();
        journey.dead_letter();
        assert_eq!(Provenance::of(&journey.headers).origin, None, "{dialect:?}");
    }
}

fn arbitrary_headers() -> impl Strategy<Value = Headers> {
    let name = prop_oneof![Just(b"trace".to_vec()), prop::collection::vec(any::<u8>(), 0..6)];
    let value = prop::option::of(prop::collection::vec(any::<u8>(), 0..20));
    let header = (name, value).prop_map(|(name, value)| match value {
        Some(value) => Header::new(name, value),
        None => Header::null(name),
    });
    prop::collection::vec(header, 0..6).prop_map(Headers::from_iter)
}

proptest! {
    #[test]
    fn five_hops_keep_what_the_message_carried_and_nothing_piles_up(original in arbitrary_headers(), spring in any::<bool>()) {
        let dialect = if spring { HeaderDialect::Spring } else { HeaderDialect::DjangoKafka };
        let mut journey = Journey::new(dialect, original.clone());
        journey.retry();
        let ours = journey.headers.len() - original.len();
        for _ in 0..4 {
            journey.retry();
            prop_assert_eq!(journey.headers.len(), original.len() + ours);
        }
        journey.dead_letter();
        let kept: Vec<_> = journey.headers.iter().take(original.len()).cloned().collect();
        prop_assert_eq!(kept, original.iter().cloned().collect::<Vec<_>>());
        let provenance = Provenance::of(&journey.headers);
        let origin = provenance.origin.unwrap();
        prop_assert_eq!((origin.topic.as_str(), origin.partition, origin.offset), ("orders", Some(7), Some(41)));
        prop_assert_eq!(origin.timestamp, Some(1_795_412_400_123));
        prop_assert_eq!((provenance.attempt, provenance.due), (Some(6), None));
    }
}
