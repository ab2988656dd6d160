//! The cases of behaviour, one by one.

use std::time::Duration;

use super::stage::{Stage, parent, polled};
use crate::hints::Hint;
use crate::parked::Status;
use crate::reason::Reason;
use crate::store::{Filter, Store, Wanted, Which};

#[tokio::test]
async fn what_misses_something_is_parked_and_the_rest_goes_on() {
    let stage = Stage::new();
    stage.store.appear(parent(1));
    assert_eq!(stage.admit(&[(0, "a", Some("x:1")), (1, "b", Some("x:2")), (2, "c", Some("x")), (3, "b", Some("y"))]).await, ">p>p");
    assert_eq!(stage.parked(), [(1, "parents.id = 2".to_owned()), (3, "parents.id = 2".to_owned())], "the second inherits");
    // Redelivery parks once.
    assert_eq!(stage.admit(&[(1, "b", Some("x:2")), (3, "b", Some("y"))]).await, "pp");
    assert_eq!(stage.parked().len(), 2);
    stage.store.appear(parent(2));
    stage.look().await;
    assert_eq!((stage.seen(), stage.parked().len()), (vec!["x:2".to_owned(), "y".to_owned()], 0));
}

#[tokio::test]
async fn what_comes_while_its_key_is_to_be_replayed_pauses() {
    let stage = Stage::new();
    assert_eq!(stage.admit(&[(0, "a", Some("x:1"))]).await, "p");
    stage.store.appear_silently(parent(1));
    assert_eq!(stage.admit(&[(1, "a", Some("y")), (2, "b", Some("z"))]).await, "..", "the same key, and what is behind it");
    assert_eq!(stage.admit(&[(3, "c", Some("z:1"))]).await, ".", "the same relation");
    assert_eq!(stage.admit(&[(4, "d", Some("z:9"))]).await, "p");
    stage.look().await;
    assert_eq!(stage.admit(&[(1, "a", Some("y")), (2, "b", Some("z")), (3, "c", Some("z:1"))]).await, ">>>");
}

#[tokio::test]
async fn a_tombstone_discards_what_waits_of_its_key() {
    let stage = Stage::new();
    assert_eq!(stage.admit(&[(0, "a", Some("x:1")), (1, "b", Some("x:1"))]).await, "pp");
    assert_eq!(stage.admit(&[(2, "a", None), (3, "a", Some("new"))]).await, ">>", "what comes after it is a new life");
    assert_eq!(stage.parked(), [(1, "parents.id = 1".to_owned())]);
    assert_eq!(stage.admit(&[(4, "b", Some("!:1"))]).await, ">", "a deletion that has a value is one too");
    assert!(stage.parked().is_empty());
    assert_eq!(
        stage.admit(&[(5, "c", Some("x:1")), (6, "c", None), (7, "c", Some("y:1")), (8, "c", None)]).await,
        "p>..",
        "in one run, as far as it can be parked before its handler ran"
    );
    assert!(stage.parked().is_empty());
    assert_eq!(stage.admit(&[(7, "c", Some("y:1")), (8, "c", None)]).await, "p>");
    assert!(stage.parked().is_empty());
    assert_eq!(stage.admit(&[(9, "", Some("x:1")), (10, "", None)]).await, "pp", "a null key names nothing to delete");
}

#[tokio::test]
async fn a_tombstone_waits_for_a_replay_of_its_key() {
    let stage = Stage::new();
    stage.admit(&[(0, "a", Some("x:1")), (1, "b", Some("x:1"))]).await;
    let mut session = stage.store.session().await.unwrap();
    let (topics, reasons) = (["children".to_owned()], [Reason::from(parent(1)).id()]);
    let wanted = Wanted { group: "g", topics: &topics, which: Which::Reasons(&reasons), limit: 1 };
    let claims = session.claim(&wanted).await.unwrap();
    assert_eq!((claims.len(), claims[0].messages[0].status), (1, Status::Resolving));
    assert_eq!(stage.admit(&[(2, "b", None), (3, "a", None), (4, "c", Some("x"))]).await, ">..");
    assert_eq!(stage.parked().len(), 1, "the claimed one is still there");
    drop(session);
    assert_eq!(stage.admit(&[(3, "a", None), (4, "c", Some("x"))]).await, ">>");
}

#[tokio::test]
async fn a_message_that_misses_another_relation_in_its_replay_is_parked_again_with_all_behind_it() {
    let stage = Stage::new();
    stage.admit(&[(0, "a", Some("x:1,2")), (1, "a", Some("y:1")), (2, "a", Some("z"))]).await;
    stage.store.appear(parent(1));
    stage.look().await;
    assert_eq!(stage.seen(), Vec::<String>::new());
    let two = || "parents.id = 2".to_owned();
    assert_eq!(stage.parked(), [(0, two()), (1, two()), (2, two())]);
    assert!(stage.store.messages().iter().all(|row| row.status == Status::Waiting));
    stage.store.appear(parent(2));
    stage.look().await;
    assert_eq!(stage.seen(), ["x:1,2", "y:1", "z"]);
}

