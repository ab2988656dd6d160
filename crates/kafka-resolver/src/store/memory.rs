//! A store in memory, for tests and the simulation. It survives nothing but what a test says is a crash: a session that is dropped.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::ready;
use tokio::sync::broadcast;

use super::{
    Answer, Asked, Backlog, Claim, ClaimEnd, Discarded, Filter, Listener, News, Reach, Session, Stat, Store, StoreError, Waiting, Wanted,
    Which,
};
use crate::defect::{Defect, planted};
use crate::fence::{Fence, FenceId};
use crate::parked::{ParkedMessage, Status, StoredMessage};
use crate::reason::{Reason, ReasonId, Relation};

/// A store in memory. Clones are one store.
#[derive(Debug, Clone)]
pub struct MemoryStore(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    rows: BTreeMap<i64, StoredMessage>,
    next: i64,
    /// What exists, as a test says.
    existing: HashSet<Relation>,
    /// Who holds which fence.
    held: HashMap<FenceId, u64>,
    sessions: u64,
    /// Set while a test has it fail.
    failing: Option<String>,
    /// Tables of which nothing can be looked up.
    lost: HashSet<String>,
    news: broadcast::Sender<News>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Inner {
            rows: BTreeMap::new(),
            next: 1,
            existing: HashSet::new(),
            held: HashMap::new(),
            sessions: 0,
            failing: None,
            lost: HashSet::new(),
            news: broadcast::channel(1024).0,
        })))
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Has something exist, and tells who listens.
    pub fn appear(&self, relation: Relation) {
        let mut inner = self.lock();
        inner.existing.insert(relation.clone());
        // Nobody has to listen.
        drop(inner.news.send(News::Appeared(relation)));
    }

    /// Has something exist without telling anyone.
    pub fn appear_silently(&self, relation: Relation) {
        self.lock().existing.insert(relation);
    }

    /// Has something be gone.
    pub fn vanish(&self, relation: &Relation) {
        self.lock().existing.remove(relation);
    }

    /// Has every question fail, until it is called with `None`.
    pub fn fail(&self, with: Option<&str>) {
        self.lock().failing = with.map(str::to_owned);
    }

    /// Has a table be gone, as after it was renamed: whoever looks up a row of it is told an error.
    pub fn lose_table(&self, table: &str) {
        self.lock().lost.insert(table.to_owned());
    }

    /// All that is stored.
    #[must_use]
    pub fn messages(&self) -> Vec<StoredMessage> {
        self.lock().rows.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer<T: Send + 'static>(&self, doing: &'static str, work: impl FnOnce(&mut Inner) -> T) -> Answer<'_, T> {
        let mut inner = self.lock();
        let answer = match &inner.failing {
            Some(error) => Err(StoreError::Statement { doing, source: error.clone().into() }),
            None => Ok(work(&mut inner)),
        };
        Box::pin(Yielding(Box::pin(ready(answer)), false))
    }
}

/// An answer that takes a moment, so that others come in between.
struct Yielding<'a, T>(Answer<'a, T>, bool);

impl<T> Future for Yielding<'_, T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        if std::mem::replace(&mut self.1, true) {
            return self.0.as_mut().poll(cx);
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    }
}

impl Inner {
    /// The messages behind a fence, in order of replay.
    fn behind(&self, fence: FenceId) -> Vec<&StoredMessage> {
        let mut rows: Vec<_> = self.rows.values().filter(|row| row.parked.fence.id() == fence).collect();
        rows.sort_by(|one, other| one.order().cmp(&other.order()));
        rows
    }

    fn chosen(&self, filter: &Filter) -> Vec<StoredMessage> {
        let Filter { group, topic, key, reasons, reason_contains, status, parked_before_ms, id, limit } = filter;
        let meant = |row: &&StoredMessage| {
            let fence = &row.parked.fence;
            group.as_ref().is_none_or(|group| fence.group.as_str() == group)
                && topic.as_ref().is_none_or(|topic| fence.topic == *topic)
                && key.as_ref().is_none_or(|key| fence.key.as_ref() == Some(key))
                && reasons.as_ref().is_none_or(|reasons| reasons.contains(&row.parked.reason))
                && reason_contains.as_ref().is_none_or(|part| row.parked.reason.to_text().contains(part))
                && status.is_none_or(|status| row.status == status)
                && parked_before_ms.is_none_or(|before| row.parked.parked_at_ms < before)
                && id.is_none_or(|id| row.id == id)
        };
        self.rows.values().filter(meant).take(limit.map_or(usize::MAX, |limit| limit as usize)).cloned().collect()
    }

