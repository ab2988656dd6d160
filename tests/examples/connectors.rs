//! An application that has nothing but connectors. `CUSTOMERS` is the config of one of them, as JSON.

use std::collections::BTreeMap;
use std::process::ExitCode;

use kafka_kit::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Deserialize, Serialize, Connector)]
#[connector(class = "io.debezium.connector.postgresql.PostgresConnector")]
struct Customers {
    #[serde(flatten)]
    config: BTreeMap<String, String>,
}

#[derive(Connector)]
#[connector(mark_for_removal)]
struct Old;

#[tokio::main]
async fn main() -> ExitCode {
    let json = std::env::var("CUSTOMERS").unwrap_or_else(|_| "{}".to_owned());
    match serde_json::from_str::<Customers>(&json) {
        Ok(customers) => App::from_env().state(customers).main().await,
        Err(error) => kafka_kit::cli::fail(error),
    }
}
