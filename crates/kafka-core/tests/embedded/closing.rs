//! Leaving a group, with and without manners, and messages that outlive their client.

use std::time::Duration;

use kafka_core::broker::ClientEvent;
use kafka_core::broker::rdkafka::{EmbeddedBroker, Request};
use kafka_core::clock::Clock;
use kafka_core::message::{KeepAlive, RawMessage};
use kafka_core::names::TopicPartition;

use crate::member::{Member, PATIENCE, broker_with, produce, topic, values};

const KIP_848: &[(&str, &str)] = &[("group.protocol", "consumer")];
/// A classic group of the mock's waits this long, less a second, before the next member gets anything.
const SESSION: (&str, &str) = ("session.timeout.ms", "1500");

fn ten(broker: &EmbeddedBroker) {
    produce(broker, "t", 0, (0..10).map(|n| n.to_string()));
}

/// A member that holds all ten messages.
fn holding(broker: &EmbeddedBroker) -> (Member, Vec<RawMessage>, KeepAlive) {
    ten(broker);
    let mut member = Member::join(broker, "g", &["t"], KIP_848);
    let messages = member.take(10).into_iter().map(|(_, message)| message).collect();
    let keep = member.client.keep_alive().unwrap();
    (member, messages, keep)
}

fn assert_intact(messages: &[RawMessage]) {
    let read: Vec<_> = messages.iter().map(|message| message.value().unwrap().to_vec()).collect();
    assert_eq!(read, (0..10).map(|n| n.to_string().into_bytes()).collect::<Vec<_>>());
}

#[test]
fn a_client_is_dropped_at_once_when_nothing_of_it_is_held() {
    let broker = broker_with("t", 1);
    let (mut member, messages, keep) = holding(&broker);
    member.close();
    drop((messages, keep));
    let start = Clock::System.now();
    drop(member);
    let took = Clock::System.now() - start;
    assert!(took < Duration::from_millis(1_500), "the drop took {took:?}");
}

#[test]
fn a_client_waits_for_messages_that_are_about_to_go() {
    let broker = broker_with("t", 1);
    let (mut member, messages, keep) = holding(&broker);
    member.close();
    let (dropping, dropped) = std::sync::mpsc::channel();
    let owner = std::thread::spawn(move || {
        dropping.send(()).unwrap();
        drop(member);
    });
    dropped.recv().unwrap();
    assert_intact(&messages);
    drop((messages, keep));
    owner.join().unwrap();
}

#[test]
fn messages_outlive_their_closed_client() {
    let broker = broker_with("t", 1);
    let (mut member, messages, keep) = holding(&broker);
    member.close();
    let start = Clock::System.now();
    drop(member);
    assert!(Clock::System.now() - start < Duration::from_secs(10), "the drop is bounded");
    drop(broker);
    // The last drop is another thread's, and neither hangs nor joins anything.
    std::thread::spawn(move || {
        assert_intact(&messages);
        let start = Clock::System.now();
        drop((messages, keep));
        assert!(Clock::System.now() - start < Duration::from_millis(500));
    })
    .join()
    .unwrap();
}

#[test]
fn a_client_that_nobody_closed_leaves_its_group_within_bounds() {
    let broker = broker_with("t", 1);
    let (member, messages, keep) = holding(&broker);
    drop((messages, keep));
    let start = Clock::System.now();
    drop(member);
    assert!(Clock::System.now() - start < Duration::from_secs(8));
    // It left: the next member need not wait for the session of the first to end.
    let start = Clock::System.now();
    let mut next = Member::join(&broker, "g", &["t"], KIP_848);
    drop(next.take(10));
    assert!(Clock::System.now() - start < Duration::from_secs(10));
    next.close();
}

#[test]
fn a_client_whose_broker_is_gone_is_dropped_within_bounds() {
    let broker = broker_with("t", 1);
    let (member, messages, keep) = holding(&broker);
    drop((messages, keep));
    broker.down().unwrap();
    let start = Clock::System.now();
    drop(member);
    let took = Clock::System.now() - start;
    assert!(took < Duration::from_secs(10), "the drop took {took:?}");
}

#[test]
fn a_client_dropped_before_it_was_ever_assigned() {
    let broker = broker_with("t", 1);
    drop(Member::join(&broker, "g", &["t"], &[]));
}

/// Stores 5 of 10, leaves by `leave`, and says what the next member gets.
fn after_leaving(pairs: &[(&str, &str)], leave: impl FnOnce(&mut Member, &EmbeddedBroker)) -> Vec<String> {
    let broker = broker_with("t", 1);
    ten(&broker);
    let mut member = Member::join(&broker, "g", &["t"], pairs);
    drop(member.take(10));
    member.client.store(&TopicPartition::new(topic("t"), 0), 5).unwrap();
    leave(&mut member, &broker);
    drop(member);
    produce(&broker, "t", 0, ["last".to_owned()]);
    let mut next = Member::join(&broker, "g", &["t"], pairs);
    let mut fetched = Vec::new();
    next.until(&mut fetched, |_, fetched| values(fetched).last().is_some_and(|value| value == "last"));
    let got = values(&fetched);
    drop(fetched);
    next.close();
    got
}

const REST: [&str; 6] = ["5", "6", "7", "8", "9", "last"];
/// So long that nothing is committed by the clock.
const RARELY: (&str, &str) = ("auto.commit.interval.ms", "600000");

