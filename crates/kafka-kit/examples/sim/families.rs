//! Children that need parents, in a simulated application with the whole way: gate, store, daemon, retries, dead letters.
//!
//! Children come long before their parents, and some are deleted while they wait. Processes crash at any await point of lanes, gates and
//! daemons, partitions change hands, and the store of parked messages fails for a while.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kafka_kit::app::{App, AppBuilder, MissingState, State};
use kafka_kit::consumer::{ConsumerSpec, DeclaredTopic, HandlerError};
use kafka_kit::error::BoxError;
use kafka_kit::format::Text;
use kafka_kit::message::{Headers, Message, Record};
use kafka_kit::names::TopicName;
use kafka_kit::resolver::store::memory::MemoryStore;
use kafka_kit::resolver::{DeclaredRelations, Needs, Relation, RelationResolver, RelationsOf, ResolverSettings, Status};
use kafka_kit::retry::Retry;
use kafka_kit::retry_policy::{MaxRetries, RetryMode, RetryPolicy};
use kafka_kit::settings::Settings;
use kafka_kit::test_kit::sim::{Aftermath, Chance, Messages, Simulated};
use kafka_kit::topic::{Concurrency, Consume, DeadLetterLimit, Single, Topic, TopicSpec};

const PARENTS: u64 = 5;
const CHILDREN: u64 = 40;
const KEYS: u64 = 6;
const RETRIES: u32 = 3;

/// The header with a child's number. Numbers grow in the order of publishing.
const NUMBER: &str = "number";

/// How often the child of this number fails before it is done. More than there are retries is for ever.
fn failures(number: u64) -> u32 {
    match number % 13 {
        3 => 2,
        7 => 1,
        11 => u32::MAX,
        _ => 0,
    }
}

/// What outlives crashes: the parents' rows, what was handled of each key, and what was seen that must not be.
#[derive(Debug, Default)]
struct Kept {
    parents: BTreeSet<i64>,
    handled: BTreeMap<String, Vec<u64>>,
    wrong: Vec<String>,
}

/// A database that never fails, beside the store, which does.
#[derive(Debug, Clone, Default)]
struct Database {
    kept: Arc<Mutex<Kept>>,
    store: MemoryStore,
}

impl Database {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Parents(Database);

struct Children(Database);

impl Topic for Parents {
    type Key = Text;
    type Value = Text;
    type Style = Single;

    fn spec() -> TopicSpec {
        TopicSpec::named("parents")
    }

    fn from_state(state: &State) -> Result<Self, MissingState> {
        Ok(Self(state.get()?))
    }
}

impl Consume for Parents {
    async fn consume(&self, message: Message<String, String>) -> Result<(), HandlerError> {
        let id: i64 = message.require_value()?.parse()?;
        self.0.kept().parents.insert(id);
        // Some are told, and some have to be found.
        if id % 2 == 0 {
            self.0.store.appear(parent(id));
        } else {
            self.0.store.appear_silently(parent(id));
        }
        Ok(())
    }
}

fn parent(id: i64) -> Relation {
    Relation::row("parents", "id", id)
}

/// The parents that a child's value names: `child:1,2`.
fn needed(value: &str) -> impl Iterator<Item = i64> {
    let (_, ids) = value.split_once(':').unwrap_or_default();
    ids.split(',').filter_map(|id| id.parse().ok())
}

impl Topic for Children {
    type Key = Text;
    type Value = Text;
    type Style = Single;

    fn spec() -> TopicSpec {
        TopicSpec::named("children").declare(DeclaredRelations::said_by::<Self, Self>())
    }

    fn from_state(state: &State) -> Result<Self, MissingState> {
        Ok(Self(state.get()?))
    }
}

/// `!` is a deletion that has a value.
impl RelationsOf<Children> for Children {
    fn relations(_: Option<&String>, value: &String, needs: &mut Needs) {
        needed(value).for_each(|id| needs.relation(parent(id)));
    }

