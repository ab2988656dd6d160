//! The course of one simulation: the seed's choices while things go wrong, and then the way to the end.

use std::collections::VecDeque;
use std::time::Duration;

use super::Chance;
use super::check::Broken;
use super::world::World;
use crate::broker::ClientError;
use crate::broker::memory::{Acknowledgements, ProduceFault};
use crate::consumer::Command;
use crate::message::Record;
use crate::names::TopicPartition;
use crate::sim::dice::Dice;
use crate::sim::turning::Turning;

/// The longest that the world may take, once all is well.
const TIME_TO_PROGRESS: Duration = Duration::from_secs(7 * 86_400);

/// The most steps of the clock that this may take.
const STEPS_TO_PROGRESS: usize = 200_000;

/// The longest step of the clock while things go wrong.
const STRIDE: Duration = Duration::from_secs(5);

/// The longest step of the clock while a handler is at work: timers of tokio's are looked at so often. After a long
/// time in which nothing happened it is longer, by that time's [`PATIENCE`]th part: such a timer is that much late.
const CREEP: Duration = Duration::from_secs(1);

/// What part of the time in which nothing happened a step may be.
const PATIENCE: u32 = 32;

/// In how many of a hundred steps something happens that is not Kafka's.
const DISTURBED: u32 = 4;

#[derive(Debug, Clone, Copy)]
enum Step {
    Turn,
    Poll,
    Rest,
    Advance,
    Publish,
    Act,
}

/// Something that is done to the world.
#[derive(Debug, Clone, Copy)]
enum Action {
    Join,
    Stop,
    Abort,
    Crash,
    /// Right after all that it stored was committed.
    CommitAndCrash,
    Expire,
    Commit,
    BrokerDown,
    BrokerUp,
    RefuseRecord,
    Acknowledge,
    Release,
    FetchLimit,
    HoldPartition,
    ReleasePartition,
    Rewind,
    TransientError,
}

const STEPS: [(Step, u32); 6] =
    [(Step::Turn, 32), (Step::Poll, 26), (Step::Rest, 4), (Step::Advance, 16), (Step::Publish, 14), (Step::Act, 8)];

const ACTIONS: [(Action, u32); 17] = [
    (Action::Join, 14),
    (Action::Stop, 8),
    (Action::Abort, 2),
    (Action::Crash, 6),
    (Action::CommitAndCrash, 6),
    (Action::Expire, 3),
    (Action::Commit, 22),
    (Action::BrokerDown, 2),
    (Action::BrokerUp, 8),
    (Action::RefuseRecord, 6),
    (Action::Acknowledge, 6),
    (Action::Release, 12),
    (Action::FetchLimit, 2),
    (Action::HoldPartition, 1),
    (Action::ReleasePartition, 4),
    (Action::Rewind, 2),
    (Action::TransientError, 1),
];

pub(super) struct Driver<'a, 'w> {
    world: &'a mut World<'w>,
    dice: Dice,
    /// For what is not Kafka's.
    chance: Chance,
    unpublished: VecDeque<Record<'static>>,
    most_members: usize,
}

impl<'a, 'w> Driver<'a, 'w> {
    pub(super) fn new(world: &'a mut World<'w>, dice: Dice, chance: Chance, records: Vec<Record<'static>>, most_members: usize) -> Self {
        Self { world, dice, chance, unpublished: records.into(), most_members: most_members.max(1) }
    }

    /// From the first member, which is there, to the last.
    pub(super) fn run(&mut self) -> Result<(), Broken> {
        for _ in 0..self.dice.index(self.most_members) {
            self.world.join()?;
        }
        (0..self.dice.below(6)).for_each(|_| self.publish());
        self.go_wrong()?;
        while !self.unpublished.is_empty() {
            self.publish();
        }
        self.world.heal();
        self.finish()?;
        self.leave()
    }

    /// Where there is one process at a time, the next one waits until the last has left.
    fn has_room(&self) -> bool {
        self.most_members > 1 || self.world.members.is_empty()
    }

    fn go_wrong(&mut self) -> Result<(), Broken> {
        for _ in 0..self.dice.between((100, 600)) {
            if self.chance.percent(DISTURBED) {
                self.world.disturb(&mut self.chance);
            }
            match self.dice.weighted(&STEPS) {
                Some(Step::Turn) => self.turn(),
                Some(Step::Poll) => self.poll(),
                Some(Step::Rest) => self.world.settle(),
                Some(Step::Advance) => self.advance(),
                Some(Step::Publish) => self.publish(),
                Some(Step::Act) | None => self.act()?,
            }
        }
        self.world.check()
    }

    fn member(&mut self) -> Option<usize> {
        (!self.world.members.is_empty()).then(|| self.dice.index(self.world.members.len()))
    }

    fn turn(&mut self) {
        let awake = self.world.awake();
        if !awake.is_empty() {
            let at = *self.dice.pick(&awake);
            self.world.turn(at);
        }
    }

    fn poll(&mut self) {
        let times = 1 + self.dice.index(12);
        if let Some(at) = self.member() {
            self.world.members[at].tasks.poll(times);
        }
    }

    fn advance(&mut self) {
        let now = self.world.now();
        let to = match self.dice.below(10) {
            0..6 => self.world.next_instant().unwrap_or(now + STRIDE),
            6..9 => now + Duration::from_millis(self.dice.between((0, 20))),
            _ => now + Duration::from_millis(self.dice.between((20, 3_000))),
        };
        self.world.advance_to(to.min(now + STRIDE));
    }

