//! Many events become few rows: the last state of each key, rows with the same columns together. Pure.

use std::collections::HashMap;

use super::cell::{Cell, RowKey};
use super::event::Event;
use super::guard::Position;
use super::moving;
use super::shape::SelfReference;

/// What is to be done, in this order: everything goes, rows go, rows are put.
#[derive(Debug, Default)]
pub(crate) struct Reduced<'a> {
    pub(crate) clear: Clear,
    pub(crate) removed: Vec<Removed<'a>>,
    pub(crate) groups: Vec<Group<'a>>,
}

/// Whether every row goes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Clear {
    #[default]
    Nothing,
    Everything,
}

/// A row that goes, for good or to be put anew.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Removed<'a> {
    pub(crate) key: &'a RowKey,
    pub(crate) position: Option<Position>,
    pub(crate) fate: Fate,
}

/// Whether a row that goes comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Gone,
    PutAnew,
}

/// Rows with values for the same columns.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    /// The columns that the rows have values for.
    pub(crate) mask: Vec<usize>,
    /// The values in the order of the mask.
    pub(crate) rows: Vec<Vec<&'a Cell>>,
    pub(crate) keys: Vec<&'a RowKey>,
}

/// The state of a row after the events so far.
struct State<'a> {
    key: &'a RowKey,
    removed: Option<Option<Position>>,
    cells: Option<Vec<Option<&'a Cell>>>,
}

/// The last state of each key, in the order in which keys first come.
pub(crate) fn reduce(events: &[Event]) -> Reduced<'_> {
    let mut clear = Clear::Nothing;
    let mut states: Vec<State<'_>> = Vec::with_capacity(events.len());
    let mut places: HashMap<&RowKey, usize> = HashMap::with_capacity(events.len());
    for event in events {
        let Some(key) = event.key() else {
            clear = Clear::Everything;
            states.clear();
            places.clear();
            continue;
        };
        let place = *places.entry(key).or_insert_with(|| {
            states.push(State { key, removed: None, cells: None });
            states.len() - 1
        });
        let state = &mut states[place];
        match (event.cells(), &mut state.cells) {
            (Some(cells), Some(earlier)) => {
                for (earlier, later) in earlier.iter_mut().zip(cells) {
                    if let Some(later) = later {
                        *earlier = Some(later);
                    }
                }
            }
            (Some(cells), none) => *none = Some(cells.iter().map(Option::as_ref).collect()),
            (None, cells) => {
                *cells = None;
                state.removed = Some(event.position);
            }
        }
    }
    grouped(clear, states)
}

fn grouped(clear: Clear, states: Vec<State<'_>>) -> Reduced<'_> {
    let mut reduced = Reduced { clear, ..Reduced::default() };
    for State { key, removed, cells } in states {
        if let Some(position) = removed {
            let fate = if cells.is_some() { Fate::PutAnew } else { Fate::Gone };
            reduced.removed.push(Removed { key, position, fate });
        }
        let Some(cells) = cells else { continue };
        let matches = |group: &Group<'_>| {
            let mut mask = group.mask.iter();
            let present = cells.iter().enumerate().filter(|(_, cell)| cell.is_some());
            present.map(|(at, _)| at).all(|at| mask.next() == Some(&at)) && mask.next().is_none()
        };
        let group = match reduced.groups.iter().position(matches) {
            Some(at) => at,
            None => {
                let mask = cells.iter().enumerate().filter(|(_, cell)| cell.is_some()).map(|(at, _)| at).collect();
                reduced.groups.push(Group { mask, rows: Vec::new(), keys: Vec::new() });
                reduced.groups.len() - 1
            }
        };
        reduced.groups[group].rows.push(cells.into_iter().flatten().collect());
        reduced.groups[group].keys.push(key);
    }
    reduced
}

/// Cuts events into stretches that are reduced one after the other. One stretch, unless rows refer to rows of the same table: then
/// what goes and what is put keeps its order, for a deletion may take other rows with it; or rows change their keys
/// ([`moving::cuts`]).
pub(crate) fn stretches(events: &[Event], self_reference: SelfReference) -> Vec<&[Event]> {
    let mut stretches = Vec::new();
    for stretch in moving::cuts(events) {
        match self_reference {
            SelfReference::None => stretches.push(stretch),
            SelfReference::Some => stretches.extend(stretch.chunk_by(|one, next| one.cells().is_some() == next.cells().is_some())),
        }
    }
    stretches
}
