//! From a change to what is to be done with rows: put one, remove one, or empty the table.

use std::sync::Arc;

use super::cell::{Cell, RowKey};
use super::convert::cell;
use super::error::SinkError;
use super::guard::Position;
use super::shape::{Column, FindsBy, GuardColumns, Shape};
use crate::change::{Change, Moved, Operation};
use crate::model::{Model, Truncations};
use crate::row::{Key, Names, Row};
use crate::value::Value;

/// What a message does to a row. A message may do it to two: where the key changed, the old row goes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// The message's place in its batch.
    pub(crate) at: usize,
    pub(crate) act: Act,
    /// Where it stands in the order of the row's events, if a guard asks.
    pub(crate) position: Option<Position>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    /// The row is to have these values; what is none is left as it is.
    Put { key: RowKey, cells: Vec<Option<Cell>> },
    /// The row is to be gone.
    Remove { key: RowKey },
    /// The row is to be gone, and lives on under another key: see [`moving`](super::moving).
    Leave(Box<Leaving>),
    /// The row is to have these values; it had another key before.
    Arrive(Box<Arriving>),
    /// Every row is to be gone.
    Clear,
}

/// A row that leaves its key for another.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Leaving {
    pub(crate) key: RowKey,
    pub(crate) to: RowKey,
    /// What tells this move from others between the same keys: the position in the source's log, which the arrival has too; 0 if it is
    /// not known.
    pub(crate) mark: i64,
    /// Where the message stands, which is the same when it comes again.
    pub(crate) place: Option<Place>,
}

/// A row that arrives from another key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Arriving {
    pub(crate) key: RowKey,
    pub(crate) cells: Vec<Option<Cell>>,
    /// Its former key; it may be unknown.
    pub(crate) from: Option<RowKey>,
    pub(crate) mark: i64,
    /// The columns that it has a value for, which was not sent.
    pub(crate) owed: Vec<usize>,
}

/// Reads changes, and remembers what one says of the next.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// Where in a message's row the columns are, for the names that it was made for.
    plan: Option<(Names, Vec<Source>)>,
    deletions: Deletions,
}

/// How deletions are said in a topic, as far as it was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deletions {
    /// By null values, or by nothing so far.
    #[default]
    ByNull,
    /// By values; a null value only follows one, for compaction.
    ByValue,
}

/// Where a column's value is in a message's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    None,
    /// There, and another column wants it too.
    Copy(usize),
    Take(usize),
}

/// Where a message stands in the topic that was declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

impl Reader {
    /// One that knows how deletions were said before.
    pub(crate) fn knowing(deletions: Deletions) -> Self {
        Self { plan: None, deletions }
    }

    /// How deletions are said.
    pub(crate) fn deletions(&self) -> Deletions {
        self.deletions
    }

