//! Notes of rows whose key changes: left by deletions, taken by insertions.

use std::borrow::Cow;

use diesel::sql_types::{BigInt, Integer, Nullable, Text};
use diesel::{OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, SqliteConnection};
use serde_json::{Map, Value as Json};

use super::query::{Bind, Sql, of_key};
use super::{Stop, stop};
use crate::sink::cell::RowKey;
use crate::sink::event::{Act, Arriving, Event, Leaving, Place};
use crate::sink::moving::{self, Left, Unpaid};
use crate::sink::shape::Shape;

#[derive(QueryableByName)]
struct NoteRow {
    #[diesel(sql_type = Text)]
    held: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// The events of a stretch with arriving rows completed, and notes left of those that leave.
pub(super) fn carry<'a>(connection: &mut SqliteConnection, stretch: &'a [Event], shape: &Shape) -> Result<Cow<'a, [Event]>, Stop> {
    if !stretch.iter().any(Event::moves) {
        return Ok(Cow::Borrowed(stretch));
    }
    for left in moving::leaving(stretch, shape) {
        leave_note(connection, &left, shape).map_err(stop("leaving a note of a row whose key changes"))?;
    }
    let mut events = stretch.to_vec();
    for owing in moving::owing(stretch, shape) {
        let note = note(connection, owing.arriving, shape).map_err(stop("asking for the note of a row whose key changed"))?;
        if let (Act::Arrive(arriving), Some(note)) = (&mut events[owing.index].act, &note) {
            moving::complete(arriving, note, shape);
        }
        if !moving::unpaid(&owing, &events[owing.index]) {
            continue;
        }
        let mut there = |key| is_there(connection, key, shape).map_err(stop("asking for a row whose key changed"));
        if !there(&owing.arriving.key)? {
            let early = owing.arriving.from.as_ref().map(there).transpose()?.unwrap_or_default();
            return Err(Stop::Refused(if early { Unpaid::Early } else { Unpaid::Lost }.into()));
        }
    }
    Ok(Cow::Owned(events))
}

fn leave_note(connection: &mut SqliteConnection, Left { row, last }: &Left<'_>, shape: &Shape) -> QueryResult<()> {
    let (to, former) = (row.to.to_text(), row.key.to_text());
    let parts = |place: Option<Place>| place.map(|place| (place.partition, place.offset)).unzip();
    let (partition, offset) = parts(*last);
    if row.mark != 0 || !is_noted(connection, (&to, &former), parts(row.place), shape)? {
        insert_note(connection, row, (&to, &former), (partition, offset), shape)?;
    }
    diesel::sql_query(
        "UPDATE kafka_moved_rows SET kafka_offset = ?1 \
         WHERE table_name = ?2 AND row_key = ?3 AND former_key = ?4 AND kafka_partition = ?5 AND kafka_offset < ?1",
    )
    .bind::<Nullable<BigInt>, _>(offset)
    .bind::<Text, _>(&shape.name)
    .bind::<Text, _>(to)
    .bind::<Text, _>(former)
    .bind::<Nullable<Integer>, _>(partition)
    .execute(connection)?;
    diesel::sql_query("DELETE FROM kafka_moved_rows WHERE moved_at < datetime('now', '-7 days')").execute(connection).map(drop)
}

/// Whether a deletion that says no position left its note before: its key may be another row's by now.
fn is_noted(
    connection: &mut SqliteConnection,
    (to, former): (&str, &str),
    (partition, offset): (Option<i32>, Option<i64>),
    shape: &Shape,
) -> QueryResult<bool> {
    let query = diesel::sql_query(
        "SELECT count(*) AS number FROM kafka_moved_rows \
         WHERE table_name = ? AND row_key = ? AND former_key = ? AND kafka_partition = ? AND kafka_offset >= ?",
    );
    let query = query.bind::<Text, _>(&shape.name).bind::<Text, _>(to).bind::<Text, _>(former);
    let query = query.bind::<Nullable<Integer>, _>(partition).bind::<Nullable<BigInt>, _>(offset);
    Ok(query.get_result::<Count>(connection)?.number > 0)
}

fn insert_note(
    connection: &mut SqliteConnection,
    row: &Leaving,
    (to, former): (&str, &str),
    (partition, offset): (Option<i32>, Option<i64>),
    shape: &Shape,
) -> QueryResult<()> {
    let mut sql = Sql::default();
    sql.push("INSERT INTO kafka_moved_rows (table_name, row_key, former_key, source_lsn, kafka_partition, kafka_offset, held) SELECT ");
    sql.bind(Bind::Text(shape.name.clone())).push(", ").bind(Bind::Text(to.to_owned())).push(", ").bind(Bind::Text(former.to_owned()));
    let [partition, offset] =
        [partition.map(i64::from), offset].map(|number| number.map_or_else(|| "NULL".to_owned(), |number| number.to_string()));
    sql.push(&format!(", {}, {partition}, {offset}, '{{'", row.mark));
    let held = (0..shape.said_by_messages()).filter(|at| !shape.key.contains(at)).map(|at| &shape.columns[at]);
    for (nth, column) in held.enumerate() {
        // Bytes are none of JSON's.
        let text = format!("CASE typeof({0}) WHEN 'blob' THEN '\\x' || hex({0}) ELSE CAST({0} AS TEXT) END", column.quoted);
        sql.push(if nth == 0 { " || json_quote(" } else { " || ',' || json_quote(" }).bind(Bind::Text(column.name.to_string()));
        sql.push(&format!(") || ':' || json_quote({text})"));
    }
    sql.push(" || '}' FROM ").push(&shape.quoted);
    of_key(&mut sql, &row.key, shape);
    sql.push(
        " ON CONFLICT (table_name, row_key, former_key, source_lsn) DO UPDATE SET held = excluded.held, \
         kafka_partition = excluded.kafka_partition, kafka_offset = excluded.kafka_offset, moved_at = excluded.moved_at \
         WHERE source_lsn = 0",
    );
    sql.execute(connection).map(drop)
}

fn note(connection: &mut SqliteConnection, arriving: &Arriving, shape: &Shape) -> QueryResult<Option<Map<String, Json>>> {
    let Some(from) = &arriving.from else { return Ok(None) };
    let row: Option<NoteRow> = diesel::sql_query(
        "SELECT held FROM kafka_moved_rows WHERE table_name = ? AND row_key = ? AND former_key = ? AND ? IN (0, source_lsn) \
         OR table_name = ? AND row_key = ? AND former_key = ? AND source_lsn = 0 ORDER BY source_lsn DESC LIMIT 1",
    )
    .bind::<Text, _>(&shape.name)
    .bind::<Text, _>(arriving.key.to_text())
    .bind::<Text, _>(from.to_text())
    .bind::<BigInt, _>(arriving.mark)
    .bind::<Text, _>(&shape.name)
    .bind::<Text, _>(arriving.key.to_text())
    .bind::<Text, _>(from.to_text())
    .get_result(connection)
    .optional()?;
    Ok(row.and_then(|row| serde_json::from_str(&row.held).ok()))
}

fn is_there(connection: &mut SqliteConnection, key: &RowKey, shape: &Shape) -> QueryResult<bool> {
    let mut sql = Sql::default();
    sql.push("SELECT count(*) AS number FROM ").push(&shape.quoted);
    of_key(&mut sql, key, shape);
    Ok(sql.get_result::<Count>(connection)?.number > 0)
}
