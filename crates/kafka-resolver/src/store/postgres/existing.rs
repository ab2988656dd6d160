//! Which rows exist that messages wait for.

use std::collections::HashSet;

use diesel::sql_types::{Array, BigInt, Text};
use diesel_async::RunQueryDsl;

use super::PostgresStore;
use crate::reason::{Relation, RelationValue};
use crate::store::StoreError;
use crate::store::rows::{ExistingRow, by_column, failed, identifier, qualified};

impl PostgresStore {
    pub(super) async fn ask_existing(&self, relations: &[Relation]) -> Result<HashSet<Relation>, StoreError> {
        let mut existing = HashSet::new();
        for asked in by_column(relations) {
            let sql = existing_query(asked[0]);
            let connection = &mut self.connection().await?;
            let rows: Vec<ExistingRow> = match asked[0].value() {
                RelationValue::Int(_) => {
                    let values = asked.iter().filter_map(|relation| match relation.value() {
                        RelationValue::Int(value) => Some(*value),
                        RelationValue::Text(_) | RelationValue::Uuid(_) => None,
                    });
                    diesel::sql_query(sql).bind::<Array<BigInt>, _>(values.collect::<Vec<_>>()).load(connection).await
                }
                RelationValue::Text(_) | RelationValue::Uuid(_) => {
                    let values = asked.iter().map(|relation| relation.value().to_string());
                    diesel::sql_query(sql).bind::<Array<Text>, _>(values.collect::<Vec<_>>()).load(connection).await
                }
            }
            .map_err(failed("looking up rows that messages wait for"))?;
            let found: HashSet<String> = rows.into_iter().map(|row| row.value).collect();
            existing.extend(asked.into_iter().filter(|relation| found.contains(&relation.value().to_string())).cloned());
        }
        Ok(existing)
    }
}

fn existing_query(relation: &Relation) -> String {
    let (table, column) = (qualified(relation.table()), identifier(relation.column()));
    let values = match relation.value() {
        RelationValue::Int(_) | RelationValue::Text(_) => "$1",
        RelationValue::Uuid(_) => "$1::uuid[]",
    };
    format!("SELECT DISTINCT {column}::text AS value FROM {table} WHERE {column} = ANY({values})")
}
