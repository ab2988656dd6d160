//! Daemons when the store is silent, and when there is more to hear than to do.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use kafka_core::error::BoxError;

use super::stage::{Stage, parent, polled};
use crate::daemon::{Daemon, EmbeddedDaemon};
use crate::existence::Existence;
use crate::hints::Hints;
use crate::reason::{Reason, Relation};
use crate::store::{Answer, Claim, ClaimEnd, Session, Store, Wanted, Which};

/// A session that is never heard of again, from its claim on or after it.
#[derive(Debug)]
struct Silent(Box<dyn Session>, From);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Claim,
    AfterClaim,
}

impl Session for Silent {
    fn claim<'a>(&'a mut self, wanted: &'a Wanted<'a>) -> Answer<'a, Vec<Claim>> {
        match self.1 {
            From::Claim => Box::pin(std::future::pending()),
            From::AfterClaim => self.0.claim(wanted),
        }
    }

    fn end(&mut self, _ends: Vec<ClaimEnd>) -> Answer<'_, ()> {
        Box::pin(std::future::pending())
    }

    fn check(&mut self) -> Answer<'_, ()> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_session_that_does_not_answer_is_given_up_with_its_claims() {
    is_given_up(From::AfterClaim).await;
    is_given_up(From::Claim).await;
}

async fn is_given_up(from: From) {
    let stage = Stage::new();
    assert_eq!(stage.admit(&[(0, "a", Some("0:1"))]).await, "p");
    stage.store.appear_silently(parent(1));
    let (releases, topics, reason) = (stage.releases(), ["children".to_owned()], Reason::from(parent(1)).id());
    let mut silent = Silent(stage.store.session().await.unwrap(), from);
    let result = {
        let release = releases.release(&mut silent, "g", &topics, Which::Reasons(std::slice::from_ref(&reason)));
        tokio::pin!(release);
        let mut result = None;
        for second in 0..12 {
            for _ in 0..20 {
                if let std::task::Poll::Ready(ended) = polled(release.as_mut()).await {
                    result = Some((second, ended));
                    break;
                }
                tokio::task::yield_now().await;
            }
            if result.is_some() {
                break;
            }
            stage.hand.advance(Duration::from_secs(1));
        }
        result
    };
    let (second, ended) = result.expect("it is not waited for without end");
    assert_eq!(second, 10);
    assert_eq!(ended.unwrap_err().to_string(), "the store has not answered for 10s");
    assert!(stage.seen().is_empty(), "without its claims nothing is replayed");
    drop(silent);
    stage.look().await;
    assert_eq!(stage.seen(), ["0:1"]);
}

/// Hints again at whatever it is asked about.
#[derive(Debug)]
struct Echo(Arc<Hints>);

impl Existence for Echo {
    fn kind(&self) -> &str {
        "echo"
    }

    fn existing<'a>(&'a self, relations: &'a [Relation]) -> BoxFuture<'a, Result<HashSet<Relation>, BoxError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.0.appeared(relations.iter().cloned());
            Ok(HashSet::new())
        })
    }
}

#[tokio::test]
async fn hints_without_end_do_not_keep_the_daemon_from_its_look_at_everything() {
    let stage = Stage::new();
    assert_eq!(stage.admit(&[(0, "a", Some("0:1"))]).await, "p");
    let mut parking = stage.parking();
    parking.kinds.push(Arc::new(Echo(Arc::clone(&stage.hints))));
    let mut daemon = Arc::new(EmbeddedDaemon).run(parking, stage.surroundings());
    stage.hints.appeared([Relation::of_kind("echo", "", "", 1)]);
    let mut go_on = async || {
        for _ in 0..100 {
            assert!(polled(daemon.as_mut()).await.is_pending());
            tokio::task::yield_now().await;
        }
    };
    go_on().await;
    // Nobody tells of this one.
    stage.store.appear_silently(parent(1));
    go_on().await;
    assert!(stage.seen().is_empty());
    stage.hand.advance(stage.settings.interval);
    go_on().await;
    assert_eq!(stage.seen(), ["0:1"]);
}
