//! Properties are librdkafka's own, and librdkafka says what is wrong with them.

use kafka_core::broker::rdkafka::{EmbeddedBroker, RdkafkaBroker, Request};
use kafka_core::broker::{Broker, PollWaker};
use kafka_core::names::{GroupId, Subscription};

use crate::member::{Member, broker_with, produce, properties, values};

#[test]
fn librdkafka_says_what_is_wrong_with_a_property() {
    let broker = RdkafkaBroker::new();
    for (name, value) in
        [("linger.ms", "5"), ("acks", "all"), ("auto.offset.reset", "earliest"), ("topic.metadata.refresh.interval.ms", "1")]
    {
        assert_eq!(broker.check_property(name, value), None, "{name}");
    }
    for (name, value, says) in [
        ("linger.msec", "5", "No such configuration property"),
        ("linger.ms", "soon", "linger.ms"),
        ("session.timeout.ms", "-1", "session.timeout.ms"),
        ("auto.offset.reset", "start", "auto.offset.reset"),
        ("rebalance_cb", "x", "rebalance_cb"),
        ("ut_handle_ProduceResponse", "x", "No such configuration property"),
        ("client.id", "a\0b", "NUL"),
    ] {
        let problem = broker.check_property(name, value).unwrap_or_else(|| panic!("{name}={value} passed"));
        assert!(problem.contains(says), "{problem}");
    }
}

#[test]
fn no_secret_is_quoted() {
    let broker = RdkafkaBroker::new();
    for name in ["sasl.password", "ssl.key.password", "ssl.key.pem", "sasl.oauthbearer.client.secret"] {
        if let Some(problem) = broker.check_property(name, "hunter2") {
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }
}

#[test]
fn a_client_of_bad_properties_is_not_made() {
    let group = GroupId::new("g").unwrap();
    let subscriptions = [Subscription::parse("t").unwrap()];
    let consumer = |pairs: &[(&str, &str)]| {
        let waker = PollWaker::new(|| ());
        RdkafkaBroker::new().consumer(&group, &properties(pairs), &subscriptions, waker).map(|_| ()).map_err(|error| error.to_string())
    };
    assert!(consumer(&[("no.such", "1")]).unwrap_err().contains("no.such"));
    assert!(consumer(&[("enable.auto.offset.store", "true")]).unwrap_err().contains("must be false"));
    // Each is fine, both together are not: found when the client is made.
    let error = consumer(&[("session.timeout.ms", "6000"), ("max.poll.interval.ms", "5000")]).unwrap_err();
    assert!(error.contains("max.poll.interval.ms"), "{error}");
    let error = RdkafkaBroker::new().producer(&properties(&[("enable.idempotence", "true"), ("acks", "1")])).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("acks"), "{error}");
}

#[test]
fn a_name_that_is_no_error_is_refused() {
    let broker = EmbeddedBroker::start(1).unwrap();
    assert!(broker.fail_next(Request::Produce, &["NO_SUCH_ERROR"]).is_err());
    broker.fail_next(Request::Produce, &["TOPIC_AUTHORIZATION_FAILED"; 3]).unwrap();
    broker.forget_failures(Request::Produce);
    produce(&broker, "t", 0, ["v".to_owned()]);
    assert!(broker.broker_down(9).is_err() && broker.broker_up(1).is_ok());
}

#[test]
fn a_partition_whose_offset_is_gone_is_an_end_when_the_user_said_so() {
    let broker = broker_with("t", 1);
    produce(&broker, "t", 0, ["v".to_owned()]);
    let mut member = Member::join(&broker, "g", &["t"], &[("auto.offset.reset", "error")]);
    member.until(&mut Vec::new(), |member, _| !member.errors.is_empty());
    assert_eq!(member.errors[0].code, "_AUTO_OFFSET_RESET");
    assert_eq!(member.errors[0].severity, kafka_core::broker::Severity::Fatal);
    member.close();
}

#[test]
fn one_of_several_brokers_is_enough_to_begin_with() {
    let broker = EmbeddedBroker::start(3).unwrap();
    assert_eq!(broker.bootstrap().split(',').count(), 3);
    broker.create_topic(&crate::member::topic("t"), 3).unwrap();
    produce(&broker, "t", 2, ["v".to_owned()]);
    let mut member = Member::join(&broker, "g", &["t"], &[]);
    assert_eq!(values(&member.take(1)), ["v"]);
    member.close();
}
