//! What a daemon keeps in a scheduler outside of the application, and how that is brought in line with the settings.

use std::fmt;
use std::time::Duration;

/// Whether schedules are changed, or only looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMode {
    /// They are created and updated.
    Apply,
    /// Nothing is changed; the answer says what would be.
    DryRun,
}

/// A schedule of a daemon, and what was done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncedSchedule {
    /// Its name at the scheduler.
    pub id: String,
    /// The part of the scheduler in which it is: Temporal's namespace.
    pub namespace: String,
    /// The queue that its work goes to.
    pub task_queue: String,
    /// How often it fires.
    pub interval: Duration,
    /// What was done, or would be.
    pub change: ScheduleChange,
}

/// What was done to a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduleChange {
    /// There was none.
    Created,
    /// It was otherwise.
    Updated,
    /// It was as it should be.
    Unchanged,
}

impl ScheduleChange {
    /// The word for people and programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        }
    }
}

impl fmt::Display for ScheduleChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
