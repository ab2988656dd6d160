//! Transactions: records and a group's position that count together.
//!
//! The mock cluster hides no aborted records and fences nobody: that, the stories on a real Kafka show.

use std::sync::Arc;

use kafka_core::broker::rdkafka::{EmbeddedBroker, Request};
use kafka_core::broker::{Broker, Membership, Remedy, TransactionError, TransactionalClient, Wanted};
use kafka_core::message::Record;
use kafka_core::names::TopicPartition;

use crate::member::{Member, broker_with, produce, properties, send, topic, values, wait};

fn transactional(broker: &EmbeddedBroker, id: &str) -> Result<Arc<dyn TransactionalClient>, TransactionError> {
    wait(broker.transactional_producer(&properties(&[("transactional.id", id), ("linger.ms", "0")]), Wanted::default()))
}

fn partition() -> TopicPartition {
    TopicPartition::new(topic("in"), 0)
}

fn membership(member: &Member) -> Membership {
    member.client.membership().unwrap()
}

#[test]
fn records_and_a_position_are_committed_together() {
    let broker = broker_with("in", 1);
    broker.create_topic(&topic("out"), 1).unwrap();
    produce(&broker, "in", 0, (0..10).map(|n| n.to_string()));
    let mut member = Member::join(&broker, "g", &["in"], &[]);
    drop(member.take(10));
    let client = transactional(&broker, "g/in/0").unwrap();
    for position in [4, 7] {
        client.begin().unwrap();
        let acknowledged = send(&*client, &Record::new(topic("out")).value(format!("up to {position}").into_bytes()));
        wait(client.commit(partition(), position, membership(&member))).unwrap();
        wait(acknowledged).unwrap().unwrap();
    }
    // What is aborted commits no position.
    client.begin().unwrap();
    drop(send(&*client, &Record::new(topic("out")).value(&b"aborted"[..])));
    wait(client.abort()).unwrap();
    assert_eq!(client.in_flight(), 0);
    member.close();
    let mut reader = Member::join(&broker, "reader", &["out"], &[]);
    assert_eq!(values(&reader.take(2))[..2], ["up to 4", "up to 7"]);
    reader.close();
}

#[test]
fn who_has_left_the_group_commits_nothing() {
    let broker = broker_with("in", 1);
    produce(&broker, "in", 0, ["one".to_owned()]);
    let mut member = Member::join(&broker, "g", &["in"], &[]);
    drop(member.take(1));
    let client = transactional(&broker, "g/in/0").unwrap();
    let left = membership(&member);
    member.close();
    drop(member);
    client.begin().unwrap();
    let error = wait(client.commit(partition(), 1, left)).unwrap_err();
    assert_eq!(error.remedy, Remedy::Abort, "{error:?}");
    wait(client.abort()).unwrap();
    assert_eq!(client.in_flight(), 0);
}

/// What is to be done about a commit that the cluster answers with these errors, and then about the transaction after it.
fn commit_after(request: Request, errors: &[&str]) -> (Option<Remedy>, Option<Remedy>) {
    let broker = broker_with("in", 1);
    broker.create_topic(&topic("out"), 1).unwrap();
    produce(&broker, "in", 0, ["one".to_owned()]);
    let mut member = Member::join(&broker, "g", &["in"], &[]);
    drop(member.take(1));
    let client = transactional(&broker, "g/in/0").unwrap();
    client.begin().unwrap();
    drop(send(&*client, &Record::new(topic("out")).value(&b"one"[..])));
    broker.fail_next(request, errors).unwrap();
    let committed = wait(client.commit(partition(), 1, membership(&member)));
    let next = match committed {
        Ok(()) => client.begin(),
        Err(_) => wait(client.abort()).and_then(|()| client.begin()),
    };
    let remedy = |result: Result<(), TransactionError>| result.err().map(|error| error.remedy);
    member.close();
    (remedy(committed), remedy(next))
}

#[test]
fn a_commit_whose_outcome_is_unknown_is_asked_for_until_it_is_known() {
    // The connection breaks before the answer, and the coordinator is not there or busy.
    let errors = ["_TRANSPORT", "COORDINATOR_NOT_AVAILABLE", "COORDINATOR_LOAD_IN_PROGRESS", "CONCURRENT_TRANSACTIONS", "_TRANSPORT"];
    assert_eq!(commit_after(Request::EndTransaction, &errors), (None, None));
}

#[test]
fn a_commit_that_is_refused_is_aborted_and_the_client_goes_on() {
    assert_eq!(commit_after(Request::TransactionOffsets, &["ILLEGAL_GENERATION"]), (Some(Remedy::Abort), None));
    assert_eq!(commit_after(Request::EndTransaction, &["INVALID_PRODUCER_ID_MAPPING"]), (Some(Remedy::Abort), None));
}

#[test]
fn who_is_fenced_or_has_lost_its_transaction_ends() {
    for error in ["INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED", "INVALID_TXN_STATE", "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"] {
        assert_eq!(commit_after(Request::EndTransaction, &[error]), (Some(Remedy::End), Some(Remedy::End)), "{error}");
    }
}
