//! What PostgreSQL's catalog says of a table.

use diesel::QueryableByName;
use diesel::sql_types::{Bool, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::sink::error::DatabaseError;
use crate::sink::referral::{ForeignKey, ReferralKind};
use crate::sink::shape::{Demand, Description, Found, Kind, SelfReference, SkipTriggers};
use crate::table::Table;

const COLUMNS: &str = "
    SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS sql_type, format_type(a.atttypid, NULL) AS cast_to,
        t.typname::text AS of_type, a.attgenerated <> '' AS generated,
        a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AS required,
        EXISTS (SELECT FROM pg_constraint c WHERE c.contype = 'f' AND c.conrelid = a.attrelid AND c.confrelid = a.attrelid) AS itself,
        EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = a.attrelid AND g.tgname LIKE 'kafka\\_skip\\_%') AS told
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum";

#[derive(QueryableByName)]
struct ColumnRow {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    sql_type: String,
    #[diesel(sql_type = Text)]
    cast_to: String,
    #[diesel(sql_type = Text)]
    of_type: String,
    #[diesel(sql_type = Bool)]
    generated: bool,
    #[diesel(sql_type = Bool)]
    required: bool,
    #[diesel(sql_type = Bool)]
    itself: bool,
    #[diesel(sql_type = Bool)]
    told: bool,
}

pub(super) async fn describe(connection: &mut AsyncPgConnection, table: &Table) -> Result<Description, DatabaseError> {
    let rows: Vec<ColumnRow> = diesel::sql_query(COLUMNS)
        .bind::<Text, _>(table.quoted())
        .load(connection)
        .await
        .map_err(|source| DatabaseError::Failed { doing: format!("asking for the columns of `{table}`"), source })?;
    let self_reference = if rows.iter().any(|row| row.itself) { SelfReference::Some } else { SelfReference::None };
    let skip_triggers = if rows.iter().any(|row| row.told) { SkipTriggers::Some } else { SkipTriggers::None };
    let columns = rows.into_iter().map(|row| Found {
        kind: kind(&row.of_type),
        demand: match (row.generated, row.required) {
            (true, _) => Demand::Generated,
            (false, true) => Demand::Required,
            (false, false) => Demand::Optional,
        },
        name: row.name,
        sql_type: row.sql_type,
        cast: cast(&row.of_type, row.cast_to),
    });
    let columns: Vec<Found> = columns.collect();
    let foreign_keys = foreign_keys(connection, table, &columns).await?;
    Ok(Description { columns, self_reference, skip_triggers, foreign_keys })
}

/// Not those that a partitioned parent adds for each of its partitions.
const FOREIGN_KEYS: &str = "
    SELECT a.attname::text AS name, n.nspname || '.' || p.relname AS of_table, f.attname::text AS parent, c.confrelid = c.conrelid AS itself
    FROM pg_constraint c
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        JOIN pg_class p ON p.oid = c.confrelid
        JOIN pg_namespace n ON n.oid = p.relnamespace
        JOIN pg_attribute f ON f.attrelid = c.confrelid AND f.attnum = c.confkey[1]
    WHERE c.contype = 'f' AND c.conrelid = to_regclass($1) AND cardinality(c.conkey) = 1 AND a.attnotnull
        AND NOT EXISTS (SELECT FROM pg_constraint o WHERE o.oid = c.conparentid AND o.conrelid = c.conrelid)
    ORDER BY a.attnum, c.conname";

#[derive(QueryableByName)]
struct ForeignKeyRow {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    of_table: String,
    #[diesel(sql_type = Text)]
    parent: String,
    #[diesel(sql_type = Bool)]
    itself: bool,
}

async fn foreign_keys(connection: &mut AsyncPgConnection, table: &Table, columns: &[Found]) -> Result<Vec<ForeignKey>, DatabaseError> {
    let rows: Vec<ForeignKeyRow> = diesel::sql_query(FOREIGN_KEYS)
        .bind::<Text, _>(table.quoted())
        .load(connection)
        .await
        .map_err(|source| DatabaseError::Failed { doing: format!("asking for the foreign keys of `{table}`"), source })?;
    let key = |row: ForeignKeyRow| {
        let column = columns.iter().find(|column| column.name == row.name)?;
        Some(ForeignKey {
            kind: ReferralKind::of(column.kind, &column.sql_type)?,
            column: row.name,
            table: row.of_table,
            parent: row.parent,
            itself: if row.itself { SelfReference::Some } else { SelfReference::None },
        })
    };
    Ok(rows.into_iter().filter_map(key).collect())
}

/// `bit` and `character` without a length are of length 1, which what is cast is not.
fn cast(of_type: &str, named: String) -> String {
    match of_type {
        "bit" => "pg_catalog.\"bit\"".to_owned(),
        "_bit" => "pg_catalog.\"bit\"[]".to_owned(),
        "bpchar" => "bpchar".to_owned(),
        "_bpchar" => "bpchar[]".to_owned(),
        _ => named,
    }
}

fn kind(of_type: &str) -> Kind {
    match of_type {
        "bool" => Kind::Bool,
        "int2" => Kind::Int2,
        "int4" => Kind::Int4,
        "int8" => Kind::Int8,
        "float4" => Kind::Float4,
        "float8" => Kind::Float8,
        "text" | "varchar" | "bpchar" | "name" => Kind::Text,
        "bytea" => Kind::Bytes,
        "date" => Kind::Date,
        "timestamp" => Kind::Timestamp,
        "timestamptz" => Kind::TimestampTz,
        "numeric" => Kind::Numeric,
        "json" | "jsonb" => Kind::Json,
        _ => Kind::Other,
    }
}
