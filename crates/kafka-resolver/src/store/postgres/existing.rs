//! Which rows exist that messages wait for.

use std::collections::HashSet;

use diesel::sql_types::{Array, BigInt, Text};
use diesel_async::RunQueryDsl;

use super::PostgresStore;
use super::statement::statement;
use crate::reason::{Relation, RelationValue};
use crate::store::StoreError;
use crate::store::rows::{PlaceRow, by_column, failed, identifier, qualified};

/// What is asked of rows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Presence {
    There,
    Missing,
}

impl PostgresStore {
    /// Those of the relations whose rows are there, or are not: what is asked for should be the smaller part.
    pub(super) async fn ask_rows(&self, relations: &[Relation], wanted: Presence) -> Result<HashSet<Relation>, StoreError> {
        let mut found = HashSet::new();
        for mut asked in by_column(relations) {
            if let Presence::There = wanted {
                found.extend(asked.iter().filter(|relation| !is_storable(relation)).map(|relation| (*relation).clone()));
            }
            asked.retain(|relation| is_storable(relation));
            if asked.is_empty() {
                continue;
            }
            let statement = statement(places(asked[0], wanted));
            let statement = match asked[0].value() {
                RelationValue::Int(_) => {
                    let values = asked.iter().filter_map(|relation| match relation.value() {
                        RelationValue::Int(value) => Some(*value),
                        RelationValue::Text(_) | RelationValue::Uuid(_) => None,
                    });
                    statement.bind::<Array<BigInt>, _>(values.collect::<Vec<_>>())
                }
                RelationValue::Text(_) | RelationValue::Uuid(_) => {
                    let values = asked.iter().filter_map(|relation| match relation.value() {
                        RelationValue::Text(value) | RelationValue::Uuid(value) => Some(value.as_str()),
                        RelationValue::Int(_) => None,
                    });
                    statement.bind::<Array<Text>, _>(values.collect::<Vec<_>>())
                }
            };
            let connection = &mut self.connection().await?;
            let rows: Vec<PlaceRow> = statement.load(connection).await.map_err(unanswered)?;
            let of_place = |row: PlaceRow| asked.get(usize::try_from(row.place).ok()?.checked_sub(1)?);
            found.extend(rows.into_iter().filter_map(of_place).map(|relation| (*relation).clone()));
        }
        Ok(found)
    }
}

/// PostgreSQL has no text with U+0000, so no row can come to have it. Its message is not kept waiting for that: it goes to its handler,
/// which fails on it, and from there the way of a failed message.
fn is_storable(relation: &Relation) -> bool {
    match relation.value() {
        RelationValue::Text(text) => !text.contains('\0'),
        RelationValue::Int(_) | RelationValue::Uuid(_) => true,
    }
}

/// A connection that broke tells nothing of the rows; a statement that failed does: there are none that it could find.
fn unanswered(error: diesel::result::Error) -> StoreError {
    use diesel::result::DatabaseErrorKind::{ClosedConnection, UnableToSendCommand};
    match error {
        diesel::result::Error::DatabaseError(ClosedConnection | UnableToSendCommand, _) => StoreError::Unreachable { source: error.into() },
        error => failed("looking up rows that messages wait for")(error),
    }
}

/// Asks for the places, from 1, of the values whose rows are there or missing.
fn places(relation: &Relation, wanted: Presence) -> String {
    let (table, column) = (qualified(relation.table()), identifier(relation.column()));
    let values = match relation.value() {
        RelationValue::Int(_) | RelationValue::Text(_) => "$1",
        RelationValue::Uuid(_) => "$1::uuid[]",
    };
    let exists = match wanted {
        Presence::There => "EXISTS",
        Presence::Missing => "NOT EXISTS",
    };
    format!(
        "SELECT asked.place FROM unnest({values}) WITH ORDINALITY AS asked (value, place)
         WHERE {exists} (SELECT 1 FROM {table} AS there WHERE there.{column} = asked.value)"
    )
}
