//! Defects that the simulations must find ([`kafka_core::planted`]).

pub(crate) use kafka_core::planted::planted;

/// A defect. Its comment says what is done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub enum Defect {
    /// A message counts as done before its row is committed.
    OffsetBeforeParkedRow,
    /// Nobody looks again after the row is committed.
    NoLookAfterParking,
    /// A fence's messages are replayed from the last to the first.
    ReplayOutOfOrder,
    /// A message that missed something is left out, and those behind it are replayed.
    ReplayPastBlocked,
    /// A deletion does not wait for a replay of its key.
    DeletionIgnoresClaim,
    /// Messages do not wait behind what is parked of their key.
    FenceIgnored,
    /// Messages are stored behind a fence that is being replayed.
    ParkedBehindClaim,
    /// Work that a daemon left behind is not taken up.
    AbandonedForever,
    /// A session that is gone still holds its claims.
    ClaimsKeptByTheDead,
}
