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
    pub(crate) rows: Vec<Cells<'a>>,
    pub(crate) keys: Vec<&'a RowKey>,
}

/// The values that a row is to have, one place a column.
#[derive(Debug, Clone)]
pub(crate) enum Cells<'a> {
    /// As one event says.
    Said(&'a [Option<Cell>]),
    /// As several say together.
    Together(Vec<Option<&'a Cell>>),
}

impl<'a> Cells<'a> {
    /// The value of a column; what was not said is null.
    pub(crate) fn at(&self, column: usize) -> &'a Cell {
        self.said(column).unwrap_or(&Cell::Null)
    }

    fn said(&self, column: usize) -> Option<&'a Cell> {
        match self {
            Self::Said(cells) => cells[column].as_ref(),
            Self::Together(cells) => cells[column],
        }
    }

    /// Overwrites with what a later event says.
    fn overwrite(&mut self, later: &'a [Option<Cell>]) {
        let mut together: Vec<Option<&Cell>> = match std::mem::replace(self, Self::Said(&[])) {
            Self::Said(cells) => cells.iter().map(Option::as_ref).collect(),
            Self::Together(cells) => cells,
        };
        for (earlier, later) in together.iter_mut().zip(later) {
            *earlier = later.as_ref().or(*earlier);
        }
        *self = Self::Together(together);
    }

    /// The columns that something was said of.
    fn mask(&self) -> impl Iterator<Item = usize> {
        let columns = match self {
            Self::Said(cells) => cells.len(),
            Self::Together(cells) => cells.len(),
        };
        (0..columns).filter(|column| self.said(*column).is_some())
    }
}

/// The state of a row after the events so far.
struct State<'a> {
    key: &'a RowKey,
    removed: Option<Option<Position>>,
    cells: Option<Cells<'a>>,
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
            (Some(later), Some(cells)) => cells.overwrite(later),
            (Some(cells), none) => *none = Some(Cells::Said(cells)),
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
        let group = match reduced.groups.iter().position(|group| group.mask.iter().copied().eq(cells.mask())) {
            Some(at) => at,
            None => {
                reduced.groups.push(Group { mask: cells.mask().collect(), rows: Vec::new(), keys: Vec::new() });
                reduced.groups.len() - 1
            }
        };
        reduced.groups[group].rows.push(cells);
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
