//! The course of one simulation: the seed's choices while things go wrong, and then the way to the end.

use std::time::Duration;

use super::dice::Dice;
use super::member::Feeding;
use super::scenario::{Action, Weights};
use super::turning::Turning;
use super::world::World;
use crate::broker::memory::Call;
use crate::consumer::Command;

/// The longest that the world may take, once all is well.
const TIME_TO_PROGRESS: Duration = Duration::from_secs(1_800);

/// The longest step of the clock while things go wrong.
const STRIDE: Duration = Duration::from_secs(5);

/// What a step of the seed is.
#[derive(Debug, Clone, Copy)]
enum Step {
    Turn,
    Poll,
    Rest,
    Advance,
    Append,
    Act,
}

/// Why the end was not reached.
#[derive(Debug)]
pub(super) struct Stuck(pub(super) String);

#[derive(Debug)]
pub(super) struct Driver<'a> {
    world: &'a mut World,
    dice: Dice,
    weights: &'a Weights,
    /// Messages that are still to be written.
    unwritten: u64,
}

impl<'a> Driver<'a> {
    pub(super) fn new(world: &'a mut World, dice: Dice, weights: &'a Weights) -> Self {
        let unwritten = world.plan.messages;
        Self { world, dice, weights, unwritten }
    }

    /// From the first member to the last.
    pub(super) fn run(&mut self) -> Result<(), Stuck> {
        let first = 1 + self.dice.index(self.world.plan.members);
        (0..first).for_each(|_| self.world.join());
        (0..self.dice.below(6)).for_each(|_| self.append());
        self.go_wrong();
        while self.unwritten > 0 {
            self.append();
        }
        self.world.heal();
        self.finish()?;
        self.leave()
    }

    fn go_wrong(&mut self) {
        let steps = [
            (Step::Turn, 34),
            (Step::Poll, 22),
            (Step::Rest, 4),
            (Step::Advance, 20),
            (Step::Append, 12),
            (Step::Act, self.weights.actions_percent),
        ];
        for _ in 0..self.dice.between((100, 500)) {
            match self.dice.weighted(&steps) {
                Some(Step::Turn) => self.turn(),
                Some(Step::Poll) => self.poll(),
                Some(Step::Rest) => self.world.settle(),
                Some(Step::Advance) => self.advance(),
                Some(Step::Append) => self.append(),
                Some(Step::Act) | None => self.act(),
            }
        }
    }

    /// A member, if there is any.
    fn member(&mut self) -> Option<usize> {
        (!self.world.members.is_empty()).then(|| self.dice.index(self.world.members.len()))
    }

    fn turn(&mut self) {
        let now = self.world.now();
        let awake: Vec<_> = (0..self.world.members.len()).filter(|at| self.world.members[*at].is_awake(now)).collect();
        if !awake.is_empty() {
            let at = *self.dice.pick(&awake);
            self.world.turn(at);
        } else if self.dice.percent(5)
            && let Some(at) = self.member()
        {
            self.world.turn(at);
        }
    }

    fn poll(&mut self) {
        let times = 1 + self.dice.index(12);
        if let Some(member) = self.member().map(|at| &self.world.members[at])
            && member.feeding == Feeding::Fed
        {
            member.tasks.poll(times);
        }
    }

    fn advance(&mut self) {
        let now = self.world.now();
        let to = match self.dice.below(10) {
            0..7 => self.world.next_instant().unwrap_or(now + STRIDE),
            7..9 => now + Duration::from_millis(self.dice.between((0, 20))),
            _ => now + Duration::from_millis(self.dice.between((20, 3_000))),
        };
        self.world.advance_to(to.min(now + STRIDE));
    }

    fn append(&mut self) {
        let topic = self.dice.index(self.world.plan.topics.len());
        let partition = self.dice.index(usize::try_from(self.world.partitions(topic)).unwrap_or(1));
        let partition = self.world.partition(topic, i32::try_from(partition).unwrap_or(0));
        for _ in 0..self.dice.between((1, 8)).min(self.unwritten) {
            let key = self.dice.below(self.world.plan.keys + 1);
            let key = u8::try_from(key).ok().filter(|key| *key > 0);
            let padding = usize::try_from(self.dice.between(self.world.plan.padding)).unwrap_or(0);
            let gap = if self.dice.percent(self.world.plan.gaps) { i64::try_from(self.dice.between((1, 5))).unwrap_or(1) } else { 0 };
            self.world.append(&partition, key, padding, gap);
            self.unwritten -= 1;
        }
    }

