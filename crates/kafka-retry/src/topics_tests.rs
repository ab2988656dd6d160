//! Seeing to topics on a cluster that refuses, or falls silent between two questions.

use std::ops::Range;
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt;
use kafka_core::broker::{NewTopic, TopicConfigs};
use kafka_core::names::TopicPartition;

use super::*;
use crate::settings::{DeadLetterSettings, RetryTopicSettings};

/// What the cluster is asked, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Topics,
    Configs,
    Creation,
    TopicsAgain,
}

/// A cluster with the topic `orders`.
#[derive(Debug, Default)]
struct Cluster {
    /// What it never answers.
    silent: Option<Asked>,
    /// What it says to the creation of topics whose names end so.
    refuses: Vec<(&'static str, &'static str)>,
    /// What it says to all creation.
    fails: Option<ClientError>,
    made: Mutex<Vec<NewTopic>>,
}

impl Cluster {
    fn answers<T: Send + 'static>(&self, asked: Asked, answer: T) -> BoxFuture<'static, T> {
        if self.silent == Some(asked) { std::future::pending().boxed() } else { std::future::ready(answer).boxed() }
    }

    fn made(&self) -> Vec<NewTopic> {
        self.made.lock().unwrap().clone()
    }
}

impl Admin for Cluster {
    fn topics(&self) -> BoxFuture<'_, Result<BTreeMap<TopicName, i32>, ClientError>> {
        let made = self.made();
        let asked = if made.is_empty() { Asked::Topics } else { Asked::TopicsAgain };
        let all = made.into_iter().map(|topic| (topic.name, topic.partitions)).chain([(TopicName::from_broker("orders"), 3)]);
        self.answers(asked, Ok(all.collect()))
    }

    fn topic_configs<'a>(&'a self, _topics: &'a [TopicName]) -> BoxFuture<'a, Result<TopicConfigs, ClientError>> {
        self.answers(Asked::Configs, Ok(TopicConfigs::new()))
    }

    fn create_topics<'a>(&'a self, topics: &'a [NewTopic]) -> BoxFuture<'a, Result<(), CreateTopicsError>> {
        if let Some(error) = &self.fails {
            return self.answers(Asked::Creation, Err(error.clone().into()));
        }
        let refusal = |topic: &NewTopic| self.refuses.iter().find(|(ending, _)| topic.name.as_str().ends_with(ending));
        let (refused, made): (Vec<_>, Vec<_>) = topics.iter().cloned().partition(|topic| refusal(topic).is_some());
        let said = refused.into_iter().filter_map(|topic| refusal(&topic).map(|(_, why)| (topic.name.clone(), (*why).to_owned())));
        let refused: Vec<_> = said.collect();
        self.made.lock().unwrap().extend(made);
        self.answers(Asked::Creation, if refused.is_empty() { Ok(()) } else { Err(CreateTopicsError::Refused { refused }) })
    }

    fn bounds<'a>(&'a self, _topics: &'a [TopicName]) -> BoxFuture<'a, Result<BTreeMap<TopicPartition, Range<i64>>, ClientError>> {
        unreachable!("nobody asks")
    }

    fn delete_records<'a>(&'a self, _before: &'a BTreeMap<TopicPartition, i64>) -> BoxFuture<'a, Result<(), ClientError>> {
        unreachable!("nobody asks")
    }
}

/// What comes of it, and how long it takes by a clock that runs while nothing else does.
fn see_to(cluster: &Cluster) -> (Result<(), Trouble>, Duration) {
    let (clock, hand) = Clock::manual();
    let policy = RetryPolicy::new(MaxRetries::Limited(2), Duration::from_secs(1)).non_blocking();
    let planned = Planned {
        names: RetryNames::with_words("g", "retry", "dlt"),
        subscription: Subscription::parse("orders").unwrap(),
        policy: Some(policy),
    };
    let targets = Arc::new(Targets::new(RetryTopicSettings::default(), DeadLetterSettings::default()));
    let step = TopicsExist { targets, planned: Arc::new(Mutex::new(vec![planned])), clock };
    let mut seeing = pin!(step.see_to(cluster));
    loop {
        if let Poll::Ready(result) = seeing.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return (result, hand.elapsed());
        }
        hand.advance_to(hand.next_wake().expect("it waits for the clock alone"));
    }
}

fn said(result: Result<(), Trouble>) -> String {
    match result {
        Err(Trouble::Answered(error)) => format!("{error}: {}", error.source().unwrap()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn all_are_made_with_the_partitions_of_their_source() {
    let cluster = Cluster::default();
    let (result, took) = see_to(&cluster);
    assert!(result.is_ok() && took.is_zero(), "{result:?} after {took:?}");
    let made: Vec<_> = cluster.made().into_iter().map(|topic| (topic.name.to_string(), topic.partitions)).collect();
    assert_eq!(made, ["g.orders.dlt", "g.orders.retry.1", "g.orders.retry.2"].map(|name| (name.to_owned(), 3)));
}

#[test]
fn one_error_lists_all_that_are_refused_and_why() {
    let refuses = vec![("retry.1", "Topic authorization failed"), ("dlt", "Policy violation")];
    let said = said(see_to(&Cluster { refuses, ..Cluster::default() }).0);
    assert!(said.starts_with("topics could not be created: g.orders.dlt, g.orders.retry.1; create them by hand"), "{said}");
    assert!(said.ends_with("topics were refused: g.orders.dlt: Policy violation; g.orders.retry.1: Topic authorization failed"), "{said}");

    let fails = Some(ClientError::transient("CLUSTER_AUTHORIZATION_FAILED", "not allowed"));
    let said = self::said(see_to(&Cluster { fails, ..Cluster::default() }).0);
    assert!(said.starts_with("topics could not be created: g.orders.dlt, g.orders.retry.1, g.orders.retry.2;"), "{said}");
    assert!(said.contains("not allowed"), "{said}");
}

#[test]
fn a_cluster_that_falls_silent_at_any_question_holds_the_start_up_for_seconds_only() {
    for (silent, bound) in
        [(Asked::Topics, PATIENCE), (Asked::Configs, PATIENCE), (Asked::Creation, MADE_WITHIN), (Asked::TopicsAgain, PATIENCE)]
    {
        let (result, took) = see_to(&Cluster { silent: Some(silent), ..Cluster::default() });
        assert!(matches!(result, Err(Trouble::Away(_))), "{silent:?}: {result:?}");
        assert_eq!(took, bound, "{silent:?}");
    }
}
