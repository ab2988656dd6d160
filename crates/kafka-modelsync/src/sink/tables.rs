//! A database with tables that sinks write to, as a value of the application's state.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use kafka_core::app::{AppBuilder, Plugin};
use kafka_core::consumer::{OffsetStorage, PositionSource};
use kafka_core::error::BoxError;
use kafka_core::names::{GroupId, TopicPartition};

use super::database::{Claim, Database};
use super::declare::CheckTables;
use super::error::DatabaseError;
use super::referral::Referrals;
use super::shape::Shape;
use super::types::Types;
use crate::model::Model;

/// A database with tables that sinks write to: `App::from_env().plugin(Tables::postgres(pool))`. Cheap to clone.
///
/// As a plugin it is there for all [`Sink`](super::Sink)s of the application, whose tables are looked at before it starts: one that is
/// missing, or lacks a column, keeps it from starting.
#[derive(Clone)]
pub struct Tables {
    pub(super) database: Arc<dyn Database>,
    pub(super) claims: Arc<Claims>,
    pub(super) referrals: Arc<Referrals>,
}

impl Tables {
    /// In PostgreSQL, with connections from this pool. A batch takes one while it is written. Have the pool recycle them by
    /// `RecyclingMethod::Fast`, or each batch costs a round trip more.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn postgres(pool: diesel_async::pooled_connection::bb8::Pool<diesel_async::AsyncPgConnection>) -> Self {
        Self::of(super::postgres::Postgres::new(pool))
    }

    /// In PostgreSQL at this address, with up to 10 connections, made when they are first needed. Must be made within a tokio runtime.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn postgres_at(url: impl Into<String>) -> Self {
        use diesel_async::pooled_connection::bb8::Pool;
        use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};

        let mut config = ManagerConfig::default();
        config.recycling_method = RecyclingMethod::Fast;
        Self::postgres(Pool::builder().max_size(10).build_unchecked(AsyncDieselConnectionManager::new_with_config(url, config)))
    }

    /// In a file of SQLite, which is made if it is not there; `:memory:` is a database that goes with the process. For embedded use and
    /// tests; one batch at a time is written.
    ///
    /// # Errors
    /// When the file is none of SQLite's, or cannot be opened.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(path: &str) -> Result<Self, BoxError> {
        Ok(Self::of(super::sqlite::Sqlite::open(path)?))
    }

    /// The SQL of the tables that guards, stored positions and rows whose key changes use in PostgreSQL. They are made when they are first needed; whoever may not
    /// create tables has somebody else run this.
    #[cfg(feature = "postgres")]
    pub const POSTGRES_MIGRATION: &str = super::postgres::SCHEMA;

    /// Whether a consumer's positions are kept here.
    pub(super) fn keeps_positions_of(&self, storage: &OffsetStorage) -> bool {
        match storage {
            OffsetStorage::External(source) => std::ptr::addr_eq(Arc::as_ptr(source), Arc::as_ptr(&self.claims)),
            _ => false,
        }
    }

    pub(super) fn of(database: impl Database + 'static) -> Self {
        let database: Arc<dyn Database> = Arc::new(database);
        Self { claims: Arc::new(Claims { database: Arc::clone(&database), held: Mutex::default() }), referrals: Arc::default(), database }
    }

    /// What a model wants, put together with the table as the database has it now; and what its rows refer to is known from now on.
    pub(super) async fn look_at(&self, model: &Model) -> Result<Shape, DatabaseError> {
        let found = self.database.describe(&model.table).await?;
        self.referrals.found(&model.table, &found.foreign_keys);
        let mut types = Vec::with_capacity(model.polymorphic.len());
        for reference in &model.polymorphic {
            types.push(Arc::new(Types::found(&*self.database, &model.table, reference).await?));
        }
        self.referrals.types_found(&types);
        Ok(Shape::new(model, &found)?.with_types(&types))
    }

    /// Keeps a consumer's positions in the database, in the same transaction as the rows: each message is in the tables once, whatever
    /// is killed and when. For consumers whose topics are sinks into these tables, in the order of partitions.
    ///
    /// ```
    /// # use kafka_core::consumer::ConsumerSpec;
    /// # fn of(spec: ConsumerSpec, tables: &kafka_modelsync::sink::Tables) -> ConsumerSpec {
    /// spec.offset_storage(tables.offset_storage())
    /// # }
    /// ```
    ///
    /// A partition is claimed in the table `kafka_positions` when it is assigned; a member that lost it writes nothing any more. A message
    /// that failed and was settled by the retry rules moves the position with the next message that is written.
    #[must_use]
    pub fn offset_storage(&self) -> OffsetStorage {
        OffsetStorage::External(Arc::clone(&self.claims) as Arc<dyn PositionSource>)
    }
}

impl Plugin for Tables {
    fn install(self, app: &mut AppBuilder) {
        app.push_start_step(CheckTables(self.clone()));
        app.insert_state(self);
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tables").field(&self.database).finish()
    }
}

/// The partitions whose positions are kept in the database, and the numbers of our claims on them.
#[derive(Debug)]
pub(super) struct Claims {
    database: Arc<dyn Database>,
    held: Mutex<HashMap<(GroupId, TopicPartition), i64>>,
}

impl Claims {
    /// The number of our claim, if the partition's position is kept here.
    pub(super) fn epoch(&self, group: &GroupId, partition: &TopicPartition) -> Option<i64> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&(group.clone(), partition.clone())).copied()
    }
}

impl PositionSource for Claims {
    fn positions<'a>(
        &'a self,
        group: &'a GroupId,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, Result<HashMap<TopicPartition, i64>, BoxError>> {
        Box::pin(async move {
            let claims = self.database.claim(group, partitions).await?;
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let mut positions = HashMap::new();
            for (partition, Claim { position, epoch }) in claims {
                held.insert((group.clone(), partition.clone()), epoch);
                positions.extend(position.map(|position| (partition, position)));
            }
            Ok(positions)
        })
    }
}
