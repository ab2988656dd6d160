//! No wake-up is lost: the member waits for the bell alone, and a test ends only when all came.

use std::sync::mpsc;

use kafka_core::broker::Delivery;
use kafka_core::message::Record;

use crate::member::{Fetched, Member, broker_with, produce, producer, topic, values};

/// Sends one message, waits until it was fetched, sends the next: a lost wake-up would stop it.
fn one_at_a_time(partitions: u16, rounds: u32, max: usize) {
    let broker = broker_with("t", partitions);
    let (fetched, next) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let broker = &broker;
        scope.spawn(move || {
            let producer = producer(broker, &[("linger.ms", "0")]);
            for round in 0..rounds {
                let partition = i32::try_from(round % u32::from(partitions)).unwrap();
                let record = Record::new(topic("t")).partition(partition).value(round.to_string().into_bytes());
                assert!(producer.send(&record, Delivery::Unattended).is_ok());
                if next.recv().is_err() {
                    return;
                }
            }
        });
        let mut member = Member::join(broker, "g", &["t"], &[]);
        let mut got: Vec<Fetched> = Vec::new();
        for round in 0..rounds {
            while got.is_empty() {
                if member.step(max, &mut got) == 0 {
                    assert!(member.bell.wait(crate::member::PATIENCE), "message {round} did not wake anyone");
                }
            }
            assert_eq!(values(&got), [round.to_string()]);
            got.clear();
            fetched.send(()).unwrap();
        }
        member.close();
    });
}

#[test]
fn sparse_messages_of_one_partition() {
    one_at_a_time(1, 1_500, 100);
}

#[test]
fn sparse_messages_of_many_partitions() {
    one_at_a_time(6, 1_500, 1);
}

#[test]
fn a_stream_drained_in_small_and_odd_bites() {
    let broker = broker_with("t", 3);
    std::thread::scope(|scope| {
        let broker = &broker;
        scope.spawn(move || {
            let producer = producer(broker, &[("linger.ms", "1")]);
            for n in 0..30_000 {
                let record = Record::new(topic("t")).partition(n % 3).value(n.to_string().into_bytes());
                assert!(producer.send(&record, Delivery::Unattended).is_ok());
                if n % 1_000 == 0 {
                    producer.flush(crate::member::PATIENCE).unwrap();
                }
            }
            producer.flush(crate::member::PATIENCE).unwrap();
        });
        let mut member = Member::join(broker, "g", &["t"], &[]);
        let mut got = Vec::new();
        let mut count = 0;
        let mut bite = 1;
        while count < 30_000 {
            bite = bite % 17 + 1;
            let took = member.step(bite, &mut got);
            count += took;
            got.clear();
            if took == 0 {
                assert!(member.bell.wait(crate::member::PATIENCE), "nothing woke the thread after {count} messages");
            }
        }
        assert_eq!(count, 30_000);
        member.close();
    });
}

#[test]
fn the_end_of_a_partition_hides_no_message_behind_it() {
    // With this property an error-like mark stands between messages; alone in a fetch it must not look like an empty queue.
    let broker = broker_with("t", 1);
    let mut member = Member::join(&broker, "g", &["t"], &[("enable.partition.eof", "true")]);
    for round in 0..100 {
        produce(&broker, "t", 0, [round.to_string()]);
        let mut got = Vec::new();
        while got.is_empty() {
            if member.step(1, &mut got) == 0 {
                assert!(member.bell.wait(crate::member::PATIENCE), "message {round} did not wake anyone");
            }
        }
        assert_eq!(values(&got), [round.to_string()]);
    }
    assert!(member.errors.is_empty(), "{:?}", member.errors);
    member.close();
}
