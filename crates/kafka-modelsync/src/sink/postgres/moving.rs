//! Notes of rows whose key changes: left by deletions, taken by insertions.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::{Map, Value as Json};

use super::query::{Bind, Sql};
use super::{Stop, statements, stop};
use crate::sink::cell::RowKey;
use crate::sink::event::{Act, Event, Place};
use crate::sink::moving::{self, Left, Owing, Unpaid};
use crate::sink::shape::{Kind, Shape};

/// Notes are of use while messages may come again. What others are looking at is theirs to throw away.
const FORGET: &str = "DELETE FROM kafka_moved_rows WHERE ctid = ANY (ARRAY(SELECT ctid FROM kafka_moved_rows \
    WHERE moved_at < now() - interval '7 days' LIMIT 1000 FOR UPDATE SKIP LOCKED))";

#[derive(QueryableByName)]
struct NoteRow {
    #[diesel(sql_type = BigInt)]
    nth: i64,
    #[diesel(sql_type = Text)]
    held: String,
}

#[derive(QueryableByName)]
struct FoundRow {
    #[diesel(sql_type = BigInt)]
    nth: i64,
}

/// The events of a stretch with arriving rows completed, and notes left of those that leave.
pub(super) async fn carry<'a>(connection: &mut AsyncPgConnection, stretch: &'a [Event], shape: &Shape) -> Result<Cow<'a, [Event]>, Stop> {
    if !stretch.iter().any(Event::moves) {
        return Ok(Cow::Borrowed(stretch));
    }
    leave_notes(connection, &moving::leaving(stretch, shape), shape).await?;
    let owing = moving::owing(stretch, shape);
    let notes = notes(connection, &owing, shape).await?;
    let mut events = stretch.to_vec();
    for owing in &owing {
        if let (Act::Arrive(arriving), Some(note)) = (&mut events[owing.index].act, notes.get(&owing.index)) {
            moving::complete(arriving, note, shape);
        }
    }
    let unpaid: Vec<_> = owing.iter().filter(|owing| moving::unpaid(owing, &events[owing.index])).collect();
    judge(connection, &unpaid, shape).await?;
    Ok(Cow::Owned(events))
}