    fn publish(&mut self) {
        for _ in 0..self.dice.between((1, 4)) {
            let Some(record) = self.unpublished.pop_front() else { return };
            self.world.publish(&record);
        }
    }

    /// Some partition of some topic.
    fn partition(&mut self) -> Option<TopicPartition> {
        let topics: Vec<_> = self.world.place.broker.topics().into_iter().collect();
        if topics.is_empty() {
            return None;
        }
        let (topic, partitions) = self.dice.pick(&topics).clone();
        let partition = self.dice.index(usize::try_from(partitions).unwrap_or(1));
        Some(TopicPartition::new(topic, i32::try_from(partition).unwrap_or(0)))
    }

    fn act(&mut self) -> Result<(), Broken> {
        let Some(action) = self.dice.weighted(&ACTIONS) else { return Ok(()) };
        if let Action::Join = action {
            return if self.world.staying() < self.most_members && self.has_room() { self.world.join() } else { Ok(()) };
        }
        self.act_on_broker(action);
        let Some(at) = self.member() else { return Ok(()) };
        match action {
            Action::Stop => self.world.tell(at, &Command::Stop),
            Action::Abort => self.world.tell(at, &Command::Abort),
            Action::Crash => self.world.crash(at),
            Action::CommitAndCrash => self.world.commit_and_crash(at),
            Action::Expire => self.world.expire(at),
            Action::TransientError => {
                for id in self.world.members[at].ids() {
                    self.world.place.broker.report_error(id, ClientError::transient("_TRANSPORT", "injected"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn act_on_broker(&mut self, action: Action) {
        let broker = self.world.place.broker.clone();
        match action {
            Action::Commit => broker.commit_tick(),
            Action::BrokerDown => broker.faults(|faults| faults.down(None)),
            Action::BrokerUp => broker.faults(crate::broker::memory::Faults::up),
            Action::RefuseRecord => {
                let error = || ClientError::transient("NOT_ENOUGH_REPLICAS", "injected");
                let fault = match self.dice.below(10) {
                    0..5 => ProduceFault::Fail(error()),
                    5..8 => ProduceFault::FailAfterAppend(error()),
                    8 => ProduceFault::Refuse(error()),
                    _ => ProduceFault::Full,
                };
                broker.faults(|faults| faults.next_produce(None, fault));
            }
            Action::Acknowledge => {
                let when = match self.dice.below(10) {
                    0..4 => Acknowledgements::AtOnce,
                    4..8 => Acknowledgements::After(Duration::from_millis(self.dice.between((1, 800)))),
                    _ => Acknowledgements::Held,
                };
                broker.faults(|faults| faults.acknowledge(when));
            }
            Action::Release => {
                broker.release_acknowledgements(1 + self.dice.index(8));
            }
            Action::FetchLimit => {
                let limit = self.dice.percent(60).then(|| 1 + self.dice.index(10));
                broker.faults(|faults| faults.fetch_limit(limit));
            }
            Action::HoldPartition | Action::ReleasePartition | Action::Rewind => {
                let records = 1 + self.dice.index(10);
                let Some(partition) = self.partition() else { return };
                let in_transactions = self.world.has_positions_in_transactions(&partition);
                broker.faults(|faults| match action {
                    Action::HoldPartition => faults.hold_partition(partition),
                    Action::ReleasePartition => faults.release_partition(&partition),
                    // Back and, with the next assignment, forth again: that has no last word.
                    _ if self.most_members == 1 => {}
                    // What a transaction committed is what the next owner reads.
                    _ if in_transactions => {}
                    _ => faults.rewind_next_assign(partition, records),
                });
            }
            _ => {}
        }
    }

    /// Goes on until everything is done.
    fn finish(&mut self) -> Result<(), Broken> {
        let until = self.world.elapsed() + TIME_TO_PROGRESS;
        let (mut creep, mut steps, mut last) = (Duration::from_millis(1), 0, self.world.elapsed());
        loop {
            self.world.settle();
            self.world.place.broker.commit_tick();
            let before = self.world.entries.len();
            self.world.check()?;
            if self.world.staying() == 0 && self.has_room() {
                self.world.join()?;
                continue;
            }
            if self.world.open().is_empty() {
                return Ok(());
            }
            // Whoever waits for timers is given small steps until something happens, and then small ones again.
            creep = if self.world.entries.len() > before + self.world.members.len() {
                last = self.world.elapsed();
                Duration::from_millis(1)
            } else {
                (creep * 2).min(CREEP.max((self.world.elapsed() - last) / PATIENCE))
            };
            steps += 1;
            if steps > STEPS_TO_PROGRESS {
                return Err(self.world.stuck("nothing comes to an end"));
            }
            self.go_on(until, creep)?;
        }
    }

    /// Asks all members to leave, and waits until they have.
    fn leave(&mut self) -> Result<(), Broken> {
        let until = self.world.elapsed() + TIME_TO_PROGRESS;
        (0..self.world.members.len()).for_each(|at| self.world.tell(at, &Command::Stop));
        loop {
            self.world.settle();
            if self.world.members.is_empty() {
                return self.world.check();
            }
            self.go_on(until, CREEP)?;
        }
    }

    fn go_on(&mut self, until: Duration, creep: Duration) -> Result<(), Broken> {
        if self.world.elapsed() >= until {
            return Err(self.world.stuck("everything was mended long ago, and not all is done"));
        }
        let now = self.world.now();
        let next = self.world.next_instant();
        let to = match next {
            Some(at) if self.world.calls_at_work() == 0 => at,
            Some(at) => at.min(now + creep),
            None => now + creep,
        };
        self.world.advance_to(to);
        Ok(())
    }
}
