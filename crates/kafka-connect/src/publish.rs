//! A plan, carried out: connectors made, changed and deleted on the worker, and watched until they run.

use std::collections::BTreeMap;

use crate::client::ConnectClient;
use crate::config::ConnectorConfig;
use crate::connectors::DeclaredConnector;
use crate::error::ConnectError;
use crate::plan::{Change, Plan};
use crate::status::{Patience, StatusReport, settle};
use crate::wire::State;

/// What runs on a worker, by name.
pub type Running = BTreeMap<String, ConnectorConfig>;

/// What became of one connector.
#[derive(Debug)]
#[non_exhaustive]
pub enum Published {
    /// It was made or changed, and this is how it is now.
    Settled(StatusReport),
    /// It was deleted.
    Deleted,
    /// There was nothing to do.
    Untouched,
}

impl Published {
    /// Whether it is as it was to be. One that somebody paused or stopped has its new config and stays so: that is no failure of the
    /// publish.
    #[must_use]
    pub fn is_well(&self) -> bool {
        match self {
            Self::Settled(report) => report.running || matches!(report.state, Some(State::Paused | State::Stopped)),
            Self::Deleted | Self::Untouched => true,
        }
    }
}

/// What runs on the worker, with its configs.
///
/// # Errors
/// When the request fails.
pub async fn running(client: &ConnectClient) -> Result<Running, ConnectError> {
    let expanded = client.expanded().await?;
    Ok(expanded.into_iter().map(|(name, connector)| (name, connector.info.config.into())).collect())
}

/// The plan for these connectors, against what runs now.
///
/// # Errors
/// When the request fails.
pub async fn plan<'a>(client: &ConnectClient, declared: impl IntoIterator<Item = &'a DeclaredConnector>) -> Result<Plan, ConnectError> {
    Ok(Plan::compare(declared, &running(client).await?))
}

/// Does what the plan says of this connector, then looks at it until it runs or is plainly wrong.
///
/// # Errors
/// When a request fails; 400 when the worker refuses the config.
pub async fn apply(
    client: &ConnectClient,
    declared: &DeclaredConnector,
    change: &Change,
    patience: Patience,
) -> Result<Published, ConnectError> {
    let name = declared.name();
    match change {
        Change::Create(_) | Change::Update(_) => {
            let put = client.put_config(name, declared.config()).await?;
            tracing::info!(connector = name, ?put, "published");
            settle(client, name, &declared.config().secrets(), patience).await.map(Published::Settled)
        }
        Change::Delete => {
            client.delete(name).await?;
            tracing::info!(connector = name, "deleted");
            Ok(Published::Deleted)
        }
        Change::Unchanged | Change::Gone | Change::NotOurs => Ok(Published::Untouched),
    }
}
