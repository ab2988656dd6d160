//! Ways in which the loop is broken on purpose, to prove that the simulation notices ([`crate::planted`]).

pub(crate) use crate::planted::planted;

/// A defect. Its comment says what the loop does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "__planted-defects"), allow(unreachable_pub, reason = "public for this crate's own tests only"))]
pub enum Defect {
    /// Positions move when a message is fetched.
    StoreSeenNotDone,
    /// A forwarded message counts before its record is acknowledged.
    StoreBeyondUnacknowledged,
    /// A refused forward counts as done.
    RefusedForwardSettled,
    /// Lanes go on while a forward is refused.
    RefusedForwardBlocksNothing,
    /// Lanes go on once the failure handler has said to stop, over a forward that is refused.
    StopLiftsBlock,
    /// A completion counts for the partition, whichever assignment it is from.
    IgnoreGeneration,
    /// Positions are computed from counts, as if there were no gaps.
    OffsetGapFilled,
    /// What a gate parks is settled from the front of the run, not where it stands.
    SettleInFrontOfParked,
    /// Attempts go on from an earlier assignment.
    AttemptsOutliveAssignment,
    /// A handler's error stops the consumer.
    HandlerErrorStopsConsumer,
    /// A failed message is taken as done.
    SwallowFailure,
    /// A handler's panic kills its lane.
    PanicKillsLane,
    /// Messages that a gate had trouble with are skipped.
    SkipOnGateTrouble,
    /// Trouble is tried again at once.
    TroubleWithoutBackoff,
    /// A partition is given up while its calls run.
    GiveUpWhileRunning,
    /// The client is told to leave the group while calls run.
    CloseWhileRunning,
    /// Calls are cut off as soon as their partition is revoked.
    CutOffAtOnce,
    /// Positions of lost partitions are stored.
    StoreAfterLost,
    /// What was settled last is not stored before a partition is given up.
    ForgetLastStore,
    /// Each message of a key gets a lane of its own.
    SameKeyBesideItself,
    /// What comes later stands in front.
    LaneOrderSwapped,
    /// Nobody asks for a place.
    ExceedConcurrency,
    /// Something done is handed out again.
    HandOutTwice,
    /// Fetches without a bound on messages.
    UnboundedMessages,
    /// Fetches without a bound on bytes.
    UnboundedBytes,
    /// A hold ends at once.
    HoldEndsEarly,
    /// A hold ends too late.
    HoldEndsLate,
    /// Waking a hold does nothing.
    WakeIgnored,
    /// Reports wake nobody.
    LostWakeup,
    /// A partition whose messages are settled is not looked at again.
    SettledNotReady,
    /// A resumed partition is not looked at again.
    ResumedNotReady,
    /// A paused partition is fetched from.
    PauseIgnored,
    /// A pause ends with the next assignment.
    PauseForgotten,
    /// Positions of the database are not asked for.
    PositionsIgnored,
    /// The position behind a run is committed before its work, in a transaction of its own.
    PositionOutsideTransaction,
    /// Each owner of a partition has a transactional id of its own: the former one is not fenced.
    NoFencing,
    /// What was produced for a failed message stays in the transaction that comes next.
    AbortSkipped,
    /// A commit that is not answered at once is given up and aborted, and its work done again.
    UnknownCommitAborted,
    /// A revocation is answered twice.
    AnswerTwice,
    /// An error of the client panics the loop.
    PanicOnClientError,
}
