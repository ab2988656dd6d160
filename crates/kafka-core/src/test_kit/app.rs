//! An application under test: its real consumers, on a broker in memory, with a clock that the test moves.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::Notify;

use super::activity::Activity;
use super::calls::{Calls, TestWitness};
use super::error::TestError;
use super::member_broker::MemberBroker;
use super::process::{self, Begun, InHand, ItsClient};
use super::schemas::Schemas;
use super::watch::{Way, Witness};
use super::work::Works;
use crate::app::{AppBuilder, AssembledConsumer, Backgrounds, Sight};
use crate::broker::memory::MemoryBroker;
use crate::broker::{ProducerClient, Properties};
use crate::clock::{Clock, ManualClock};
use crate::consumer::{Command, Spawner, Turned};
use crate::names::TopicName;
use crate::producer::Producer;
use crate::settings::Settings;

/// How long something real may take, by the machine's clock, before the test is told that nothing moves.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often loops are turned before they count as going round for ever.
const TURNS: usize = 100_000;

/// Topics with their partitions, for an application under test. A topic that is not named here has one.
#[derive(Debug, Clone, Default)]
pub struct TestCluster {
    topics: Vec<(TopicName, i32)>,
}

/// A process of the application. The one that was started first is [`Process::FIRST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process(usize);

/// An application that runs in a test. See the [module](super) for how to use it.
#[derive(Debug)]
pub struct TestApp {
    pub(super) broker: MemoryBroker,
    schemas: Schemas,
    pub(super) hand: Arc<ManualClock>,
    clock: Clock,
    pub(super) processes: BTreeMap<Process, Running>,
    next: usize,
    pub(super) calls: Calls,
    works: Works,
    changed: Arc<Notify>,
    pub(super) settings: Arc<Settings>,
    pub(super) encoder: Producer,
}

#[derive(Debug)]
pub(super) struct Running {
    pub(super) consumers: Vec<InHand>,
    /// Tasks of plugins.
    backgrounds: Backgrounds,
    /// When these are cut off, once all consumers have left.
    cut_off_at: Option<Instant>,
    activity: Activity,
    broker: MemberBroker,
    pub(super) producer: Producer,
    shutdown_timeout: Duration,
}

impl Process {
    /// The one that [`TestApp::start`] starts.
    pub const FIRST: Self = Self(0);
}

impl TestCluster {
    /// A cluster without topics.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A topic with so many partitions.
    #[must_use]
    pub fn topic(mut self, name: &str, partitions: i32) -> Self {
        self.topics.push((TopicName::from_broker(name), partitions));
        self
    }

    /// Starts the application on it.
    ///
    /// # Errors
    /// As [`TestApp::start`].
    pub async fn start(self, app: AppBuilder) -> Result<TestApp, TestError> {
        let (clock, hand) = Clock::manual();
        let broker = MemoryBroker::new(clock.clone());
        self.topics.iter().for_each(|(topic, partitions)| broker.create_topic(topic, *partitions));
        let (changed, settings) = (Arc::<Notify>::default(), Arc::<Settings>::default());
        let mut app_under_test = TestApp {
            works: Works::new(Arc::clone(&changed)),
            encoder: Producer::new(Arc::new(broker.clone()), Properties::new(), Arc::clone(&settings)),
            processes: BTreeMap::new(),
            next: 0,
            calls: Calls::default(),
            broker,
            schemas: Schemas::new(),
            hand,
            clock,
            changed,
            settings,
        };
        app_under_test.join(app).await?;
        Ok(app_under_test)
    }
}

impl TestApp {
    /// Builds and starts an application as production does, start steps and background tasks of plugins included, on a broker in memory, with a
    /// schema registry in memory, which takes every schema: its own broker, registry and clock do not count. Returns once it has its partitions.
    ///
    /// # Errors
    /// When the application is not right, or does not start.
    pub async fn start(app: AppBuilder) -> Result<Self, TestError> {
        TestCluster::new().start(app).await
    }

