//! The thread of the worker: the SDK's worker stays on one thread, and the application's runtime has many.
//!
//! What serves the server runs here; what asks the store and replays runs on the application's runtime, where its pools and clients live.

use std::sync::Arc;
use std::time::Duration;

use kafka_core::app::Surroundings;
use kafka_core::consumer::{Backoff, Wake};
use kafka_core::error::BoxError;
use temporalio_client::{Client, ClientOptions, Connection, ConnectionOptions};
use temporalio_sdk::runtime::worker_tuner::{FixedSizeSlotSupplier, TunerHolder};
use temporalio_sdk::{Runtime, Worker, WorkerOptions};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::activities::{Activities, AtWork, Spawned};
use super::errands::Errands;
use super::settings::TemporalSettings;
use super::workflows::{FindWaiting, ReleaseWaiting};
use super::{TemporalError, schedule, told};
use crate::daemon::Parking;
use crate::daemon::release::Releases;
use crate::daemon::schedules::SyncMode;
use crate::hints::Hint;

/// How long the server may take to answer when it is looked for.
const CONNECT: Duration = Duration::from_secs(5);

/// How long the worker may take to say goodbye once it has nothing to do.
const FAREWELL: Duration = Duration::from_secs(3);

/// Workflow tasks that run side by side: each takes a moment.
const WORKFLOW_TASKS: usize = 100;

/// Serves until it is told to stop. Dropped, it leaves at once.
pub(super) async fn serve(settings: TemporalSettings, parking: Parking, surroundings: Surroundings) -> Result<(), BoxError> {
    let (clock, mut stop) = (surroundings.clock.clone(), surroundings.stop.clone());
    let mut troubles = 0;
    while !stop.is_woken() {
        let (settings, parking, surroundings) = (settings.clone(), parking.clone(), surroundings.clone());
        let home = Handle::current();
        let (leave, left) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel::<()>();
        let thread = move || {
            let Ok(runtime) = Builder::new_current_thread().enable_all().build() else { return };
            let service = Service::new(settings, parking, surroundings, home);
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = left => {}
                    () = service.until_stopped() => {}
                }
            });
            // What it waits for may be a server that is gone.
            runtime.shutdown_background();
            // Nobody listens when this was dropped.
            let _unheard = end.send(());
        };
        std::thread::Builder::new().name("temporal".to_owned()).spawn(thread)?;
        let ending = ended.await;
        drop(leave);
        if ending.is_err() {
            troubles += 1;
            let wait = Backoff::FRAMEWORK.after(troubles);
            tracing::error!(?wait, "the thread of the Temporal worker has ended by itself, beginning again");
            tokio::select! {
                biased;
                () = stop.woken() => {}
                () = clock.sleep(wait) => {}
            }
        }
    }
    Ok(())
}

/// A connection to the server.
pub(super) async fn connect(settings: &TemporalSettings) -> Result<Client, TemporalError> {
    let address = settings.address.clone();
    let unreachable = |source: BoxError| TemporalError::Unreachable { address: address.clone(), source };
    let url = settings.url().map_err(|problem| unreachable(problem.into()))?;
    let options = ConnectionOptions::new(url).connect_timeout(CONNECT);
    let options = options.maybe_api_key(settings.api_key.as_ref().map(|key| key.expose().to_owned())).build();
    let connection = Connection::connect(options).await.map_err(|error| unreachable(error.into()))?;
    Client::new(connection, ClientOptions::new(settings.namespace.as_str()).build()).map_err(|error| unreachable(error.into()))
}

/// The daemon on its thread.
struct Service {
    settings: TemporalSettings,
    parking: Parking,
    surroundings: Surroundings,
    /// The application's runtime.
    home: Handle,
    errands: Arc<Errands>,
    at_work: Arc<AtWork>,
}

impl Service {
    fn new(settings: TemporalSettings, parking: Parking, surroundings: Surroundings, home: Handle) -> Self {
        let errands = Arc::new(Errands::new(Releases::new(parking.clone(), &surroundings), settings.task_queue.clone()));
        Self { settings, parking, surroundings, home, errands, at_work: Arc::default() }
    }

