//! Before the first poll: retry and dead-letter topics are made, or whoever must make them is told which are missing.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};
use kafka_core::app::{App, StartStep};
use kafka_core::broker::{Admin, ClientError, CreateTopicsError, Severity};
use kafka_core::clock::Clock;
use kafka_core::error::BoxError;
use kafka_core::names::{NameError, Subscription, TopicName};
use kafka_core::retry_policy::{MaxRetries, RetryMode, RetryPolicy};

use crate::names::{Hop, RetryNames};
use crate::settings::Missing;
use crate::targets::{Purpose, Target, Targets};

/// How long the start waits for a cluster that does not answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it may take to make topics.
const MADE_WITHIN: Duration = Duration::from_secs(10);
/// How long new topics may take to be seen.
const SEEN_WITHIN: Duration = Duration::from_secs(10);
/// How often is looked.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A declared topic and where its failed messages go.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) names: RetryNames,
    pub(crate) subscription: Subscription,
    pub(crate) policy: Option<RetryPolicy>,
}

impl Planned {
    /// Every topic that messages of this source may be forwarded to.
    pub(crate) fn targets(&self, source: &TopicName, most: u32) -> Result<Vec<Target>, NameError> {
        let retries = match &self.policy {
            Some(policy) if policy.mode == RetryMode::NonBlocking => match policy.max_retries {
                MaxRetries::Limited(retries) => retries,
                MaxRetries::Forever => most,
            },
            Some(_) | None => 0,
        };
        let target = |name, purpose| Target { name, purpose, source: source.clone() };
        let mut targets = Vec::new();
        for number in 1..=retries {
            targets.push(target(self.names.retry(source.as_str(), number)?, Purpose::Retry));
        }
        targets.push(target(self.names.dead_letter(source.as_str())?, Purpose::DeadLetter));
        Ok(targets)
    }

    /// The sources there are.
    fn sources<'a>(&'a self, topics: &'a BTreeMap<TopicName, i32>) -> impl Iterator<Item = &'a TopicName> {
        let is_source = |name: &&TopicName| matches!(self.names.parse(name.as_str()), Hop::Source { .. });
        topics.keys().filter(|name| self.subscription.matches(name.as_str())).filter(is_source)
    }
}

/// Topics that must be there and are not.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} topics are missing: {}; create them (with the partitions of their source), or let the application do it with \
     `missing = \"create\"` in the settings `retry_topics` and `dead_letter`",
    names.len(), names.join(", ")
)]
pub(crate) struct MissingTopics {
    names: Vec<String>,
}

/// Topics that were to be made and were refused, all of them.
#[derive(Debug, thiserror::Error)]
#[error(
    "topics could not be created: {}; create them by hand, or allow this client to (ACL: CREATE on topics prefixed with the group's name)",
    names.join(", ")
)]
pub(crate) struct NotCreated {
    names: Vec<String>,
    #[source]
    source: BoxError,
}

/// Sees to it that the topics are there.
#[derive(Debug)]
pub(crate) struct TopicsExist {
    pub(crate) targets: Arc<Targets>,
    pub(crate) planned: Arc<Mutex<Vec<Planned>>>,
    pub(crate) clock: Clock,
}

impl StartStep for TopicsExist {
    fn name(&self) -> &'static str {
        "seeing to retry and dead-letter topics"
    }

    fn run<'a>(&'a self, app: &'a App) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(async move {
            let admin = app.admin()?;
            self.targets.start(Arc::clone(&admin));
            match self.see_to(&*admin).await {
                Ok(()) => Ok(()),
                Err(Trouble::Away(error)) => {
                    tracing::warn!(
                        %error,
                        "the cluster cannot be asked for retry and dead-letter topics; the application starts, and they are seen to when \
                         the first message is forwarded"
                    );
                    Ok(())
                }
                Err(Trouble::Answered(error)) => Err(error),
            }
        })
    }
}

