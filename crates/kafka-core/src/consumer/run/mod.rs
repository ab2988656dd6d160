//! The consume loop: the only code that assigns, stores and gives up partitions.
//!
//! A state machine that is turned by its thread (or by the simulation): each turn serves the client's
//! events and the lanes' reports, hands fetched messages to lanes, and stores positions. Nothing in it
//! blocks, so the group hears from us however slow a handler is.
//!
//! In reading order: this file is a turn, `rebalance` how partitions come and go, `revocation` how far
//! those on their way out have come.

mod rebalance;
mod revocation;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use self::revocation::{Closing, Ownership, Revocation};
use super::defect::{Defect, planted};
#[cfg(feature = "test-kit")]
use super::lanes::HeldLane;
use super::loop_config::LoopConfig;
use super::partition::{Partition, Readiness, Room};
use super::reports::{Command, Generation, Report, Reporter, Settled};
use super::seams::OffsetStorage;
use super::state::{ConsumerState, Flow, Trouble};
use super::{ClientErrorAction, ConsumeError};
use crate::broker::{ClientError, ClientEvent, ConsumerClient, QueueId, Wanted};
use crate::names::Subscription;

/// The most events served in one turn, so that a storm of errors starves no partition.
const EVENTS_A_TURN: usize = 64;

/// How often the same kind of client error is worth a warning.
const TELL_AGAIN: Duration = Duration::from_secs(10);

/// What the thread does after a turn.
#[derive(Debug)]
pub(crate) enum Turn {
    /// There is more to do right now.
    Busy,
    /// Nothing to do before this instant, unless woken.
    Idle(Instant),
    /// The consumer has left its group.
    Finished(Result<(), ConsumeError>),
}

/// The loop of one consumer.
#[derive(Debug)]
pub(crate) struct ConsumerLoop {
    config: LoopConfig,
    client: Box<dyn ConsumerClient>,
    reporter: Reporter,
    /// Places for each topic's concurrent lanes, in the order of the topics.
    places: Vec<Option<Arc<Semaphore>>>,
    partitions: BTreeMap<Generation, Partition>,
    by_queue: HashMap<QueueId, Generation>,
    /// Partitions that may have fetched messages, each once, served in turn.
    ready: VecDeque<QueueId>,
    revocations: Vec<Revocation>,
    paused_topics: Vec<String>,
    /// How many questions a position source has not answered, and since when there is one.
    positions_wanted: Option<(usize, Instant)>,
    /// Whether the transactions that are being taken over are still wanted.
    taking_over: Option<Wanted>,
    /// When each kind of client error was last logged.
    told: BTreeMap<String, Instant>,
    next_generation: u64,
    closing: Option<Closing>,
    failure: Option<ConsumeError>,
    reports: Vec<Report>,
    newly_ready: Vec<QueueId>,
}

impl ConsumerLoop {
    pub(crate) fn new(config: LoopConfig, client: Box<dyn ConsumerClient>, reporter: Reporter) -> Self {
        let places =
            config.topics.iter().map(|topic| topic.spec.concurrency.limit().map(|max| Arc::new(Semaphore::new(max.get())))).collect();
        Self {
            config,
            client,
            reporter,
            places,
            partitions: BTreeMap::new(),
            by_queue: HashMap::new(),
            ready: VecDeque::new(),
            revocations: Vec::new(),
            paused_topics: Vec::new(),
            positions_wanted: None,
            taking_over: None,
            told: BTreeMap::new(),
            next_generation: 0,
            closing: None,
            failure: None,
            reports: Vec::new(),
            newly_ready: Vec::new(),
        }
    }

    /// Does what there is to do without waiting for anything.
    pub(crate) fn turn(&mut self) -> Turn {
        let mut busy = self.serve_events();
        // At rest before its reports are taken: what is at rest has nothing left to report.
        let rested: Vec<bool> = self.revocations.iter().map(|revocation| self.rested(revocation)).collect();
        let all_rested = self.all_rested();
        busy |= self.serve_reports();
        self.store_positions();
        self.finish_revocations(&rested);
        self.go_on_closing(all_rested);
        busy |= self.fetch();
        if let Some(Closing::Leaving(left_by)) = self.closing {
            if self.client.is_closed() {
                return Turn::Finished(self.failure.take().map_or(Ok(()), Err));
            }
            if self.config.clock.now() >= left_by {
                tracing::warn!(consumer = %self.config.name, "the group did not let us leave in time; its session will time out");
                return Turn::Finished(self.failure.take().map_or(Ok(()), Err));
            }
        }
        if busy { Turn::Busy } else { Turn::Idle(self.next_deadline()) }
    }

