//! The Temporal server under test, asked by its own client what it knows.

use futures_util::{StreamExt, TryStreamExt};
use temporalio_client::schedules::ListSchedulesOptions;
use temporalio_client::{Client, ClientOptions, Connection, ConnectionOptions, WorkflowListOptions};
use tokio::runtime::Runtime;
use url::Url;

/// A connection to the server.
pub struct Temporal {
    runtime: Runtime,
    client: Client,
}

impl std::fmt::Debug for Temporal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Temporal")
    }
}

/// Where the server is.
///
/// # Panics
/// When nobody says so: a story that cannot be told must not pass.
#[must_use]
pub fn address() -> String {
    match std::env::var("TEMPORAL_ADDRESS") {
        Ok(address) if !address.is_empty() => address,
        _ => panic!("TEMPORAL_ADDRESS is not set, and this test needs a real Temporal: run `cargo xtask test`"),
    }
}

impl Temporal {
    /// Connects.
    ///
    /// # Panics
    /// When the server does not answer.
    #[must_use]
    pub fn connect() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let url = Url::parse(&format!("http://{}", address())).expect("an address");
        let client = runtime.block_on(async {
            let connection = Connection::connect(ConnectionOptions::new(url).build()).await.expect("a connection");
            Client::new(connection, ClientOptions::new("default").build()).expect("a client")
        });
        Self { runtime, client }
    }

    /// How many runs of workflows the query finds.
    ///
    /// # Panics
    /// When the server does not answer.
    #[must_use]
    pub fn runs(&self, query: &str) -> usize {
        self.runtime.block_on(async {
            let runs = self.client.list_workflows(query, WorkflowListOptions::default());
            runs.try_fold(0, async |count, _| Ok(count + 1)).await.expect("the server answers")
        })
    }

    /// The schedules whose ids begin so.
    ///
    /// # Panics
    /// When the server does not answer.
    #[must_use]
    pub fn schedules(&self, prefix: &str) -> Vec<String> {
        self.runtime.block_on(async {
            let all = self.client.list_schedules(ListSchedulesOptions::default()).map(|entry| entry.expect("the server answers"));
            let ids: Vec<String> = all.map(|entry| entry.schedule_id().to_owned()).collect().await;
            ids.into_iter().filter(|id| id.starts_with(prefix)).collect()
        })
    }
}
