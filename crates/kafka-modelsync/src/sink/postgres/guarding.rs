//! What the guard asks of the database: who else writes, and what is known of rows.

use std::collections::{HashMap, HashSet};

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Integer, Nullable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::query::{Bind, Sql};
use super::{Stop, statements, stop};
use crate::sink::cell::RowKey;
use crate::sink::database::{Batch, Origin};
use crate::sink::event::Event;
use crate::sink::guard::Position;

#[derive(QueryableByName)]
struct KnownRow {
    #[diesel(sql_type = BigInt)]
    nth: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    lsn: Option<i64>,
    #[diesel(sql_type = Nullable<Integer>)]
    kafka_partition: Option<i32>,
    #[diesel(sql_type = Nullable<BigInt>)]
    kafka_offset: Option<i64>,
}

/// What the database knows of the rows of a batch.
#[derive(Default)]
pub(super) struct Known {
    pub(super) positions: HashMap<RowKey, Position>,
    pub(super) buried: HashSet<RowKey>,
}

/// Keeps those away who may have older events of the same rows: a member that lost the partition, a retry topic.
pub(super) async fn lock(connection: &mut AsyncPgConnection, batch: &Batch) -> Result<(), Stop> {
    let name = statements::lock_name(&batch.shape);
    let own;
    let mut sql = Sql::default();
    match &batch.origin {
        Origin::Partition { topic, partition } => {
            own = format!("{name} {topic} {partition}");
            sql.push("SELECT pg_advisory_xact_lock_shared(hashtextextended(").bind(Bind::Word(&name)).push(", 0)), ");
            sql.push("pg_advisory_xact_lock(hashtextextended(").bind(Bind::Word(&own)).push(", 0))");
        }
        Origin::Elsewhere => {
            sql.push("SELECT pg_advisory_xact_lock(hashtextextended(").bind(Bind::Word(&name)).push(", 0))");
        }
    }
    sql.execute(connection).await.map(drop).map_err(stop("waiting for others who write to the table"))
}

pub(super) async fn known(connection: &mut AsyncPgConnection, batch: &Batch) -> Result<Known, Stop> {
    let shape = &*batch.shape;
    let mut seen = HashSet::new();
    let keys: Vec<&RowKey> = batch.events.iter().filter_map(Event::key).filter(|key| seen.insert(*key)).collect();
    let texts: Vec<String> = keys.iter().map(|key| key.to_text()).collect();
    let rows: Vec<KnownRow> =
        statements::known_rows(&keys, shape).load(connection).await.map_err(stop("asking for the positions of rows"))?;
    let graves: Vec<KnownRow> =
        statements::known_tombstones(&texts, shape).load(connection).await.map_err(stop("asking for rows that were deleted"))?;
    let key_of = |row: &KnownRow| usize::try_from(row.nth - 1).ok().and_then(|at| keys.get(at)).copied();
    let mut known = Known::default();
    known.buried.extend(graves.iter().filter_map(key_of).cloned());
    for row in rows.iter().chain(&graves) {
        let (Some(key), Some(position)) = (key_of(row), row.position()) else { continue };
        let newest = known.positions.entry(key.clone()).or_insert(position);
        if newest.is_before(position) {
            *newest = position;
        }
    }
    Ok(known)
}

impl KnownRow {
    fn position(&self) -> Option<Position> {
        match *self {
            Self { lsn: Some(lsn), .. } => Some(Position::Lsn(lsn)),
            Self { kafka_partition: Some(partition), kafka_offset: Some(offset), .. } => Some(Position::Offset { partition, offset }),
            Self { .. } => None,
        }
    }
}
