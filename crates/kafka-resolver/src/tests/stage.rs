//! A topic whose messages need rows, with its gate and a daemon around one store.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use kafka_core::app::{App, MissingState, Sight, State, Surroundings};
use kafka_core::broker::memory::MemoryBroker;
use kafka_core::clock::{Clock, ManualClock};
use kafka_core::consumer::{Admission, Admissions, ConsumerSpec, Gate, HandlerError, TopicAtWork, WakeSource};
use kafka_core::error::ConfigError;
use kafka_core::format::{Decode, DecodeError, Format, FormatContext, Part, Text};
use kafka_core::message::{Headers, Message, OwnedMessage, Run, Timestamp};
use kafka_core::names::{GroupId, TopicName, TopicPartition};
use kafka_core::settings::Settings;
use kafka_core::topic::{Consume, Single, Topic, TopicSpec};

use crate::daemon::Parking;
use crate::daemon::embedded::Work;
use crate::daemon::release::Releases;
use crate::decision::KeepOrder;
use crate::gate::RelationGate;
use crate::hints::{Hint, Hints};
use crate::reason::Relation;
use crate::relations::{DeclaredRelations, Needs, RelationsOf};
use crate::settings::ResolverSettings;
use crate::store::Store;
use crate::store::memory::MemoryStore;

/// What the handler saw: key, value (`None` is a deletion), attempt.
pub(super) type Seen = Arc<Mutex<Vec<(String, Option<String>, u32)>>>;

/// The relations that exist for the handler: it fails when one is missing, as a foreign key does.
#[derive(Clone)]
pub(super) struct Rows(pub(super) MemoryStore);

pub(super) struct Children {
    seen: Seen,
    rows: Rows,
}

/// Text, which cannot be opened for now when it begins with `sealed`: what a format with a registry says while that is down.
pub(super) struct Letter;

impl Format for Letter {
    type Value = String;

    fn build(_: &FormatContext<'_>) -> Result<Self, ConfigError> {
        Ok(Self)
    }
}

impl Decode for Letter {
    async fn decode(&self, part: Part<'_>) -> Result<String, DecodeError> {
        match std::str::from_utf8(part.bytes).map_err(DecodeError::malformed)? {
            sealed if sealed.starts_with("sealed") => Err(DecodeError::unavailable("the registry is down")),
            text => Ok(text.to_owned()),
        }
    }
}

impl Topic for Children {
    type Key = Text;
    type Value = Letter;
    type Style = Single;

    fn spec() -> TopicSpec {
        TopicSpec::named("children").declare(DeclaredRelations::said_by::<Self, Self>())
    }

    fn from_state(state: &State) -> Result<Self, MissingState> {
        Ok(Self { seen: state.get()?, rows: state.get()? })
    }
}

/// The numbers behind the `:` of a value are the parents that it needs: `a:1,2`. `!` in front is a deletion.
impl RelationsOf<Children> for Children {
    fn relations(_: Option<&String>, value: &String, needs: &mut Needs) {
        parents(value).into_iter().for_each(|parent| needs.relation(parent));
    }

    fn is_deletion(_: Option<&String>, value: &String) -> bool {
        value.starts_with('!')
    }
}

pub(super) fn parent(id: i64) -> Relation {
    Relation::row("parents", "id", id)
}

fn parents(value: &str) -> Vec<Relation> {
    let (_, ids) = value.split_once(':').unwrap_or_default();
    ids.split(',').filter_map(|id| id.parse().ok()).map(parent).collect()
}

impl Consume for Children {
    async fn consume(&self, message: Message<String, String>) -> Result<(), HandlerError> {
        let value = message.value().cloned();
        let needed = value.as_deref().map(parents).unwrap_or_default();
        let existing = self.rows.0.existing(&needed).await?;
        // Work takes time, in which others take turns.
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        let missing = needed.iter().any(|relation| !existing.contains(relation));
        let violated = if missing { "violated " } else { "" };
        let noted = value.clone().map(|value| violated.to_owned() + &value);
        self.seen.lock().unwrap().push((message.key().cloned().unwrap_or_default(), noted, message.attempt()));
        if value.is_some_and(|value| value.starts_with("fail") && message.attempt() < 3) {
            return Err("told to fail".into());
        }
        if missing { Err("a foreign key is violated".into()) } else { Ok(()) }
    }
}

pub(super) struct Stage {
    pub(super) store: MemoryStore,
    pub(super) seen: Seen,
    pub(super) hand: Arc<ManualClock>,
    pub(super) settings: ResolverSettings,
    clock: Clock,
    topic: TopicAtWork,
    pub(super) hints: Arc<Hints>,
    drained: Arc<WakeSource>,
    pub(super) stop: WakeSource,
}

