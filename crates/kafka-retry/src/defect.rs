//! Defects that the simulation must find. Without the feature `__planted-defects` none can be planted, and asking costs nothing.

/// What can be broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "some are named only where defects can be planted")]
#[doc(hidden)]
pub enum Defect {
    /// A forwarded message counts as done before the broker acknowledged its record.
    DoneBeforeAcknowledged,
    /// A record that the broker refused counts as forwarded.
    RefusedCountsAsForwarded,
    /// A message's own headers are left behind.
    HeadersDropped,
    /// Messages of retry topics are handled at once.
    DueTooEarly,
    /// A message of a retry topic that fails again is left behind.
    RetryMessageSkipped,
}

#[cfg(feature = "__planted-defects")]
mod plant {
    use std::cell::Cell;

    use super::Defect;

    thread_local! {
        static PLANTED: Cell<Option<Defect>> = const { Cell::new(None) };
    }

    /// Plants a defect on this thread, or none.
    #[doc(hidden)]
    pub fn plant(defect: Option<Defect>) {
        PLANTED.set(defect);
    }

    pub(crate) fn planted(defect: Defect) -> bool {
        PLANTED.get() == Some(defect)
    }
}

#[cfg(feature = "__planted-defects")]
pub use plant::plant;
#[cfg(feature = "__planted-defects")]
pub(crate) use plant::planted;

#[cfg(not(feature = "__planted-defects"))]
pub(crate) const fn planted(_: Defect) -> bool {
    false
}
