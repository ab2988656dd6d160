//! SQL with its binds as diesel takes it. Prepared once for each text, which `diesel::sql_query` is not.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{
    Array, BigInt, Binary, Bool, Date, Double, Float, Integer, Nullable, SmallInt, Text, Timestamp, Timestamptz, Untyped,
};

use crate::sink::cell::Cell;
use crate::sink::shape::Kind;

/// A statement.
#[derive(Debug, Default)]
pub(super) struct Sql<'a> {
    pieces: Vec<Piece<'a>>,
}

#[derive(Debug)]
enum Piece<'a> {
    Text(String),
    Bind(Bind<'a>),
}

/// A value, or a column of them.
#[derive(Debug)]
pub(super) enum Bind<'a> {
    Flag(bool),
    Int(i32),
    Long(Option<i64>),
    Word(&'a str),
    Words(Vec<&'a str>),
    Bools(Vec<Option<bool>>),
    Shorts(Vec<Option<i16>>),
    Ints(Vec<Option<i32>>),
    Longs(Vec<Option<i64>>),
    Floats(Vec<Option<f32>>),
    Doubles(Vec<Option<f64>>),
    Texts(Vec<Option<&'a str>>),
    Spelled(Vec<Option<String>>),
    Bytes(Vec<Option<&'a [u8]>>),
    Dates(Vec<Option<NaiveDate>>),
    Timestamps(Vec<Option<NaiveDateTime>>),
    Instants(Vec<Option<DateTime<Utc>>>),
}

impl<'a> Sql<'a> {
    /// Adds text.
    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        match self.pieces.last_mut() {
            Some(Piece::Text(last)) => last.push_str(text),
            _ => self.pieces.push(Piece::Text(text.to_owned())),
        }
        self
    }

    /// Adds a bind.
    pub(super) fn bind(&mut self, bind: Bind<'a>) -> &mut Self {
        self.pieces.push(Piece::Bind(bind));
        self
    }

    /// Adds elements with commas between them.
    pub(super) fn list<T>(&mut self, elements: impl IntoIterator<Item = T>, mut add: impl FnMut(&mut Self, T)) -> &mut Self {
        for (at, element) in elements.into_iter().enumerate() {
            if at > 0 {
                self.push(", ");
            }
            add(self, element);
        }
        self
    }

    /// The text with `$n` for binds, for people and tests.
    #[cfg(test)]
    pub(super) fn text(&self) -> String {
        let (mut text, mut binds) = (String::new(), 0);
        for piece in &self.pieces {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Bind(_) => {
                    binds += 1;
                    text.push_str(&format!("${binds}"));
                }
            }
        }
        text
    }
}

/// How a column of values is bound and what it is taken as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As its kind.
    Plain(Kind),
    /// As texts that are cast: there is a date among them that no calendar has.
    Spelled,
}

impl Form {
    /// The form that holds all of the cells.
    pub(super) fn of<'a>(kind: Kind, mut cells: impl Iterator<Item = &'a Cell>) -> Self {
        let is_beyond = kind.is_of_calendar() && cells.any(|cell| matches!(cell, Cell::Text(_)));
        if is_beyond { Self::Spelled } else { Self::Plain(kind) }
    }

    /// The cells as one bind.
    pub(super) fn bind<'a>(self, cells: impl Iterator<Item = &'a Cell>) -> Bind<'a> {
        match self {
            Self::Plain(kind) => Bind::column(kind, cells),
            Self::Spelled => Bind::Spelled(cells.map(|cell| (*cell != Cell::Null).then(|| cell.spelled())).collect()),
        }
    }
}

