//! What people ask and do by the command line.

use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
use diesel::{QueryResult, RunQueryDsl, SqliteConnection};

use super::numbers;
use crate::parked::{Status, StoredMessage};
use crate::reason::Reason;
use crate::store::rows::{COLUMNS, FenceRow, MessageRow, RESOLVING, ReachRow, StatRow, WAITS_FOR_A_RELATION};
use crate::store::{Filter, Reach, Stat};

/// Lets through what the filter wants; what is null lets everything through.
fn chosen() -> String {
    format!(
        "(?1 IS NULL OR waiting.group_id = ?1) AND (?2 IS NULL OR waiting.declared_topic = ?2)
        AND (?3 IS NULL OR waiting.message_key = ?3) AND (?4 IS NULL OR waiting.reason_id IN (SELECT value FROM json_each(?4)))
        AND (?5 IS NULL OR waiting.id = ?5) AND (?6 IS NULL OR instr(waiting.reason, ?6) > 0)
        AND (?7 IS NULL OR {RESOLVING} = ?7) AND (?8 IS NULL OR waiting.parked_at_ms < ?8)"
    )
}

/// Binds the eight values of [`chosen`], and the limit as a ninth.
macro_rules! bound {
    ($sql:expr, $filter:expr) => {
        diesel::sql_query($sql)
            .bind::<Nullable<Text>, _>($filter.group.as_deref())
            .bind::<Nullable<Text>, _>($filter.topic.as_deref())
            .bind::<Nullable<Binary>, _>($filter.key.as_deref())
            .bind::<Nullable<Text>, _>($filter.reason_ids().map(numbers))
            .bind::<Nullable<BigInt>, _>($filter.id)
            .bind::<Nullable<Text>, _>($filter.reason_contains.as_deref())
            .bind::<Nullable<Bool>, _>($filter.status.map(|status| status == Status::Resolving))
            .bind::<Nullable<BigInt>, _>($filter.parked_before_ms)
            .bind::<BigInt, _>($filter.limit.map_or(i64::MAX, i64::from))
    };
}

pub(super) fn list(connection: &mut SqliteConnection, filter: &Filter) -> QueryResult<Vec<StoredMessage>> {
    let sql = format!(
        "SELECT {COLUMNS}, {RESOLVING} AS resolving FROM kafka_waiting_messages AS waiting WHERE {} ORDER BY waiting.id LIMIT ?9",
        chosen()
    );
    let rows: Vec<MessageRow> = bound!(sql, filter).load(connection)?;
    Ok(rows.into_iter().filter_map(MessageRow::message).collect())
}

pub(super) fn reach(connection: &mut SqliteConnection, filter: &Filter) -> QueryResult<Reach> {
    let sql = format!(
        "WITH chosen AS (SELECT waiting.id, waiting.fence FROM kafka_waiting_messages AS waiting WHERE {} ORDER BY waiting.id LIMIT ?9)
         SELECT (SELECT count(*) FROM kafka_waiting_messages AS waiting
                 WHERE waiting.id IN (SELECT id FROM chosen) AND NOT {RESOLVING}) AS dropped,
                (SELECT count(*) FROM kafka_waiting_messages AS waiting
                 WHERE waiting.fence IN (SELECT fence FROM chosen) AND NOT {RESOLVING}) AS released",
        chosen()
    );
    let row: ReachRow = bound!(sql, filter).get_result(connection)?;
    Ok(row.into())
}

/// What somebody left behind whose lease has run out waits again.
fn forget_abandoned(connection: &mut SqliteConnection, filter: &Filter, now_ms: i64) -> QueryResult<()> {
    let sql = format!(
        "DELETE FROM kafka_resolving_fences WHERE until_ms <= ?10 AND fence IN
         (SELECT waiting.fence FROM kafka_waiting_messages AS waiting WHERE {} ORDER BY waiting.id LIMIT ?9)",
        chosen()
    );
    bound!(sql, filter).bind::<BigInt, _>(now_ms).execute(connection).map(drop)
}

pub(super) fn release(connection: &mut SqliteConnection, filter: &Filter, now_ms: i64) -> QueryResult<u64> {
    forget_abandoned(connection, filter, now_ms)?;
    let sql = format!("SELECT DISTINCT waiting.fence FROM kafka_waiting_messages AS waiting WHERE {} LIMIT ?9", chosen());
    let fences: Vec<FenceRow> = bound!(sql, filter).load(connection)?;
    let sql = format!(
        "UPDATE kafka_waiting_messages AS waiting SET reason_id = ?2, reason = ?3
         WHERE waiting.fence IN (SELECT value FROM json_each(?1)) AND NOT {RESOLVING}"
    );
    let query = diesel::sql_query(sql).bind::<Text, _>(numbers(fences.into_iter().map(|row| row.fence)));
    let query = query.bind::<BigInt, _>(Reason::Released.id().0).bind::<Text, _>(Reason::Released.to_text());
    Ok(query.execute(connection)? as u64)
}

pub(super) fn drop_chosen(connection: &mut SqliteConnection, filter: &Filter, now_ms: i64) -> QueryResult<u64> {
    forget_abandoned(connection, filter, now_ms)?;
    let sql = format!(
        "DELETE FROM kafka_waiting_messages WHERE id IN
         (SELECT waiting.id FROM kafka_waiting_messages AS waiting WHERE {} AND NOT {RESOLVING} ORDER BY waiting.id LIMIT ?9)
         RETURNING fence",
        chosen()
    );
    let dropped: Vec<FenceRow> = bound!(sql, filter).load(connection)?;
    // What is behind them says for itself what it waits for, at the next look.
    let sql = format!(
        "UPDATE kafka_waiting_messages AS waiting SET reason_id = ?2, reason = ?3
         WHERE waiting.fence IN (SELECT value FROM json_each(?1)) AND {WAITS_FOR_A_RELATION} AND NOT {RESOLVING}"
    );
    let due = Reason::Due { at_ms: 0 };
    let query = diesel::sql_query(sql).bind::<Text, _>(numbers(dropped.iter().map(|row| row.fence)));
    query.bind::<BigInt, _>(due.id().0).bind::<Text, _>(due.to_text()).execute(connection)?;
    Ok(dropped.len() as u64)
}

pub(super) fn stats(connection: &mut SqliteConnection) -> QueryResult<Vec<Stat>> {
    let sql = format!(
        "SELECT group_id, declared_topic, resolving, count(*) AS messages, min(parked_at_ms) AS oldest_ms
         FROM (SELECT waiting.*, {RESOLVING} AS resolving FROM kafka_waiting_messages AS waiting)
         GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    );
    let rows: Vec<StatRow> = diesel::sql_query(sql).load(connection)?;
    Ok(rows.into_iter().map(Stat::from).collect())
}
