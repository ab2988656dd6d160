//! Assignment and revocation, under each protocol of a group.

use std::collections::BTreeSet;

use kafka_core::names::TopicPartition;

use crate::member::{Fetched, Member, broker_with, produce, topic, values};

/// The mock waits for all of a classic group's sessions, less a second, before it gives out a new assignment.
const SESSION: (&str, &str) = ("session.timeout.ms", "2000");
const HEARTBEAT: (&str, &str) = ("heartbeat.interval.ms", "100");
const PROTOCOLS: [&[(&str, &str)]; 3] = [
    &[("partition.assignment.strategy", "range"), SESSION, HEARTBEAT],
    &[("partition.assignment.strategy", "cooperative-sticky"), SESSION, HEARTBEAT],
    // Here the broker says both.
    &[("group.protocol", "consumer")],
];

/// Whether the mock takes commits while the group rebalances. For a classic group it refuses them, which Kafka does not.
fn commits_always(protocol: &[(&str, &str)]) -> bool {
    protocol.iter().any(|(name, _)| *name == "group.protocol")
}

fn partition(number: i32) -> TopicPartition {
    TopicPartition::new(topic("t"), number)
}

/// Drives both members until the condition holds.
fn both(a: &mut Member, b: &mut Member, got: &mut Vec<Fetched>, done: impl Fn(&Member, &Member, &[Fetched]) -> bool) {
    let deadline = kafka_core::clock::Clock::System.now() + crate::member::PATIENCE;
    while !done(a, b, got) {
        assert!(kafka_core::clock::Clock::System.now() < deadline, "{:?} and {:?}", a.assigned(), b.assigned());
        if a.step(100, got) + b.step(100, got) == 0 {
            a.bell.wait(std::time::Duration::from_millis(5));
        }
    }
}

#[test]
fn partitions_move_between_members_and_nothing_is_lost_or_handled_twice() {
    for protocol in PROTOCOLS {
        let broker = broker_with("t", 4);
        for number in 0..4 {
            produce(&broker, "t", number, (0..50).map(|n| format!("{number}:{n}")));
        }
        let mut first = Member::join(&broker, "g", &["t"], protocol);
        let mut got = first.take(200);
        (0..4).for_each(|number| first.client.store(&partition(number), 50).unwrap());
        let mut second = Member::join(&broker, "g", &["t"], protocol);
        both(&mut first, &mut second, &mut got, |first, second, _| first.queues.len() == 2 && second.queues.len() == 2);
        let mine: BTreeSet<_> = first.assigned().union(&second.assigned()).cloned().collect();
        assert_eq!(mine, (0..4).map(partition).collect(), "{protocol:?}");
        for number in 0..4 {
            produce(&broker, "t", number, (50..60).map(|n| format!("{number}:{n}")));
        }
        let unique = |got: &[Fetched]| values(got).into_iter().collect::<BTreeSet<_>>().len();
        both(&mut first, &mut second, &mut got, |_, _, got| unique(got) == 240);
        assert!(got.len() == 240 || !commits_always(protocol), "{} of 240", got.len());
        for number in 0..4 {
            let owner = if first.assigned().contains(&partition(number)) { &mut first } else { &mut second };
            owner.client.store(&partition(number), 60).unwrap();
        }
        drop(got);
        first.close();
        drop(first);
        let mut rest = Vec::new();
        second.until(&mut rest, |member, _| member.queues.len() == 4);
        (0..4).for_each(|number| produce(&broker, "t", number, ["last".to_owned()]));
        let last = |got: &[Fetched]| values(got).iter().filter(|value| *value == "last").count();
        second.until(&mut rest, |_, rest| last(rest) == 4);
        assert!(rest.len() == 4 || !commits_always(protocol), "{:?}", values(&rest));
        drop(rest);
        second.close();
    }
}