async fn leave_notes(connection: &mut AsyncPgConnection, leaving: &[Left<'_>], shape: &Shape) -> Result<(), Stop> {
    if leaving.is_empty() {
        return Ok(());
    }
    let columns: Vec<_> = shape.key.iter().map(|at| &shape.columns[*at]).collect();
    let keys: Vec<&RowKey> = leaving.iter().map(|left| &left.row.key).collect();
    let moves = Moves::of(leaving);
    let mut sql = Sql::default();
    sql.push(
        "INSERT INTO kafka_moved_rows AS known (table_name, row_key, former_key, source_lsn, kafka_partition, kafka_offset, held) SELECT ",
    );
    sql.bind(Bind::Word(&shape.name))
        .push(", u.row_key, u.former_key, u.source_lsn, u.kafka_partition, u.kafka_offset, jsonb_object(ARRAY[");
    let held: Vec<_> = (0..shape.said_by_messages()).filter(|at| !shape.key.contains(at)).map(|at| &shape.columns[at]).collect();
    sql.list(&held, |sql, column| {
        sql.bind(Bind::Word(&column.name));
    });
    sql.push("]::text[], ARRAY[").list(&held, |sql, column| {
        // Whatever `bytea_output` is.
        sql.push(&match column.kind {
            Kind::Bytes => format!("'\\x' || encode(t.{}, 'hex')", column.quoted),
            // Nor the currency.
            Kind::Numeric => format!("t.{}::numeric::text", column.quoted),
            _ => format!("t.{}::text", column.quoted),
        });
    });
    let forms = statements::forms(&columns, &keys[..]);
    statements::arrays(sql.push("]::text[]) FROM unnest("), &forms, &keys[..]);
    moves.bind(sql.push(", ")).push(") AS u(").list(0..columns.len(), |sql, at| {
        sql.push(&format!("c{at}"));
    });
    let same =
        columns.iter().enumerate().map(|(at, column)| format!("t.{} = {}", column.quoted, statements::compared(column, forms[at], at)));
    sql.push(", ").push(Moves::COLUMNS).push(") JOIN ").push(&shape.quoted).push(" AS t ON ").push(&same.collect::<Vec<_>>().join(" AND "));
    // The first is right: when the deletion comes again, its key may be another row's.
    sql.push(" WHERE u.source_lsn <> 0 OR NOT EXISTS (SELECT FROM kafka_moved_rows AS n WHERE n.table_name = ");
    sql.bind(Bind::Word(&shape.name)).push(
        " AND n.row_key = u.row_key AND n.former_key = u.former_key AND n.kafka_partition = u.kafka_partition \
         AND n.kafka_offset >= u.first_offset) ON CONFLICT (table_name, row_key, former_key, source_lsn) DO UPDATE SET \
         held = excluded.held, kafka_partition = excluded.kafka_partition, kafka_offset = excluded.kafka_offset, moved_at = now() \
         WHERE known.source_lsn = 0",
    );
    sql.execute(connection).await.map_err(stop("leaving notes of rows whose key changes"))?;
    let mut sql = Sql::default();
    moves.bind(sql.push("UPDATE kafka_moved_rows AS n SET kafka_offset = u.kafka_offset FROM unnest(")).push(") AS u(");
    sql.push(Moves::COLUMNS).push(") WHERE n.table_name = ").bind(Bind::Word(&shape.name));
    sql.push(" AND n.row_key = u.row_key AND n.former_key = u.former_key AND n.kafka_partition = u.kafka_partition ");
    sql.push("AND n.kafka_offset < u.kafka_offset");
    sql.execute(connection).await.map_err(stop("marking notes of rows whose key changed"))?;
    let mut forget = Sql::default();
    forget.push(FORGET);
    forget.execute(connection).await.map(drop).map_err(stop("throwing old notes of moved rows away"))
}

/// Moves, column by column.
struct Moves {
    to: Vec<String>,
    former: Vec<String>,
    marks: Vec<i64>,
    firsts: Vec<Option<i64>>,
    places: Vec<Option<Place>>,
}

impl Moves {
    const COLUMNS: &str = "row_key, former_key, source_lsn, first_offset, kafka_partition, kafka_offset";

    fn of(leaving: &[Left<'_>]) -> Self {
        Self {
            to: leaving.iter().map(|left| left.row.to.to_text()).collect(),
            former: leaving.iter().map(|left| left.row.key.to_text()).collect(),
            marks: leaving.iter().map(|left| left.row.mark).collect(),
            firsts: leaving.iter().map(|left| left.row.place.map(|place| place.offset)).collect(),
            places: leaving.iter().map(|left| left.last).collect(),
        }
    }

    fn bind<'a, 'b>(&'a self, sql: &'b mut Sql<'a>) -> &'b mut Sql<'a> {
        sql.bind(Bind::Words(self.to.iter().map(String::as_str).collect())).push("::text[], ");
        sql.bind(Bind::Words(self.former.iter().map(String::as_str).collect())).push("::text[], ");
        sql.bind(Bind::Longs(self.marks.iter().copied().map(Some).collect())).push("::int8[], ");
        sql.bind(Bind::Longs(self.firsts.clone())).push("::int8[], ");
        sql.bind(Bind::Ints(self.places.iter().map(|place| place.map(|place| place.partition)).collect())).push("::int4[], ");
        sql.bind(Bind::Longs(self.places.iter().map(|place| place.map(|place| place.offset)).collect())).push("::int8[]")
    }
}

/// The notes for arriving rows, by their places.
async fn notes(connection: &mut AsyncPgConnection, owing: &[Owing<'_>], shape: &Shape) -> Result<HashMap<usize, Map<String, Json>>, Stop> {
    let known: Vec<_> = owing.iter().filter_map(|owing| Some((owing, owing.arriving.from.as_ref()?))).collect();
    if known.is_empty() {
        return Ok(HashMap::new());
    }
    let keys: Vec<_> = known.iter().map(|(owing, from)| (owing.arriving.key.to_text(), from.to_text())).collect();
    let mut sql = Sql::default();
    sql.push("SELECT u.nth AS nth, n.held::text AS held FROM unnest(")
        .bind(Bind::Words(keys.iter().map(|(key, _)| key.as_str()).collect()));
    sql.push("::text[], ").bind(Bind::Words(keys.iter().map(|(_, former)| former.as_str()).collect())).push("::text[], ");
    sql.bind(Bind::Longs(known.iter().map(|(owing, _)| Some(owing.arriving.mark)).collect()));
    sql.push("::int8[]) WITH ORDINALITY AS u(row_key, former_key, source_lsn, nth) JOIN kafka_moved_rows AS n ON n.table_name = ");
    sql.bind(Bind::Word(&shape.name)).push(" AND n.row_key = u.row_key AND n.former_key = u.former_key ");
    sql.push("AND (u.source_lsn = 0 OR n.source_lsn IN (0, u.source_lsn)) ORDER BY n.source_lsn");
    let rows: Vec<NoteRow> = sql.load(connection).await.map_err(stop("asking for notes of rows whose key changed"))?;
    let note = |row: NoteRow| {
        let (owing, _) = usize::try_from(row.nth - 1).ok().and_then(|at| known.get(at))?;
        Some((owing.index, serde_json::from_str(&row.held).ok()?))
    };
    Ok(rows.into_iter().filter_map(note).collect())
}

/// Whether rows that could not be completed may be written: where the row is there, it has what was not sent.
async fn judge(connection: &mut AsyncPgConnection, unpaid: &[&Owing<'_>], shape: &Shape) -> Result<(), Stop> {
    if unpaid.is_empty() {
        return Ok(());
    }
    let keys: Vec<&RowKey> =
        unpaid.iter().map(|owing| &owing.arriving.key).chain(unpaid.iter().filter_map(|owing| owing.arriving.from.as_ref())).collect();
    let rows: Vec<FoundRow> =
        statements::known_rows(&keys, shape).load(connection).await.map_err(stop("asking for rows whose key changed"))?;
    let there: HashSet<&RowKey> =
        rows.iter().filter_map(|row| usize::try_from(row.nth - 1).ok().and_then(|at| keys.get(at)).copied()).collect();
    match unpaid.iter().find(|owing| !there.contains(&owing.arriving.key)) {
        None => Ok(()),
        Some(owing) if owing.arriving.from.as_ref().is_some_and(|from| there.contains(from)) => Err(Stop::Refused(Unpaid::Early.into())),
        Some(_) => Err(Stop::Refused(Unpaid::Lost.into())),
    }
}