    /// Adds what the change does; nothing of it when it fails.
    pub(crate) fn read(
        &mut self,
        (at, change, place): (usize, Change, Option<Place>),
        model: &Model,
        shape: &Shape,
        events: &mut Vec<Event>,
    ) -> Result<(), SinkError> {
        let Change { key, operation, position, moved, .. } = change;
        let lsn = position.and_then(|position| position.lsn);
        let mark = lsn.unwrap_or_default();
        let (to, from) = match &moved {
            None => (None, None),
            Some(Moved::To(other)) => (self.key(Some(other), None, shape).ok(), None),
            Some(Moved::From(other)) => (None, Some(self.key(Some(other), None, shape).ok())),
            Some(Moved::FromUnknown) => (None, Some(None)),
        };
        let gone = |key: RowKey, to: Option<RowKey>| match to {
            Some(to) if to != key => Act::Leave(Box::new(Leaving { key, to, mark, place })),
            Some(_) | None => Act::Remove { key },
        };
        let position = match shape.guard {
            GuardColumns::Off => None,
            GuardColumns::Offset { .. } => place.map(|Place { partition, offset }| Position::Offset { partition, offset }),
            GuardColumns::Lsn(_) => lsn.map(Position::Lsn),
        };
        let unplaced = shape.guard != GuardColumns::Off && position.is_none();
        let compares = if let GuardColumns::Lsn(_) = shape.guard { "log sequence numbers" } else { "partition and offset" };
        let no_position = || SinkError::NoPosition { table: shape.name.clone(), compares };
        let act = match operation {
            Operation::Upsert { after, .. } | Operation::Delete { before: Some(after) } if unplaced && !after.values().is_empty() => {
                drop(after);
                return Err(no_position());
            }
            Operation::Upsert { after, .. } if model.is_deletion(&after) => {
                self.deletions = Deletions::ByValue;
                let key = self.key(key.as_ref(), Some(&after), shape)?;
                gone(key, to)
            }
            Operation::Upsert { before, after } => {
                let old = before.as_ref().and_then(|before| self.key(None, Some(before), shape).ok());
                let moves = old.is_some() || from.is_some();
                let owed = if moves { self.unsent(&after, shape) } else { Vec::new() };
                let mut cells = self.cells(after, shape)?;
                let key = self.put_key(key.as_ref(), &mut cells, shape)?;
                let old = old.filter(|old| *old != key);
                if let Some(old) = &old {
                    let leaving = Leaving { key: old.clone(), to: key.clone(), mark, place };
                    events.push(Event { at, act: Act::Leave(Box::new(leaving)), position });
                }
                stamp(&mut cells, position, shape);
                match old.map(Some).or(from) {
                    Some(from) => Act::Arrive(Box::new(Arriving { key, cells, from, mark, owed })),
                    None => Act::Put { key, cells },
                }
            }
            // The deletion that came before it said where it stands, and did it.
            Operation::Delete { .. } if unplaced && matches!(shape.guard, GuardColumns::Lsn(_)) => return Ok(()),
            Operation::Delete { .. } if unplaced => return Err(no_position()),
            Operation::Delete { before: Some(before) } => {
                self.deletions = Deletions::ByValue;
                gone(self.key(key.as_ref(), Some(&before), shape)?, to)
            }
            Operation::Delete { before: None } => match self.key(key.as_ref(), None, shape) {
                // Its deletion had a value, which said more than the key.
                Err(SinkError::NoKey { .. }) if self.deletions == Deletions::ByValue => return Ok(()),
                key => gone(key?, to),
            },
            Operation::Truncate if model.truncations == Truncations::Applied => Act::Clear,
            Operation::Truncate | Operation::Nothing => return Ok(()),
        };
        events.push(Event { at, act, position });
        Ok(())
    }

    fn places(&mut self, names: &Names, shape: &Shape) -> &[Source] {
        let known = self.plan.as_ref().is_some_and(|(known, _)| Arc::ptr_eq(known, names));
        if !known {
            self.plan = None;
        }
        let (_, places) = self.plan.get_or_insert_with(|| {
            let columns = &shape.columns[..shape.said_by_messages()];
            let source = |(at, column): (usize, &Column)| match names.iter().position(|name| *name == column.source) {
                None => Source::None,
                Some(place) if columns[at + 1..].iter().any(|later| later.source == column.source) => Source::Copy(place),
                Some(place) => Source::Take(place),
            };
            (Arc::clone(names), columns.iter().enumerate().map(source).collect())
        });
        places
    }

    /// The columns whose value did not change, and was not sent.
    fn unsent(&mut self, row: &Row, shape: &Shape) -> Vec<usize> {
        let unsent = |source: &Source| match *source {
            Source::None => false,
            Source::Copy(place) | Source::Take(place) => row.values()[place] == Value::Unavailable,
        };
        let places = self.places(row.names(), shape).iter().enumerate();
        places.filter(|(_, source)| unsent(source)).map(|(at, _)| at).collect()
    }

    fn cells(&mut self, row: Row, shape: &Shape) -> Result<Vec<Option<Cell>>, SinkError> {
        let (names, mut values) = row.into_parts();
        let places = self.places(&names, shape);
        let mut cells = Vec::with_capacity(shape.columns.len());
        for (place, column) in places.iter().zip(&shape.columns) {
            cells.push(match *place {
                Source::None => None,
                Source::Copy(place) => cell(values[place].clone(), column, &shape.name)?,
                Source::Take(place) => cell(std::mem::replace(&mut values[place], Value::Null), column, &shape.name)?,
            });
        }
        cells.resize(shape.columns.len(), None);
        Ok(cells)
    }

