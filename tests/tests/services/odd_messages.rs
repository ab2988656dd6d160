//! Messages that nobody expects: all are representable, none crashes, and poison is kept byte for byte as a dead letter.

use kafka_tests::calls::Call;
use kafka_tests::cluster::delete_topic;
use kafka_tests::produce::Record;
use kafka_tests::read::everything;
use kafka_tests::story::Story;
use kafka_tests::wire;
use serde_json::json;

/// Sends these, and expects a successful call for each, and the positions at the end.
fn all_handled(word: &str, records: Vec<Record>) -> Vec<Call> {
    let story = Story::new(word, 1);
    let count = records.len();
    story.send(records);
    let ledger = story.ledger().start();
    let calls = story.until_handled(count);
    assert_eq!(calls.iter().map(|call| call.offset).collect::<Vec<_>>(), (0..count as i64).collect::<Vec<_>>());
    story.stop_at_the_end(ledger);
    calls
}

#[test]
fn null_and_empty_keys_are_different() {
    let calls = all_handled("odd-keys", vec![Record::number(0), Record::number(1).key(""), Record::number(2).key([0xff, 0xfe])]);
    let keys: Vec<_> = calls.iter().map(|call| call.key.as_deref()).collect();
    assert_eq!(keys, [None, Some(""), Some("\u{fffd}\u{fffd}")]);
}

#[test]
fn null_and_empty_keys_have_lanes() {
    let story = Story::new("odd-lanes", 1);
    story.send((0..100).flat_map(|n| [Record::number(2 * n), Record::number(2 * n + 1).key("")]));
    let ledger = story.ledger().flag("--order", "key").start();
    let calls = story.until_handled(200);
    assert_eq!(kafka_tests::checks::none_lost(&calls, 0..200), Ok(()));
    assert_eq!(kafka_tests::checks::order_kept(&calls, kafka_tests::checks::Order::Key), Ok(()));
    story.stop_at_the_end(ledger);
}

#[test]
fn a_null_value_is_a_tombstone() {
    let calls = all_handled("odd-null", vec![Record::empty().key("gone"), Record::empty()]);
    assert!(calls.iter().all(|call| call.n.is_none()));
}

#[test]
fn a_mebibyte_goes_through() {
    let pad = "x".repeat(1024 * 1024);
    all_handled("odd-big", (0..40).map(|n| Record::work(json!({ "n": n, "pad": pad }))).collect());
}

#[test]
fn a_thousand_headers_go_through() {
    let many = (0..1_000).fold(Record::number(0), |record, n| record.header(format!("h{}", n % 7), vec![0xff; n % 5]));
    all_handled("odd-headers", vec![many, Record::number(1)]);
}

#[test]
fn header_names_need_not_be_utf_8() {
    let story = Story::new("odd-names", 1);
    wire::produce_with_headers(&story.name, br#"{"n":0}"#, &[(&[0xff, 0xfe], b"a"), (b"", b""), (b"ORIGIN_TOPIC", &[0xc3])]);
    let ledger = story.ledger().start();
    assert_eq!(story.until_handled(1)[0].n, Some(0));
    story.stop_at_the_end(ledger);
}

/// Poison becomes a dead letter with its bytes kept exactly; what stands around it is handled, and the position goes on.
fn poison_is_a_dead_letter(word: &str, flags: &[(&str, &str)], key: Option<&[u8]>, poison: &[u8]) {
    let story = Story::new(word, 2);
    let record = Record::empty().value(poison).header("mine", [0xff]);
    let record = key.into_iter().fold(record, |record, key| record.key(key));
    story.send((0..5).map(Record::number).chain([record]).chain((6..10).map(Record::number)));
    story.send((10..110).map(|n| Record::number(n).to(1)));
    let ledger = flags.iter().fold(story.ledger(), |ledger, (flag, value)| ledger.flag(flag, value)).start();
    let calls = story.until_handled(109);
    assert!(calls.iter().all(|call| call.partition == 1 || call.offset != 5), "no handler can have read it: {calls:?}");
    let topic = format!("{0}.{0}.dlt", story.name);
    let letters = everything(&topic, 2);
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!((letters[0].key.as_deref(), letters[0].value.as_deref()), (key, Some(poison)));
    assert_eq!(letters[0].headers[0], ("mine".to_owned(), vec![0xff]));
    let summary = letters[0].headers.iter().find(|(name, _)| name == "DEAD_LETTER_SUMMARY").map(|(_, text)| String::from_utf8_lossy(text));
    assert!(summary.is_some_and(|summary| summary.contains("could not be decoded")), "it says what is wrong: {letters:?}");
    story.stop_at_the_end(ledger);
    delete_topic(&topic);
}

#[test]
fn poison_is_a_dead_letter_byte_for_byte() {
    poison_is_a_dead_letter("poison", &[], None, &[0xff, 0x00, 0x7b]);
}

#[test]
fn an_empty_value_is_poison_for_json() {
    poison_is_a_dead_letter("poison-empty", &[], Some(b""), b"");
}

#[test]
fn poison_is_a_dead_letter_out_of_a_batch() {
    poison_is_a_dead_letter("poison-batch", &[("--batch", "50")], None, b"{");
}
