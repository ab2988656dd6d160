//! A service whose messages need rows, with the framework's command line, for the stories of parked messages.
//!
//! `WAITING_TOPIC` names its topic, and its group; `WAITING_SCHEMA` the schema of its tables; `WAITING_SEEN` the file that gets a line
//! for each call of the handler; with `WAITING_DAEMON=none` its consumers leave the releasing to `resolver run`. A failed message is
//! tried once more by way of a retry topic, and then a dead letter.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use futures_util::FutureExt;
use kafka_kit::Relations;
use kafka_kit::app::{MissingState, State};
use kafka_kit::consumer::ConsumerSpec;
use kafka_kit::format::{Json, Text};
use kafka_kit::prelude::*;
use kafka_kit::resolver::store::postgres::PostgresStore;
use kafka_kit::resolver::{DeclaredRelations, RelationResolver};
use kafka_kit::retry_policy::{MaxRetries, RetryPolicy};
use kafka_kit::topic::{Single, TopicSpec};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Relations)]
struct Guest {
    id: i64,
    #[relation(table = parents, column = id)]
    needs: Option<i64>,
    #[serde(default)]
    fail: bool,
}

/// Guests under the name that the story gives them.
struct Guests;

impl Topic for Guests {
    type Key = Text;
    type Value = Json<Guest>;
    type Style = Single;

    fn spec() -> TopicSpec {
        let once_more = RetryPolicy::new(MaxRetries::Limited(1), Duration::from_secs(1)).jitter(0.0).non_blocking();
        TopicSpec::named(variable("WAITING_TOPIC")).retry(once_more).declare(DeclaredRelations::of_values::<Self>())
    }

    fn from_state(_: &State) -> Result<Self, MissingState> {
        Ok(Self)
    }
}

impl Consume for Guests {
    async fn consume(&self, message: Message<String, Guest>) -> Result<(), HandlerError> {
        let guest = message.require_value()?;
        let mut seen = OpenOptions::new().create(true).append(true).open(variable("WAITING_SEEN"))?;
        seen.write_all(format!("{} attempt {}\n", guest.id, message.attempt()).as_bytes())?;
        if guest.fail { Err("told to fail".into()) } else { Ok(()) }
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| "unset".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    let store = PostgresStore::connected_by(|| {
        async {
            let mut connection = AsyncPgConnection::establish(&variable("DATABASE_URL")).await?;
            let path = connection.batch_execute(&format!("SET search_path TO \"{}\"", variable("WAITING_SCHEMA"))).await;
            path.map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
            Ok(connection)
        }
        .boxed()
    });
    let resolver = RelationResolver::new(store);
    let resolver = if variable("WAITING_DAEMON") == "none" { resolver.without_daemon() } else { resolver };
    let guests = ConsumerSpec::new("guests", variable("WAITING_TOPIC")).topic::<Guests>().config("auto.offset.reset", "earliest");
    App::from_env().consumer_spec(guests).plugin(resolver).main().await
}