    fn next_deadline(&self) -> Instant {
        let now = self.config.clock.now();
        let deadlines = self.revocations.iter().map(Revocation::due);
        let closing = self.closing.map(|closing| closing.due(now));
        deadlines.chain(closing).fold(now + self.config.poll_interval, Instant::min)
    }

    // Events of the client.

    fn serve_events(&mut self) -> bool {
        for _ in 0..EVENTS_A_TURN {
            match self.client.poll() {
                None => return false,
                Some(ClientEvent::Assigned(partitions)) => self.assigned(partitions),
                Some(ClientEvent::Revoked(partitions)) => self.revoked(partitions, Ownership::Held),
                Some(ClientEvent::Lost(partitions)) => self.revoked(partitions, Ownership::Lost),
                Some(ClientEvent::Error(error)) => self.client_error(error),
            }
        }
        true
    }

    fn client_error(&mut self, error: ClientError) {
        if planted(Defect::PanicOnClientError) {
            std::panic::resume_unwind(Box::new("planted"));
        }
        match self.config.error_handler.decide(&error) {
            ClientErrorAction::GoOn => self.tell(&error),
            ClientErrorAction::Stop => {
                tracing::error!(consumer = %self.config.name, code = %error.code, "fatal client error: {}", error.message);
                self.fail(ConsumeError::Client { consumer: self.config.name.clone(), source: error });
            }
        }
    }

    /// Logs an error that the client recovers from. A broker that is away is reported many times a second; once in a while is enough.
    fn tell(&mut self, error: &ClientError) {
        let now = self.config.clock.now();
        if self.told.get(&error.code).is_some_and(|last| now < *last + TELL_AGAIN) {
            tracing::debug!(consumer = %self.config.name, code = %error.code, "client error, again: {}", error.message);
            return;
        }
        self.told.insert(error.code.clone(), now);
        let hint = match error.code.as_str() {
            "_ALL_BROKERS_DOWN" | "_TRANSPORT" | "_RESOLVE" => "; it goes on trying: is `bootstrap.servers` right, and the broker up?",
            "UNKNOWN_TOPIC_OR_PART" => "; create the topic, or mend its name: it is read as soon as it is there",
            _ => "",
        };
        tracing::warn!(consumer = %self.config.name, code = %error.code, "client error: {}{hint}", error.message);
    }

    fn fail(&mut self, error: ConsumeError) {
        self.failure.get_or_insert(error);
        self.close(self.config.shutdown_timeout);
    }

    // Reports of the lanes.

    fn serve_reports(&mut self) -> bool {
        let mut reports = std::mem::take(&mut self.reports);
        self.reporter.take(&mut reports);
        let any = !reports.is_empty();
        for report in reports.drain(..) {
            match report {
                Report::Settled { generation, settled } => {
                    // What comes from an assignment that is gone finds nothing to change.
                    let generation = if planted(Defect::IgnoreGeneration) {
                        self.present_generation(&settled).unwrap_or(generation)
                    } else {
                        generation
                    };
                    if let Some(partition) = self.partitions.get_mut(&generation) {
                        partition.settled(&settled);
                        if planted(Defect::SettledNotReady) {
                            continue;
                        }
                        make_ready(partition, &mut self.ready);
                    }
                }
                Report::Rested => {}
                Report::Stop(source) => self.fail(ConsumeError::Stopped { consumer: self.config.name.clone(), source }),
                Report::Positions(partitions, positions) => {
                    self.positions_came();
                    self.assign(partitions, &positions, Vec::new());
                }
                Report::TakenOver(partitions, transactions) => {
                    self.positions_came();
                    self.assign(partitions, &HashMap::new(), transactions);
                }
                Report::Command(command) => self.command(command),
                // Whoever asked may be gone; then nobody wants to know.
                Report::Inspect(answer) => drop(answer.send(self.state())),
            }
        }
        self.reports = reports;
        any
    }

    pub(super) fn state(&self) -> ConsumerState {
        let now = self.config.clock.now();
        let mut partitions: Vec<_> =
            self.partitions.values().map(|partition| partition.state(now, self.client.end_offset(&partition.name))).collect();
        partitions.sort_by(|one, other| one.name.cmp(&other.name));
        let trouble = self
            .positions_wanted
            .map(|(_, since)| Trouble { error: "positions are not read yet".to_owned(), elapsed: now.saturating_duration_since(since) });
        ConsumerState { partitions, trouble }
    }

