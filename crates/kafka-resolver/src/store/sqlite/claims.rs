//! A session: leases on fences, by the session's own name.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use diesel::sql_types::{BigInt, Integer, Text};
use diesel::{QueryResult, RunQueryDsl, SqliteConnection};

use super::{LEASE, SqliteStore, numbers, words};
use crate::store::rows::{COLUMNS, FenceRow, MessageRow, claims, failed};
use crate::store::{Answer, CLAIM_BYTES, Claim, ClaimEnd, News, Session, StoreError, Wanted, Which};

/// What nobody holds.
const FREE: &str = "NOT EXISTS (SELECT 1 FROM kafka_resolving_fences AS claimed WHERE claimed.fence = waiting.fence)";

pub(super) struct SqliteSession {
    store: SqliteStore,
    holder: String,
    /// The fences that this session holds.
    held: HashSet<i64>,
}

/// The claims of a session ran out, and are another's by now.
#[derive(Debug, thiserror::Error)]
#[error("nothing was heard of the session for {LEASE:?}, and others have its claims")]
struct Lost;

impl fmt::Debug for SqliteSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteSession").field("held", &self.held.len()).finish_non_exhaustive()
    }
}

/// What is wanted, as values.
struct Sought {
    group: String,
    topics: String,
    which: Kind,
    limit: i64,
}

enum Kind {
    Reasons(String),
    Abandoned,
    ParkedBefore(i64),
}

impl Sought {
    fn of(wanted: &Wanted<'_>) -> Self {
        Self {
            group: wanted.group.to_owned(),
            topics: words(wanted.topics.iter().map(String::as_str)),
            which: match wanted.which {
                Which::Reasons(reasons) => Kind::Reasons(numbers(reasons.iter().map(|reason| reason.0))),
                Which::Abandoned => Kind::Abandoned,
                Which::ParkedBefore(ms) => Kind::ParkedBefore(ms),
            },
            limit: i64::try_from(wanted.limit).unwrap_or(i64::MAX),
        }
    }

    fn fences(&self, connection: &mut SqliteConnection, now_ms: i64) -> QueryResult<HashSet<i64>> {
        let topics = "declared_topic IN (SELECT value FROM json_each(?2))";
        let rows: Vec<FenceRow> = match &self.which {
            Kind::Reasons(reasons) => {
                let sql = format!(
                    "SELECT fence FROM kafka_waiting_messages AS waiting WHERE group_id = ?1 AND {topics}
                     AND reason_id IN (SELECT value FROM json_each(?3)) AND {FREE} LIMIT ?4"
                );
                let query = diesel::sql_query(sql).bind::<Text, _>(&self.group).bind::<Text, _>(&self.topics);
                query.bind::<Text, _>(reasons).bind::<BigInt, _>(self.limit).load(connection)?
            }
            Kind::Abandoned => {
                let sql = format!("SELECT fence FROM kafka_resolving_fences WHERE group_id = ?1 AND {topics} AND until_ms <= ?3 LIMIT ?4");
                let query = diesel::sql_query(sql).bind::<Text, _>(&self.group).bind::<Text, _>(&self.topics);
                query.bind::<BigInt, _>(now_ms).bind::<BigInt, _>(self.limit).load(connection)?
            }
            Kind::ParkedBefore(before) => {
                let sql = format!(
                    "SELECT fence FROM kafka_waiting_messages AS waiting WHERE group_id = ?1 AND {topics}
                     AND parked_at_ms < ?3 AND {FREE} ORDER BY parked_at_ms LIMIT ?4"
                );
                let query = diesel::sql_query(sql).bind::<Text, _>(&self.group).bind::<Text, _>(&self.topics);
                query.bind::<BigInt, _>(*before).bind::<BigInt, _>(self.limit).load(connection)?
            }
        };
        Ok(rows.into_iter().map(|row| row.fence).collect())
    }

    fn claim(&self, connection: &mut SqliteConnection, holder: &str, now_ms: i64) -> QueryResult<Vec<Claim>> {
        let fences = numbers(self.fences(connection, now_ms)?);
        let sql = format!(
            "SELECT {}, 1 AS resolving FROM (
                SELECT limited.*, sum(coalesce(length(message_value), 0)) OVER (ORDER BY fence, topic, message_partition, message_offset)
                    - coalesce(length(message_value), 0) AS bytes_before
                FROM (
                    SELECT * FROM kafka_waiting_messages AS waiting WHERE fence IN (SELECT value FROM json_each(?1))
                    ORDER BY fence, topic, message_partition, message_offset LIMIT ?2
                ) AS limited
             ) AS bounded WHERE bytes_before < ?3",
            COLUMNS.replace("waiting.", "bounded.")
        );
        let query = diesel::sql_query(sql).bind::<Text, _>(&fences).bind::<BigInt, _>(self.limit);
        let query = query.bind::<BigInt, _>(i64::try_from(CLAIM_BYTES).unwrap_or(i64::MAX));
        let claims = claims(query.load::<MessageRow>(connection)?);
        // What somebody left there: claimed anew below, or a claim no longer, for nothing waits there any more.
        let sql = "DELETE FROM kafka_resolving_fences WHERE fence IN (SELECT value FROM json_each(?))";
        diesel::sql_query(sql).bind::<Text, _>(&fences).execute(connection)?;
        let sql = "INSERT INTO kafka_resolving_fences (fence, group_id, declared_topic, holder, until_ms) VALUES (?, ?, ?, ?, ?)";
        for claim in &claims {
            let Some(first) = claim.messages.first() else { continue };
            diesel::sql_query(sql)
                .bind::<BigInt, _>(claim.fence.0)
                .bind::<Text, _>(&self.group)
                .bind::<Text, _>(&first.parked.fence.topic)
                .bind::<Text, _>(holder)
                .bind::<BigInt, _>(until(now_ms))
                .execute(connection)?;
        }
        Ok(claims)
    }
}