    /// What somebody left behind who is gone waits again.
    fn forget_abandoned(&mut self, filter: &Filter) {
        let fences: HashSet<FenceId> = self.chosen(filter).iter().map(|row| row.parked.fence.id()).collect();
        for row in self.rows.values_mut() {
            let fence = row.parked.fence.id();
            if fences.contains(&fence) && !self.held.contains_key(&fence) {
                row.status = Status::Waiting;
            }
        }
    }

    fn claim(&mut self, session: u64, wanted: &Wanted<'_>) -> Vec<Claim> {
        let wants = |row: &&StoredMessage| {
            let fence = &row.parked.fence;
            fence.group.as_str() == wanted.group
                && wanted.topics.contains(&fence.topic)
                && match wanted.which {
                    Which::Reasons(reasons) => row.status == Status::Waiting && reasons.contains(&row.parked.reason.id()),
                    Which::Abandoned => row.status == Status::Resolving,
                    Which::ParkedBefore(ms) => row.status == Status::Waiting && row.parked.parked_at_ms < ms,
                }
        };
        let fences: Vec<FenceId> = self.rows.values().filter(wants).map(|row| row.parked.fence.id()).collect();
        let (mut claims, mut room) = (Vec::new(), wanted.limit);
        for fence in fences {
            if room == 0 || self.held.contains_key(&fence) {
                continue;
            }
            let ids: Vec<i64> = self.behind(fence).into_iter().take(room).map(|row| row.id).collect();
            let messages: Vec<_> = ids
                .into_iter()
                .filter_map(|id| {
                    let row = self.rows.get_mut(&id)?;
                    row.status = Status::Resolving;
                    Some(row.clone())
                })
                .collect();
            room -= messages.len();
            self.held.insert(fence, session);
            claims.push(Claim { fence, messages });
        }
        claims
    }

    fn end(&mut self, session: u64, end: ClaimEnd) {
        if self.held.get(&end.fence) != Some(&session) {
            return;
        }
        self.held.remove(&end.fence);
        end.done.iter().for_each(|id| drop(self.rows.remove(id)));
        for row in self.rows.values_mut().filter(|row| row.parked.fence.id() == end.fence) {
            row.status = Status::Waiting;
            if let Some(reason) = &end.rest {
                row.parked.reason = reason.clone();
            }
            if let Some((id, attempt)) = end.failed
                && row.id == id
            {
                row.parked.attempt = attempt;
            }
        }
    }
}