/// Why the topics were not seen to.
#[derive(Debug)]
enum Trouble {
    /// The cluster did not answer: it may come back, and the first forward asks again.
    Away(ClientError),
    /// It did, and somebody has to do something.
    Answered(BoxError),
}

impl From<ClientError> for Trouble {
    /// Names that begin with an underscore are the client's own: nobody has answered.
    fn from(error: ClientError) -> Self {
        if error.severity == Severity::Transient && error.code.starts_with('_') { Self::Away(error) } else { Self::Answered(error.into()) }
    }
}

impl TopicsExist {
    async fn see_to(&self, admin: &dyn Admin) -> Result<(), Trouble> {
        let topics = self.within(PATIENCE, admin.topics()).await?;
        let wanted = self.wanted(&topics).map_err(Trouble::Answered)?;
        let missing: Vec<_> = wanted.iter().filter(|target| !topics.contains_key(&target.name)).cloned().collect();
        let (to_make, refused): (Vec<_>, Vec<_>) =
            missing.into_iter().partition(|target| self.targets.missing(target.purpose) == Missing::Create);
        if !refused.is_empty() {
            return Err(Trouble::Answered(MissingTopics { names: names(&refused) }.into()));
        }
        let topics = if to_make.is_empty() { topics } else { self.make(admin, &topics, &to_make).await? };
        self.targets.learn(&topics, &wanted);
        Ok(())
    }

    /// The cluster's answer, or that there was none in time: it may fall silent between any two.
    async fn within<T, E: From<ClientError>>(&self, time: Duration, answer: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        match select(pin!(answer), pin!(self.clock.sleep(time))).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(ClientError::transient("_TIMED_OUT", format!("no answer within {time:?}")).into()),
        }
    }

    fn wanted(&self, topics: &BTreeMap<TopicName, i32>) -> Result<Vec<Target>, BoxError> {
        let planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wanted: BTreeMap<TopicName, Target> = BTreeMap::new();
        for planned in planned.iter() {
            for source in planned.sources(topics) {
                let targets = planned.targets(source, self.targets.retry_topics.max)?;
                wanted.extend(targets.into_iter().map(|target| (target.name.clone(), target)));
            }
        }
        Ok(wanted.into_values().collect())
    }

    /// Makes topics, and waits until the cluster shows them: who subscribes before would find them late.
    async fn make(
        &self,
        admin: &dyn Admin,
        topics: &BTreeMap<TopicName, i32>,
        to_make: &[Target],
    ) -> Result<BTreeMap<TopicName, i32>, Trouble> {
        let new = async { Ok::<_, ClientError>(self.targets.new_topics(admin, topics, to_make).await) };
        let new = self.within(PATIENCE, new).await?;
        self.within(MADE_WITHIN, admin.create_topics(&new)).await.map_err(|error| not_created(error, to_make))?;
        tracing::info!(topics = names(to_make).join(", "), "created");
        let until = self.clock.now() + SEEN_WITHIN;
        loop {
            let seen = self.within(PATIENCE, admin.topics()).await?;
            if to_make.iter().all(|target| seen.contains_key(&target.name)) || self.clock.now() >= until {
                return Ok(seen);
            }
            self.clock.sleep(LOOK_AGAIN).await;
        }
    }
}

fn not_created(error: CreateTopicsError, to_make: &[Target]) -> Trouble {
    let error = match error {
        CreateTopicsError::Client(error) => match Trouble::from(error) {
            Trouble::Away(error) => return Trouble::Away(error),
            Trouble::Answered(source) => NotCreated { names: names(to_make), source },
        },
        CreateTopicsError::Refused { refused } => {
            let names = refused.iter().map(|(name, _)| name.to_string()).collect();
            NotCreated { names, source: CreateTopicsError::Refused { refused }.into() }
        }
        other => NotCreated { names: names(to_make), source: other.into() },
    };
    Trouble::Answered(error.into())
}

fn names(targets: &[Target]) -> Vec<String> {
    targets.iter().map(|target| target.name.to_string()).collect()
}

#[cfg(test)]
#[path = "topics_tests.rs"]
mod tests;
