//! What PostgreSQL's catalog says of a table.

use diesel::QueryableByName;
use diesel::sql_types::{Array, Bool, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::sink::error::DatabaseError;
use crate::sink::referral::{ForeignKey, ReferralKind};
use crate::sink::shape::{Demand, Description, Found, Judged, Kind, SelfReference, SkipTriggers, Unique};
use crate::table::Table;

/// Of a domain, what it is made of: a cast to it would cut off what its length has no place for, and the column says so.
const COLUMNS: &str = "
    SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS sql_type, format_type(t.oid, NULL) AS cast_to,
        t.typname::text AS of_type, a.attgenerated <> '' AS generated,
        a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AS required,
        a.attidentity = 'a' AS counted, current_setting('lc_messages') AS spoken,
        EXISTS (SELECT FROM pg_constraint c WHERE c.contype = 'f' AND c.conrelid = a.attrelid AND c.confrelid = a.attrelid) AS itself,
        EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = a.attrelid AND g.tgname LIKE 'kafka\\_skip\\_%') AS told
    FROM pg_attribute a JOIN pg_type t ON t.oid = (
        WITH RECURSIVE bases(oid, above) AS (
            SELECT a.atttypid, 0 UNION ALL
            SELECT d.typbasetype, above + 1 FROM bases JOIN pg_type d ON d.oid = bases.oid AND d.typtype = 'd'
        ) SELECT oid FROM bases ORDER BY above DESC LIMIT 1)
    WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum";

/// The columns of each unique index, but of part of the rows or of expressions; at least one line for a table.
const UNIQUE: &str = "
    SELECT c.relkind IN ('r', 'p') AS is_table, coalesce(i.indimmediate, true) AS immediate,
        ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid
            AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])) AS columns
    FROM pg_class c LEFT JOIN pg_index i
        ON i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
    WHERE c.oid = to_regclass($1)";

#[derive(QueryableByName)]
struct UniqueRow {
    #[diesel(sql_type = Bool)]
    is_table: bool,
    #[diesel(sql_type = Bool)]
    immediate: bool,
    #[diesel(sql_type = Array<Text>)]
    columns: Vec<String>,
}

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
    counted: bool,
    #[diesel(sql_type = Text)]
    spoken: String,
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
    if let Some(spoken) = rows.as_slice().first().map(|row| &row.spoken).filter(|spoken| !is_understood(spoken)) {
        let problem = format!(
            "PostgreSQL would speak `{spoken}`, and whose fault an error is can be seen from English texts only; \
             write `ALTER ROLE … SET lc_messages = 'C'` for the role of the sink"
        );
        return Err(DatabaseError::Table { problem });
    }
    let unique = unique(connection, table).await?;
    let self_reference = if rows.iter().any(|row| row.itself) { SelfReference::Some } else { SelfReference::None };
    let skip_triggers = if rows.iter().any(|row| row.told) { SkipTriggers::Some } else { SkipTriggers::None };
    let columns = rows.into_iter().map(|row| Found {
        kind: kind(&row.of_type),
        demand: match (row.generated, row.counted, row.required) {
            (true, ..) => Demand::Generated,
            (false, true, _) => Demand::Counted,
            (false, false, true) => Demand::Required,
            (false, false, false) => Demand::Optional,
        },
        name: row.name,
        sql_type: row.sql_type,
        cast: cast(&row.of_type, row.cast_to),
    });
    let columns: Vec<Found> = columns.collect();
    let foreign_keys = foreign_keys(connection, table, &columns).await?;
    Ok(Description { columns, self_reference, skip_triggers, unique, foreign_keys })
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
            kind: ReferralKind::of(column.kind, &column.cast)?,
            column: row.name,
            table: row.of_table,
            parent: row.parent,
            itself: if row.itself { SelfReference::Some } else { SelfReference::None },
        })
    };
    Ok(rows.into_iter().filter_map(key).collect())
}

/// English, or the server's own choice, which nobody can see.
fn is_understood(spoken: &str) -> bool {
    matches!(spoken, "" | "C" | "POSIX") || spoken.starts_with("C.") || spoken.to_ascii_lowercase().starts_with("en")
}

/// Of a view nothing is known: its table has the indexes.
async fn unique(connection: &mut AsyncPgConnection, table: &Table) -> Result<Option<Vec<Unique>>, DatabaseError> {
    let rows: Vec<UniqueRow> = diesel::sql_query(UNIQUE)
        .bind::<Text, _>(table.quoted())
        .load(connection)
        .await
        .map_err(|source| DatabaseError::Failed { doing: format!("asking for the indexes of `{table}`"), source })?;
    let Some(first) = rows.as_slice().first() else { return Ok(Some(Vec::new())) };
    if !first.is_table {
        return Ok(None);
    }
    let unique =
        rows.into_iter().map(|row| Unique { columns: row.columns, when: if row.immediate { Judged::AtOnce } else { Judged::Later } });
    Ok(Some(unique.collect()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_english_is_understood() {
        for spoken in ["", "C", "POSIX", "C.UTF-8", "en_US.UTF-8", "English_United States.1252"] {
            assert!(is_understood(spoken), "{spoken}");
        }
        for spoken in ["de_DE.UTF-8", "fr_FR", "German_Germany.1252", "Catalan"] {
            assert!(!is_understood(spoken), "{spoken}");
        }
    }
}
