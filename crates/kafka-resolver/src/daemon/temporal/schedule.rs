//! The schedule that has a search started once an interval: the net for what no hint told.

use std::time::Duration;

use temporalio_client::Client;
use temporalio_client::schedules::{
    CreateScheduleOptions, ScheduleAction, ScheduleDescription, ScheduleError, ScheduleOverlapPolicy, ScheduleSpec,
};
use temporalio_client::tonic::Code;

use super::TemporalError;
use super::names;
use super::settings::TemporalSettings;
use super::workflows::FindWaiting;
use crate::daemon::schedules::{ScheduleChange, SyncMode, SyncedSchedule};

/// The server catches up on what it missed while it was down; here the last search stands for all. The least that it takes.
const CATCH_UP: Duration = Duration::from_secs(10);

/// The server takes whole seconds, and at least one.
const SHORTEST: Duration = Duration::from_secs(1);

/// The schedule as it should be.
#[derive(Debug)]
struct Wanted<'a> {
    id: String,
    task_queue: &'a str,
    interval: Duration,
}

/// Creates the schedule, or brings it up to date. A pause and a note that somebody gave it stay.
pub(super) async fn sync(
    client: &Client,
    settings: &TemporalSettings,
    interval: Duration,
    mode: SyncMode,
) -> Result<SyncedSchedule, TemporalError> {
    let interval = Duration::from_secs(interval.max(SHORTEST).as_secs());
    let wanted = Wanted { id: names::schedule(&settings.task_queue), task_queue: &settings.task_queue, interval };
    let failed = |source| TemporalError::Schedule { id: wanted.id.clone(), source: Box::new(source) };
    let change = match describe(client, &wanted).await.map_err(failed)? {
        None => ScheduleChange::Created,
        Some(found) if wanted.fits(&found) => ScheduleChange::Unchanged,
        Some(_) => ScheduleChange::Updated,
    };
    if mode == SyncMode::Apply && change != ScheduleChange::Unchanged {
        apply(client, &wanted, change).await.map_err(failed)?;
        // An update that somebody else's crossed is taken without a word, and dropped.
        if !describe(client, &wanted).await.map_err(failed)?.is_some_and(|found| wanted.fits(&found)) {
            return Err(TemporalError::ScheduleCrossed { id: wanted.id });
        }
    }
    let Wanted { id, task_queue, interval } = wanted;
    Ok(SyncedSchedule { id, namespace: settings.namespace.clone(), task_queue: task_queue.to_owned(), interval, change })
}

async fn describe(client: &Client, wanted: &Wanted<'_>) -> Result<Option<ScheduleDescription>, ScheduleError> {
    match client.get_schedule_handle(wanted.id.as_str()).describe(Default::default()).await {
        Ok(found) => Ok(Some(found)),
        Err(ScheduleError::Rpc(status)) if status.code() == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn apply(client: &Client, wanted: &Wanted<'_>, change: ScheduleChange) -> Result<(), ScheduleError> {
    if change == ScheduleChange::Created {
        let new = CreateScheduleOptions::builder()
            .action(wanted.action())
            .spec(ScheduleSpec::from_interval(wanted.interval))
            .overlap_policy(ScheduleOverlapPolicy::Skip)
            .build();
        match client.create_schedule(wanted.id.as_str(), new).await {
            Ok(_) => {}
            // Another process was quicker.
            Err(ScheduleError::Rpc(status)) if status.code() == Code::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    // Not everything can be said when it is created.
    let (spec, action) = (ScheduleSpec::from_interval(wanted.interval), wanted.action());
    let update = move |update: &mut temporalio_client::schedules::ScheduleUpdate| {
        update.set_spec(spec).set_action(action).set_overlap_policy(ScheduleOverlapPolicy::Skip).set_catchup_window(CATCH_UP);
    };
    client.get_schedule_handle(wanted.id.as_str()).update(update, Default::default()).await
}

impl Wanted<'_> {
    fn action(&self) -> ScheduleAction {
        ScheduleAction::start_workflow(FindWaiting::run, (), self.task_queue, self.id.as_str())
    }

    fn fits(&self, found: &ScheduleDescription) -> bool {
        let raw = found.raw().schedule.clone().unwrap_or_default();
        let interval = match raw.spec.unwrap_or_default().interval.as_slice() {
            [only] => only.interval.and_then(|interval| Duration::try_from(interval).ok()),
            _ => None,
        };
        let policies = raw.policies.unwrap_or_default();
        let catch_up = policies.catchup_window.and_then(|window| Duration::try_from(window).ok());
        let temporalio_client::schedules::ScheduleDescriptionAction::StartWorkflow(action) = found.action() else { return false };
        interval == Some(self.interval)
            && catch_up == Some(CATCH_UP)
            && policies.overlap_policy == SKIP
            && action.task_queue() == self.task_queue
            && action.workflow_id() == self.id
            && action.workflow_type() == super::workflows::FIND
    }
}

/// How the server writes [`ScheduleOverlapPolicy::Skip`].
const SKIP: i32 = 1;