    fn act(&mut self) {
        let Some(action) = self.dice.weighted(&self.weights.actions) else { return };
        if let Action::Join = action {
            if self.world.staying() < self.world.plan.members {
                self.world.join();
            }
            return;
        }
        let topic = self.dice.index(self.world.plan.topics.len());
        let partition = self.dice.index(usize::try_from(self.world.partitions(topic)).unwrap_or(1));
        let partition = self.world.partition(topic, i32::try_from(partition).unwrap_or(0));
        self.act_on_broker(action, topic, &partition);
        let Some(at) = self.member() else { return };
        let name = partition.topic.as_str().to_owned();
        match action {
            Action::Stop => self.world.tell(at, Command::Stop),
            Action::Abort => self.world.tell(at, Command::Abort),
            Action::Crash => self.world.crash(at),
            Action::Expire => self.world.expire(at),
            Action::TransientError => self.world.error(at, false),
            Action::FatalError => self.world.error(at, true),
            Action::RefuseStore => self.world.refuse(at, Call::Store),
            Action::RefuseAssign => self.world.refuse(at, Call::Assign),
            Action::RefuseUnassign => self.world.refuse(at, Call::Unassign),
            Action::Pause => self.world.tell(at, Command::Pause(name)),
            Action::Resume => self.world.tell(at, Command::Resume(name)),
            Action::Starve => self.world.starve(at),
            Action::Feed => self.world.feed(at),
            _ => {}
        }
    }

    fn act_on_broker(&mut self, action: Action, topic: usize, partition: &crate::names::TopicPartition) {
        let broker = self.world.broker.clone();
        match action {
            Action::Commit => broker.commit_tick(),
            Action::BrokerDown => broker.faults(|faults| faults.down(None)),
            Action::BrokerUp => broker.faults(crate::broker::memory::Faults::up),
            Action::FetchLimit => {
                let limit = self.dice.percent(60).then(|| 1 + self.dice.index(10));
                broker.faults(|faults| faults.fetch_limit(limit));
            }
            Action::HoldPartition => broker.faults(|faults| faults.hold_partition(partition.clone())),
            Action::ReleasePartition => broker.faults(|faults| faults.release_partition(partition)),
            Action::Rewind => {
                let records = 1 + self.dice.index(10);
                broker.faults(|faults| faults.rewind_next_assign(partition.clone(), records));
            }
            Action::Wake => self.world.wake(),
            Action::GrowTopic => {
                let partitions = self.world.partitions(topic) + 1;
                broker.create_topic(&partition.topic, partitions.min(9));
            }
            _ => {}
        }
    }

    /// Goes on until everything is done.
    fn finish(&mut self) -> Result<(), Stuck> {
        let until = self.world.elapsed() + TIME_TO_PROGRESS;
        loop {
            self.world.settle();
            self.world.broker.commit_tick();
            if self.world.is_done() {
                return Ok(());
            }
            if self.world.staying() == 0 {
                self.world.join();
                continue;
            }
            self.go_on(until).map_err(|Stuck(why)| {
                let open = self.world.history.ledger(|ledger| ledger.open_words());
                Stuck(format!("{why}; {open}"))
            })?;
        }
    }

    /// Asks all members to leave, and waits until they have.
    fn leave(&mut self) -> Result<(), Stuck> {
        let until = self.world.elapsed() + TIME_TO_PROGRESS;
        (0..self.world.members.len()).for_each(|at| self.world.tell(at, Command::Stop));
        loop {
            self.world.settle();
            if self.world.members.is_empty() {
                return Ok(());
            }
            self.go_on(until).map_err(|Stuck(why)| Stuck(format!("{why}; a member was asked to leave and is still there")))?;
        }
    }

    fn go_on(&mut self, until: Duration) -> Result<(), Stuck> {
        let left = until.saturating_sub(self.world.elapsed());
        match self.world.next_instant().filter(|at| *at <= self.world.now() + left) {
            Some(at) => self.world.advance_to(at),
            None => return Err(Stuck("nothing more will happen".to_owned())),
        }
        Ok(())
    }
}