impl Store for MemoryStore {
    fn prepare(&self) -> Answer<'_, ()> {
        self.answer("preparing", |_| ())
    }

    fn backlog<'a>(&'a self, group: &'a str) -> Answer<'a, Backlog> {
        self.answer("asking whether anything waits", |inner| {
            let waits = inner.rows.values().any(|row| row.parked.fence.group.as_str() == group);
            if waits { Backlog::Possible } else { Backlog::Nothing }
        })
    }

    fn waiting<'a>(&'a self, asked: &'a Asked<'a>) -> Answer<'a, Waiting> {
        self.answer("asking what waits", |inner| {
            let of_topic = |row: &&StoredMessage| row.parked.fence.group.as_str() == asked.group && row.parked.fence.topic == asked.topic;
            let first = |fence: &FenceId| Some((*fence, inner.behind(*fence).first()?.parked.reason.clone()));
            Waiting {
                fences: asked.fences.iter().filter_map(first).collect(),
                reasons: inner
                    .rows
                    .values()
                    .filter(of_topic)
                    .map(|row| row.parked.reason.id())
                    .filter(|reason| asked.reasons.contains(reason))
                    .collect(),
            }
        })
    }

    fn existing<'a>(&'a self, relations: &'a [Relation]) -> Answer<'a, HashSet<Relation>> {
        if let Some(lost) = relations.iter().map(Relation::table).find(|table| self.lock().lost.contains(*table)) {
            let source = format!("there is no table {lost}").into();
            return Box::pin(ready(Err(StoreError::Statement { doing: "looking up rows", source })));
        }
        self.answer("looking up rows", |inner| relations.iter().filter(|relation| inner.existing.contains(relation)).cloned().collect())
    }

    fn park(&self, messages: Vec<ParkedMessage>, up: Vec<FenceId>) -> Answer<'_, Vec<FenceId>> {
        self.answer("parking", |inner| {
            let claimed: Vec<FenceId> = up.into_iter().filter(|fence| inner.held.contains_key(fence)).collect();
            if !claimed.is_empty() {
                return claimed;
            }
            for parked in messages {
                let same = |row: &StoredMessage| {
                    let other = &row.parked;
                    other.fence.group == parked.fence.group && other.place == parked.place && other.message.offset == parked.message.offset
                };
                let (there, message) = (inner.rows.values().find(|row| same(row)), &parked.message);
                let outdated = there.filter(|row| {
                    let old = &row.parked.message;
                    (old.timestamp, &old.key, &old.value) != (message.timestamp, &message.key, &message.value)
                });
                if let Some(id) = outdated.map(|row| row.id) {
                    inner.rows.remove(&id);
                }
                if !inner.rows.values().any(same) {
                    let id = inner.next;
                    inner.next += 1;
                    inner.rows.insert(id, StoredMessage { id, status: Status::Waiting, parked });
                }
            }
            Vec::new()
        })
    }

    fn discard<'a>(&'a self, fences: &'a [Fence]) -> Answer<'a, Vec<Discarded>> {
        self.answer("discarding", |inner| {
            let discard = |fence: &Fence| {
                if inner.held.contains_key(&fence.id()) {
                    return Discarded::Claimed;
                }
                let before = inner.rows.len();
                inner.rows.retain(|_, row| row.parked.fence != *fence);
                Discarded::Gone((before - inner.rows.len()) as u64)
            };
            fences.iter().map(discard).collect()
        })
    }

    fn session(&self) -> Answer<'_, Box<dyn Session>> {
        let store = self.clone();
        self.answer("beginning a session", move |inner| {
            inner.sessions += 1;
            Box::new(MemorySession { id: inner.sessions, store }) as Box<dyn Session>
        })
    }

    fn reasons<'a>(&'a self, group: &'a str, after: Option<ReasonId>, limit: usize) -> Answer<'a, Vec<(ReasonId, Reason)>> {
        self.answer("reading reasons", |inner| {
            let rows = inner.rows.values().filter(|row| row.parked.fence.group.as_str() == group && row.status == Status::Waiting);
            let reasons: BTreeMap<ReasonId, Reason> = rows.map(|row| (row.parked.reason.id(), row.parked.reason.clone())).collect();
            reasons.into_iter().filter(|(id, _)| after.is_none_or(|after| *id > after)).take(limit).collect()
        })
    }

    fn topics<'a>(&'a self, group: &'a str) -> Answer<'a, Vec<String>> {
        self.answer("reading topics", |inner| {
            let rows = inner.rows.values().filter(|row| row.parked.fence.group.as_str() == group);
            let topics: std::collections::BTreeSet<_> = rows.map(|row| row.parked.fence.topic.clone()).collect();
            topics.into_iter().collect()
        })
    }

    fn announce<'a>(&'a self, relations: &'a [Relation]) -> Answer<'a, ()> {
        self.answer("announcing", |inner| {
            // Nobody has to listen.
            relations.iter().for_each(|relation| drop(inner.news.send(News::Appeared(relation.clone()))));
        })
    }

    fn listen(&self) -> Option<Answer<'_, Box<dyn Listener>>> {
        Some(self.answer("listening", |inner| Box::new(MemoryListener(inner.news.subscribe())) as Box<dyn Listener>))
    }

    fn list<'a>(&'a self, filter: &'a Filter) -> Answer<'a, Vec<StoredMessage>> {
        self.answer("listing", |inner| inner.chosen(filter))
    }

    fn release<'a>(&'a self, filter: &'a Filter) -> Answer<'a, u64> {
        self.answer("releasing", |inner| {
            inner.forget_abandoned(filter);
            let fences: HashSet<FenceId> = inner.chosen(filter).iter().map(|row| row.parked.fence.id()).collect();
            let mut released = 0;
            for row in inner.rows.values_mut() {
                if row.status == Status::Waiting && fences.contains(&row.parked.fence.id()) {
                    row.parked.reason = Reason::Released;
                    released += 1;
                }
            }
            drop(inner.news.send(News::Many));
            released
        })
    }

    fn drop_messages<'a>(&'a self, filter: &'a Filter) -> Answer<'a, u64> {
        self.answer("dropping", |inner| {
            inner.forget_abandoned(filter);
            let chosen: Vec<_> = inner.chosen(filter).into_iter().filter(|row| row.status == Status::Waiting).collect();
            chosen.iter().for_each(|row| drop(inner.rows.remove(&row.id)));
            let fences: HashSet<FenceId> = chosen.iter().map(|row| row.parked.fence.id()).collect();
            for row in inner.rows.values_mut().filter(|row| row.status == Status::Waiting) {
                if row.parked.reason.relation().is_some() && fences.contains(&row.parked.fence.id()) {
                    row.parked.reason = Reason::Due { at_ms: 0 };
                }
            }
            drop(inner.news.send(News::Many));
            chosen.len() as u64
        })
    }

    fn reach<'a>(&'a self, filter: &'a Filter) -> Answer<'a, Reach> {
        self.answer("counting", |inner| {
            let chosen = inner.chosen(filter);
            let fences: HashSet<FenceId> = chosen.iter().map(|row| row.parked.fence.id()).collect();
            let waits = |row: &&StoredMessage| row.status == Status::Waiting;
            let released = inner.rows.values().filter(waits).filter(|row| fences.contains(&row.parked.fence.id())).count();
            Reach { dropped: chosen.iter().filter(waits).count() as u64, released: released as u64 }
        })
    }

    fn stats(&self) -> Answer<'_, Vec<Stat>> {
        self.answer("counting", |inner| {
            let mut stats: BTreeMap<(String, String, i16), (u64, i64)> = BTreeMap::new();
            for row in inner.rows.values() {
                let fence = &row.parked.fence;
                let stat =
                    stats.entry((fence.group.to_string(), fence.topic.clone(), row.status.code())).or_insert((0, row.parked.parked_at_ms));
                *stat = (stat.0 + 1, stat.1.min(row.parked.parked_at_ms));
            }
            let line = |((group, topic, status), (messages, oldest_ms))| Stat {
                group,
                topic,
                status: Status::of_code(status),
                messages,
                oldest_ms,
            };
            stats.into_iter().map(line).collect()
        })
    }
}

