//! What PostgreSQL's catalog says of a table.

use diesel::QueryableByName;
use diesel::sql_types::{Bool, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::sink::error::DatabaseError;
use crate::sink::shape::{Demand, Description, Found, Kind, SelfReference, SkipTriggers};
use crate::table::Table;

/// Of a domain, what it is made of: a cast to it would cut off what its length has no place for, and the column says so.
const COLUMNS: &str = "
    SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS sql_type, format_type(t.oid, NULL) AS cast_to,
        t.typname::text AS of_type, a.attgenerated <> '' AS generated,
        a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AS required,
        EXISTS (SELECT FROM pg_constraint c WHERE c.contype = 'f' AND c.conrelid = a.attrelid AND c.confrelid = a.attrelid) AS itself,
        EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = a.attrelid AND g.tgname LIKE 'kafka\\_skip\\_%') AS told
    FROM pg_attribute a JOIN pg_type t ON t.oid = (
        WITH RECURSIVE bases(oid, above) AS (
            SELECT a.atttypid, 0 UNION ALL
            SELECT d.typbasetype, above + 1 FROM bases JOIN pg_type d ON d.oid = bases.oid AND d.typtype = 'd'
        ) SELECT oid FROM bases ORDER BY above DESC LIMIT 1)
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
    Ok(Description { columns: columns.collect(), self_reference, skip_triggers })
}

/// `bit` and `character` without a length are of length 1, which what is cast is not.
fn cast(of_type: &str, named: String) -> String {
    match of_type {
        "bit" => "pg_catalog.\"bit\"".to_owned(),
        "_bit" => "pg_catalog.\"bit\"[]".to_owned(),
        "bpchar" => "bpchar".to_owned(),
        "_bpchar" => "bpchar[]".to_owned(),
        // A text would be read by the server's language.
        "money" => "numeric::money".to_owned(),
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
        "numeric" | "money" => Kind::Numeric,
        "hstore" => Kind::Hstore,
        "json" | "jsonb" => Kind::Json,
        _ => Kind::Other,
    }
}