/// A name that nobody else has, in whatever process.
fn unique() -> String {
    let random = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", random(), random())
}

fn until(now_ms: i64) -> i64 {
    now_ms.saturating_add(i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX))
}

/// Extends all claims of the holder; says how many there are.
fn extend(connection: &mut SqliteConnection, holder: &str, now_ms: i64) -> QueryResult<usize> {
    let query = diesel::sql_query("UPDATE kafka_resolving_fences SET until_ms = ? WHERE holder = ?");
    query.bind::<BigInt, _>(until(now_ms)).bind::<Text, _>(holder).execute(connection)
}

fn end(connection: &mut SqliteConnection, ends: &[ClaimEnd]) -> QueryResult<()> {
    let done = numbers(ends.iter().flat_map(|end| end.done.iter().copied()));
    let sql = "DELETE FROM kafka_waiting_messages WHERE id IN (SELECT value FROM json_each(?))";
    diesel::sql_query(sql).bind::<Text, _>(done).execute(connection)?;
    for end in ends {
        if let Some(reason) = &end.rest {
            let sql = "UPDATE kafka_waiting_messages SET reason_id = ?1, reason = ?2 WHERE fence = ?3 AND reason_id <> ?1";
            let query = diesel::sql_query(sql).bind::<BigInt, _>(reason.id().0).bind::<Text, _>(reason.to_text());
            query.bind::<BigInt, _>(end.fence.0).execute(connection)?;
        }
        if let Some((id, attempt)) = end.failed {
            let query = diesel::sql_query("UPDATE kafka_waiting_messages SET attempt = ? WHERE id = ?");
            query.bind::<Integer, _>(i32::try_from(attempt).unwrap_or(i32::MAX)).bind::<BigInt, _>(id).execute(connection)?;
        }
    }
    let fences = numbers(ends.iter().map(|end| end.fence.0));
    let sql = "DELETE FROM kafka_resolving_fences WHERE fence IN (SELECT value FROM json_each(?))";
    diesel::sql_query(sql).bind::<Text, _>(fences).execute(connection)?;
    Ok(())
}

impl SqliteSession {
    pub(super) fn new(store: SqliteStore) -> Self {
        Self { store, holder: unique(), held: HashSet::new() }
    }

    async fn end_claims(&mut self, ends: Vec<ClaimEnd>) -> Result<(), StoreError> {
        let (holder, wanted, doing) = (self.holder.clone(), self.held.len(), "ending claims");
        let ended: Vec<i64> = ends.iter().map(|end| end.fence.0).collect();
        let all = self.store.change(doing, move |connection, now_ms| {
            // Nothing is written in the name of claims that are another's by now.
            if extend(connection, &holder, now_ms)? < wanted {
                return Ok(false);
            }
            end(connection, &ends)?;
            Ok(true)
        });
        if !all.await? {
            return Err(failed(doing)(Lost));
        }
        self.held.retain(|fence| !ended.contains(fence));
        self.store.tell(News::Drained);
        Ok(())
    }

    async fn claim_fences(&mut self, wanted: &Wanted<'_>) -> Result<Vec<Claim>, StoreError> {
        let (sought, holder) = (Sought::of(wanted), self.holder.clone());
        let claims =
            self.store.change("claiming parked messages", move |connection, now_ms| sought.claim(connection, &holder, now_ms)).await?;
        self.held.extend(claims.iter().map(|claim| claim.fence.0));
        Ok(claims)
    }
}

impl Session for SqliteSession {
    fn claim<'a>(&'a mut self, wanted: &'a Wanted<'a>) -> Answer<'a, Vec<Claim>> {
        Box::pin(self.claim_fences(wanted))
    }

    fn end(&mut self, ends: Vec<ClaimEnd>) -> Answer<'_, ()> {
        Box::pin(self.end_claims(ends))
    }

    fn check(&mut self) -> Answer<'_, ()> {
        let (holder, wanted, doing) = (self.holder.clone(), self.held.len(), "keeping the claims");
        let extended = self.store.change(doing, move |connection, now_ms| extend(connection, &holder, now_ms));
        Box::pin(async move { if extended.await? < wanted { Err(failed(doing)(Lost)) } else { Ok(()) } })
    }
}

impl Drop for SqliteSession {
    fn drop(&mut self) {
        // What a claim brought may be unknown here: a future that was dropped is carried out all the same. So all by the holder's name
        // run out. Without a runtime, or when the file is busy for long, the leases run out by themselves.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (store, holder) = (self.store.clone(), std::mem::take(&mut self.holder));
            drop(runtime.spawn_blocking(move || {
                let given_back = store.run_here(|connection, _| {
                    let query = diesel::sql_query("UPDATE kafka_resolving_fences SET until_ms = 0 WHERE holder = ?");
                    query.bind::<Text, _>(&holder).execute(connection)
                });
                if let Err(error) = given_back {
                    tracing::debug!(error = %error, "claims were not given back; they run out by themselves");
                }
            }));
        }
    }
}
