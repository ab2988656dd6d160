//! Writing rows, one statement for each.

use std::collections::HashSet;

use diesel::sql_types::{BigInt, Integer, Nullable, Text};
use diesel::{QueryResult, RunQueryDsl, SqliteConnection};

use super::query::{Bind, Sql, of_key};
use crate::sink::cell::RowKey;
use crate::sink::guard::Position;
use crate::sink::reduce::{Cells, Clear, Fate, Group, Reduced};
use crate::sink::shape::{Shape, Skip};

pub(super) fn write_rows(connection: &mut SqliteConnection, reduced: &Reduced<'_>, shape: &Shape, skip: bool) -> QueryResult<()> {
    if reduced.clear == Clear::Everything {
        if shape.skip != Skip::None {
            Sql::default().push("UPDATE ").push(&shape.quoted).push(" SET kafka_skip = ").bind(Bind::Flag(skip)).execute(connection)?;
        }
        Sql::default().push("DELETE FROM ").push(&shape.quoted).execute(connection)?;
    }
    for removed in &reduced.removed {
        if shape.skip != Skip::None {
            let mut sql = Sql::default();
            sql.push("UPDATE ").push(&shape.quoted).push(" SET kafka_skip = ").bind(Bind::Flag(skip));
            of_key(&mut sql, removed.key, shape);
            sql.execute(connection)?;
        }
        let mut sql = Sql::default();
        sql.push("DELETE FROM ").push(&shape.quoted);
        of_key(&mut sql, removed.key, shape);
        sql.execute(connection)?;
    }
    for group in &reduced.groups {
        for (row, key) in group.rows.iter().zip(&group.keys) {
            put(connection, (group, row, key), shape, skip)?;
        }
    }
    Ok(())
}

/// Changes the row, or inserts it: an upsert would ask for what may not be null even where the row is there.
fn put(
    connection: &mut SqliteConnection,
    (group, row, key): (&Group<'_>, &Cells<'_>, &RowKey),
    shape: &Shape,
    skip: bool,
) -> QueryResult<()> {
    let mut sql = Sql::default();
    sql.push("UPDATE ").push(&shape.quoted).push(" SET ");
    let mut first = true;
    let comma = |sql: &mut Sql<'_>, first: &mut bool| {
        if !std::mem::take(first) {
            sql.push(", ");
        }
    };
    for at in &group.mask {
        comma(&mut sql, &mut first);
        sql.push(&shape.columns[*at].quoted).push(" = ").bind(Bind::Cell(row.at(*at)));
    }
    if shape.skip != Skip::None {
        comma(&mut sql, &mut first);
        sql.push("kafka_skip = ").bind(Bind::Flag(skip));
    }
    of_key(&mut sql, key, shape);
    if sql.execute(connection)? > 0 {
        return Ok(());
    }
    let mut sql = Sql::default();
    let names: Vec<_> = group.mask.iter().map(|at| shape.columns[*at].quoted.as_str()).collect();
    sql.push("INSERT INTO ").push(&shape.quoted).push(" (").push(&names.join(", "));
    sql.push(if shape.skip != Skip::None { ", kafka_skip) VALUES (" } else { ") VALUES (" });
    let mut first = true;
    for at in &group.mask {
        comma(&mut sql, &mut first);
        sql.bind(Bind::Cell(row.at(*at)));
    }
    if shape.skip != Skip::None {
        sql.push(", ").bind(Bind::Flag(skip));
    }
    sql.push(")").execute(connection).map(drop)
}

pub(super) fn bury(connection: &mut SqliteConnection, reduced: &Reduced<'_>, buried: &HashSet<RowKey>, shape: &Shape) -> QueryResult<()> {
    for removed in reduced.removed.iter().filter(|removed| removed.fate == Fate::Gone) {
        let (lsn, partition, offset) = match removed.position {
            None => (None, None, None),
            Some(Position::Lsn(lsn)) => (Some(lsn), None, None),
            Some(Position::Offset { partition, offset }) => (None, Some(partition), Some(offset)),
        };
        diesel::sql_query("INSERT OR REPLACE INTO kafka_row_tombstones VALUES (?, ?, ?, ?, ?)")
            .bind::<Text, _>(&shape.name)
            .bind::<Text, _>(removed.key.to_text())
            .bind::<Nullable<BigInt>, _>(lsn)
            .bind::<Nullable<Integer>, _>(partition)
            .bind::<Nullable<BigInt>, _>(offset)
            .execute(connection)?;
    }
    for key in reduced.groups.iter().flat_map(|group| &group.keys).filter(|key| buried.contains(**key)) {
        diesel::sql_query("DELETE FROM kafka_row_tombstones WHERE table_name = ? AND row_key = ?")
            .bind::<Text, _>(&shape.name)
            .bind::<Text, _>(key.to_text())
            .execute(connection)?;
    }
    Ok(())
}
