//! SQL with its binds as diesel takes it.

use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Bool, Double, Text, Untyped};
use diesel::sqlite::Sqlite as Backend;
use diesel::{QueryResult, RunQueryDsl, SqliteConnection};

use crate::sink::cell::{Cell, RowKey};
use crate::sink::shape::Shape;

/// A statement that is prepared once for each text.
#[derive(Debug, Default)]
pub(super) struct Sql<'a> {
    pieces: Vec<Piece<'a>>,
}

#[derive(Debug)]
enum Piece<'a> {
    Text(String),
    Bind(Bind<'a>),
}

#[derive(Debug)]
pub(super) enum Bind<'a> {
    Flag(bool),
    Cell(&'a Cell),
    /// What has a text of its own in SQLite, as diesel reads it.
    Text(String),
}

impl<'a> Sql<'a> {
    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        match self.pieces.last_mut() {
            Some(Piece::Text(last)) => last.push_str(text),
            _ => self.pieces.push(Piece::Text(text.to_owned())),
        }
        self
    }

    pub(super) fn bind(&mut self, bind: Bind<'a>) -> &mut Self {
        self.pieces.push(Piece::Bind(match bind {
            Bind::Cell(Cell::Date(date)) => Bind::Text(date.format("%F").to_string()),
            Bind::Cell(Cell::Timestamp(at)) => Bind::Text(at.format("%F %T%.f").to_string()),
            Bind::Cell(Cell::TimestampTz(at)) => Bind::Text(at.format("%F %T%.f%:z").to_string()),
            bind => bind,
        }));
        self
    }

    /// Carries it out; it is empty afterwards.
    pub(super) fn execute(&mut self, connection: &mut SqliteConnection) -> QueryResult<usize> {
        RunQueryDsl::execute(std::mem::take(self), connection)
    }
}

impl QueryFragment<Backend> for Sql<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Backend>) -> QueryResult<()> {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_sql(text),
                Piece::Bind(Bind::Flag(flag)) => out.push_bind_param::<Bool, _>(flag)?,
                Piece::Bind(Bind::Text(text)) => out.push_bind_param::<Text, _>(text)?,
                Piece::Bind(Bind::Cell(cell)) => match cell {
                    Cell::Bool(value) => out.push_bind_param::<Bool, _>(value)?,
                    Cell::Int(value) => out.push_bind_param::<BigInt, _>(value)?,
                    Cell::Real(value) => out.push_bind_param::<Double, _>(value)?,
                    Cell::Text(value) => out.push_bind_param::<Text, _>(value)?,
                    Cell::Bytes(value) => out.push_bind_param::<Binary, _>(value)?,
                    Cell::Null | Cell::Date(_) | Cell::Timestamp(_) | Cell::TimestampTz(_) => out.push_sql("NULL"),
                },
            }
        }
        Ok(())
    }
}

impl QueryId for Sql<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Sql<'_> {
    type SqlType = Untyped;
}

impl RunQueryDsl<SqliteConnection> for Sql<'_> {}

/// `WHERE id = ?`
pub(super) fn of_key<'a>(sql: &mut Sql<'a>, key: &'a RowKey, shape: &'a Shape) {
    for (nth, (at, cell)) in shape.key.iter().zip(&key.0).enumerate() {
        sql.push(if nth == 0 { " WHERE " } else { " AND " }).push(&shape.columns[*at].quoted).push(" = ").bind(Bind::Cell(cell));
    }
}
