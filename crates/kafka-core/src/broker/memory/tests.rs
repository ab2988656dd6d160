//! The in-memory broker against the words of its ports.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::oneshot;

use super::*;
use crate::broker::{ClientEvent, Delivery, QueueId, Refused};
use crate::clock::ManualClock;
use crate::message::RawMessage;

fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

fn at(partition: i32) -> TopicPartition {
    TopicPartition::new(topic("t"), partition)
}

fn group() -> GroupId {
    GroupId::new("g").unwrap()
}

fn properties(pairs: &[(&str, &str)]) -> Properties {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const EAGER: &[(&str, &str)] = &[("auto.offset.reset", "earliest")];
const COOPERATIVE: &[(&str, &str)] = &[("auto.offset.reset", "earliest"), ("partition.assignment.strategy", "cooperative-sticky")];
const INCREMENTAL: &[(&str, &str)] = &[("auto.offset.reset", "earliest"), ("group.protocol", "consumer")];

fn broker(partitions: i32) -> (MemoryBroker, Arc<ManualClock>) {
    let (clock, hand) = Clock::manual();
    let broker = MemoryBroker::scripted(clock);
    broker.create_topic(&topic("t"), partitions);
    (broker, hand)
}

fn append(broker: &MemoryBroker, partition: i32, values: &[&str]) {
    for value in values {
        broker.append(&Record::new(topic("t")).partition(partition).value(value.as_bytes())).unwrap();
    }
}

/// A consumer that answers at once.
struct Reader {
    client: Box<dyn ConsumerClient>,
    id: ClientId,
    queues: BTreeMap<TopicPartition, QueueId>,
    wakes: Arc<AtomicUsize>,
}

impl Reader {
    fn join(broker: &MemoryBroker, pairs: &[(&str, &str)], subscription: &str) -> Self {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&wakes);
        let wake = PollWaker::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let client = broker.consumer(&group(), &properties(pairs), &[Subscription::parse(subscription).unwrap()], wake).unwrap();
        let id = broker.clients().iter().filter(|client| client.group.is_some()).map(|client| client.id).max().unwrap();
        Self { client, id, queues: BTreeMap::new(), wakes }
    }

    /// Polls and answers until nothing comes; what came, in words.
    fn serve(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.client.poll().map(|event| self.answer(event))).collect()
    }

    fn answer(&mut self, event: ClientEvent) -> String {
        let list = |partitions: &[TopicPartition]| partitions.iter().map(|name| name.to_string()).collect::<Vec<_>>().join(" ");
        match event {
            ClientEvent::Assigned(partitions) => {
                let asked: Vec<_> = partitions.iter().map(|partition| (partition.clone(), None)).collect();
                let queues = self.client.assign(&asked).unwrap();
                self.queues.extend(partitions.iter().cloned().zip(queues));
                format!("+ {}", list(&partitions))
            }
            ClientEvent::Revoked(partitions) => {
                self.client.unassign(&partitions).unwrap();
                self.queues.retain(|partition, _| !partitions.contains(partition));
                format!("- {}", list(&partitions))
            }
            ClientEvent::Lost(partitions) => {
                self.client.unassign(&partitions).unwrap();
                self.queues.retain(|partition, _| !partitions.contains(partition));
                format!("! {}", list(&partitions))
            }
            ClientEvent::Error(error) => error.to_string(),
        }
    }

    fn fetch(&mut self, partition: i32, max: usize) -> Vec<i64> {
        let mut messages = Vec::new();
        self.client.fetch(self.queues[&at(partition)], max, &mut messages);
        messages.iter().map(RawMessage::offset).collect()
    }

    fn ready(&mut self) -> Vec<QueueId> {
        let mut ready = Vec::new();
        self.client.take_ready(&mut ready);
        ready
    }

    fn wakes(&self) -> usize {
        self.wakes.swap(0, Ordering::Relaxed)
    }
}

