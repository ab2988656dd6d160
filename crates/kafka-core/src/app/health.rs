//! The health of a running application: its consumers', and what plugins say of themselves.

use std::fmt;
use std::sync::Arc;

use futures_util::future::join_all;
use serde::Serialize;

use super::run::Running;
use crate::consumer::{ConsumerHandle, ConsumerHealth, Reason, Status};

/// Something of a plugin's that can be unwell, such as a limiter that has paused topics. Given to the application with
/// [`AppBuilder::push_health_source`](super::AppBuilder::push_health_source); keep a clone of what it looks at.
pub trait HealthSource: Send + Sync + fmt::Debug {
    /// What reasons call it, such as `dead letters`.
    fn name(&self) -> &'static str;

    /// Everything that is not well now, each in a sentence; empty when all is. Called whenever someone asks for the
    /// health; must not wait for anything.
    fn problems(&self) -> Vec<String>;
}

/// How an application is, at one moment. Serializes to what a health page shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// Well or not: unhealthy when a consumer is, or a plugin.
    pub status: Status,
    /// What plugins say.
    pub reasons: Vec<Reason>,
    /// How each consumer is.
    pub consumers: Vec<ConsumerHealth>,
}

/// Asks for the health of an application, from anywhere. Cheap to clone; stays valid when the application has ended.
///
/// ```no_run
/// # async fn serve(running: kafka_core::app::Running) {
/// let check = running.health_check();
/// tokio::spawn(async move {
///     for reason in check.now().await.all_reasons() {
///         tracing::warn!("{reason}");
///     }
/// });
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct HealthCheck {
    pub(super) consumers: Arc<[ConsumerHandle]>,
    pub(super) sources: Arc<[Arc<dyn HealthSource>]>,
}

impl Running {
    /// How it is now. See [`HealthCheck`] for asking while something waits for [`Running::finished`].
    pub async fn health(&self) -> Health {
        self.health_check().now().await
    }
}

impl HealthCheck {
    /// How the application is now. Takes no longer than the slowest consumer's answer, 5 s at most.
    pub async fn now(&self) -> Health {
        let consumers = join_all(self.consumers.iter().map(ConsumerHandle::health)).await;
        let said = self.sources.iter().flat_map(|source| {
            let plugin = source.name();
            source.problems().into_iter().map(move |error| Reason::Plugin { plugin, error })
        });
        let reasons: Vec<_> = said.collect();
        let well = consumers.iter().all(|consumer| consumer.status == Status::Healthy);
        Health { status: if well { Status::of(&reasons) } else { Status::Unhealthy }, reasons, consumers }
    }
}

impl Health {
    /// All reasons for concern, the consumers' with their names.
    pub fn all_reasons(&self) -> impl Iterator<Item = String> {
        let consumers = self
            .consumers
            .iter()
            .flat_map(|consumer| consumer.reasons.iter().map(|reason| format!("consumer {}: {reason}", consumer.name)));
        self.reasons.iter().map(ToString::to_string).chain(consumers)
    }
}
