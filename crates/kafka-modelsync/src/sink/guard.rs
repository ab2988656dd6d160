//! Which events are too old. Pure: what the database knows of the keys goes in.

use std::collections::HashMap;

use super::cell::RowKey;
use super::event::Event;

/// Where an event stands in the order of its row's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// In the source's log.
    Lsn(i64),
    /// In the topic.
    Offset { partition: i32, offset: i64 },
}

impl Position {
    /// Whether it is surely older. The same place is not: the same event again changes nothing anyway, and two events of a transaction
    /// may say the same.
    pub(crate) fn is_before(self, other: Self) -> bool {
        match (self, other) {
            (Self::Lsn(this), Self::Lsn(other)) => this < other,
            (Self::Offset { partition, offset }, Self::Offset { partition: other, offset: later }) => partition == other && offset < later,
            (Self::Lsn(_), Self::Offset { .. }) | (Self::Offset { .. }, Self::Lsn(_)) => false,
        }
    }
}

/// Leaves out the events that are older than what the database knows of their rows, or than an earlier event of the same row.
pub(crate) fn fresh(events: Vec<Event>, mut known: HashMap<RowKey, Position>) -> Vec<Event> {
    let mut kept = Vec::with_capacity(events.len());
    for event in events {
        if let (Some(key), Some(position)) = (event.key(), event.position) {
            match known.get_mut(key) {
                Some(newest) if position.is_before(*newest) => continue,
                Some(newest) => *newest = position,
                None => drop(known.insert(key.clone(), position)),
            }
        }
        kept.push(event);
    }
    kept
}
