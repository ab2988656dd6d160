//! Scenarios: which things happen how often. Each is a name and its weights; what happens when is the seed's.

/// A named weighting of what can happen to consumers. Get one from [`scenarios`](super::scenarios).
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) weights: Weights,
}

/// Something that is done to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Join,
    Stop,
    Abort,
    Crash,
    Expire,
    Commit,
    TransientError,
    FatalError,
    RefuseStore,
    RefuseAssign,
    RefuseUnassign,
    BrokerDown,
    BrokerUp,
    Pause,
    Resume,
    FetchLimit,
    HoldPartition,
    ReleasePartition,
    Rewind,
    Wake,
    Starve,
    Feed,
    GrowTopic,
}

/// What the failure handler says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Hold,
    Done,
    Pending,
    Trouble,
    Stop,
}

/// The order of a topic's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Partition,
    Key,
    Unordered,
}

/// How likely each thing is, in percent where it is a plain number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weights {
    pub(super) members: (u64, u64),
    pub(super) topics: (u64, u64),
    /// Of each topic.
    pub(super) partitions: (u64, u64),
    pub(super) messages: (u64, u64),
    pub(super) orders: [(Order, u32); 3],
    /// Topics with a batch handler, and of those with a wait for batches to fill.
    pub(super) batches: u32,
    pub(super) batch_waits: u32,
    /// Milliseconds that a call takes.
    pub(super) work: [((u64, u64), u32); 4],
    pub(super) fails: u32,
    pub(super) fails_until_healed: u32,
    /// Failures that are panics.
    pub(super) panics: u32,
    pub(super) poison: u32,
    /// Topics with a gate.
    pub(super) gates: u32,
    pub(super) gate_troubles: u32,
    pub(super) gate_holds: u32,
    pub(super) gate_parks: u32,
    /// Calls of gates and failure handlers that take time.
    pub(super) slow_seams: u32,
    pub(super) verdicts: [(Choice, u32); 5],
    pub(super) refused_forwards: u32,
    /// Consumers whose positions are kept elsewhere.
    pub(super) external_positions: u32,
    /// Seeds with large messages and little room.
    pub(super) tight: u32,
    /// Steps that are actions.
    pub(super) actions_percent: u32,
    pub(super) actions: [(Action, u32); 23],
}

const QUICK: [((u64, u64), u32); 4] = [((0, 0), 70), ((1, 20), 25), ((20, 300), 5), ((0, 0), 0)];
const LONG: [((u64, u64), u32); 4] = [((0, 0), 50), ((1, 50), 30), ((50, 1_000), 15), ((1_000, 40_000), 5)];
const HOLDING: [(Choice, u32); 5] = [(Choice::Hold, 90), (Choice::Done, 5), (Choice::Pending, 0), (Choice::Trouble, 5), (Choice::Stop, 0)];

const STEADY: Weights = Weights {
    members: (1, 3),
    topics: (1, 2),
    partitions: (1, 4),
    messages: (30, 160),
    orders: [(Order::Partition, 50), (Order::Key, 30), (Order::Unordered, 20)],
    batches: 30,
    batch_waits: 40,
    work: QUICK,
    fails: 2,
    fails_until_healed: 0,
    panics: 30,
    poison: 0,
    gates: 20,
    gate_troubles: 1,
    gate_holds: 2,
    gate_parks: 2,
    slow_seams: 10,
    verdicts: HOLDING,
    refused_forwards: 0,
    external_positions: 0,
    tight: 20,
    actions_percent: 3,
    actions: only(&[(Action::Commit, 20), (Action::TransientError, 2), (Action::FetchLimit, 3), (Action::Join, 2)]),
};

/// All actions, those that are not named at weight 0.
const fn only(named: &[(Action, u32)]) -> [(Action, u32); 23] {
    let mut all = [(Action::Commit, 0); 23];
    let mut at = 0;
    while at < named.len() {
        all[at] = named[at];
        at += 1;
    }
    all
}

const REBALANCE: [(Action, u32); 23] = only(&[
    (Action::Join, 20),
    (Action::Stop, 15),
    (Action::Abort, 2),
    (Action::Commit, 15),
    (Action::Crash, 2),
    (Action::Expire, 2),
    (Action::HoldPartition, 2),
    (Action::ReleasePartition, 4),
    (Action::TransientError, 1),
    (Action::GrowTopic, 1),
    (Action::FetchLimit, 2),
]);

const CRASH: [(Action, u32); 23] = only(&[
    (Action::Join, 20),
    (Action::Crash, 15),
    (Action::Commit, 20),
    (Action::Stop, 3),
    (Action::Rewind, 5),
    (Action::Expire, 2),
    (Action::BrokerDown, 2),
    (Action::BrokerUp, 5),
    (Action::FatalError, 2),
    (Action::RefuseAssign, 2),
    (Action::RefuseStore, 4),
]);

