//! What goes wrong of one message keeps no other from its way.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use kafka_core::error::BoxError;

use super::stage::{Stage, parent};
use crate::daemon::embedded::Work;
use crate::existence::Existence;
use crate::hints::Hint;
use crate::parked::ParkedMessage;
use crate::reason::{Reason, Relation};
use crate::store::{Filter, Store};

/// What looks it up is down.
#[derive(Debug)]
struct Down;

impl Existence for Down {
    fn kind(&self) -> &str {
        "down"
    }

    fn existing<'a>(&'a self, _: &'a [Relation]) -> BoxFuture<'a, Result<HashSet<Relation>, BoxError>> {
        Box::pin(std::future::ready(Err("it is down".into())))
    }
}

impl Stage {
    /// Parks a message as it stands, of this key, at this offset.
    async fn park_for(&self, key: &'static str, offset: i64, value: &'static str, reason: impl Into<Reason>) {
        self.admit(&[(1_000, "pattern", Some("x:99"))]).await;
        let mut row: ParkedMessage = self.store.messages().into_iter().find(|row| row.parked.message.offset == 1_000).unwrap().parked;
        self.store.drop_messages(&Filter { key: Some("pattern".into()), ..Filter::default() }).await.unwrap();
        (row.fence.key, row.message.key) = (Some(key.into()), Some(key.into()));
        (row.message.offset, row.message.value, row.reason) = (offset, Some(value.into()), reason.into());
        self.store.park(vec![row], Vec::new()).await.unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_looked_up_holds_nothing_but_what_waits_for_it() {
    let stage = Stage::new();
    stage.park_for("a", 0, "0", Relation::row("gone", "id", 1)).await;
    stage.park_for("b", 1, "1", Relation::of_kind("down", "", "", 1)).await;
    stage.admit(&[(2, "c", Some("2:1"))]).await;
    stage.store.lose_table("gone");
    stage.store.appear_silently(parent(1));
    let mut parking = stage.parking();
    parking.kinds.push(Arc::new(Down));
    let mut work = Work::new(parking, stage.surroundings());
    work.answer(&mut None, Hint::Many).await.unwrap();
    assert_eq!(stage.seen(), ["2:1"]);
    assert_eq!(stage.parked().len(), 2);
    work.answer(&mut None, Hint::Appeared(vec![Relation::row("gone", "id", 1)])).await.unwrap();
    // The lane goes on as well; a key that waits for what is gone still waits in order.
    assert_eq!(stage.admit(&[(3, "a", Some("3")), (4, "d", Some("4:1"))]).await, "p>");
}

#[tokio::test]
async fn what_was_released_by_hand_stays_so_until_its_attempts_are_over() {
    let stage = Stage::new();
    stage.admit(&[(0, "a", Some("fail:1"))]).await;
    stage.store.release(&Filter::default()).await.unwrap();
    for attempt in 1..=3 {
        stage.look().await;
        assert_eq!(stage.seen().len(), attempt, "{:?}", stage.parked());
        stage.hand.advance(Duration::from_secs(60));
    }
    // What comes meanwhile was not released with it.
    assert_eq!(stage.store.messages()[0].parked.attempt, 4);
    stage.look().await;
    assert_eq!(stage.admit(&[(1, "a", Some("y:1"))]).await, "p");
    assert!(matches!(stage.store.messages()[1].parked.reason, Reason::Due { .. }));
}

#[tokio::test]
async fn what_cannot_be_decoded_now_rests_and_the_others_go_on() {
    let stage = Stage::new();
    stage.park_for("a", 0, "sealed", parent(1)).await;
    stage.admit(&[(1, "b", Some("1:1"))]).await;
    stage.store.appear_silently(parent(1));
    stage.look().await;
    assert_eq!(stage.seen(), ["1:1"]);
    let reason = stage.store.messages()[0].parked.reason.clone();
    assert!(matches!(reason, Reason::Due { .. }), "{reason:?}");
}
