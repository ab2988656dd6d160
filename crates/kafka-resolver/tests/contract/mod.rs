//! What every store keeps to: the same stories, told of each.
//!
//! In memory and in SQLite they run beside the crate, in PostgreSQL among the stories on real servers; whoever includes this file says
//! where `message`, `names` and `resolver` are.

use std::sync::Arc;

use super::message::{Headers, OwnedMessage, Timestamp};
use super::names::{GroupId, TopicName, TopicPartition};
use super::resolver::store::{Asked, ClaimEnd, Discarded, Filter, News, Reach, Session, Store, Wanted, Which};
use super::resolver::{Fence, ParkedMessage, Reason, Relation, Status};

/// Has a test for each story, with a store that this makes.
macro_rules! stories {
    ($with:ident) => {
        contract::stories!($with: a_claim_holds_until_it_ends, what_a_dead_session_left_is_taken_up, a_message_is_stored_once_and_comes_back_whole,
            gates_are_told_what_waits, a_claim_ends_with_what_is_left, what_waits_long_is_found, reasons_and_topics_come_in_pages,
            people_choose_what_they_mean, groups_do_not_touch_each_other, what_waits_behind_a_dropped_message_is_looked_at_anew,
            what_a_dead_session_left_is_released_and_dropped_by_hand, a_topic_made_anew_brings_new_messages_at_old_places);
    };
    ($with:ident: $($story:ident),*) => {$(
        #[test]
        fn $story() {
            $with(|store| Box::pin(contract::$story(store)));
        }
    )*};
}
pub(crate) use stories;

type Shared = Arc<dyn Store>;

pub(crate) fn fence(key: &str) -> Fence {
    Fence { group: GroupId::new("g").unwrap(), topic: "orders".to_owned(), key: Some(key.to_owned().into()) }
}

pub(crate) fn parked(key: &str, offset: i64, customer: i64) -> ParkedMessage {
    let message = OwnedMessage {
        offset,
        timestamp: Timestamp::CreateTime(7),
        key: Some(key.to_owned().into()),
        value: None,
        headers: Headers::new().with("a", "1"),
    };
    let place = TopicPartition::new(TopicName::from_broker("orders"), 3);
    ParkedMessage { fence: fence(key), place, message, attempt: 1, reason: reason(customer), parked_at_ms: offset }
}

pub(crate) fn reason(customer: i64) -> Reason {
    Relation::row("customers", "id", customer).into()
}

/// A claim: the key of each fence, and the offsets of its messages.
async fn claim(session: &mut dyn Session, which: Which<'_>, limit: usize) -> Vec<(String, Vec<(i64, i64)>)> {
    let topics = ["orders".to_owned()];
    let claims = session.claim(&Wanted { group: "g", topics: &topics, which, limit }).await.unwrap();
    let mut found: Vec<_> = claims
        .iter()
        .map(|claim| {
            assert!(claim.messages.iter().all(|row| row.status == Status::Resolving));
            let key = claim.messages[0].parked.fence.key.clone().unwrap();
            (String::from_utf8(key.to_vec()).unwrap(), claim.messages.iter().map(|row| (row.id, row.parked.message.offset)).collect())
        })
        .collect();
    found.sort();
    found
}

async fn claim_for(session: &mut dyn Session, customer: i64) -> Vec<(String, Vec<(i64, i64)>)> {
    claim(session, Which::Reasons(&[reason(customer).id()]), 100).await
}

fn end(key: &str, done: &[(i64, i64)], rest: Option<Reason>) -> ClaimEnd {
    ClaimEnd { fence: fence(key).id(), done: done.iter().map(|(id, _)| *id).collect(), rest, failed: None }
}