    fn is_deletion(_: Option<&String>, value: &String) -> bool {
        value == "!"
    }
}

impl Consume for Children {
    async fn consume(&self, message: Message<String, String>) -> Result<(), HandlerError> {
        let number: u64 = message.headers().get_str(NUMBER).unwrap_or_default().parse()?;
        // Work takes time, in which others take turns.
        tokio::task::yield_now().await;
        let kept = &mut *self.0.kept();
        let missing = message.value().and_then(|value| needed(value).find(|id| !kept.parents.contains(id)));
        if let Some(id) = missing {
            kept.wrong.push(format!("child {number} was handled before parent {id}"));
        }
        if message.attempt() <= failures(number) {
            return Err(format!("child {number} does not succeed yet").into());
        }
        kept.handled.entry(message.require_key()?.clone()).or_default().push(number);
        Ok(())
    }
}

/// One world.
#[derive(Debug)]
pub(crate) struct Families {
    mode: RetryMode,
    concurrency: Concurrency,
    members: usize,
    database: Database,
    sent: Mutex<Vec<Sent>>,
}

/// A child as it was published.
#[derive(Debug, Clone)]
struct Sent {
    key: String,
    number: u64,
    deletes: Deletes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deletes {
    Key,
    Nothing,
}

impl Families {
    /// One process after the other, failed children hold their lane. What was handled last of a key is what was sent last.
    pub(crate) fn alone() -> Self {
        Self::new(RetryMode::Blocking, Concurrency::Partition, 1)
    }

    /// Several processes, with a lane for each key.
    pub(crate) fn together() -> Self {
        Self::new(RetryMode::Blocking, Concurrency::Key { max: 3 }, 3)
    }

    /// Several processes, failed children go through retry topics.
    pub(crate) fn with_retry_topics() -> Self {
        Self::new(RetryMode::NonBlocking, Concurrency::Partition, 3)
    }

    fn new(mode: RetryMode, concurrency: Concurrency, members: usize) -> Self {
        Self { mode, concurrency, members, database: Database::default(), sent: Mutex::default() }
    }

    fn sent(&self) -> MutexGuard<'_, Vec<Sent>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wrong with what was handled of a key, given what was sent.
    fn check_key(&self, key: &str, sent: &[Sent], handled: &[u64], dead: &BTreeSet<u64>) -> Result<(), String> {
        let of_key = || sent.iter().filter(|sent| sent.key == key);
        for child in of_key() {
            let hopeless = failures(child.number) > RETRIES;
            if dead.contains(&child.number) && !hopeless {
                return Err(format!("child {} is a dead letter, though it succeeds when it is tried again", child.number));
            }
            let Some(first) = handled.iter().position(|number| *number == child.number) else {
                let superseded = of_key().any(|later| later.deletes == Deletes::Key && later.number > child.number);
                if superseded || dead.contains(&child.number) {
                    continue;
                }
                return Err(format!("child {} of {key} is lost: neither handled, nor superseded, nor a dead letter", child.number));
            };
            // What goes through a retry topic is overtaken.
            if self.mode == RetryMode::NonBlocking && failures(child.number) > 0 {
                continue;
            }
            // What a deletion has discarded may come once more, when positions go back. A deletion discards before it fails.
            let discards = |later: &Sent| later.deletes == Deletes::Key && later.number > child.number;
            let has_come = |later: &Sent| handled[..first].contains(&later.number) || failures(later.number) > 0;
            if of_key().any(|later| discards(later) && has_come(later)) {
                continue;
            }
            if let Some(later) = handled[..first].iter().find(|number| **number > child.number) {
                return Err(format!("child {later} of {key} overtook {}: {handled:?}", child.number));
            }
        }
        // Two owners of a partition at a time may do its last work in any order, as with every consumer.
        let last = of_key().next_back().filter(|last| self.members == 1 && failures(last.number) == 0);
        if let Some(last) = last.filter(|last| handled.last() != Some(&last.number)) {
            return Err(format!("the last word on {key} is {:?} and not {}: {handled:?}", handled.last(), last.number));
        }
        Ok(())
    }
}

impl Simulated for Families {
    fn app(&self) -> AppBuilder {
        // A process that starts while the store is down gives up, and is started again until it is not.
        self.mend();
        let mut children = DeclaredTopic::of::<Children>();
        let mut policy = RetryPolicy::new(MaxRetries::Limited(RETRIES), Duration::from_millis(300));
        policy.mode = self.mode;
        children.spec = Children::spec().concurrency(self.concurrency).retry(policy);
        // What the limiter does is not the matter here.
        children.spec = children.spec.dead_letter_limit(DeadLetterLimit::consecutive(1_000_000));
        let mut settings = ResolverSettings::default();
        settings.interval = Duration::from_secs(30);
        let store = self.database.store.clone();
        App::builder(Settings::default())
            .without_discovery()
            .state(self.database.clone())
            .plugin(Retry::new())
            .plugin(RelationResolver::new(store).settings(settings))
            .consumer_spec(ConsumerSpec::new("families", "g").topic::<Parents>().declared(children))
    }

