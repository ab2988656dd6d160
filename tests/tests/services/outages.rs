//! The broker goes away for some seconds and comes back.

use std::time::Duration;

use kafka_tests::checks::{Order, none_lost, order_kept};
use kafka_tests::process::Running;
use kafka_tests::produce::Record;
use kafka_tests::proxy::Proxy;
use kafka_tests::story::{SOON, Story};
use kafka_tests::until::{throughout, until};
use serde_json::json;

use crate::protocol;

fn goes_on_after(word: &str, properties: &[(&str, &str)]) {
    let (story, proxy) = (Story::new(word, 3), Proxy::start());
    story.send((0..3_000).map(|n| Record::work(json!({ "n": n, "work_ms": 3 })).to(n % 3)));
    let mut ledger =
        story.ledger_of(&story.name, "ledger", &proxy.address()).set_all(properties).set("auto.commit.interval.ms", 100).start();
    story.until_handled(200);
    proxy.cut();
    until("the client tries to come back", SOON, || proxy.refused() >= 3);
    throughout("an outage is not the end", Duration::from_secs(3), || ledger.is_running());
    proxy.mend();
    story.send((3_000..3_300).map(|n| Record::number(n).to((n % 3) as i32)));
    let mut file = story.file();
    until("all handled", SOON, || none_lost(file.calls(), 0..3_300).is_ok());
    assert_eq!(order_kept(file.calls(), Order::Partition), Ok(()));
    assert!(says_so(&ledger), "the log tells of the outage");
    story.stop_at_the_end(ledger);
}

fn says_so(ledger: &Running) -> bool {
    ledger.logged("client error") > 0
}

#[test]
fn an_outage_loses_nothing_as_a_classic_member() {
    goes_on_after("outage", protocol::EAGER);
}

#[test]
fn an_outage_loses_nothing_under_the_consumer_protocol() {
    goes_on_after("outage-848", protocol::CONSUMER);
}

/// Nothing can be committed and nobody answers the farewell: the end is bounded all the same.
#[test]
fn sigterm_during_an_outage_ends() {
    let (story, proxy) = (Story::new("outage-term", 1), Proxy::start());
    story.send((0..10).map(Record::number));
    let mut ledger = story.ledger_of(&story.name, "ledger", &proxy.address()).flag("--shutdown-timeout-ms", 2_000).start();
    story.until_handled(10);
    proxy.cut();
    until("the client tries to come back", SOON, || proxy.refused() >= 1);
    ledger.terminate();
    assert_eq!(ledger.ended(Duration::from_secs(20)), Some(0));
}