#[derive(Debug)]
struct MemorySession {
    id: u64,
    store: MemoryStore,
}

impl Session for MemorySession {
    fn claim<'a>(&'a mut self, wanted: &'a Wanted<'a>) -> Answer<'a, Vec<Claim>> {
        let id = self.id;
        self.store.answer("claiming", |inner| inner.claim(id, wanted))
    }

    fn end(&mut self, ends: Vec<ClaimEnd>) -> Answer<'_, ()> {
        let id = self.id;
        self.store.answer("ending claims", |inner| {
            ends.into_iter().for_each(|end| inner.end(id, end));
            drop(inner.news.send(News::Drained));
        })
    }

    fn check(&mut self) -> Answer<'_, ()> {
        self.store.answer("checking", |_| ())
    }
}

impl Drop for MemorySession {
    fn drop(&mut self) {
        if planted(Defect::ClaimsKeptByTheDead) {
            return;
        }
        self.store.lock().held.retain(|_, holder| *holder != self.id);
    }
}

#[derive(Debug)]
struct MemoryListener(broadcast::Receiver<News>);

impl Listener for MemoryListener {
    fn next(&mut self) -> Answer<'_, News> {
        Box::pin(async {
            match self.0.recv().await {
                Ok(news) => Ok(news),
                Err(broadcast::error::RecvError::Lagged(_)) => Ok(News::Many),
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        })
    }
}