#[test]
fn what_was_stored_is_committed_on_close() {
    for protocol in ["range", "roundrobin", "cooperative-sticky"] {
        let pairs = [RARELY, SESSION, ("partition.assignment.strategy", protocol)];
        assert_eq!(after_leaving(&pairs, |member, _| member.close()), REST, "{protocol}");
    }
}

#[test]
fn what_was_stored_is_committed_on_close_under_kip_848() {
    assert_eq!(after_leaving(&[RARELY, KIP_848[0]], |member, _| member.close()), REST);
}

#[test]
fn what_was_stored_is_committed_when_the_loop_died() {
    assert_eq!(after_leaving(&[RARELY, SESSION], |_, _| ()), REST);
}

#[test]
fn what_was_stored_is_committed_through_a_rebalance() {
    let coming: [(_, &[(&str, &str)]); 2] =
        [("REBALANCE_IN_PROGRESS", &[SESSION, ("partition.assignment.strategy", "cooperative-sticky")]), ("STALE_MEMBER_EPOCH", KIP_848)];
    for (error, pairs) in coming {
        let pairs = [pairs, &[RARELY]].concat();
        let got = after_leaving(&pairs, |member, broker| {
            broker.fail_next(Request::OffsetCommit, &[error; 3]).unwrap();
            member.close();
            assert!(member.errors.is_empty(), "{error}: {:?}", member.errors);
        });
        assert_eq!(got, REST, "{error}");
    }
}

/// Why the loop closes a client last of all: what still runs on the other partition could not say any more how far it came.
#[test]
fn an_answer_after_the_close_gives_up_all_partitions() {
    let broker = broker_with("t", 2);
    let kept = TopicPartition::new(topic("t"), 0);
    let mut first = Member::join(&broker, "g", &["t"], KIP_848);
    first.until(&mut Vec::new(), |first, _| first.queues.len() == 2);
    let mut second = Member::join(&broker, "g", &["t"], KIP_848);
    let revoked = loop {
        second.serve();
        match first.client.poll() {
            Some(ClientEvent::Revoked(revoked)) => break revoked,
            Some(other) => panic!("{other:?} instead of a revocation"),
            None => drop(first.bell.wait(Duration::from_millis(5))),
        }
    };
    assert_eq!(revoked, [TopicPartition::new(topic("t"), 1)]);
    first.client.store(&kept, 1).unwrap();
    // What tells the close: it comes once the commit before it is answered.
    broker.fail_next(Request::OffsetCommit, &["GROUP_AUTHORIZATION_FAILED"]).unwrap();
    first.client.begin_close();
    loop {
        match first.client.poll() {
            Some(ClientEvent::Error(error)) if error.code == "GROUP_AUTHORIZATION_FAILED" => break,
            Some(other) => panic!("{other:?} instead of the commit's error"),
            None => drop(first.bell.wait(Duration::from_millis(5))),
        }
    }
    first.client.store(&kept, 0).unwrap();
    first.client.unassign(&revoked).unwrap();
    first.client.store(&kept, 0).unwrap_err();
    first.close();
    second.close();
}

#[test]
fn a_fatal_error_is_told_with_its_cause_and_leaves_nothing_to_close() {
    let broker = broker_with("t", 1);
    broker.fail_next(Request::JoinGroup, &["FENCED_INSTANCE_ID"; 20]).unwrap();
    let mut member = Member::join(&broker, "g", &["t"], &[("group.instance.id", "me")]);
    member.until(&mut Vec::new(), |member, _| member.errors.iter().any(|error| error.code == "FENCED_INSTANCE_ID"));
    let severity = member.errors.iter().find(|error| error.code == "FENCED_INSTANCE_ID").map(|error| error.severity);
    assert_eq!(severity, Some(kafka_core::broker::Severity::Fatal), "{:?}", member.errors);
    member.close();
}

#[test]
fn a_dropped_producer_tells_everyone_who_waits() {
    let broker = broker_with("t", 1);
    broker.down().unwrap();
    let producer = crate::member::producer(&broker, &[]);
    let record = kafka_core::message::Record::new(topic("t")).partition(0).value(&b"v"[..]);
    let waiting: Vec<_> = (0..10).map(|_| crate::member::send(&*producer, &record)).collect();
    assert_eq!(producer.in_flight(), 10);
    drop(producer);
    for outcome in waiting {
        let error = crate::member::wait(outcome).expect("the sender is told").unwrap_err();
        assert!(error.code.starts_with("_PURGE"), "{error:?}");
    }
}

#[test]
fn a_flush_that_takes_too_long_says_how_many_are_left() {
    let broker = broker_with("t", 1);
    broker.down().unwrap();
    let producer = crate::member::producer(&broker, &[]);
    let record = kafka_core::message::Record::new(topic("t")).partition(0).value(&b"v"[..]);
    let waiting: Vec<_> = (0..3).map(|_| crate::member::send(&*producer, &record)).collect();
    assert_eq!(producer.flush(Duration::from_millis(50)).unwrap_err().records, 3);
    broker.up().unwrap();
    producer.flush(PATIENCE).unwrap();
    waiting.into_iter().for_each(|outcome| {
        crate::member::wait(outcome).unwrap().unwrap();
    });
    assert_eq!(producer.in_flight(), 0);
}