impl<'a> Bind<'a> {
    /// A column of cells, bound as its kind.
    #[expect(clippy::cast_possible_truncation, reason = "conversion has looked at the range, and a `real` was one before")]
    fn column(kind: Kind, cells: impl Iterator<Item = &'a Cell>) -> Self {
        match kind {
            Kind::Bool => Self::Bools(cells.map(|cell| if let Cell::Bool(value) = cell { Some(*value) } else { None }).collect()),
            Kind::Int2 => Self::Shorts(cells.map(|cell| int(cell).map(|value| value as i16)).collect()),
            Kind::Int4 => Self::Ints(cells.map(|cell| int(cell).map(|value| value as i32)).collect()),
            Kind::Int8 => Self::Longs(cells.map(int).collect()),
            Kind::Float4 => Self::Floats(cells.map(|cell| real(cell).map(|value| value as f32)).collect()),
            Kind::Float8 => Self::Doubles(cells.map(real).collect()),
            Kind::Bytes => {
                Self::Bytes(cells.map(|cell| if let Cell::Bytes(value) = cell { Some(value.as_slice()) } else { None }).collect())
            }
            Kind::Date => Self::Dates(cells.map(|cell| if let Cell::Date(value) = cell { Some(*value) } else { None }).collect()),
            Kind::Timestamp => {
                Self::Timestamps(cells.map(|cell| if let Cell::Timestamp(value) = cell { Some(*value) } else { None }).collect())
            }
            Kind::TimestampTz => {
                Self::Instants(cells.map(|cell| if let Cell::TimestampTz(value) = cell { Some(*value) } else { None }).collect())
            }
            Kind::Text | Kind::Numeric | Kind::Json | Kind::Hstore | Kind::Other => {
                Self::Texts(cells.map(|cell| if let Cell::Text(value) = cell { Some(value.as_str()) } else { None }).collect())
            }
        }
    }
}

fn int(cell: &Cell) -> Option<i64> {
    if let Cell::Int(value) = cell { Some(*value) } else { None }
}

fn real(cell: &Cell) -> Option<f64> {
    if let Cell::Real(value) = cell { Some(*value) } else { None }
}

impl QueryFragment<Pg> for Sql<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_sql(text),
                Piece::Bind(bind) => match bind {
                    Bind::Flag(value) => out.push_bind_param::<Bool, _>(value)?,
                    Bind::Int(value) => out.push_bind_param::<Integer, _>(value)?,
                    Bind::Long(value) => out.push_bind_param::<Nullable<BigInt>, _>(value)?,
                    Bind::Word(value) => out.push_bind_param::<Text, _>(value)?,
                    Bind::Words(values) => out.push_bind_param::<Array<Text>, _>(values)?,
                    Bind::Bools(values) => out.push_bind_param::<Array<Nullable<Bool>>, _>(values)?,
                    Bind::Shorts(values) => out.push_bind_param::<Array<Nullable<SmallInt>>, _>(values)?,
                    Bind::Ints(values) => out.push_bind_param::<Array<Nullable<Integer>>, _>(values)?,
                    Bind::Longs(values) => out.push_bind_param::<Array<Nullable<BigInt>>, _>(values)?,
                    Bind::Floats(values) => out.push_bind_param::<Array<Nullable<Float>>, _>(values)?,
                    Bind::Doubles(values) => out.push_bind_param::<Array<Nullable<Double>>, _>(values)?,
                    Bind::Texts(values) => out.push_bind_param::<Array<Nullable<Text>>, _>(values)?,
                    Bind::Spelled(values) => out.push_bind_param::<Array<Nullable<Text>>, _>(values)?,
                    Bind::Bytes(values) => out.push_bind_param::<Array<Nullable<Binary>>, _>(values)?,
                    Bind::Dates(values) => out.push_bind_param::<Array<Nullable<Date>>, _>(values)?,
                    Bind::Timestamps(values) => out.push_bind_param::<Array<Nullable<Timestamp>>, _>(values)?,
                    Bind::Instants(values) => out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(values)?,
                },
            }
        }
        Ok(())
    }
}

/// The text is what it is known by.
impl QueryId for Sql<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Sql<'_> {
    type SqlType = Untyped;
}
