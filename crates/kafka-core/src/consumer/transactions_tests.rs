//! A run in transactions, against the broker in memory and with a clock moved by hand.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::pipeline::{Journal, Next, Pipeline};
use super::seams::HoldFailed;
use super::transactions::TransactionSource;
use crate::broker::memory::MemoryBroker;
use crate::broker::{Broker, ClientEvent, PollWaker, Properties, Wanted};
use crate::clock::{Clock, ManualClock};
use crate::message::{Run, Segment, fetched};
use crate::names::{GroupId, Subscription, TopicName, TopicPartition};
use crate::producer::suppression::Suppression;
use crate::topic::{Control, Feed, Handler, HandlerOutcome, TopicSpec, Undecoded};

/// Takes so long for each message.
struct Slow(Arc<ManualClock>, Duration);

impl Handler for Slow {
    fn decode<'a>(&'a self, _run: &'a mut Run) -> BoxFuture<'a, Result<(), Undecoded>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn handle<'a>(&'a self, _run: &'a mut Run, limit: usize, control: &'a Control) -> BoxFuture<'a, HandlerOutcome> {
        Box::pin(async move {
            let mut done = 0;
            while done < limit && (done == 0 || !control.stopping()) {
                self.0.advance(self.1);
                tokio::task::yield_now().await;
                done += 1;
            }
            HandlerOutcome { done, failure: None }
        })
    }

    fn feed(&self) -> Feed {
        Feed::Each
    }
}

/// How many of five messages a run handles that takes so long for each, with these properties of the producer.
async fn handled(each: Duration, properties: &[(&str, &str)]) -> (usize, Option<i64>) {
    let (clock, hand) = Clock::manual();
    let (broker, group) = (MemoryBroker::scripted(clock.clone()), GroupId::new("g").unwrap());
    let partition = TopicPartition::new(TopicName::from_broker("t"), 0);
    broker.create_topic(&partition.topic, 1);
    let subscription = Subscription::parse("t").unwrap();
    let mut client = broker.consumer(&group, &Properties::new(), std::slice::from_ref(&subscription), PollWaker::new(|| ())).unwrap();
    let Some(ClientEvent::Assigned(_)) = client.poll() else { panic!("an assignment") };
    client.assign(&[(partition.clone(), None)]).unwrap();
    let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let source = TransactionSource { broker: Arc::new(broker.clone()), properties };
    let member = client.membership().unwrap();
    let given_up = Wanted::default();
    given_up.give_up();
    let taken = source.clone().take_over(group.clone(), partition.clone(), member.clone(), clock.clone(), given_up).await;
    assert!(taken.unwrap().is_none(), "what nobody wants is not taken");
    assert!(broker.clients().iter().all(|client| client.group.is_some()), "nor asked for");
    let taken = source.take_over(group.clone(), partition.clone(), member, clock.clone(), Wanted::default()).await;
    let transactions = taken.unwrap().unwrap();
    let pipeline = Pipeline {
        spec: Arc::new(TopicSpec::named("t")),
        type_name: "Slow",
        subscription,
        returns: None,
        handler: Arc::new(Slow(hand, each)),
        gates: Vec::new(),
        failure_handler: Arc::new(HoldFailed::new(clock.clone())),
        suppression: Suppression::default(),
        clock,
    };
    let mut run = Run::new(vec![Segment::whole(&fetched(&[0, 1, 2, 3, 4]))], 1);
    let next = pipeline.process(&mut run, &mut Journal::default(), &Control::default(), Some(&transactions)).await;
    assert!(matches!(next, Next::GoOn));
    (5 - run.len(), broker.committed(&group, &partition))
}

#[tokio::test]
async fn a_slow_run_is_committed_before_its_transaction_is_old() {
    assert_eq!(handled(Duration::from_secs(1), &[]).await, (5, Some(5)));
    assert_eq!(handled(Duration::from_secs(6), &[]).await, (2, Some(2)));
    assert_eq!(handled(Duration::from_secs(1), &[("transaction.timeout.ms", "20000")]).await, (2, Some(2)));
}