#[test]
fn eager_takes_everything_back_before_it_assigns() {
    let (broker, _) = broker(4);
    let mut a = Reader::join(&broker, EAGER, "t");
    assert_eq!(a.serve(), ["+ t/0 t/1 t/2 t/3"]);
    let mut b = Reader::join(&broker, EAGER, "t");
    assert!(b.serve().is_empty(), "nothing before the owner answered");
    assert_eq!(a.serve(), ["- t/0 t/1 t/2 t/3", "+ t/0 t/1"]);
    assert_eq!(b.serve(), ["+ t/2 t/3"]);
}

#[test]
fn incremental_protocols_move_only_what_moves() {
    for (protocol, last) in [(COOPERATIVE, vec!["- t/2 t/3", "+ "]), (INCREMENTAL, vec!["- t/2 t/3"])] {
        let (broker, _) = broker(4);
        let mut a = Reader::join(&broker, protocol, "t");
        assert_eq!(a.serve(), ["+ t/0 t/1 t/2 t/3"]);
        let mut b = Reader::join(&broker, protocol, "t");
        assert_eq!(b.serve(), ["+ "], "an empty assignment, since all are taken");
        assert_eq!(broker.owner(&group(), &at(3)), Some(a.id));
        assert_eq!(a.serve(), last);
        assert_eq!(b.serve(), ["+ t/2 t/3"]);
        assert_eq!(broker.violations(), []);
    }
}

#[test]
fn a_soft_close_commits_and_hands_over() {
    let (broker, _) = broker(2);
    append(&broker, 0, &["a", "b", "c"]);
    let (mut a, mut b) = (Reader::join(&broker, COOPERATIVE, "t"), Reader::join(&broker, COOPERATIVE, "t"));
    for _ in 0..3 {
        a.serve();
        b.serve();
    }
    let (mut first, mut other) = if a.queues.contains_key(&at(0)) { (a, b) } else { (b, a) };
    assert_eq!(first.fetch(0, 2), [0, 1]);
    first.client.store(&at(0), 2).unwrap();
    assert_eq!(broker.committed(&group(), &at(0)), None);
    first.client.begin_close();
    assert!(!first.client.is_closed());
    assert_eq!(first.serve(), ["- t/0"]);
    assert!(first.client.is_closed());
    assert_eq!(broker.committed(&group(), &at(0)), Some(2));
    other.serve();
    assert_eq!(other.fetch(0, 10), [2]);
}

#[test]
fn an_answer_after_the_close_gives_up_all_partitions() {
    let (broker, _) = broker(2);
    append(&broker, 0, &["a", "b"]);
    let mut a = Reader::join(&broker, COOPERATIVE, "t");
    a.serve();
    a.fetch(0, 2);
    let mut b = Reader::join(&broker, COOPERATIVE, "t");
    let Some(ClientEvent::Revoked(revoked)) = a.client.poll() else { panic!("no revocation") };
    assert_eq!(revoked, [at(1)]);
    a.client.store(&at(0), 1).unwrap();
    a.client.begin_close();
    assert!(!a.client.is_closed(), "an answer is out");
    a.client.unassign(&revoked).unwrap();
    assert!(a.client.is_closed() && a.client.poll().is_none());
    assert_eq!(broker.committed(&group(), &at(0)), Some(1));
    b.serve();
    assert_eq!(b.fetch(0, 10), [1]);
    assert_eq!(broker.violations(), []);
}

#[test]
fn after_a_crash_only_what_was_committed_counts() {
    let (broker, _) = broker(1);
    append(&broker, 0, &["a", "b", "c"]);
    let mut a = Reader::join(&broker, EAGER, "t");
    a.serve();
    a.fetch(0, 3);
    a.client.store(&at(0), 1).unwrap();
    broker.commit_tick();
    a.client.store(&at(0), 3).unwrap();
    broker.crash(a.id);
    let mut b = Reader::join(&broker, EAGER, "t");
    assert_eq!(b.serve(), ["+ t/0"]);
    assert_eq!(b.fetch(0, 10), [1, 2]);
    assert!(a.client.poll().is_none() && a.client.store(&at(0), 3).is_err());
    drop(a);
    assert_eq!(broker.violations(), []);
}

