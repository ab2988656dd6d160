//! A small service whose messages may wait, with the framework's command line and the daemon on Temporal: for the stories of
//! `resolver sync-schedules`. Everything comes from its settings.

use std::process::ExitCode;

use kafka_kit::prelude::*;
use kafka_kit::resolver::store::memory::MemoryStore;
use kafka_kit::resolver::{RelationResolver, TemporalDaemon};

#[tokio::main]
async fn main() -> ExitCode {
    App::from_env().plugin(RelationResolver::new(MemoryStore::default()).daemon(TemporalDaemon::new())).main().await
}