pub(crate) async fn a_claim_holds_until_it_ends(store: Shared) {
    store.park(vec![parked("a", 10, 1), parked("a", 9, 1), parked("b", 11, 1)], Vec::new()).await.unwrap();
    let (mut session, mut other) = (store.session().await.unwrap(), store.session().await.unwrap());
    let claims = claim_for(&mut *session, 1).await;
    assert_eq!(claims.iter().map(|(_, messages)| messages.len()).collect::<Vec<_>>(), [2, 1]);

    assert!(claim_for(&mut *other, 1).await.is_empty());
    assert!(claim_for(&mut *session, 1).await.is_empty(), "not twice either");
    assert_eq!(store.discard(&[fence("a"), fence("c")]).await.unwrap(), [Discarded::Claimed, Discarded::Gone(0)]);
    assert_eq!(store.park(vec![parked("c", 1, 1), parked("a", 12, 1)], vec![fence("a").id()]).await.unwrap(), [fence("a").id()]);
    assert_eq!(store.list(&Filter::default()).await.unwrap().len(), 3, "nothing at all of it is stored");
    session.check().await.unwrap();

    // One is through; the other misses another customer.
    session.end(vec![end("b", &claims[1].1, None), end("a", &[], Some(reason(2)))]).await.unwrap();
    assert!(claim_for(&mut *other, 1).await.is_empty());
    assert_eq!(claim_for(&mut *other, 2).await.len(), 1);
    assert_eq!(store.discard(&[fence("b")]).await.unwrap(), [Discarded::Gone(0)]);
}