#[tokio::test]
async fn a_failed_replay_waits_for_its_next_attempt_and_keeps_its_key_in_order() {
    let stage = Stage::new();
    stage.admit(&[(0, "a", Some("fail:1")), (1, "a", Some("y")), (2, "b", Some("z:1"))]).await;
    stage.store.appear(parent(1));
    stage.look().await;
    assert_eq!(stage.seen(), ["fail:1", "z:1"], "another key goes on");
    assert_eq!(stage.admit(&[(3, "a", Some("w"))]).await, "p", "a new one waits behind it");
    for _ in 0..2 {
        stage.hand.advance(Duration::from_millis(400));
        stage.look().await;
    }
    let seen = stage.seen.lock().unwrap().clone();
    let of_a: Vec<_> =
        seen.iter().filter(|(key, _, _)| key == "a").map(|(_, value, attempt)| (value.as_deref().unwrap(), *attempt)).collect();
    assert_eq!(of_a, [("fail:1", 1), ("fail:1", 2), ("fail:1", 3), ("y", 1), ("w", 1)]);
}

#[tokio::test]
async fn what_a_daemon_left_behind_is_taken_up_once_its_session_is_gone() {
    let stage = Stage::new();
    stage.admit(&[(0, "a", Some("x:1"))]).await;
    stage.store.appear(parent(1));
    let mut session = stage.store.session().await.unwrap();
    let (topics, reasons) = (["children".to_owned()], [Reason::from(parent(1)).id()]);
    let wanted = Wanted { group: "g", topics: &topics, which: Which::Reasons(&reasons), limit: 9 };
    assert_eq!(session.claim(&wanted).await.unwrap().len(), 1);
    stage.look().await;
    assert!(stage.seen().is_empty(), "it is another's");
    drop(session);
    stage.look().await;
    assert_eq!(stage.seen(), ["x:1"]);
}

/// A daemon that went on claiming would never come to anything else.
#[tokio::test]
async fn what_waits_for_something_that_is_gone_again_is_claimed_once_and_left() {
    let stage = Stage::new();
    stage.admit(&[(0, "a", Some("x:1"))]).await;
    let mut session = stage.store.session().await.unwrap();
    let (topics, reasons) = (["children".to_owned()], [Reason::from(parent(1)).id()]);
    let released = stage.releases().release(&mut *session, "g", &topics, Which::Reasons(&reasons)).await.unwrap();
    assert_eq!((released.claimed, released.done, stage.seen().len()), (1, 0, 0));
    assert_eq!(stage.store.messages()[0].status, Status::Waiting);
}

#[tokio::test]
async fn trouble_of_the_store_is_the_gates_trouble_and_parks_nothing() {
    let stage = Stage::new();
    stage.store.fail(Some("it is down"));
    assert!(stage.try_admit(&[(0, "a", Some("x:1"))]).await.unwrap_err().to_string().contains("failed"));
    stage.store.fail(None);
    assert_eq!(stage.admit(&[(0, "a", Some("x:1"))]).await, "p");
}

#[tokio::test]
async fn messages_of_a_topic_that_is_not_registered_stay() {
    let mut stage = Stage::new();
    stage.settings.interval = Duration::from_secs(5);
    let mut row = {
        stage.admit(&[(0, "a", Some("x:1"))]).await;
        stage.store.messages().remove(0).parked
    };
    row.fence.topic = "strangers".to_owned();
    row.message.offset = 1;
    stage.store.park(vec![row], Vec::new()).await.unwrap();
    stage.store.appear(parent(1));
    stage.look().await;
    assert_eq!((stage.seen().len(), stage.parked().len()), (1, 1));
}

#[tokio::test]
async fn what_waits_too_long_goes_to_the_failure_handler() {
    let mut stage = Stage::new();
    stage.settings.expire_after = Some(Duration::from_secs(60));
    stage.admit(&[(0, "a", Some("x:1"))]).await;
    stage.hand.advance(Duration::from_secs(59));
    stage.look().await;
    assert_eq!(stage.parked().len(), 1);
    stage.hand.advance(Duration::from_secs(2));
    stage.look().await;
    // The failure handler here holds, for there is no dead letter: the message goes on waiting.
    assert_eq!((stage.seen().len(), stage.parked().len()), (0, 1));
}

#[tokio::test]
async fn people_list_release_and_drop() {
    let stage = Stage::new();
    stage.admit(&[(1, "a", Some("x:1")), (2, "a", Some("y")), (3, "b", Some("z:2"))]).await;
    let of_a = Filter { key: Some("a".into()), ..Filter::default() };
    assert_eq!(stage.store.list(&of_a).await.unwrap().len(), 2);
    assert_eq!(stage.store.stats().await.unwrap()[0].messages, 3);
    let by_id = Filter { id: Some(stage.store.list(&of_a).await.unwrap()[1].id), ..Filter::default() };
    assert_eq!(stage.store.release(&by_id).await.unwrap(), 2, "all behind the fence");
    stage.store.appear(parent(1));
    stage.look().await;
    assert_eq!(stage.seen(), ["x:1", "y"]);
    assert_eq!(stage.store.drop_messages(&Filter::default()).await.unwrap(), 1);
    assert!(stage.parked().is_empty());
}

/// The parent appears after the gate's question and before the row is there: its news finds nothing. Parking looks again.
#[tokio::test]
async fn a_parent_that_appears_between_question_and_parking_is_seen_after_the_commit() {
    let stage = Stage::new();
    let messages = [(0, "a", Some("x:1"))];
    let admit = stage.admit(&messages);
    let mut admit = Box::pin(admit);
    let mut polls = 0;
    let said = loop {
        match polled(admit.as_mut()).await {
            std::task::Poll::Ready(said) => break said,
            std::task::Poll::Pending => {}
        }
        polls += 1;
        // The question is answered by now, and nothing is parked yet.
        if polls == 1 {
            assert!(stage.parked().is_empty());
            stage.store.appear_silently(parent(1));
        }
    };
    assert_eq!((said.as_str(), stage.hint()), ("p", Some(Hint::Appeared(vec![parent(1)]))));
}