    /// What waits in its lanes.
    #[cfg(feature = "test-kit")]
    pub(super) fn held(&self) -> Vec<HeldLane> {
        let lanes = self.partitions.values().filter_map(|partition| Some((&partition.name, partition.lanes.as_ref()?)));
        lanes.flat_map(|(name, lanes)| lanes.held(name)).collect()
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Stop => self.close(self.config.shutdown_timeout),
            Command::Abort => {
                self.close(Duration::ZERO);
            }
            Command::Pause(topic) => self.set_flow(topic, Flow::Paused),
            Command::Resume(topic) => self.set_flow(topic, Flow::Open),
        }
    }

    fn set_flow(&mut self, topic: String, flow: Flow) {
        self.paused_topics.retain(|paused| *paused != topic);
        if flow == Flow::Paused {
            self.paused_topics.push(topic);
        }
        for partition in self.partitions.values_mut() {
            let flow = flow_of(&self.paused_topics, partition.name.topic.as_str());
            if partition.flow != Flow::Draining && partition.flow != flow {
                partition.flow = flow;
                if planted(Defect::ResumedNotReady) {
                    continue;
                }
                make_ready(partition, &mut self.ready);
            }
        }
    }

    // Positions.

    fn store_positions(&mut self) {
        // Who keeps the positions elsewhere has committed them with the effects.
        if let OffsetStorage::External(_) | OffsetStorage::Transactions = self.config.storage {
            for partition in self.partitions.values_mut() {
                partition.stored = partition.position_to_store().or(partition.stored);
            }
            return;
        }
        let lost = |generation: &Generation, revocations: &[Revocation]| {
            revocations.iter().any(|revocation| revocation.ownership == Ownership::Lost && revocation.generations.contains(generation))
        };
        for partition in self.partitions.values_mut() {
            let Some(position) = partition.position_to_store() else { continue };
            if lost(&partition.generation, &self.revocations) && !planted(Defect::StoreAfterLost) {
                continue;
            }
            match self.client.store(&partition.name, position) {
                Ok(()) => partition.stored = Some(position),
                Err(error) => tracing::warn!(partition = %partition.name, position, error = %error, "position was not stored"),
            }
        }
    }

    /// For a planted defect: the present assignment of the partition that was settled.
    #[cfg(feature = "__planted-defects")]
    fn present_generation(&self, settled: &[Settled]) -> Option<Generation> {
        let name = &settled.first()?.partition;
        self.partitions.values().find(|one| one.name == *name).map(|partition| partition.generation)
    }

    #[cfg(not(feature = "__planted-defects"))]
    const fn present_generation(&self, _: &[Settled]) -> Option<Generation> {
        None
    }

    // Messages.

    fn fetch(&mut self) -> bool {
        self.client.take_ready(&mut self.newly_ready);
        for queue in self.newly_ready.drain(..) {
            if let Some(partition) = self.by_queue.get(&queue).and_then(|generation| self.partitions.get_mut(generation)) {
                make_ready(partition, &mut self.ready);
            }
        }
        if self.closing.is_some() {
            return false;
        }
        let room = Room {
            bytes: (self.config.max_in_flight_bytes / self.partitions.len().max(1)).max(64 * 1024),
            messages: self.config.max_in_flight_messages,
        };
        let mut more = false;
        for _ in 0..self.ready.len() {
            let Some(queue) = self.ready.pop_front() else { break };
            let Some(partition) = self.by_queue.get(&queue).and_then(|generation| self.partitions.get_mut(generation)) else { continue };
            partition.ready = Readiness::Unknown;
            let wanted = partition.wanted(room);
            if wanted == 0 {
                // Becomes ready again when something of it is settled, or it is resumed.
                continue;
            }
            let mut messages = Vec::with_capacity(wanted);
            self.client.fetch(queue, wanted, &mut messages);
            if messages.is_empty() {
                continue;
            }
            partition.deliver(messages, &self.config.group, self.client.keep_alive());
            make_ready(partition, &mut self.ready);
            more = true;
        }
        more
    }
}

impl Drop for ConsumerLoop {
    fn drop(&mut self) {
        self.give_up_taking_over();
        self.reporter.close();
    }
}

/// Puts a partition in the round of those that may have messages, unless it is there.
fn make_ready(partition: &mut Partition, ready: &mut VecDeque<QueueId>) {
    if partition.ready == Readiness::Unknown {
        partition.ready = Readiness::Listed;
        ready.push_back(partition.queue);
    }
}

/// Whether a topic is paused, by its name or by a pattern.
fn flow_of(paused: &[String], topic: &str) -> Flow {
    let caught = |paused: &String| paused == topic || Subscription::parse(paused).is_ok_and(|paused| paused.matches(topic));
    if paused.iter().any(caught) { Flow::Paused } else { Flow::Open }
}
