//! Planted defects: ways in which parking is broken on purpose, to prove that its simulation notices.

/// A defect. Its comment says what is done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
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
}

#[cfg(test)]
pub(crate) use planting::{planted, with};

/// No defect is planted in what users build.
#[cfg(not(test))]
pub(crate) const fn planted(_: Defect) -> bool {
    false
}

#[cfg(test)]
mod planting {
    use std::cell::Cell;

    use super::Defect;

    thread_local! {
        static PLANTED: Cell<Option<Defect>> = const { Cell::new(None) };
    }

    /// Whether this defect is planted.
    pub(crate) fn planted(defect: Defect) -> bool {
        PLANTED.get() == Some(defect)
    }

    /// Runs something with the defect planted.
    pub(crate) fn with<R>(defect: Defect, run: impl FnOnce() -> R) -> R {
        PLANTED.set(Some(defect));
        let result = run();
        PLANTED.set(None);
        result
    }
}