#[test]
fn a_partition_that_comes_back_goes_on_where_it_was_stored() {
    for protocol in PROTOCOLS {
        let broker = broker_with("t", 2);
        produce(&broker, "t", 0, (0..20).map(|n| n.to_string()));
        produce(&broker, "t", 1, (0..20).map(|n| n.to_string()));
        let mut first = Member::join(&broker, "g", &["t"], protocol);
        // One message of each is taken, nineteen stay behind in librdkafka's queue.
        let mut got = Vec::new();
        while got.len() < 2 {
            first.step(1, &mut got);
        }
        let taken: Vec<i64> = (0..2).map(|number| got.iter().filter(|(from, _)| *from == partition(number)).count() as i64).collect();
        (0..2).for_each(|number| {
            first.client.store(&partition(number), taken[number as usize]).unwrap();
        });
        let mut second = Member::join(&broker, "g", &["t"], protocol);
        let mut ignored = Vec::new();
        while second.queues.len() != 1 || first.queues.len() != 1 {
            first.serve();
            second.step(0, &mut ignored);
            first.bell.wait(std::time::Duration::from_millis(5));
        }
        let moved = second.assigned();
        second.close();
        drop((second, ignored));
        let offsets = |got: &[Fetched], number| -> Vec<i64> {
            got.iter().filter(|(from, _)| *from == partition(number)).map(|(_, message)| message.offset()).collect()
        };
        let whole = |got: &[Fetched], number| offsets(got, number).into_iter().collect::<BTreeSet<_>>().len() == 20;
        first.until(&mut got, |_, got| whole(got, 0) && whole(got, 1));
        for number in 0..2 {
            let offsets = offsets(&got, number);
            assert!(offsets.len() == 20 || !commits_always(protocol), "partition {number}, moved {moved:?}: {offsets:?}");
        }
        drop(got);
        first.close();
    }
}

#[test]
fn a_position_given_with_the_assignment_is_where_fetching_begins() {
    for protocol in PROTOCOLS {
        let broker = broker_with("t", 1);
        produce(&broker, "t", 0, (0..10).map(|n| n.to_string()));
        let mut member = Member::join(&broker, "g", &["t"], protocol);
        member.starts.insert(partition(0), 7);
        let got = member.take(3);
        assert_eq!(values(&got), ["7", "8", "9"], "{protocol:?}");
        assert_eq!(member.client.end_offset(&partition(0)), Some(10));
        drop(got);
        member.close();
    }
}

#[test]
fn nothing_is_stored_for_a_partition_that_is_not_assigned() {
    let broker = broker_with("t", 1);
    let mut member = Member::join(&broker, "g", &["t"], &[]);
    assert!(member.client.store(&partition(0), 1).is_err());
    member.until(&mut Vec::new(), |member, _| !member.queues.is_empty());
    member.client.store(&partition(0), 1).unwrap();
    assert!(member.client.store(&partition(7), 1).is_err());
    member.close();
    assert!(member.client.store(&partition(0), 2).is_err());
    assert_eq!(member.client.end_offset(&TopicPartition::new(topic("elsewhere"), 3)), None);
}

#[test]
fn a_pattern_finds_its_topics() {
    let broker = broker_with("orders.eu", 1);
    broker.create_topic(&topic("orders.us"), 1).unwrap();
    broker.create_topic(&topic("my.orders"), 1).unwrap();
    for name in ["orders.eu", "orders.us", "my.orders"] {
        produce(&broker, name, 0, [name.to_owned()]);
    }
    let mut member = Member::join(&broker, "g", &["^orders\\.(eu|us)"], &[]);
    let mut got = values(&member.take(2));
    got.sort();
    assert_eq!(got, ["orders.eu", "orders.us"]);
    member.close();
}

#[test]
fn a_pattern_is_taken_under_kip_848() {
    // The mock does not match patterns; what is tested is that librdkafka takes the form that the broker wants.
    let broker = broker_with("orders.eu", 1);
    let mut member = Member::join(&broker, "g", &["^orders\\.(eu|us)", "^(a|b)"], &[("group.protocol", "consumer")]);
    member.serve();
    member.close();
}

#[test]
fn an_exact_name_and_its_double_are_one_subscription() {
    let broker = broker_with("t", 1);
    produce(&broker, "t", 0, ["v".to_owned()]);
    let mut member = Member::join(&broker, "g", &["t", "t"], &[]);
    assert_eq!(values(&member.take(1)), ["v"]);
    member.close();
}
