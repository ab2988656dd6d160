//! Transactions of the broker in memory against the words of the port.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use super::transactions::MemoryMember;
use super::*;
use crate::broker::{ClientEvent, Delivery, Membership, QueueId, Refused, Remedy};
use crate::message::RawMessage;

fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

fn input() -> TopicPartition {
    TopicPartition::new(topic("in"), 0)
}

fn broker() -> MemoryBroker {
    broker_by(Clock::manual().0)
}

fn broker_by(clock: Clock) -> MemoryBroker {
    let broker = MemoryBroker::scripted(clock);
    ["in", "out"].into_iter().for_each(|name| broker.create_topic(&topic(name), 1));
    broker
}

fn producer(broker: &MemoryBroker) -> Arc<dyn TransactionalClient> {
    let properties = [("transactional.id".to_owned(), "g/in/0".to_owned())].into();
    broker.transactional_producer(&properties, Wanted::default()).now_or_never().unwrap().unwrap()
}

/// The owner of the input.
fn member(broker: &MemoryBroker) -> (Box<dyn ConsumerClient>, Membership) {
    let input = Subscription::parse("in").unwrap();
    let mut client = broker.consumer(&GroupId::new("g").unwrap(), &Properties::new(), &[input], PollWaker::new(|| ())).unwrap();
    take(&mut *client);
    let member = client.membership().unwrap();
    (client, member)
}

/// Takes what is assigned.
fn take(client: &mut dyn ConsumerClient) -> Vec<QueueId> {
    let Some(ClientEvent::Assigned(partitions)) = client.poll() else { return Vec::new() };
    client.assign(&partitions.into_iter().map(|partition| (partition, None)).collect::<Vec<_>>()).unwrap()
}

fn write(client: &dyn TransactionalClient, value: &'static str) -> Result<(), Refused> {
    client.send(&Record::new(topic("out")).value(value.as_bytes()), Delivery::Unattended)
}

fn seen(broker: &MemoryBroker) -> Vec<String> {
    let text = |record: LogRecord| String::from_utf8(record.message.value.unwrap().to_vec()).unwrap();
    broker.records(&topic("out")).into_iter().map(text).collect()
}

fn commit(client: &dyn TransactionalClient, position: i64, member: &Membership) -> Result<(), Remedy> {
    client.commit(input(), position, member.clone()).now_or_never().unwrap().map_err(|error| error.remedy)
}

fn committed(broker: &MemoryBroker) -> Option<i64> {
    broker.committed(&GroupId::new("g").unwrap(), &input())
}

#[test]
fn readers_see_a_transaction_whole_and_at_its_end() {
    let broker = broker();
    let (_consumer, member) = member(&broker);
    let (client, properties) = (producer(&broker), [("auto.offset.reset".to_owned(), "earliest".to_owned())].into());
    let out = Subscription::parse("out").unwrap();
    let mut reader = broker.consumer(&GroupId::new("reader").unwrap(), &properties, &[out], PollWaker::new(|| ())).unwrap();
    let queue = take(&mut *reader)[0];
    let mut offsets = move || {
        let mut messages = Vec::new();
        reader.fetch(queue, 100, &mut messages);
        messages.iter().map(RawMessage::offset).collect::<Vec<_>>()
    };
    client.begin().unwrap();
    write(&*client, "one").unwrap();
    write(&*client, "two").unwrap();
    // What others write behind it waits for its end.
    broker.append(&Record::new(topic("out")).value(&b"plain"[..])).unwrap();
    assert_eq!((seen(&broker).len(), offsets(), committed(&broker)), (0, vec![], None));
    assert_eq!(commit(&*client, 7, &member), Ok(()));
    assert_eq!((seen(&broker), offsets(), committed(&broker)), (vec!["one".into(), "two".into(), "plain".into()], vec![0, 1, 2], Some(7)));
    client.begin().unwrap();
    write(&*client, "three").unwrap();
    assert!(client.abort().now_or_never().unwrap().is_ok());
    client.begin().unwrap();
    write(&*client, "four").unwrap();
    assert_eq!(commit(&*client, 8, &member), Ok(()));
    // A marker takes an offset, and so does what was aborted.
    assert_eq!((seen(&broker).len(), offsets(), committed(&broker)), (4, vec![6], Some(8)));
}

