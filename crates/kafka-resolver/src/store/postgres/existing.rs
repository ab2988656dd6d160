//! Which rows exist that messages wait for.

use std::collections::HashSet;

use diesel::sql_types::{Array, BigInt, Text};
use diesel_async::RunQueryDsl;

use super::PostgresStore;
use super::statement::statement;
use crate::reason::{Relation, RelationValue};
use crate::store::StoreError;
use crate::store::rows::{PlaceRow, by_column, failed, identifier, qualified};

impl PostgresStore {
    pub(super) async fn ask_existing(&self, relations: &[Relation]) -> Result<HashSet<Relation>, StoreError> {
        let mut existing = HashSet::with_capacity(relations.len());
        for asked in by_column(relations) {
            let statement = statement(missing(asked[0]));
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
            let missing: Vec<PlaceRow> =
                statement.load(&mut self.connection().await?).await.map_err(failed("looking up rows that messages wait for"))?;
            // They come in no order. Mostly there are none.
            let missing: HashSet<i64> = missing.into_iter().map(|row| row.place).collect();
            existing.extend((1..).zip(asked).filter(|(place, _)| !missing.contains(place)).map(|(_, relation)| relation.clone()));
        }
        Ok(existing)
    }
}

/// Asks for what is not there, by the places of the values that are asked for: mostly all are there, and the answer is empty.
fn missing(relation: &Relation) -> String {
    let (table, column) = (qualified(relation.table()), identifier(relation.column()));
    let values = match relation.value() {
        RelationValue::Int(_) | RelationValue::Text(_) => "$1",
        RelationValue::Uuid(_) => "$1::uuid[]",
    };
    format!(
        "SELECT asked.place FROM unnest({values}) WITH ORDINALITY AS asked (value, place)
         WHERE NOT EXISTS (SELECT 1 FROM {table} AS there WHERE there.{column} = asked.value)"
    )
}