#[test]
fn an_expired_member_stores_nothing_more_and_joins_again() {
    let (broker, _) = broker(1);
    append(&broker, 0, &["a", "b"]);
    let (mut a, mut b) = (Reader::join(&broker, EAGER, "t"), Reader::join(&broker, EAGER, "t"));
    a.serve();
    b.serve();
    assert!(a.queues.contains_key(&at(0)));
    broker.expire(a.id);
    assert_eq!(b.serve(), ["+ t/0"]);
    a.client.store(&at(0), 2).expect("it does not know yet");
    broker.commit_tick();
    assert_eq!(broker.committed(&group(), &at(0)), None);
    assert_eq!(broker.violations(), []);
    assert!(matches!(a.client.poll(), Some(ClientEvent::Lost(_))));
    assert!(a.client.store(&at(0), 2).is_err());
    assert_eq!(broker.violations().len(), 1, "it was told");
    a.client.unassign(&[at(0)]).unwrap();
    assert_eq!(b.serve(), ["- t/0", "+ t/0"], "the other one is back, eagerly");
}

#[test]
fn gaps_compaction_and_retention_are_normal() {
    let (broker, _) = broker(1);
    append(&broker, 0, &["a", "b"]);
    broker.append_with_gap(&Record::new(topic("t")).value(&b"c"[..]), 5);
    broker.skip_offsets(&at(0), 1);
    append(&broker, 0, &["d"]);
    broker.compact(&at(0), 1);
    let mut a = Reader::join(&broker, EAGER, "t");
    a.serve();
    assert_eq!(a.fetch(0, 10), [0, 7, 9]);
    assert_eq!(a.client.end_offset(&at(0)), Some(10));
    drop(a);
    broker.trim(&at(0), 7);
    let mut b = Reader::join(&broker, EAGER, "t");
    b.serve();
    assert_eq!(b.fetch(0, 10), [7, 9]);
}

#[test]
fn a_queue_is_ready_again_only_after_it_was_found_empty() {
    let (broker, hand) = broker(1);
    let mut a = Reader::join(&broker, EAGER, "t");
    a.serve();
    a.wakes();
    append(&broker, 0, &["a", "b"]);
    assert!(a.wakes() > 0);
    assert_eq!((a.ready().len(), a.ready().len()), (1, 0));
    broker.faults(|faults| faults.fetch_limit(Some(1)));
    assert_eq!((a.fetch(0, 10), a.fetch(0, 10)), (vec![0], vec![1]));
    append(&broker, 0, &["c"]);
    assert_eq!((a.wakes(), a.ready().len()), (0, 0), "not found empty yet");
    assert_eq!((a.fetch(0, 10), a.fetch(0, 10).len()), (vec![2], 0));
    broker.faults(|faults| faults.delay_delivery(Duration::from_secs(1)));
    append(&broker, 0, &["d"]);
    assert_eq!((a.wakes(), a.ready().len()), (0, 0));
    hand.advance_to(broker.next_due().unwrap());
    broker.tick();
    assert!(a.wakes() > 0);
    assert_eq!((a.ready().len(), a.fetch(0, 10)), (1, vec![3]));
}

#[test]
fn topics_that_match_a_pattern_join_later() {
    let (broker, _) = broker(1);
    let pairs = [EAGER, &[("topic.blacklist", "t.not,^t\\.retry\\.")]].concat();
    let mut a = Reader::join(&broker, &pairs, "^t");
    assert_eq!(a.serve(), ["+ t/0"]);
    for name in ["t.not", "t.retry.1", "other"] {
        broker.create_topic(&topic(name), 1);
    }
    assert!(a.serve().is_empty());
    broker.create_topic(&topic("t.x"), 1);
    assert_eq!(a.serve(), ["- t/0", "+ t/0 t.x/0"]);
}