    fn stop(&self) -> Wake {
        self.surroundings.stop.clone()
    }

    async fn until_stopped(&self) {
        let (clock, mut stop) = (&self.surroundings.clock, self.stop());
        let mut troubles = 0;
        while !stop.is_woken() {
            let Err(error) = self.attempt(&mut troubles).await else { return };
            troubles += 1;
            let wait = Backoff::FRAMEWORK.after(troubles);
            tracing::warn!(error = %told(&*error), ?wait, "Temporal does not serve, and parked messages stay parked; trying again");
            tokio::select! {
                biased;
                () = stop.woken() => {}
                () = clock.sleep(wait) => {}
            }
        }
    }

    /// Connects, and works until it is told to stop or the connection does not work any more.
    async fn attempt(&self, troubles: &mut u32) -> Result<(), BoxError> {
        let mut stop = self.stop();
        let interval = self.parking.settings.interval;
        let begin = async {
            let client = connect(&self.settings).await?;
            let synced = schedule::sync(&client, &self.settings, interval, SyncMode::Apply).await?;
            Ok::<_, BoxError>((client, synced))
        };
        let (client, synced) = tokio::select! {
            biased;
            () = stop.woken() => return Ok(()),
            begun = begin => begun?,
        };
        let runtime = Runtime::from_current_tokio(Default::default())?;
        let mut worker = Worker::new(&runtime, client.clone(), self.worker_options()?)?;
        let shutdown = worker.shutdown_handle();
        let TemporalSettings { address, namespace, task_queue, .. } = &self.settings;
        tracing::info!(%address, %namespace, %task_queue, schedule = %synced.id, change = %synced.change, "releasing by Temporal");
        *troubles = 0;
        // It asks the store, whose connections live where they were made.
        let mut hints = Spawned(self.home.spawn(heed_hints(Arc::clone(&self.errands), self.parking.clone(), client)));
        let farewell = async {
            stop.woken().await;
            shutdown();
            self.at_work.nothing().await;
            self.surroundings.clock.sleep(FAREWELL).await;
        };
        tokio::select! {
            ended = worker.run() => {
                ended?;
                if self.stop().is_woken() { Ok(()) } else { Err("the worker ended by itself".into()) }
            }
            ended = &mut hints.0 => Err(ended.err().map_or_else(|| "hints are not heeded any more".into(), BoxError::from)),
            () = farewell => Ok(()),
        }
    }

    fn worker_options(&self) -> Result<WorkerOptions, BoxError> {
        let slots = |count| FixedSizeSlotSupplier::new(count);
        let at_once = slots(self.parking.settings.concurrency);
        let tuner = TunerHolder::builder()
            .workflow_task_slot_supplier(slots(WORKFLOW_TASKS))
            .activity_task_slot_supplier(at_once)
            .local_activity_task_slot_supplier(at_once)
            .nexus_task_slot_supplier(at_once)
            .build();
        let activities = Activities { errands: Arc::clone(&self.errands), home: self.home.clone(), at_work: Arc::clone(&self.at_work) };
        let options = WorkerOptions::new(self.settings.task_queue.as_str())
            .tuner(tuner)
            .register_workflow::<ReleaseWaiting>()?
            .register_workflow::<FindWaiting>()?
            .register_activities(activities);
        Ok(options.build())
    }
}

/// Passes on what this process hears: releases begin at once, and the schedule is the net.
async fn heed_hints(errands: Arc<Errands>, parking: Parking, client: Client) {
    let mut troubles = 0;
    loop {
        let heeded = match parking.hints.next().await {
            Hint::Appeared(relations) => errands.appeared(&client, relations).await,
            Hint::Many => errands.search(&client).await,
        };
        match heeded {
            Ok(()) => troubles = 0,
            Err(error) => {
                troubles += 1;
                let wait = Backoff::FRAMEWORK.after(troubles);
                tracing::warn!(error = %told(&*error), ?wait, "what may be released cannot be told to Temporal, trying again");
                errands.clock().sleep(wait).await;
                parking.hints.many();
            }
        }
    }
}