#[test]
fn who_takes_the_id_fences_and_aborts() {
    let broker = broker();
    let (_consumer, member) = member(&broker);
    let former = producer(&broker);
    former.begin().unwrap();
    write(&*former, "left open").unwrap();
    broker.append(&Record::new(topic("out")).value(&b"behind"[..])).unwrap();
    assert!(seen(&broker).is_empty());
    let next = producer(&broker);
    assert_eq!(seen(&broker), ["behind"]);
    assert!(matches!(write(&*former, "late"), Err(Refused::Failed(_, error)) if error.code == "_FENCED"));
    assert_eq!(commit(&*former, 3, &member), Err(Remedy::End));
    assert_eq!(former.begin().unwrap_err().remedy, Remedy::End);
    next.begin().unwrap();
    write(&*next, "next").unwrap();
    assert_eq!(commit(&*next, 4, &member), Ok(()));
    assert_eq!((seen(&broker), committed(&broker)), (vec!["behind".into(), "next".into()], Some(4)));
}

#[test]
fn a_position_is_committed_for_the_owner_only() {
    let broker = broker();
    let (consumer, member) = member(&broker);
    let client = producer(&broker);
    let id = member.get::<MemoryMember>().unwrap().0;
    broker.expire(id);
    client.begin().unwrap();
    write(&*client, "too late").unwrap();
    assert_eq!(commit(&*client, 1, &member), Err(Remedy::Abort));
    assert!(client.abort().now_or_never().unwrap().is_ok());
    assert_eq!((seen(&broker).len(), committed(&broker)), (0, None));
    drop(consumer);
}

#[test]
fn what_a_topic_refuses_is_told_from_an_outage() {
    let broker = broker();
    let (_consumer, member) = member(&broker);
    let client = producer(&broker);
    broker.limit_record_bytes(&topic("out"), Some(3));
    client.begin().unwrap();
    write(&*client, "long").unwrap();
    assert_eq!(commit(&*client, 1, &member), Err(Remedy::Reject));
    assert!(client.abort().now_or_never().unwrap().is_ok());
    client.begin().unwrap();
    broker.faults(|faults| faults.down(None));
    write(&*client, "ok").unwrap();
    let mut commit = client.commit(input(), 1, member);
    assert!((&mut commit).now_or_never().is_none(), "what became of it is not known yet");
    broker.faults(Faults::up);
    assert!(commit.now_or_never().unwrap().is_ok());
    assert_eq!((seen(&broker), committed(&broker)), (vec!["ok".to_owned()], Some(1)));
}

#[test]
fn a_commit_is_carried_out_before_it_is_answered() {
    let (clock, hand) = Clock::manual();
    let broker = broker_by(clock);
    let (_consumer, member) = member(&broker);
    let client = producer(&broker);
    let begun = |value, position, when| {
        broker.faults(|faults| faults.acknowledge(when));
        client.begin().unwrap();
        write(&*client, value).unwrap();
        let mut commit = client.commit(input(), position, member.clone());
        assert!((&mut commit).now_or_never().is_none());
        assert_eq!(committed(&broker), Some(position));
        commit
    };
    let delay = Duration::from_secs(1);
    let mut late = begun("late", 1, Acknowledgements::After(delay));
    assert_eq!(seen(&broker), ["late"]);
    assert_eq!(client.abort().now_or_never().unwrap().unwrap_err().remedy, Remedy::End, "what may be committed cannot be aborted");
    assert_eq!(broker.next_due(), Some(hand.now() + delay));
    hand.advance(delay);
    broker.tick();
    assert!((&mut late).now_or_never().unwrap().is_ok());
    let mut held = begun("held", 2, Acknowledgements::Held);
    broker.release_acknowledgements(1);
    assert!((&mut held).now_or_never().unwrap().is_ok());
    let lost = begun("lost", 3, Acknowledgements::Held);
    // Its next owner reads on behind it.
    let _next = producer(&broker);
    assert_eq!(lost.now_or_never().unwrap().unwrap_err().remedy, Remedy::End);
    assert_eq!((seen(&broker), committed(&broker)), (vec!["late".into(), "held".into(), "lost".into()], Some(3)));
}