/// As after a crash, but a database does not rewind.
const POSITIONS: [(Action, u32); 23] = only(&[
    (Action::Join, 20),
    (Action::Crash, 12),
    (Action::Stop, 6),
    (Action::Expire, 4),
    (Action::BrokerDown, 2),
    (Action::BrokerUp, 5),
    (Action::FatalError, 1),
    (Action::RefuseAssign, 1),
]);

const EXPIRY: [(Action, u32); 23] = only(&[
    (Action::Join, 10),
    (Action::Expire, 20),
    (Action::Commit, 20),
    (Action::Starve, 12),
    (Action::Feed, 12),
    (Action::Stop, 3),
    (Action::Crash, 1),
    (Action::BrokerDown, 1),
    (Action::BrokerUp, 4),
    (Action::Rewind, 3),
    (Action::RefuseStore, 3),
    (Action::RefuseUnassign, 1),
]);

const FAULTY: [(Action, u32); 23] = only(&[
    (Action::Join, 8),
    (Action::Stop, 5),
    (Action::Crash, 2),
    (Action::Commit, 20),
    (Action::Wake, 10),
    (Action::BrokerDown, 1),
    (Action::BrokerUp, 4),
    (Action::TransientError, 3),
]);

const PAUSES: [(Action, u32); 23] = only(&[
    (Action::Pause, 20),
    (Action::Resume, 18),
    (Action::Join, 8),
    (Action::Stop, 6),
    (Action::Commit, 10),
    (Action::Crash, 1),
    (Action::HoldPartition, 6),
    (Action::ReleasePartition, 8),
    (Action::FetchLimit, 5),
    (Action::Wake, 3),
    (Action::Expire, 1),
]);

/// All there are.
pub(super) const ALL: &[Scenario] = &[
    Scenario { name: "steady", about: "a calm group at work", weights: STEADY },
    Scenario {
        name: "rebalance",
        about: "members join and leave while long calls are in flight",
        weights: Weights {
            members: (2, 4),
            partitions: (2, 8),
            topics: (1, 1),
            work: LONG,
            actions_percent: 6,
            actions: REBALANCE,
            ..STEADY
        },
    },
    Scenario {
        name: "crash",
        about: "members vanish, brokers go down, messages come again",
        weights: Weights { members: (1, 3), fails: 5, actions_percent: 6, actions: CRASH, ..STEADY },
    },
    Scenario {
        name: "keys",
        about: "many keys side by side, with failures and rebalances",
        weights: Weights {
            orders: [(Order::Partition, 0), (Order::Key, 80), (Order::Unordered, 20)],
            work: LONG,
            fails: 8,
            actions_percent: 4,
            actions: REBALANCE,
            ..STEADY
        },
    },
    Scenario {
        name: "batch",
        about: "batch handlers, with and without a wait, whose messages fail in the middle",
        weights: Weights {
            batches: 100,
            fails: 8,
            poison: 4,
            gates: 30,
            gate_holds: 5,
            gate_parks: 8,
            actions_percent: 4,
            actions: REBALANCE,
            ..STEADY
        },
    },
    Scenario {
        name: "failures",
        about: "errors, panics and poison, gates and failure handlers with trouble of their own",
        weights: Weights {
            fails: 15,
            fails_until_healed: 3,
            panics: 40,
            poison: 5,
            gates: 60,
            gate_troubles: 4,
            gate_holds: 8,
            gate_parks: 6,
            slow_seams: 20,
            verdicts: [(Choice::Hold, 80), (Choice::Done, 8), (Choice::Pending, 2), (Choice::Trouble, 10), (Choice::Stop, 0)],
            actions_percent: 4,
            actions: FAULTY,
            ..STEADY
        },
    },
    Scenario {
        name: "forwarding",
        about: "failed messages are forwarded, and not every record is acknowledged",
        weights: Weights {
            fails: 25,
            fails_until_healed: 3,
            poison: 4,
            refused_forwards: 25,
            slow_seams: 15,
            verdicts: [(Choice::Hold, 10), (Choice::Done, 5), (Choice::Pending, 80), (Choice::Trouble, 5), (Choice::Stop, 1)],
            actions_percent: 4,
            actions: FAULTY,
            ..STEADY
        },
    },
    Scenario {
        name: "expiry",
        about: "sessions end, partitions are lost, threads starve",
        weights: Weights { members: (1, 3), work: LONG, fails: 5, actions_percent: 6, actions: EXPIRY, ..STEADY },
    },
    Scenario {
        name: "pauses",
        about: "topics are paused and resumed across rebalances, in little room",
        weights: Weights { topics: (2, 2), tight: 60, actions_percent: 6, actions: PAUSES, ..STEADY },
    },
    Scenario {
        name: "positions",
        about: "positions live in a database",
        weights: Weights { external_positions: 100, fails: 5, actions_percent: 5, actions: POSITIONS, ..STEADY },
    },
];

impl Scenario {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it is about, in a few words.
    #[must_use]
    pub fn about(&self) -> &'static str {
        self.about
    }
}