    fn messages(&self, messages: &mut Messages) {
        let parents: Vec<_> = (0..PARENTS).map(|id| (id, messages.between(0, CHILDREN))).collect();
        for number in 0..CHILDREN {
            let due = parents.iter().filter(|(_, at)| *at == number).map(|(id, _)| *id).collect::<Vec<_>>();
            due.into_iter().for_each(|id| publish(messages, "parents", id, &format!("p{id}"), Some(id.to_string())));
            let key = format!("k{}", messages.between(1, KEYS));
            let mut roll = |most| messages.between(0, most);
            let needed = match roll(99) {
                0..=4 => None,
                5..=9 => Some("!".to_owned()),
                10..=29 => Some("child:".to_owned()),
                30..=79 => Some(format!("child:{}", roll(PARENTS - 1))),
                _ => Some(format!("child:{},{}", roll(PARENTS - 1), roll(PARENTS - 1))),
            };
            let deletes = if needed.as_ref().is_none_or(|value| value == "!") { Deletes::Key } else { Deletes::Nothing };
            self.sent().push(Sent { key: key.clone(), number, deletes });
            publish(messages, "children", number, &key, needed);
        }
        let late = parents.iter().filter(|(_, at)| *at >= CHILDREN);
        late.for_each(|(id, _)| publish(messages, "parents", *id, &format!("p{id}"), Some(id.to_string())));
    }

    fn disturb(&self, chance: &mut Chance) {
        self.database.store.fail(chance.percent(35).then_some("it is down"));
    }

    fn mend(&self) {
        self.database.store.fail(None);
    }

    fn unfinished(&self) -> Vec<String> {
        let word = |status| if status == Status::Resolving { "is claimed and" } else { "" };
        let parked = self.database.store.messages().into_iter().map(|row| {
            let (place, offset) = (row.parked.place, row.parked.message.offset);
            format!("{place} [{offset}] {} waits for {}", word(row.status), row.parked.reason)
        });
        parked.collect()
    }

    fn check(&self, end: &Aftermath) -> Result<(), BoxError> {
        let mut dead = BTreeSet::new();
        for letter in end.records("g.children.dlt") {
            dead.insert(letter.message.headers.get_str(NUMBER).ok_or("a dead letter without its headers")?.parse()?);
        }
        let (kept, sent) = (self.database.kept(), self.sent());
        if let Some(wrong) = kept.wrong.first() {
            return Err(wrong.clone().into());
        }
        let keys: BTreeSet<_> = sent.iter().map(|sent| sent.key.as_str()).collect();
        for key in keys {
            let handled = kept.handled.get(key).map(Vec::as_slice).unwrap_or_default();
            self.check_key(key, &sent, handled, &dead)?;
        }
        Ok(())
    }

    fn members(&self) -> usize {
        self.members
    }
}

fn publish(messages: &mut Messages, topic: &str, number: u64, key: &str, value: Option<String>) {
    let headers = Headers::new().with(NUMBER, number.to_string());
    let record = Record::new(TopicName::from_broker(topic)).key(key.as_bytes()).headers(headers);
    messages.record(match &value {
        Some(value) => record.value(value.as_bytes()),
        None => record,
    });
}