pub(crate) async fn what_a_dead_session_left_is_taken_up(store: Shared) {
    store.park(vec![parked("a", 1, 1), parked("b", 2, 1)], Vec::new()).await.unwrap();
    let (mut session, mut other) = (store.session().await.unwrap(), store.session().await.unwrap());
    assert_eq!(claim_for(&mut *session, 1).await.len(), 2);
    assert!(claim(&mut *other, Which::Abandoned, 100).await.is_empty(), "it is held");
    drop(session);
    // A server notices the end of a connection a moment later.
    let mut taken_up = Vec::new();
    for _ in 0..10_000 {
        taken_up.extend(claim(&mut *other, Which::Abandoned, 100).await);
        if taken_up.len() == 2 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(taken_up.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    // What is discarded before anyone takes it up leaves nothing behind.
    drop(other);
    let mut other = store.session().await.unwrap();
    for _ in 0..10_000 {
        if store.discard(&[fence("a"), fence("b")]).await.unwrap() == [Discarded::Gone(1), Discarded::Gone(1)] {
            assert!(claim(&mut *other, Which::Abandoned, 100).await.is_empty());
            return;
        }
        tokio::task::yield_now().await;
        if store.list(&Filter::default()).await.unwrap().is_empty() {
            return;
        }
    }
    panic!("what nobody holds cannot be discarded");
}

pub(crate) async fn a_message_is_stored_once_and_comes_back_whole(store: Shared) {
    let mut bare = parked("a", 100, 1);
    bare.message =
        OwnedMessage { offset: 100, timestamp: Timestamp::NotAvailable, key: None, value: Some("v".into()), headers: Headers::new() };
    bare.fence.key = None;
    bare.attempt = 3;
    let messages = vec![parked("a", 9, 1), parked("a", 10, 1), bare];
    for _ in 0..2 {
        assert!(store.park(messages.clone(), Vec::new()).await.unwrap().is_empty());
    }
    let stored = store.list(&Filter::default()).await.unwrap();
    assert_eq!(stored.len(), 3);
    for (stored, sent) in stored.iter().zip(&messages) {
        let (stored_message, message) = (&stored.parked.message, &sent.message);
        assert_eq!((stored.status, &stored.parked.fence, &stored.parked.place), (Status::Waiting, &sent.fence, &sent.place));
        assert_eq!(
            (stored.parked.attempt, &stored.parked.reason, stored.parked.parked_at_ms),
            (sent.attempt, &sent.reason, sent.parked_at_ms)
        );
        assert_eq!((&stored_message.key, &stored_message.value, &stored_message.headers), (&message.key, &message.value, &message.headers));
        assert_eq!((stored_message.offset, stored_message.timestamp), (message.offset, message.timestamp));
    }
}

pub(crate) async fn gates_are_told_what_waits(store: Shared) {
    // Numbers, not texts: 9 is before 10. What was parked first need not be first.
    store.park(vec![parked("a", 10, 2), parked("a", 9, 1), parked("b", 11, 3)], Vec::new()).await.unwrap();
    let fences = ["a", "b", "c"].map(|key| fence(key).id());
    let reasons = [1, 2, 4].map(|customer| reason(customer).id());
    let asked = Asked { group: "g", topic: "orders", fences: &fences, reasons: &reasons };
    let waiting = store.waiting(&asked).await.unwrap();
    assert_eq!(waiting.fences, [(fences[0], reason(1)), (fences[1], reason(3))].into());
    assert_eq!(waiting.reasons, [reasons[0], reasons[1]].into());
    let other = store.waiting(&Asked { topic: "invoices", ..asked }).await.unwrap();
    assert!(other.reasons.is_empty(), "another topic's waits are no business of this one's");
    let nothing = store.waiting(&Asked { group: "g", topic: "orders", fences: &[], reasons: &[] }).await.unwrap();
    assert!(nothing.fences.is_empty() && nothing.reasons.is_empty());
}

pub(crate) async fn a_claim_ends_with_what_is_left(store: Shared) {
    store.park((0..5).map(|offset| parked("a", offset, 1)).collect(), Vec::new()).await.unwrap();
    let mut session = store.session().await.unwrap();
    // Not all of a long fence at once; the first first.
    let claims = claim(&mut *session, Which::Reasons(&[reason(1).id()]), 3).await;
    let messages = &claims[0].1;
    assert_eq!(messages.iter().map(|(_, offset)| *offset).collect::<Vec<_>>(), [0, 1, 2]);
    let failed = ClaimEnd { failed: Some((messages[1].0, 2)), ..end("a", &messages[..1], Some(Reason::Due { at_ms: 7 })) };
    session.end(vec![failed]).await.unwrap();
    let left = store.list(&Filter::default()).await.unwrap();
    assert_eq!(left.iter().map(|row| row.parked.attempt).collect::<Vec<_>>(), [2, 1, 1, 1]);
    assert!(left.iter().all(|row| row.parked.reason == Reason::Due { at_ms: 7 } && row.status == Status::Waiting));
    assert_eq!(claim(&mut *session, Which::Reasons(&[Reason::Due { at_ms: 7 }.id()]), 100).await[0].1.len(), 4);
}

pub(crate) async fn what_waits_long_is_found(store: Shared) {
    store.park(vec![parked("a", 1, 1), parked("b", 2, 1), parked("c", 3, 1)], Vec::new()).await.unwrap();
    let mut session = store.session().await.unwrap();
    let found = claim(&mut *session, Which::ParkedBefore(3), 100).await;
    assert_eq!(found.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(claim(&mut *session, Which::ParkedBefore(3), 100).await.is_empty());
}

pub(crate) async fn reasons_and_topics_come_in_pages(store: Shared) {
    assert!(store.reasons("g", None, 10).await.unwrap().is_empty());
    assert!(store.topics("g").await.unwrap().is_empty());
    let mut messages: Vec<_> = (0..25).map(|offset| parked("a", offset, offset / 2)).collect();
    messages[0].fence.topic = "invoices".to_owned();
    messages[1].place = TopicPartition::new(TopicName::from_broker("g.orders.retry.1"), 0);
    store.park(messages, Vec::new()).await.unwrap();
    let (mut after, mut all) = (None, Vec::new());
    loop {
        let page = store.reasons("g", after, 5).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        assert!(page.len() <= 5 && page.iter().all(|(id, reason)| reason.id() == *id));
        all.extend(page);
    }
    assert!(all.is_sorted_by(|(one, _), (other, _)| one < other));
    assert_eq!(all.len(), 13);
    // Of what came by a retry topic the declared one; a place in one topic has one declaration.
    assert!(store.topics("g").await.unwrap().contains(&"orders".to_owned()));
}

pub(crate) async fn people_choose_what_they_mean(store: Shared) {
    let mut by_hand = parked("c", 30, 0);
    by_hand.reason = Reason::Manual { note: "look at Bob's".to_owned() };
    store.park(vec![parked("a", 10, 1), parked("a", 11, 1), parked("b", 20, 2), by_hand], Vec::new()).await.unwrap();
    let mut session = store.session().await.unwrap();
    assert_eq!(claim_for(&mut *session, 2).await.len(), 1);
    let offsets = async |change: fn(&mut Filter)| {
        let mut filter = Filter::default();
        change(&mut filter);
        store.list(&filter).await.unwrap().iter().map(|row| row.parked.message.offset).collect::<Vec<_>>()
    };
    assert_eq!(offsets(|_| {}).await, [10, 11, 20, 30]);
    assert_eq!(offsets(|filter| filter.limit = Some(2)).await, [10, 11]);
    assert_eq!(offsets(|filter| filter.key = Some("a".into())).await, [10, 11]);
    assert_eq!(offsets(|filter| filter.topic = Some("invoices".to_owned())).await, [0_i64; 0]);
    assert_eq!(offsets(|filter| filter.group = Some("h".to_owned())).await, [0_i64; 0]);
    assert_eq!(offsets(|filter| filter.reasons = Some(vec![reason(2), reason(9)])).await, [20]);
    assert_eq!(offsets(|filter| filter.reason_contains = Some("customers".to_owned())).await, [10, 11, 20]);
    assert_eq!(offsets(|filter| filter.reason_contains = Some("Bob's".to_owned())).await, [30]);
    assert_eq!(offsets(|filter| filter.status = Some(Status::Resolving)).await, [20]);
    assert_eq!(offsets(|filter| filter.status = Some(Status::Waiting)).await, [10, 11, 30]);
    assert_eq!(offsets(|filter| filter.parked_before_ms = Some(20)).await, [10, 11]);

    let stats = store.stats().await.unwrap();
    let lines: Vec<_> = stats.iter().map(|stat| (stat.status, stat.messages, stat.oldest_ms)).collect();
    assert_eq!(lines, [(Status::Waiting, 3, 10), (Status::Resolving, 1, 20)]);

    // What is being replayed is neither dropped nor released.
    let mut filter = Filter::default();
    assert_eq!(store.reach(&filter).await.unwrap(), Reach { dropped: 3, released: 3 });
    filter.id = Some(store.list(&Filter::default()).await.unwrap()[1].id);
    assert_eq!(store.reach(&filter).await.unwrap(), Reach { dropped: 1, released: 2 });
    assert_eq!(store.release(&filter).await.unwrap(), 2, "all behind the fence");
    assert_eq!(offsets(|filter| filter.reasons = Some(vec![Reason::Released])).await, [10, 11]);
    assert_eq!(store.drop_messages(&filter).await.unwrap(), 1);
    assert_eq!(store.drop_messages(&Filter::default()).await.unwrap(), 2);
    assert_eq!(offsets(|_| {}).await, [20]);
}

pub(crate) async fn what_waits_behind_a_dropped_message_is_looked_at_anew(store: Shared) {
    let mut by_hand = parked("c", 5, 0);
    by_hand.reason = Reason::Manual { note: "look".to_owned() };
    // The second of each waits for what the first waits for; its own need may be there.
    store.park(vec![parked("a", 1, 5), parked("a", 2, 5), parked("b", 3, 5)], Vec::new()).await.unwrap();
    store.park(vec![parked("c", 4, 5), by_hand], Vec::new()).await.unwrap();
    let listener = store.listen();
    let mut listener = listener.unwrap().await.unwrap();
    let ids: Vec<i64> = store.list(&Filter::default()).await.unwrap().iter().map(|row| row.id).collect();
    for id in [ids[0], ids[3]] {
        let mut filter = Filter::default();
        filter.id = Some(id);
        assert_eq!(store.drop_messages(&filter).await.unwrap(), 1);
    }
    let left: Vec<_> = store.list(&Filter::default()).await.unwrap().into_iter().map(|row| row.parked.reason).collect();
    assert_eq!(left, [Reason::Due { at_ms: 0 }, reason(5), Reason::Manual { note: "look".to_owned() }]);
    assert_eq!(listener.next().await.unwrap(), News::Many);
    let mut session = store.session().await.unwrap();
    assert_eq!(claim(&mut *session, Which::Reasons(&[Reason::Due { at_ms: 0 }.id()]), 100).await[0].1[0].1, 2);
}

pub(crate) async fn what_a_dead_session_left_is_released_and_dropped_by_hand(store: Shared) {
    store.park(vec![parked("a", 1, 1), parked("b", 2, 1)], Vec::new()).await.unwrap();
    let mut session = store.session().await.unwrap();
    assert_eq!(claim_for(&mut *session, 1).await.len(), 2);
    let all = Filter::default();
    let mut of_a = Filter::default();
    of_a.key = Some("a".into());
    assert_eq!((store.release(&all).await.unwrap(), store.drop_messages(&all).await.unwrap()), (0, 0), "they are held");
    drop(session);
    // A server notices the end of a connection a moment later.
    let (mut released, mut dropped) = (0, 0);
    for _ in 0..10_000 {
        if released == 0 {
            released = store.release(&of_a).await.unwrap();
        }
        if released > 0 {
            dropped += store.drop_messages(&all).await.unwrap();
        }
        if dropped == 2 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!((released, dropped), (1, 2));
}

pub(crate) async fn a_topic_made_anew_brings_new_messages_at_old_places(store: Shared) {
    store.park(vec![parked("a", 1, 1), parked("b", 2, 1), parked("c", 3, 1)], Vec::new()).await.unwrap();
    let mut session = store.session().await.unwrap();
    let claims = claim_for(&mut *session, 1).await;
    let (mut later, other) = (parked("a", 1, 2), parked("x", 2, 2));
    later.message.timestamp = Timestamp::CreateTime(8);
    later.fence = fence("y");
    later.message.key = Some("y".into());
    store.park(vec![later, other, parked("c", 3, 2), parked("d", 4, 2)], Vec::new()).await.unwrap();
    // What was claimed of the old topic ends, and takes nothing of the new one along.
    let ends = claims.iter().map(|(key, messages)| end(key, messages, None)).collect();
    session.end(ends).await.unwrap();
    let left: Vec<_> = store.list(&Filter::default()).await.unwrap().into_iter().map(|row| row.parked).collect();
    let mut left: Vec<_> = left.iter().map(|row| (row.fence.clone(), row.message.offset, row.reason.clone())).collect();
    left.sort_by_key(|(_, offset, _)| *offset);
    assert_eq!(left, [(fence("y"), 1, reason(2)), (fence("x"), 2, reason(2)), (fence("d"), 4, reason(2))]);
    assert_eq!(claim_for(&mut *session, 2).await.len(), 3, "they are found behind their own fences");
}

pub(crate) async fn groups_do_not_touch_each_other(store: Shared) {
    let mut others = parked("a", 1, 1);
    others.fence.group = GroupId::new("h").unwrap();
    store.park(vec![parked("a", 1, 1), others], Vec::new()).await.unwrap();
    assert_eq!(store.discard(&[fence("a")]).await.unwrap(), [Discarded::Gone(1)]);
    assert_eq!(store.list(&Filter::default()).await.unwrap().len(), 1);
    let mut session = store.session().await.unwrap();
    assert!(claim_for(&mut *session, 1).await.is_empty());
    assert!(store.reasons("g", None, 10).await.unwrap().is_empty());
}

/// Of stores with tables: `change` runs SQL in which `BYTES` stands for headers that are cut off, and `NOTHING` for none.
#[allow(dead_code, reason = "a store in memory has no rows that anyone could break")]
pub(crate) async fn unreadable(store: &dyn Store, mut change: impl FnMut(&str)) {
    let messages = [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5)].map(|(key, offset)| parked(key, offset, 1));
    store.park(messages.into(), Vec::new()).await.unwrap();
    change("UPDATE kafka_waiting_messages SET headers = BYTES WHERE message_offset IN (2, 4)");
    let mut session = store.session().await.unwrap();
    let offsets = |claims: &[(String, Vec<(i64, i64)>)]| -> Vec<Vec<i64>> {
        claims.iter().map(|(_, messages)| messages.iter().map(|(_, offset)| *offset).collect()).collect()
    };
    let claims = claim_for(&mut *session, 1).await;
    assert_eq!(offsets(&claims), [vec![1], vec![5]]);
    session.end(vec![end("a", &claims[0].1, None), end("c", &claims[1].1, None)]).await.unwrap();
    assert!(claim_for(&mut *session, 1).await.is_empty());
    assert!(claim(&mut *session, Which::ParkedBefore(10), 100).await.is_empty());
    let left: Vec<_> = store.stats().await.unwrap().iter().map(|line| (line.status, line.messages)).collect();
    assert_eq!(left, [(Status::Waiting, 3)], "nobody has them");
    change("UPDATE kafka_waiting_messages SET headers = NOTHING WHERE message_offset IN (2, 4)");
    assert_eq!(offsets(&claim_for(&mut *session, 1).await), [vec![2, 3], vec![4]]);
}
