//! Defects that the simulation must find ([`kafka_core::planted`]).

pub(crate) use kafka_core::planted::planted;

/// What can be broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
