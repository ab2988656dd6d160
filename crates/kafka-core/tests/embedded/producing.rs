//! Deliveries that fail, queues that are full, brokers that go and come back.

use std::sync::Arc;
use std::time::Duration;

use kafka_core::broker::rdkafka::Request;
use kafka_core::broker::{Delivery, ProducerClient, Refused};
use kafka_core::message::Record;
use kafka_core::names::TopicName;
use tokio::sync::oneshot;

use crate::member::{Member, PATIENCE, broker_with, is_full, producer, properties, send, topic, values, wait, wait_boxed};

fn record() -> Record<'static> {
    Record::new(topic("t")).partition(0).value(&b"v"[..])
}

#[test]
fn a_delivery_fails_with_the_brokers_error() {
    let broker = broker_with("t", 1);
    let producer = producer(&broker, &[("linger.ms", "0")]);
    broker.fail_next(Request::Produce, &["INVALID_RECORD"]).unwrap();
    let error = wait(send(&*producer, &record())).unwrap().unwrap_err();
    assert_eq!(error.code, "INVALID_RECORD");
    assert!(error.message.starts_with("Broker:"), "not the record's own value: {error}");
    let delivered = wait(send(&*producer, &record())).unwrap().unwrap();
    assert_eq!((delivered.partition, delivered.offset), (0, 0));
    assert!(producer.fatal_error().is_none());
}

#[test]
fn after_a_topic_was_forbidden_its_records_are_refused_at_once() {
    let broker = broker_with("t", 1);
    let producer = producer(&broker, &[("linger.ms", "0")]);
    broker.fail_next(Request::Produce, &["TOPIC_AUTHORIZATION_FAILED"]).unwrap();
    assert_eq!(wait(send(&*producer, &record())).unwrap().unwrap_err().code, "TOPIC_AUTHORIZATION_FAILED");
    // librdkafka remembers until it looks the topic up again.
    let Err(Refused::Failed(_, error)) = producer.send(&record(), Delivery::Unattended) else { panic!("it was taken") };
    assert_eq!(error.code, "TOPIC_AUTHORIZATION_FAILED");
}

#[test]
fn a_transient_error_is_retried_by_librdkafka() {
    let broker = broker_with("t", 1);
    let producer = producer(&broker, &[("linger.ms", "0"), ("retry.backoff.ms", "10")]);
    broker.fail_next(Request::Produce, &["NOT_LEADER_FOR_PARTITION", "REQUEST_TIMED_OUT", "_TRANSPORT"]).unwrap();
    wait(send(&*producer, &record())).unwrap().unwrap();
}

#[test]
fn failures_that_nobody_waits_for_are_counted() {
    let broker = broker_with("t", 1);
    let producer = producer(&broker, &[("linger.ms", "0")]);
    broker.fail_next(Request::Produce, &["INVALID_RECORD"]).unwrap();
    assert!(producer.send(&record(), Delivery::Unattended).is_ok());
    producer.flush(PATIENCE).unwrap();
    assert_eq!(producer.failed_deliveries(), 1);
    // A sender that went away does not wait either.
    broker.fail_next(Request::Produce, &["INVALID_RECORD"]).unwrap();
    let (sender, gone) = oneshot::channel();
    drop(gone);
    assert!(producer.send(&record(), Delivery::Awaited(sender)).is_ok());
    producer.flush(PATIENCE).unwrap();
    assert_eq!(producer.failed_deliveries(), 2);
}

#[test]
fn a_record_that_cannot_be_sent_is_refused_at_once_and_its_delivery_given_back() {
    let broker = broker_with("t", 1);
    let producer = producer(&broker, &[("message.max.bytes", "2000")]);
    let (sender, mut receiver) = oneshot::channel();
    let large = Record::new(topic("t")).value(vec![0; 5_000]);
    let Err(Refused::Failed(Delivery::Awaited(sender), error)) = producer.send(&large, Delivery::Awaited(sender)) else {
        panic!("it was taken");
    };
    assert_eq!(error.code, "MSG_SIZE_TOO_LARGE");
    assert!(receiver.try_recv().is_err());
    drop(sender);
    let odd = Record::new(TopicName::from_broker("a\0b"));
    assert!(matches!(producer.send(&odd, Delivery::Unattended), Err(Refused::Failed(Delivery::Unattended, _))));
    let long = Record::new(TopicName::from_broker(&"x".repeat(600)));
    assert!(matches!(producer.send(&long, Delivery::Unattended), Err(Refused::Failed(..))));
}

#[test]
fn a_full_queue_gives_the_delivery_back_and_tells_when_there_is_room() {
    let broker = broker_with("t", 1);
    broker.down().unwrap();
    let producer = producer(&broker, &[("queue.buffering.max.messages", "10"), ("linger.ms", "0")]);
    for _ in 0..10 {
        assert!(producer.send(&record(), Delivery::Unattended).is_ok());
    }
    let (sender, receiver) = oneshot::channel();
    let Err(Refused::Full(delivery)) = producer.send(&record(), Delivery::Awaited(sender)) else { panic!("it was taken") };
    broker.up().unwrap();
    let mut delivery = Some(delivery);
    while let Some(waiting) = delivery.take() {
        wait_boxed(producer.room());
        match producer.send(&record(), waiting) {
            Ok(()) => {}
            Err(Refused::Full(waiting)) => delivery = Some(waiting),
            Err(refused) => panic!("{refused:?}"),
        }
    }
    assert_eq!(wait(receiver).unwrap().unwrap().offset, 10);
}

