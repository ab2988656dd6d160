//! The world of one simulated application: a broker, a clock, members, and what can be done to them. Chooses nothing itself.

use std::time::{Duration, Instant};

use super::check::{Broken, Checker};
use super::member::{Life, Member, NotStarted, Place, Standing};
use super::{Chance, Promise, Simulated};
use crate::broker::memory::Faults;
use crate::consumer::Command;
use crate::message::Record;
use crate::names::TopicPartition;
use crate::sim::history::{Entry, Happening};
use crate::sim::turning::Turning;

/// How long a crash waits for something to be reported.
const POLLS_TO_REPORT: usize = 50;

pub(super) struct World<'a> {
    simulated: &'a dyn Simulated,
    pub(super) place: Place,
    pub(super) members: Vec<Member>,
    checker: Checker,
    pub(super) entries: Vec<Entry>,
}

impl<'a> World<'a> {
    pub(super) fn new(simulated: &'a dyn Simulated, place: Place) -> Self {
        let checker = Checker::new(place.broker.clone());
        Self { simulated, place, members: Vec::new(), checker, entries: Vec::new() }
    }

    pub(super) fn now(&self) -> Instant {
        self.place.hand.now()
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.place.hand.elapsed()
    }

    pub(super) fn publish(&self, record: &Record<'_>) {
        self.place.broker.append(record);
    }

    // Members.

    pub(super) fn join(&mut self) -> Result<(), Broken> {
        let before = self.now();
        let member = Member::start(self.simulated, &self.place);
        let now = self.now();
        if now > before {
            self.members.iter_mut().for_each(|member| member.tasks.advance_to(now));
        }
        let member = member.map_err(|NotStarted(promise, what)| Broken { promise, what, partition: None })?;
        self.checker.know(&member.roles);
        self.members.push(member);
        Ok(())
    }

    pub(super) fn staying(&self) -> usize {
        self.members.iter().filter(|member| member.standing == Standing::Stays).count()
    }

    pub(super) fn tell(&mut self, at: usize, command: &Command) {
        if let Some(member) = self.members.get_mut(at) {
            member.tell(command);
        }
    }

    /// As by `kill -9`.
    pub(super) fn crash(&mut self, at: usize) {
        if at < self.members.len() {
            self.members.remove(at).vanish();
        }
    }

    /// As by `kill -9` at the worst moment: something was just reported and committed, and no task got time since.
    pub(super) fn commit_and_crash(&mut self, at: usize) {
        let now = self.now();
        for consumer in self.members[at].awake(now).into_iter().rev() {
            if self.members[at].turn(consumer) == Life::Ended {
                return self.members.remove(at).leave();
            }
        }
        for _ in 0..POLLS_TO_REPORT {
            self.members[at].tasks.poll(1);
            if !self.members[at].awake(now).is_empty() {
                break;
            }
        }
        for consumer in self.members[at].awake(now).into_iter().rev() {
            if self.members[at].turn(consumer) == Life::Ended {
                return self.members.remove(at).leave();
            }
        }
        self.members[at].ids().into_iter().for_each(|id| self.place.broker.commit(id));
        self.crash(at);
    }

    /// The sessions of all its consumers end.
    pub(super) fn expire(&self, at: usize) {
        if let Some(member) = self.members.get(at) {
            member.ids().into_iter().for_each(|id| self.place.broker.expire(id));
        }
    }

    /// Whether its positions are committed in transactions.
    pub(super) fn has_positions_in_transactions(&self, partition: &TopicPartition) -> bool {
        self.checker.has_positions_in_transactions(partition)
    }

    // Work and time.

    /// Moves the clock, and tokio's time in every member. Tasks that can go on do so first.
    pub(super) fn advance_to(&mut self, to: Instant) {
        self.rest();
        self.place.hand.advance_to(to);
        self.place.broker.tick();
        self.members.iter_mut().for_each(|member| member.tasks.advance_to(to));
    }

    /// When something will happen by itself, as far as is known: tokio's timers are not.
    pub(super) fn next_instant(&self) -> Option<Instant> {
        let deadlines = self.members.iter().filter_map(Member::deadline);
        let others = [self.place.hand.next_wake(), self.place.broker.next_due()];
        deadlines.chain(others.into_iter().flatten()).filter(|at| *at > self.now()).min()
    }

    pub(super) fn calls_at_work(&self) -> usize {
        self.members.iter().map(|member| member.calls.at_work()).sum()
    }

    /// Breaks something that is not Kafka's, or mends it.
    pub(super) fn disturb(&self, chance: &mut Chance) {
        self.simulated.disturb(chance);
    }

    /// Mends everything: from here on there must be progress.
    pub(super) fn heal(&mut self) {
        self.simulated.mend();
        self.place.broker.faults(Faults::clear);
        self.place.broker.release_acknowledgements(usize::MAX);
        self.place.pace.heal();
        self.place.history.push(Happening::Healed);
    }

    /// Reads what happened since, and checks it.
    pub(super) fn check(&mut self) -> Result<(), Broken> {
        let news = self.place.history.take();
        let checked = self.checker.read(&news);
        let upto = checked.as_ref().map_or_else(|(at, _)| at + 1, |()| news.len());
        self.entries.extend(news.into_iter().take(upto));
        checked.map_err(|(_, broken)| broken)?;
        match self.members.iter_mut().find_map(Member::trouble) {
            Some(what) => Err(Broken { promise: Promise::KeepsRunning, what, partition: None }),
            None => Ok(()),
        }
    }

    /// What is still to be done, in a few words; nothing when all is done.
    pub(super) fn open(&self) -> Vec<String> {
        self.checker.open().into_iter().chain(self.simulated.unfinished()).collect()
    }

    /// Why it may be that nothing happens.
    pub(super) fn stuck(&self, why: &str) -> Broken {
        let calls = self.members.iter().flat_map(|member| member.calls.words());
        let what = [why.to_owned()].into_iter().chain(self.open()).chain(calls).collect::<Vec<_>>().join("; ");
        Broken { promise: Promise::Progress, what, partition: None }
    }
}

impl Turning for World<'_> {
    type At = (usize, usize);

    fn rest(&self) {
        self.members.iter().for_each(|member| member.tasks.rest());
    }

    /// The last member first: one that ends does not move those before it.
    fn awake(&self) -> Vec<(usize, usize)> {
        let now = self.now();
        let of_member = |at: usize| self.members[at].awake(now).into_iter().rev().map(move |consumer| (at, consumer));
        (0..self.members.len()).rev().flat_map(of_member).collect()
    }

    fn turn(&mut self, (at, consumer): (usize, usize)) {
        let Some(member) = self.members.get_mut(at) else { return };
        if member.turn(consumer) == Life::Ended {
            self.members.remove(at).leave();
        }
    }
}