#[test]
fn positions_begin_where_they_should() {
    let (broker, _) = broker(1);
    append(&broker, 0, &["a", "b", "c", "d"]);
    let mut latest = Reader::join(&broker, &[], "t");
    latest.serve();
    assert!(latest.fetch(0, 10).is_empty());
    drop(latest);
    broker.set_committed(&group(), &at(0), 3);
    broker.faults(|faults| faults.rewind_next_assign(at(0), 2));
    let mut rewound = Reader::join(&broker, &[], "t");
    rewound.serve();
    assert_eq!(rewound.fetch(0, 10), [1, 2, 3]);
    drop(rewound);
    let mut explicit = Reader::join(&broker, &[], "t");
    explicit.client.poll();
    let queues = explicit.client.assign(&[(at(0), Some(0))]).unwrap();
    explicit.queues.insert(at(0), queues[0]);
    assert_eq!(explicit.fetch(0, 1), [0]);
}

#[test]
fn injected_errors_leave_the_question_open() {
    let (broker, _) = broker(1);
    let mut a = Reader::join(&broker, EAGER, "t");
    let error = || ClientError::transient("_FAIL", "injected");
    broker.faults(|faults| {
        faults.next_call(a.id, Call::Assign, error());
        faults.next_call(a.id, Call::Store, error());
        faults.next_call(a.id, Call::Unassign, error());
    });
    a.client.poll();
    assert!(a.client.assign(&[(at(0), None)]).is_err());
    a.client.assign(&[(at(0), None)]).unwrap();
    assert!(a.client.store(&at(0), 0).is_err());
    a.client.begin_close();
    a.client.poll();
    assert!(a.client.unassign(&[at(0)]).is_err() && !a.client.is_closed());
    a.client.unassign(&[at(0)]).unwrap();
    assert!(a.client.is_closed());
    assert_eq!(broker.violations(), []);
}

#[test]
fn whoever_does_not_poll_is_thrown_out() {
    let (broker, hand) = broker(1);
    let mut a = Reader::join(&broker, EAGER, "t");
    a.serve();
    hand.advance(Duration::from_secs(300));
    broker.tick();
    assert_eq!(a.serve(), ["the consumer was not polled for max.poll.interval.ms (_MAX_POLL_EXCEEDED)", "! t/0", "+ t/0"]);
}

#[test]
fn the_new_protocol_refuses_classic_properties() {
    let (broker, _) = broker(1);
    let pairs = properties(&[("group.protocol", "consumer"), ("session.timeout.ms", "6000")]);
    assert!(broker.consumer(&group(), &pairs, &[], PollWaker::new(|| ())).is_err());
}

fn awaited() -> (Delivery, oneshot::Receiver<Result<crate::broker::Delivered, ClientError>>) {
    let (to, from) = oneshot::channel();
    (Delivery::Awaited(to), from)
}

#[test]
fn producing_meets_its_faults() {
    let (broker, hand) = broker(1);
    let producer = broker.producer(&properties(&[("queue.buffering.max.messages", "2")])).unwrap();
    let record = Record::new(topic("t")).key(&b"k"[..]);
    let fail = |code: &str| ClientError::transient(code, "injected");
    let code = |result: Result<crate::broker::Delivered, ClientError>| result.map_err(|error| error.code).map(|delivered| delivered.offset);

    broker.faults(|faults| {
        faults.next_produce(None, ProduceFault::Full);
        faults.next_produce(None, ProduceFault::Fail(fail("A")));
        faults.next_produce(Some(topic("t")), ProduceFault::FailAfterAppend(fail("B")));
    });
    let (delivery, from) = awaited();
    let Err(Refused::Full(delivery)) = producer.send(&record, delivery) else { panic!("taken") };
    assert!(producer.room().now_or_never().is_some());
    producer.send(&record, delivery).unwrap();
    assert_eq!(code(from.now_or_never().unwrap().unwrap()), Err("A".to_owned()));
    producer.send(&record, Delivery::Unattended).unwrap();
    assert_eq!((producer.failed_deliveries(), broker.records(&topic("t")).len()), (1, 1), "written, and said to have failed");

    broker.faults(|faults| faults.down(Some(hand.now() + Duration::from_secs(5))));
    let (delivery, mut from) = awaited();
    producer.send(&record, delivery).unwrap();
    producer.send(&record, Delivery::Unattended).unwrap();
    assert!(matches!(producer.send(&record, Delivery::Unattended), Err(Refused::Full(_))));
    let mut room = producer.room();
    assert!((&mut room).now_or_never().is_none());
    assert_eq!(producer.flush(Duration::from_secs(1)).unwrap_err().records, 2);
    hand.advance_to(broker.next_due().unwrap());
    broker.tick();
    assert!(room.now_or_never().is_some());
    assert_eq!(code(from.try_recv().unwrap()), Ok(1));

    broker.faults(|faults| faults.acknowledge(Acknowledgements::Held));
    let (delivery, mut from) = awaited();
    producer.send(&record, delivery).unwrap();
    assert!(from.try_recv().is_err() && producer.in_flight() == 1);
    assert_eq!(broker.release_acknowledgements(5), 1);
    assert_eq!(code(from.try_recv().unwrap()), Ok(3));

    broker.faults(|faults| faults.next_produce(None, ProduceFault::Fatal(ClientError::fatal("_FENCED", "injected"))));
    assert!(matches!(producer.send(&record, Delivery::Unattended), Err(Refused::Failed(..))));
    assert!(producer.fatal_error().is_some());
}

