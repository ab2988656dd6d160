//! What SQLite says of a table.

use std::collections::BTreeMap;

use diesel::sql_types::{Bool, Nullable, Text};
use diesel::{QueryResult, QueryableByName, RunQueryDsl, SqliteConnection};

use crate::sink::referral::{ForeignKey, ReferralKind};
use crate::sink::shape::{Demand, Description, Found, Judged, Kind, SelfReference, SkipTriggers, Unique};

#[derive(QueryableByName)]
struct UniqueRow {
    #[diesel(sql_type = Text)]
    of_index: String,
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct ColumnRow {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    of_type: String,
    #[diesel(sql_type = Bool)]
    required: bool,
    #[diesel(sql_type = Bool)]
    generated: bool,
    #[diesel(sql_type = Bool)]
    itself: bool,
}

/// A single integer primary key is the row's own number, and has a default though it may not be null.
pub(super) fn describe(connection: &mut SqliteConnection, table: &str) -> QueryResult<Description> {
    let rows: Vec<ColumnRow> = diesel::sql_query(
        "SELECT name, type AS of_type, \"notnull\" AND dflt_value IS NULL AND NOT (pk AND type = 'INTEGER') AS required, \
            hidden IN (2, 3) AS generated, \
            EXISTS (SELECT 1 FROM pragma_foreign_key_list(?) WHERE lower(\"table\") = lower(?)) AS itself \
         FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid",
    )
    .bind::<Text, _>(table)
    .bind::<Text, _>(table)
    .bind::<Text, _>(table)
    .load(connection)?;
    let unique = unique(connection, table)?;
    let self_reference = if rows.iter().any(|row| row.itself) { SelfReference::Some } else { SelfReference::None };
    let columns = rows.into_iter().map(|row| Found {
        kind: kind(&row.of_type.to_ascii_uppercase()),
        demand: match (row.generated, row.required) {
            (true, _) => Demand::Generated,
            (false, true) => Demand::Required,
            (false, false) => Demand::Optional,
        },
        name: row.name,
        sql_type: row.of_type,
        cast: String::new(),
    });
    let columns: Vec<Found> = columns.collect();
    let foreign_keys = foreign_keys(connection, table, &columns)?;
    Ok(Description { columns, self_reference, skip_triggers: SkipTriggers::None, unique: Some(unique), foreign_keys })
}

#[derive(QueryableByName)]
struct ForeignKeyRow {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    of_table: String,
    /// None where the parent is not there, or has no key.
    #[diesel(sql_type = Nullable<Text>)]
    parent: Option<String>,
    #[diesel(sql_type = Bool)]
    itself: bool,
}

fn foreign_keys(connection: &mut SqliteConnection, table: &str, columns: &[Found]) -> QueryResult<Vec<ForeignKey>> {
    let rows: Vec<ForeignKeyRow> = diesel::sql_query(
        "SELECT c.name AS name, k.\"table\" AS of_table, lower(k.\"table\") = lower(?) AS itself, \
            coalesce(k.\"to\", (SELECT p.name FROM pragma_table_info(k.\"table\") p WHERE p.pk = 1)) AS parent \
         FROM pragma_foreign_key_list(?) k JOIN pragma_table_info(?) c ON lower(c.name) = lower(k.\"from\") \
         WHERE (c.\"notnull\" OR c.pk) AND (SELECT count(*) FROM pragma_foreign_key_list(?) o WHERE o.id = k.id) = 1 \
         ORDER BY c.cid, k.id",
    )
    .bind::<Text, _>(table)
    .bind::<Text, _>(table)
    .bind::<Text, _>(table)
    .bind::<Text, _>(table)
    .load(connection)?;
    let key = |row: ForeignKeyRow| {
        let column = columns.iter().find(|column| column.name == row.name)?;
        Some(ForeignKey {
            kind: ReferralKind::of(column.kind, &column.sql_type)?,
            column: row.name,
            table: row.of_table,
            parent: row.parent?,
            itself: if row.itself { SelfReference::Some } else { SelfReference::None },
        })
    };
    Ok(rows.into_iter().filter_map(key).collect())
}

/// The columns of each unique index of all rows, and the primary key, which has none where it is the row's own number.
fn unique(connection: &mut SqliteConnection, table: &str) -> QueryResult<Vec<Unique>> {
    let rows: Vec<UniqueRow> = diesel::sql_query(
        "SELECT i.name AS of_index, c.name FROM pragma_index_list(?) AS i, pragma_index_info(i.name) AS c \
            WHERE i.\"unique\" AND NOT i.partial AND NOT EXISTS (SELECT 1 FROM pragma_index_info(i.name) AS e WHERE e.name IS NULL) \
         UNION ALL SELECT '', name FROM pragma_table_xinfo(?) WHERE pk > 0",
    )
    .bind::<Text, _>(table)
    .bind::<Text, _>(table)
    .load(connection)?;
    let mut unique: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        unique.entry(row.of_index).or_default().push(row.name);
    }
    Ok(unique.into_values().map(|columns| Unique { columns, when: Judged::AtOnce }).collect())
}

/// By the name that a column was declared with, as diesel takes it.
fn kind(of_type: &str) -> Kind {
    let has = |text: &str| of_type.contains(text);
    if has("BOOL") {
        Kind::Bool
    } else if has("BIGINT") || has("BIG INT") || has("INT8") || of_type == "INTEGER" {
        Kind::Int8
    } else if has("SMALLINT") {
        Kind::Int2
    } else if has("INT") && !has("INTERVAL") && !has("POINT") {
        Kind::Int4
    } else if has("TIMESTAMP") || has("DATETIME") {
        if has("TZ") || has("WITH TIME ZONE") { Kind::TimestampTz } else { Kind::Timestamp }
    } else if of_type == "DATE" {
        Kind::Date
    } else if has("FLOAT") || has("DOUB") || has("REAL") {
        Kind::Float8
    } else if has("NUMERIC") || has("DECIMAL") {
        Kind::Numeric
    } else if has("JSON") {
        Kind::Json
    } else if has("BLOB") || has("BINARY") {
        Kind::Bytes
    } else if has("CHAR") || has("TEXT") || has("CLOB") {
        Kind::Text
    } else {
        Kind::Other
    }
}