    /// The key of a row that is put; what the value does not say comes from the message's key.
    fn put_key(&self, key: Option<&Key>, cells: &mut [Option<Cell>], shape: &Shape) -> Result<RowKey, SinkError> {
        let mut found = Vec::with_capacity(shape.key.len());
        for &place in &shape.key {
            if cells[place].is_none() {
                cells[place] = of_key(key, place, shape)?;
            }
            match &cells[place] {
                Some(cell) if *cell != Cell::Null => found.push(cell.clone()),
                _ => return Err(no_key(place, shape)),
            }
        }
        Ok(RowKey(found))
    }

    /// The key of a row that goes.
    fn key(&self, key: Option<&Key>, row: Option<&Row>, shape: &Shape) -> Result<RowKey, SinkError> {
        let mut found = Vec::with_capacity(shape.key.len());
        for &place in &shape.key {
            let column = &shape.columns[place];
            let said = row.and_then(|row| row.get(&column.source)).filter(|value| !value.is_null());
            let cell = match said {
                Some(value) => cell(value.clone(), column, &shape.name)?,
                None => of_key(key, place, shape)?,
            };
            match cell {
                Some(cell) if cell != Cell::Null => found.push(cell),
                _ => return Err(no_key(place, shape)),
            }
        }
        Ok(RowKey(found))
    }
}

/// What the message's key says of a column: by its name, or as a whole.
fn of_key(key: Option<&Key>, place: usize, shape: &Shape) -> Result<Option<Cell>, SinkError> {
    let column = &shape.columns[place];
    let value = match key {
        Some(Key::Whole(value)) if shape.key.len() == 1 => Some(value),
        Some(Key::Row(row)) => row.get(&column.source).or_else(|| row.get(&column.name)).or_else(|| match row.values() {
            // The key of another index is no value of this one.
            [value] if shape.key.len() == 1 && shape.finds_by == FindsBy::PrimaryKey => Some(value),
            _ => None,
        }),
        _ => None,
    };
    value.map_or(Ok(None), |value| cell(value.clone(), column, &shape.name))
}

fn no_key(place: usize, shape: &Shape) -> SinkError {
    SinkError::NoKey { table: shape.name.clone(), column: shape.columns[place].name.to_string() }
}

/// Fills the guard's columns.
fn stamp(cells: &mut [Option<Cell>], position: Option<Position>, shape: &Shape) {
    match (shape.guard, position) {
        (GuardColumns::Lsn(column), Some(Position::Lsn(lsn))) => cells[column] = Some(Cell::Int(lsn)),
        (GuardColumns::Offset { partition, offset }, Some(Position::Offset { partition: number, offset: at })) => {
            cells[partition] = Some(Cell::Int(i64::from(number)));
            cells[offset] = Some(Cell::Int(at));
        }
        _ => {}
    }
}

impl Event {
    /// The values that its row is to have.
    pub(crate) fn cells(&self) -> Option<&[Option<Cell>]> {
        match &self.act {
            Act::Put { cells, .. } => Some(cells),
            Act::Arrive(arriving) => Some(&arriving.cells),
            Act::Remove { .. } | Act::Leave(_) | Act::Clear => None,
        }
    }

    /// Whether it is about a row whose key changes.
    pub(crate) fn moves(&self) -> bool {
        matches!(self.act, Act::Leave(_) | Act::Arrive(_))
    }

    /// The row that it is about.
    pub(crate) fn key(&self) -> Option<&RowKey> {
        match &self.act {
            Act::Put { key, .. } | Act::Remove { key } => Some(key),
            Act::Leave(leaving) => Some(&leaving.key),
            Act::Arrive(arriving) => Some(&arriving.key),
            Act::Clear => None,
        }
    }
}