    /// Starts another process of the application: a second member of its groups, or the first again after a crash.
    ///
    /// # Errors
    /// As [`TestApp::start`].
    pub async fn join(&mut self, app: AppBuilder) -> Result<Process, TestError> {
        let broker = MemberBroker::new(self.broker.clone(), Properties::new());
        let app = self.schemas.given_to(app).broker(Arc::new(broker.clone())).clock(self.clock.clone()).build()?;
        self.settings = Arc::clone(&app.settings);
        self.encoder = Producer::new(Arc::new(self.broker.clone()), Properties::new(), Arc::clone(&app.settings));
        process::make_topics(&app, &self.broker, |_| 1);
        app.prepare().await?;
        let (producer, shutdown_timeout) = (app.producer().clone(), app.settings.shutdown_timeout);
        let activity = Activity::new(Arc::clone(&self.changed));
        let spawner = Spawner::seen(tokio::runtime::Handle::current(), activity.clone());
        let changed = Arc::clone(&self.changed);
        let sight = Sight::of(activity.clone(), self.works.clone());
        let witness = |consumer: &AssembledConsumer, _: &ItsClient, _: Way| {
            let (calls, works) = (self.calls.clone(), self.works.clone());
            Arc::new(TestWitness { consumer: consumer.name.clone(), calls, works }) as Arc<dyn Witness>
        };
        let Begun { consumers, backgrounds } = process::begin(app, &broker, &spawner, &sight, &move || changed.notify_one(), witness)?;
        let process = Process(self.next);
        self.next += 1;
        let running = Running { consumers, backgrounds, cut_off_at: None, activity, broker, producer, shutdown_timeout };
        self.processes.insert(process, running);
        self.until_idle().await;
        Ok(process)
    }

    /// The process vanishes as by `kill -9`: nothing is committed, what it was about to send is lost. Only tasks that
    /// handlers have spawned on their own live on; the simulation ends those too.
    ///
    /// # Panics
    /// When there is no such process.
    pub async fn crash(&mut self, process: Process) {
        let running = self.take(process);
        running.broker.crash();
        running.activity.abort();
        drop(running);
        // Where the tasks of the process are dropped.
        tokio::task::yield_now().await;
        self.until_idle().await;
    }

    /// The process is asked to stop, as by SIGTERM: it finishes what is in flight, commits and leaves. The clock moves on
    /// when it has to wait for its timeout.
    ///
    /// # Panics
    /// When there is no such process, or one of its consumers fails.
    pub async fn stop(&mut self, process: Process) {
        let timeout = self.running(process).shutdown_timeout + Duration::from_secs(60);
        self.running(process).backgrounds.stop();
        self.running(process).consumers.iter().for_each(|consumer| consumer.by_hand.tell(Command::Stop));
        let until = self.hand.now() + timeout;
        self.until_idle().await;
        while let Some(at) = self.next_due().filter(|at| self.processes.contains_key(&process) && *at <= until) {
            self.move_to(at);
            self.until_idle().await;
        }
        assert!(!self.processes.contains_key(&process), "the process was asked to stop and is still there {timeout:?} later");
    }

    // Time.

    /// Runs the application until nothing moves any more: everything that the broker has is handled or held, and what
    /// handlers sent is acknowledged, unless the broker was told otherwise. The clock stands still. What handlers await
    /// of the real world, a database for example, is waited for.
    ///
    /// # Panics
    /// When something real does not come to an end within 20 s, with what it is; when a consumer or a plugin's task fails.
    pub async fn until_idle(&mut self) {
        loop {
            self.turn();
            if self.is_idle() {
                // Tasks of others, which came to be ready meanwhile, get their turn.
                tokio::task::yield_now().await;
                if self.is_idle() {
                    return;
                }
                continue;
            }
            self.wait_for_change().await;
        }
    }

