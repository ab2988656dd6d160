//! Rows whose key changes. Pure: what to keep of a row that leaves its key, and what an arriving one lacks.
//!
//! Debezium tells the change of a key in two messages: a deletion of the former key, and an insertion of the new one, in which long
//! values that did not change are left out. They are nowhere else than in the row that goes. The two keys mostly are in two partitions,
//! which nobody reads in step. So the row is not renamed: the deletion *leaves a note* of what the row held, in the table
//! `kafka_moved_rows`, in the transaction that deletes it, and the insertion takes from the note what it was not sent.
//!
//! Why that is safe:
//! - *The value is the right one.* All changes of the former key stand before its deletion, in the same partition, so the row holds what
//!   it held in the source when its key changed. Taking the value from the former row when the insertion comes would not do: where its
//!   partition is read later, the row may be older than that, or already another one.
//! - *The insertion may come first.* Then there is no note, and the former row is still there: the partition waits, with all before the
//!   insertion written ([`SinkError::AwaitsFormerRow`]). That ends, since what is waited for stands before the insertion in the source's log, and
//!   whatever that waits for before that: no two partitions wait for each other.
//! - *Messages may come again.* A note is of one move: of the two keys and the position in the source's log, which both messages have.
//!   It stays for a week, so that an insertion that comes again finds it, and a deletion that comes again does not write it anew: the
//!   former key may be another row's by then. A message without a position, such as a tombstone, came before if a note of the same keys is of
//!   its place in the topic, or of a later one.
//! - *The guard* judges both messages as any deletion and any insertion. What it leaves out writes no note and takes none.
//!
//! Where it cannot be: the deletion is not to be had any more, because the topic was compacted or is read from its middle. If the new
//! row is there it keeps its values; else the insertion fails after some patience ([`SinkError::FormerRowLost`]), for its retry rules to
//! settle: that the former row is not there may also be because its partition has not been read that far. And without positions in the log
//! (`source.lsn`) an insertion that comes before its deletion may take the note of an earlier move between the same two keys.
//!
//! [`SinkError::AwaitsFormerRow`]: super::SinkError::AwaitsFormerRow
//! [`SinkError::FormerRowLost`]: super::SinkError::FormerRowLost

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json};

use super::cell::RowKey;
use super::convert::kept;
use super::event::{Act, Arriving, Event, Leaving, Place};
use super::shape::Shape;

/// An arriving row that lacks values.
#[derive(Debug)]
pub(crate) struct Owing<'a> {
    /// Its place among the events.
    pub(crate) index: usize,
    pub(crate) arriving: &'a Arriving,
    /// The columns that have a value which was not sent, and which no later event says.
    pub(crate) owed: Vec<usize>,
}

/// A row that leaves its key.
#[derive(Debug)]
pub(crate) struct Left<'a> {
    pub(crate) row: &'a Leaving,
    /// Where the last message stands that says so; the first is the row's.
    pub(crate) last: Option<Place>,
}

/// Why an arriving row cannot be completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unpaid {
    /// The former row is there still: its deletion comes.
    Early,
    /// Neither note nor former row is there.
    Lost,
}

/// What the last event of a key did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    There,
    Gone,
}

/// Cuts events where one of a moving row has to see what those before it have done to its key.
pub(super) fn cuts(events: &[Event]) -> Vec<&[Event]> {
    if !events.iter().any(Event::moves) {
        return vec![events];
    }
    let (mut cuts, mut begun) = (Vec::new(), 0);
    let mut last: HashMap<&RowKey, Last> = HashMap::new();
    let mut after_clear = false;
    for (at, event) in events.iter().enumerate() {
        let known = event.key().and_then(|key| last.get(key));
        let apart = after_clear
            || match &event.act {
                Act::Clear => true,
                Act::Leave(_) => known == Some(&Last::There),
                Act::Arrive(_) => known.is_some(),
                Act::Put { .. } | Act::Remove { .. } => false,
            };
        if apart && at > begun {
            cuts.push(&events[begun..at]);
            begun = at;
            last.clear();
        }
        after_clear = event.act == Act::Clear;
        last.extend(event.key().map(|key| (key, if event.cells().is_some() { Last::There } else { Last::Gone })));
    }
    cuts.push(&events[begun..]);
    cuts
}

/// The rows of which a note is to be left: those that go, unless they arrive here and lack nothing.
pub(crate) fn leaving<'a>(stretch: &'a [Event], shape: &Shape) -> Vec<Left<'a>> {
    let whole: HashSet<(&RowKey, &RowKey)> = stretch
        .iter()
        .filter_map(|event| match &event.act {
            Act::Arrive(arriving) if !lacks(arriving, shape) => Some((arriving.from.as_ref()?, &arriving.key)),
            _ => None,
        })
        .collect();
    let mut places: HashMap<&RowKey, Option<usize>> = HashMap::new();
    let mut left: Vec<Left<'_>> = Vec::new();
    for event in stretch {
        let Some(key) = event.key().filter(|_| event.cells().is_none()) else { continue };
        match (&event.act, places.get(key)) {
            // A tombstone follows the deletion and says the same.
            (Act::Leave(row), Some(Some(first))) if left[*first].row.to == row.to => left[*first].last = row.place,
            (Act::Leave(row), None) if !whole.contains(&(&row.key, &row.to)) => {
                places.insert(key, Some(left.len()));
                left.push(Left { row, last: row.place });
            }
            (_, None) => drop(places.insert(key, None)),
            (_, Some(_)) => {}
        }
    }
    left
}

/// The arriving rows that lack values, unless they are gone again by the end.
pub(crate) fn owing<'a>(stretch: &'a [Event], shape: &Shape) -> Vec<Owing<'a>> {
    let mut later: HashMap<&RowKey, Option<HashSet<usize>>> = HashMap::new();
    let mut owing = Vec::new();
    for (index, event) in stretch.iter().enumerate().rev() {
        let Some(key) = event.key() else {
            later.clear();
            continue;
        };
        let Some(cells) = event.cells() else {
            later.insert(key, None);
            continue;
        };
        let known = later.entry(key).or_insert_with(|| Some(HashSet::new()));
        if let (Act::Arrive(arriving), Some(said)) = (&event.act, &*known)
            && lacks(arriving, shape)
        {
            let owed = arriving.owed.iter().copied().filter(|at| cells[*at].is_none() && !said.contains(at)).collect();
            owing.push(Owing { index, arriving, owed });
        }
        if let Some(said) = known {
            said.extend(cells.iter().enumerate().filter(|(_, cell)| cell.is_some()).map(|(at, _)| at));
        }
    }
    owing.reverse();
    owing
}

fn lacks(arriving: &Arriving, shape: &Shape) -> bool {
    arriving.cells[..shape.said_by_messages()].iter().any(Option::is_none)
}

/// Gives an arriving row what it lacks, from the note of its former row.
pub(crate) fn complete(arriving: &mut Arriving, note: &Map<String, Json>, shape: &Shape) {
    for (cell, column) in arriving.cells.iter_mut().zip(&shape.columns[..shape.said_by_messages()]) {
        if cell.is_none() {
            *cell = note.get(&*column.name).and_then(|text| kept(text, column.kind));
        }
    }
}

/// What is still owed to an arriving row.
pub(crate) fn unpaid(owing: &Owing<'_>, completed: &Event) -> bool {
    completed.cells().is_some_and(|cells| owing.owed.iter().any(|at| cells[*at].is_none()))
}
