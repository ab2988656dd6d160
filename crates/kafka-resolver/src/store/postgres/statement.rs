//! Statements that a connection prepares once. `diesel::sql_query` is prepared anew each time: a second round trip, and the text parsed
//! again.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{HasSqlType, Untyped};

/// SQL with `$1`, `$2` … for its binds. There must be few texts, for each of them is kept by each connection.
pub(super) struct Statement<'a> {
    sql: Cow<'static, str>,
    pieces: Vec<Piece>,
    binds: Vec<Box<dyn Bind + Send + 'a>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(Range<usize>),
    /// The number of the bind, from 0.
    Bind(usize),
}

/// A statement; its binds are given in the order of their numbers.
pub(super) fn statement<'a>(sql: impl Into<Cow<'static, str>>) -> Statement<'a> {
    let sql = sql.into();
    Statement { pieces: pieces(&sql), sql, binds: Vec::new() }
}

impl<'a> Statement<'a> {
    /// Binds the next value.
    pub(super) fn bind<T: 'a, V: ToSql<T, Pg> + Send + 'a>(mut self, value: V) -> Self
    where
        Pg: HasSqlType<T>,
    {
        self.binds.push(Box::new(Bound { value, sql_type: PhantomData::<fn() -> T> }));
        self
    }
}

impl fmt::Debug for Statement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql)
    }
}

/// The text between the binds. What stands in quotes is no bind.
fn pieces(sql: &str) -> Vec<Piece> {
    let (mut pieces, mut begin, mut quote) = (Vec::new(), 0, None);
    let mut letters = sql.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match (letter, quote) {
            ('\'' | '"', None) => quote = Some(letter),
            ('\'' | '"', Some(open)) if open == letter => quote = None,
            ('$', None) => {
                let (mut number, mut end) = (0, at + 1);
                while let Some((next, digit)) = letters.peek().and_then(|(next, letter)| Some((*next, letter.to_digit(10)?))) {
                    number = number * 10 + digit as usize;
                    end = next + 1;
                    letters.next();
                }
                if number > 0 {
                    pieces.extend([Piece::Text(begin..at), Piece::Bind(number - 1)]);
                    begin = end;
                }
            }
            _ => {}
        }
    }
    pieces.push(Piece::Text(begin..sql.len()));
    pieces
}

/// A value with the type that it is bound as.
struct Bound<T, V> {
    value: V,
    sql_type: PhantomData<fn() -> T>,
}

trait Bind {
    fn push<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()>;
}

impl<T, V: ToSql<T, Pg>> Bind for Bound<T, V>
where
    Pg: HasSqlType<T>,
{
    fn push<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<T, V>(&self.value)
    }
}

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        for piece in &self.pieces {
            match piece {
                Piece::Text(range) => out.push_sql(self.sql.get(range.clone()).unwrap_or_default()),
                Piece::Bind(number) => match self.binds.get(*number) {
                    Some(bind) => bind.push(out.reborrow())?,
                    None => return Err(diesel::result::Error::QueryBuilderError(format!("${} is not bound", number + 1).into())),
                },
            }
        }
        Ok(())
    }
}

impl QueryId for Statement<'_> {
    type QueryId = ();
    // The text tells statements apart.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Statement<'_> {
    type SqlType = Untyped;
}

#[cfg(test)]
mod tests {
    use diesel::sql_types::{BigInt, Text};

    use super::*;

    fn shown(statement: &Statement<'_>) -> String {
        diesel::debug_query::<Pg, _>(statement).to_string()
    }

    #[test]
    fn binds_stand_where_their_numbers_do_as_often_as_they_do() {
        let sql = "SELECT '$1', \"a$2\" FROM t WHERE a = $2 AND b = $1 AND c = $2 AND d = '$'";
        let statement = statement(sql).bind::<BigInt, _>(7_i64).bind::<Text, _>("x");
        let wanted = "SELECT '$1', \"a$2\" FROM t WHERE a = $1 AND b = $2 AND c = $3 AND d = '$' -- binds: [\"x\", 7, \"x\"]";
        assert_eq!(shown(&statement), wanted);
    }

    #[test]
    fn all_numbers_of_a_long_statement_are_read() {
        let sql = (1..=15).map(|n| format!("${n}")).collect::<Vec<_>>().join(",");
        let binds: Vec<_> = pieces(&sql).into_iter().filter(|piece| matches!(piece, Piece::Bind(_))).collect();
        assert_eq!(binds, (0..15).map(Piece::Bind).collect::<Vec<_>>());
    }
}