    /// Runs the application while the future is under way, and gives its result: for a test that waits for something that
    /// a handler does.
    ///
    /// # Panics
    /// When nothing moves any more and the future is not ready, after 20 s.
    pub async fn until<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        loop {
            self.turn();
            let changed = Arc::clone(&self.changed);
            let mut ring = std::pin::pin!(changed.notified());
            let mut over = std::pin::pin!(Clock::System.sleep(PATIENCE));
            let next = poll_fn(|context| {
                if let Poll::Ready(result) = future.as_mut().poll(context) {
                    return Poll::Ready(Some(result));
                }
                if ring.as_mut().poll(context).is_ready() {
                    return Poll::Ready(None);
                }
                assert!(
                    over.as_mut().poll(context).is_pending(),
                    "what the test waits for did not come within {PATIENCE:?}; {}",
                    self.now()
                );
                Poll::Pending
            });
            if let Some(result) = next.await {
                return result;
            }
        }
    }

    /// Moves the clock, stopping wherever something falls due on the way, and runs the application until it is idle at
    /// each. Timers of tokio's are real and do not move with it.
    ///
    /// # Panics
    /// As [`TestApp::until_idle`].
    pub async fn advance(&mut self, by: Duration) {
        let to = self.hand.now() + by;
        self.until_idle().await;
        while let Some(at) = self.next_due().filter(|at| *at < to) {
            self.move_to(at);
            self.until_idle().await;
        }
        self.move_to(to);
        self.until_idle().await;
    }

    /// How far the clock was moved since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.hand.elapsed()
    }

    fn move_to(&self, to: Instant) {
        self.hand.advance_to(to);
        self.broker.tick();
    }

    /// When something will happen by itself.
    fn next_due(&self) -> Option<Instant> {
        let loops = self.processes.values().flat_map(|process| &process.consumers).filter_map(|consumer| consumer.by_hand.deadline());
        let others =
            [self.hand.next_wake(), self.broker.next_due(), self.processes.values().filter_map(|process| process.cut_off_at).min()];
        loops.chain(others.into_iter().flatten()).filter(|at| *at > self.hand.now()).min()
    }

    // Work.

    /// Turns all loops until none has anything to do.
    fn turn(&mut self) {
        for _ in 0..TURNS {
            let now = self.hand.now();
            let mut ended = Vec::new();
            let mut turned = false;
            for (process, running) in &mut self.processes {
                for consumer in running.consumers.iter_mut().filter(|consumer| consumer.by_hand.is_awake(now)) {
                    turned = true;
                    match consumer.by_hand.turn() {
                        Turned::GoesOn => {}
                        Turned::Finished(Ok(())) => ended.push((*process, consumer.id)),
                        Turned::Finished(Err(error)) => panic!("consumer {} failed: {}", consumer.assembled.name, super::words(&error)),
                        Turned::Died(how) => panic!("the loop of consumer {} panicked: {how}", consumer.assembled.name),
                    }
                }
            }
            for (process, id) in ended {
                self.processes.entry(process).and_modify(|running| running.consumers.retain(|consumer| consumer.id != id));
            }
            for (_, running) in self.processes.extract_if(.., |_, running| running.is_over(now)) {
                running.leave();
            }
            if !turned {
                return;
            }
        }
        panic!("a consumer goes round and round; {}", self.now());
    }

    /// Whether nothing moves any more by itself while the clock stands still.
    fn is_idle(&self) -> bool {
        let now = self.hand.now();
        let mut loops = self.processes.values().flat_map(|running| &running.consumers);
        self.ready() == 0 && loops.all(|consumer| !consumer.by_hand.is_awake(now)) && self.real_work().is_empty()
    }

    fn ready(&self) -> usize {
        self.processes.values().map(|running| running.activity.ready()).sum()
    }

    fn real_work(&self) -> Vec<String> {
        self.works.real(self.hand.now(), &self.broker.unacknowledged())
    }

    async fn wait_for_change(&self) {
        let over = Clock::System.sleep(PATIENCE);
        futures_util::future::select(std::pin::pin!(self.changed.notified()), std::pin::pin!(over.map(|()| self.is_stuck()))).await;
    }

    fn is_stuck(&self) {
        panic!("nothing has moved for {PATIENCE:?}, and the application is not idle; {}", self.now());
    }

    /// What is going on, in a few words.
    fn now(&self) -> String {
        let work = self.real_work();
        if work.is_empty() {
            return format!("{} of its tasks could go on and do not: is a thread of the runtime blocked?", self.ready());
        }
        format!("still at work: {}", work.join(", "))
    }

    pub(super) fn running(&self, process: Process) -> &Running {
        self.processes.get(&process).unwrap_or_else(|| panic!("{process:?} is not running; it was stopped, or it crashed"))
    }

    fn take(&mut self, process: Process) -> Running {
        self.running(process);
        self.processes.remove(&process).expect("it was there just now")
    }
}

impl Running {
    /// Whether all consumers have left, and after them the tasks of plugins, or the time for that is over.
    fn is_over(&mut self, now: Instant) -> bool {
        let left = self.backgrounds.left().unwrap_or_else(|(task, error)| panic!("{task} failed: {}", super::words(&*error)));
        if !self.consumers.is_empty() {
            return false;
        }
        let cut_off_at = *self.cut_off_at.get_or_insert_with(|| {
            self.backgrounds.stop();
            now + self.shutdown_timeout
        });
        left == 0 || cut_off_at <= now
    }

    /// What production does when all consumers have left.
    fn leave(self) {
        if let Some(client) = self.producer.present() {
            ProducerClient::flush(&*client, self.shutdown_timeout).ok();
        }
        self.broker.crash();
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.processes.values().for_each(|running| running.activity.abort());
    }
}