#[test]
fn many_senders_at_a_full_queue_all_get_through() {
    let broker = broker_with("t", 1);
    let producer = producer(&broker, &[("queue.buffering.max.messages", "7"), ("linger.ms", "0")]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let producer: Arc<dyn ProducerClient> = Arc::clone(&producer);
        let many = async move {
            for _ in 0..200 {
                while producer.send(&record(), Delivery::Unattended).is_err_and(|refused| is_full(&refused)) {
                    producer.room().await;
                }
            }
        };
        senders.spawn_on(many, runtime.handle());
    }
    runtime.block_on(async {
        let all = async { while senders.join_next().await.is_some_and(|sender| sender.is_ok()) {} };
        tokio::time::timeout(PATIENCE, all).await.expect("a sender was never told that there is room");
    });
    producer.flush(PATIENCE).unwrap();
    assert_eq!((producer.failed_deliveries(), producer.in_flight()), (0, 0));
    assert_eq!(wait(send(&*producer, &record())).unwrap().unwrap().offset, 4_000);
}

#[test]
fn there_is_room_when_nobody_was_refused() {
    let broker = broker_with("t", 1);
    wait_boxed(producer(&broker, &[]).room());
}

#[test]
fn a_broker_that_comes_back_gets_everything_and_gives_everything() {
    let broker = broker_with("t", 1);
    let quick = [("reconnect.backoff.ms", "20"), ("reconnect.backoff.max.ms", "50")];
    let producer = producer(&broker, &[&quick[..], &[("linger.ms", "0")]].concat());
    let mut member = Member::join(&broker, "g", &["t"], &quick);
    let value = |n: u32| Record::new(topic("t")).partition(0).value(n.to_string().into_bytes());
    let mut waiting: Vec<_> = (0..50).map(|n| send(&*producer, &value(n))).collect();
    let mut got = member.take(50);
    broker.down().unwrap();
    waiting.extend((50..100).map(|n| send(&*producer, &value(n))));
    member.step(100, &mut got);
    broker.up().unwrap();
    member.until(&mut got, |_, got| got.len() >= 100);
    assert_eq!(values(&got), (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
    for outcome in waiting {
        wait(outcome).unwrap().unwrap();
    }
    assert!(member.errors.iter().all(|error| error.severity == kafka_core::broker::Severity::Transient), "{:?}", member.errors);
    drop(got);
    member.close();
}

#[test]
fn a_producer_that_is_fatally_broken_says_why() {
    let broker = broker_with("t", 1);
    let producer = producer(&broker, &[("linger.ms", "0"), ("enable.idempotence", "true"), ("enable.gapless.guarantee", "true")]);
    wait(send(&*producer, &record())).unwrap().unwrap();
    broker.fail_next(Request::Produce, &["OUT_OF_ORDER_SEQUENCE_NUMBER"; 5]).unwrap();
    let outcome = wait(send(&*producer, &record())).unwrap();
    assert!(outcome.is_err(), "{outcome:?}");
    let fatal = producer.fatal_error().expect("a gap cannot be repaired");
    let Err(Refused::Failed(_, error)) = producer.send(&record(), Delivery::Unattended) else { panic!("it was taken") };
    assert_eq!((error.severity, &error.code), (fatal.severity, &fatal.code));
    assert_ne!(error.code, "_FATAL", "the cause, not the wrapper");
}

#[test]
fn a_fetch_error_is_reported_and_survived() {
    let broker = broker_with("t", 1);
    let mut member = Member::join(&broker, "g", &["t"], &[]);
    broker.fail_next(Request::Fetch, &["TOPIC_AUTHORIZATION_FAILED"]).unwrap();
    wait(send(&*producer(&broker, &[("linger.ms", "0")]), &record())).unwrap().unwrap();
    assert_eq!(values(&member.take(1)), ["v"]);
    member.serve();
    assert_eq!(member.errors.iter().map(|error| error.code.as_str()).collect::<Vec<_>>(), ["TOPIC_AUTHORIZATION_FAILED"]);
    member.close();
}

#[test]
fn a_commit_that_fails_is_reported() {
    let broker = broker_with("t", 1);
    let mut member = Member::join(&broker, "g", &["t"], &[("auto.commit.interval.ms", "10")]);
    wait(send(&*producer(&broker, &[("linger.ms", "0")]), &record())).unwrap().unwrap();
    drop(member.take(1));
    broker.fail_next(Request::OffsetCommit, &["GROUP_AUTHORIZATION_FAILED"]).unwrap();
    member.client.store(&kafka_core::names::TopicPartition::new(topic("t"), 0), 1).unwrap();
    member.until(&mut Vec::new(), |member, _| !member.errors.is_empty());
    assert_eq!(member.errors[0].code, "GROUP_AUTHORIZATION_FAILED");
    assert!(member.errors[0].message.contains("not committed"), "{}", member.errors[0]);
    member.close();
}

#[test]
fn a_flush_of_nothing_is_done() {
    let broker = broker_with("t", 1);
    let producer = producer(&broker, &[]);
    producer.flush(Duration::ZERO).unwrap();
    assert!(properties(&[]).is_empty());
}
