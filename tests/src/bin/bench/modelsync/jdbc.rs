//! Debezium's JDBC sink connector on the worker that the services have, with the settings that were fastest.

use anyhow::Context;
use kafka_kit::clock::Clock;
use kafka_kit::connect::client::ConnectClient;
use kafka_kit::connect::config::ConnectorConfig;
use kafka_kit::connect::settings::ConnectSettings;

use super::events::Stream;
use super::table;
use crate::side::Figures;

pub(super) fn write(stream: Stream, events: u64) -> anyhow::Result<Figures> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let url = std::env::var("CONNECT_URL").context("CONNECT_URL is not set; run `cargo xtask bench …`")?;
    let client = ConnectClient::new(&ConnectSettings::new(url), Clock::System)?;
    // A new name has a group of its own, which begins at the beginning.
    let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH)?.as_nanos();
    let name = format!("bench-modelsync-{now}");
    runtime.block_on(async {
        client.put_config(&name, &config(stream)?).await?;
        let took = table::written().await;
        client.delete(&name).await?;
        // The worker's processor time is not this process's.
        Ok(Figures { rate: events as f64 / took?.as_secs_f64(), cpu_micros: 0.0, peak_mib: 0.0 })
    })
}

fn config(stream: Stream) -> anyhow::Result<ConnectorConfig> {
    let url = table::url()?;
    let (who, place) = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).context("an address with a user")?;
    let (user, password) = who.split_once(':').unwrap_or((who, "unused"));
    Ok(ConnectorConfig::of_class("io.debezium.connector.jdbc.JdbcSinkConnector")
        .tasks_max(1)
        .set("topics", stream.topic())
        .set("connection.url", format!("jdbc:postgresql://{place}?reWriteBatchedInserts=true"))
        .set("connection.username", user)
        .set("connection.password", password)
        .set("insert.mode", "upsert")
        .set("delete.enabled", true)
        .set("primary.key.mode", "record_key")
        .set("schema.evolution", "none")
        .set("collection.name.format", "bench_rows")
        .set("batch.size", 500)
        .set("use.reduction.buffer", true)
        .set("consumer.override.max.poll.records", 500))
}
