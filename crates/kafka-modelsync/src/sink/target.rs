//! The tables that a sink writes: its own, and others whose rows a router sent to the same topic.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::error::DatabaseError;
use super::event::Deletions;
use super::known::Referrals;
use super::shape::Shape;
use super::tables::Tables;
use crate::change::{Change, RerouteError, RerouteModelMap};
use crate::model::{Model, Rerouted};
use crate::transform::{Later, Transforms};

/// A table that is written.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) model: Model,
    /// Its transforms that need not ask anybody, and what the others may change.
    pub(super) at_once: (Transforms, Later),
    shape: Mutex<Option<Arc<Shape>>>,
    deletions: Mutex<Deletions>,
}

/// All of a sink's. The first is its own.
#[derive(Debug)]
pub(super) struct Targets {
    all: Vec<Target>,
    reroute: Option<RerouteModelMap<usize>>,
    /// Set when the application starts.
    pub(super) referrals: OnceLock<Arc<Referrals>>,
    /// What is wrong with the models.
    pub(super) problems: Vec<String>,
}

impl Targets {
    pub(super) fn of(mut model: Model) -> Self {
        let problems = model.problems();
        let named = std::mem::take(&mut model.reroute);
        let mut all = vec![Target::of(model)];
        let places: Vec<_> = named
            .into_iter()
            .map(|(table, rerouted)| {
                let place = match rerouted {
                    Rerouted::Own => 0,
                    Rerouted::To(model) => {
                        all.push(Target::of(*model));
                        all.len() - 1
                    }
                };
                (Box::<str>::from(&*table), place)
            })
            .collect();
        let reroute = (!places.is_empty()).then(|| RerouteModelMap::new(places));
        Self { all, reroute, referrals: OnceLock::new(), problems }
    }

    pub(super) fn own(&self) -> &Target {
        &self.all[0]
    }

    pub(super) fn at(&self, place: usize) -> &Target {
        &self.all[place]
    }

    pub(super) fn models(&self) -> impl Iterator<Item = &Model> {
        self.all.iter().map(|target| &target.model)
    }

    /// The place of the table whose row the change is about.
    pub(super) fn place_of(&self, change: &Change) -> Result<usize, RerouteError> {
        change.model(&0, self.reroute.as_ref()).copied()
    }

    /// What does not fit a table may fit it as it is now: it may have been migrated, and is looked at again before the next batch.
    pub(super) fn look_again(&self) {
        self.all.iter().for_each(|target| *target.known() = None);
    }
}

impl Target {
    fn of(model: Model) -> Self {
        Self { at_once: model.transforms.at_once(), model, shape: Mutex::default(), deletions: Mutex::default() }
    }

    /// The table as the database has it.
    pub(super) async fn shape(&self, tables: &Tables) -> Result<Arc<Shape>, DatabaseError> {
        let known = self.known().clone();
        if let Some(shape) = known {
            return Ok(shape);
        }
        let shape = Arc::new(tables.look_at(&self.model).await?);
        *self.known() = Some(Arc::clone(&shape));
        Ok(shape)
    }

    /// How its deletions are said, as far as any partition has seen.
    pub(super) fn deletions(&self) -> Deletions {
        *self.deletions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how a partition has seen them said; what another has seen meanwhile stays.
    pub(super) fn seen(&self, deletions: Deletions) {
        let mut known = self.deletions.lock().unwrap_or_else(PoisonError::into_inner);
        *known = deletions.max(*known);
    }

    fn known(&self) -> MutexGuard<'_, Option<Arc<Shape>>> {
        self.shape.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;

    #[test]
    fn what_one_partition_has_seen_of_deletions_another_does_not_take_back() {
        let target = Target::of(Model::of(Table::named("items", ["id"], ["id"])));
        for (seen, known) in
            [(Deletions::ByNull, Deletions::ByNull), (Deletions::ByValue, Deletions::ByValue), (Deletions::ByNull, Deletions::ByValue)]
        {
            target.seen(seen);
            assert_eq!(target.deletions(), known);
        }
    }
}
