//! What is produced comes out byte for byte.

use kafka_core::message::{Header, Headers, OwnedMessage, Record, Timestamp};

use crate::member::{Member, broker_with, producer, send, topic, wait};

/// Sends records to partition 0 and reads them back.
fn there_and_back(records: &[Record<'_>]) -> Vec<OwnedMessage> {
    let broker = broker_with("t", 1);
    let producer = producer(&broker, &[("linger.ms", "0"), ("message.max.bytes", "4000000")]);
    for (offset, record) in (0..).zip(records) {
        let delivered = wait(send(&*producer, record)).unwrap().unwrap();
        assert_eq!((delivered.partition, delivered.offset), (0, offset));
    }
    let mut member = Member::join(&broker, "g", &["t"], &[]);
    let fetched = member.take(records.len());
    let owned = fetched.iter().map(|(_, message)| message.detach()).collect();
    drop(fetched);
    member.close();
    owned
}

fn record() -> Record<'static> {
    Record::new(topic("t")).partition(0)
}

#[test]
fn null_and_empty_are_two_things() {
    let messages = there_and_back(&[
        record(),
        record().key(&b""[..]).value(&b""[..]),
        record().key(&b"k"[..]),
        record().value(&b"v"[..]),
        record().key(&b"\xff\x00"[..]).value(&b"\x00\x80"[..]),
    ]);
    let parts: Vec<_> = messages.iter().map(|message| (message.key.as_deref(), message.value.as_deref())).collect();
    assert_eq!(
        parts,
        [
            (None, None),
            (Some(&b""[..]), Some(&b""[..])),
            (Some(&b"k"[..]), None),
            (None, Some(&b"v"[..])),
            (Some(&b"\xff\x00"[..]), Some(&b"\x00\x80"[..])),
        ]
    );
    assert_eq!(messages.iter().map(|message| message.offset).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

#[test]
fn headers_keep_their_order_their_nulls_and_names_that_are_not_text() {
    let headers = Headers::new().with("again", "1").with(&b"\xff\xfe"[..], &b"\x00\x80\xff"[..]).with("again", "2").with("empty", "");
    let headers: Headers =
        headers.iter().cloned().chain([Header::null("null"), Header::new("", "no name"), Header::new("last", "")]).collect();
    let messages = there_and_back(&[record().value(&b"v"[..]).headers(headers.clone()), record(), record().headers(Headers::new())]);
    assert_eq!(messages[0].headers, headers);
    assert!(messages[1].headers.is_empty() && messages[2].headers.is_empty());
}

#[test]
fn a_thousand_headers_and_a_value_of_a_mebibyte() {
    let headers: Headers = (0..1_000).map(|n| Header::new(format!("name {n}"), format!("value {n}"))).collect();
    let value: Vec<u8> = (0..1_048_576_u32).map(|n| (n % 251) as u8).collect();
    let messages = there_and_back(&[record().headers(headers.clone()).value(&value[..])]);
    assert_eq!(messages[0].headers, headers);
    assert_eq!(messages[0].value.as_deref(), Some(&value[..]));
}

#[test]
fn a_timestamp_is_the_producers_and_otherwise_now() {
    let messages = there_and_back(&[record().timestamp(1_700_000_000_123), record()]);
    assert_eq!(messages[0].timestamp, Timestamp::CreateTime(1_700_000_000_123));
    let now = kafka_core::clock::Clock::System.wall_ms();
    let Timestamp::CreateTime(then) = messages[1].timestamp else { panic!("{:?}", messages[1].timestamp) };
    assert!((now - 60_000..=now).contains(&then), "{then} is not just before {now}");
}

#[test]
fn headers_are_read_by_many_threads_at_once() {
    let broker = broker_with("t", 1);
    let producer = producer(&broker, &[("linger.ms", "0")]);
    let headers: Headers = (0..20).map(|n| Header::new(format!("name {n}"), format!("value {n}"))).collect();
    for _ in 0..200 {
        wait(send(&*producer, &record().headers(headers.clone()))).unwrap().unwrap();
    }
    let mut member = Member::join(&broker, "g", &["t"], &[]);
    let fetched = member.take(200);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                fetched.iter().for_each(|(_, message)| assert_eq!(message.headers(), headers));
            });
        }
    });
    drop(fetched);
    member.close();
}