#[test]
fn tombstones_keys_and_sizes() {
    let (clock, _) = Clock::manual();
    let broker = MemoryBroker::new(clock);
    broker.append(&Record::new(topic("made")));
    assert_eq!(broker.topics()[&topic("made")], 1);
    assert!(broker.records(&topic("made"))[0].message.value.is_none());
    broker.create_topic(&topic("made"), 8);
    let keyed = |key: &'static str| broker.append(&Record::new(topic("made")).key(key.as_bytes())).unwrap().0;
    assert_eq!(keyed("a"), keyed("a"));
    broker.limit_record_bytes(&topic("made"), Some(3));
    let producer = broker.producer(&Properties::new()).unwrap();
    let (delivery, mut from) = awaited();
    producer.send(&Record::new(topic("made")).value(&b"long"[..]), delivery).unwrap();
    assert_eq!(from.try_recv().unwrap().unwrap_err().code, "MSG_SIZE_TOO_LARGE");
}

/// Members come, go, crash and expire in any order: no partition has two readers that both may commit, and in the end all are read.
#[test]
fn a_storm_of_rebalances_settles() {
    for seed in 0..300_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let protocol = [EAGER, COOPERATIVE, INCREMENTAL][(seed % 3) as usize];
        let (broker, _) = broker(3);
        let mut readers: Vec<Reader> = Vec::new();
        for _ in 0..60 {
            let one = (random(readers.len().max(1) as u64)) as usize;
            match random(8) {
                0 | 1 if readers.len() < 4 => readers.push(Reader::join(&broker, protocol, "^t")),
                2 if !readers.is_empty() => drop(readers.remove(one)),
                3 if !readers.is_empty() => readers[one].client.begin_close(),
                4 if !readers.is_empty() => broker.expire(readers[one].id),
                5 if random(4) == 0 => broker.create_topic(&topic(&format!("t.{}", random(3))), 2),
                _ => {
                    let event = readers.get_mut(one).and_then(|reader| reader.client.poll());
                    if let Some(event) = event {
                        readers[one].answer(event);
                    }
                }
            }
            readers.retain(|reader| !reader.client.is_closed());
            check_owners(&broker);
        }
        readers.push(Reader::join(&broker, protocol, "^t"));
        while readers.iter_mut().map(|reader| reader.serve().len()).sum::<usize>() > 0 {
            check_owners(&broker);
        }
        let read: usize = broker.clients().iter().map(|client| client.assigned.len()).sum();
        let partitions: i32 = broker.topics().values().sum();
        assert_eq!((read, broker.violations()), (partitions as usize, vec![]), "seed {seed}");
    }
}

fn check_owners(broker: &MemoryBroker) {
    let mut readers = BTreeMap::new();
    for client in broker.clients() {
        for partition in client.assigned {
            if broker.owner(&group(), &partition) == Some(client.id) {
                assert_eq!(readers.insert(partition, client.id), None);
            }
        }
    }
}