impl Stage {
    pub(super) fn new() -> Self {
        let (store, seen, (clock, hand)) = (MemoryStore::new(), Seen::default(), Clock::manual());
        let consumer = ConsumerSpec::new("families", "g").topic::<Children>();
        let app = App::builder(Settings::default()).broker(Arc::new(MemoryBroker::new(clock.clone()))).clock(clock.clone());
        let app = app.state(seen.clone()).state(Rows(store.clone())).without_discovery().consumer_spec(consumer).build().unwrap();
        let topic = app.topics_at_work().remove(0);
        let (hints, drained, settings) = (Arc::default(), Arc::default(), ResolverSettings::default());
        Self { store, seen, hand, settings, clock, topic, hints, drained, stop: WakeSource::default() }
    }

    pub(super) fn gate(&self) -> RelationGate {
        RelationGate {
            group: GroupId::new("g").unwrap(),
            topic: "children".to_owned(),
            relations: self.topic.spec().declared::<DeclaredRelations>().unwrap().clone(),
            existences: self.parking().existences(),
            decide: Arc::new(KeepOrder),
            clock: self.clock.clone(),
            pause: self.settings.pause,
            drained: Arc::clone(&self.drained),
            hints: Arc::clone(&self.hints),
            crowded: AtomicBool::default(),
        }
    }

    pub(super) fn parking(&self) -> Parking {
        Parking {
            store: Arc::new(self.store.clone()),
            kinds: Vec::new(),
            drained: Arc::clone(&self.drained),
            hints: Arc::clone(&self.hints),
            settings: self.settings.clone(),
        }
    }

    pub(super) fn daemon(&self) -> Work {
        Work::new(self.parking(), self.surroundings())
    }

    pub(super) fn releases(&self) -> Releases {
        Releases::new(self.parking(), &self.surroundings())
    }

    pub(super) fn surroundings(&self) -> Surroundings {
        Surroundings {
            topics: vec![self.topic.clone()].into(),
            clock: self.clock.clone(),
            stop: self.stop.subscribe(),
            sight: Sight::default(),
        }
    }

    /// What the gate says of messages at these offsets: `>` go on, `p` parked, `.` wait.
    pub(super) async fn admit(&self, messages: &[(i64, &str, Option<&str>)]) -> String {
        self.try_admit(messages).await.unwrap()
    }

    pub(super) async fn try_admit(&self, messages: &[(i64, &str, Option<&str>)]) -> Result<String, kafka_core::error::BoxError> {
        let mut run = self.run(messages);
        self.topic.decode(&mut run).await?;
        Ok(match self.gate().admit(&run).await? {
            Admissions::AllProceed => ">".repeat(messages.len()),
            Admissions::Each(each) => each
                .iter()
                .map(|admission| match admission {
                    Admission::Proceed => '>',
                    Admission::Parked => 'p',
                    Admission::Hold(_) => '.',
                })
                .collect(),
        })
    }

    /// Hands messages to the handler, as the lane does with what the gate lets in. Whether all went well.
    pub(super) async fn handle(&self, messages: &[(i64, &str, Option<&str>)]) -> bool {
        let mut run = self.run(messages);
        self.topic.replay(&mut run, &kafka_core::topic::Control::default()).await;
        run.is_empty()
    }

    fn run(&self, messages: &[(i64, &str, Option<&str>)]) -> Run {
        let place = TopicPartition::new(TopicName::from_broker("children"), 0);
        let message = |&(offset, key, value): &(i64, &str, Option<&str>)| {
            let message = OwnedMessage {
                offset,
                timestamp: Timestamp::CreateTime(offset),
                key: (!key.is_empty()).then(|| Bytes::copy_from_slice(key.as_bytes())),
                value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())),
                headers: Headers::new(),
            };
            (place.clone(), message)
        };
        Run::by_hand(self.topic.group(), messages.iter().map(message).collect(), 1)
    }

    /// Has the daemon look at everything once.
    pub(super) async fn look(&self) {
        self.daemon().answer(&mut None, Hint::Many).await.unwrap();
    }

    /// The hint that there is, if there is one.
    pub(super) fn hint(&self) -> Option<Hint> {
        self.hints.next().now_or_never()
    }

    /// Values in the order in which the handler saw them.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(_, value, _)| value.clone().unwrap_or_default()).collect()
    }

    /// Offsets that are parked, each with what it waits for.
    pub(super) fn parked(&self) -> Vec<(i64, String)> {
        self.store.messages().iter().map(|row| (row.parked.message.offset, row.parked.reason.to_string())).collect()
    }
}

/// Polls once.
pub(super) async fn polled<F: Future + ?Sized>(mut future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx))).await
}
