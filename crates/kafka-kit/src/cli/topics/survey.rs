//! What is declared, and what the cluster has of it.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use kafka_core::app::{App, Part};
use kafka_core::names::{Subscription, TopicName};
use serde::Serialize;

use crate::cli::command_error::CommandError;

/// All topics asked for, each once, in the order of their declaration.
#[derive(Debug, Serialize)]
pub(super) struct Survey {
    pub(super) topics: Vec<Surveyed>,
}

/// One declared topic or pattern.
#[derive(Debug, Serialize)]
pub(super) struct Surveyed {
    /// The name or pattern, as declared.
    pub(super) topic: String,
    /// The consumers that take it.
    pub(super) consumed_by: Vec<String>,
    /// The types that produce to it.
    pub(super) produced_by: Vec<String>,
    #[serde(flatten)]
    pub(super) there: There,
}

/// What the cluster has.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum There {
    /// The topic.
    Topic { partitions: i32 },
    /// No topic of this name.
    Missing,
    /// These topics match the pattern.
    Pattern { matches: BTreeMap<String, i32> },
}

impl Survey {
    /// Asks the cluster once.
    pub(super) async fn make(app: &App, chosen: &[String]) -> Result<Self, CommandError> {
        let declared = declared(app);
        if let Some(name) = chosen.iter().find(|name| declared.iter().all(|(subscription, ..)| subscription.as_str() != **name)) {
            let known: Vec<_> = declared.iter().map(|(subscription, ..)| subscription.as_str()).collect();
            return Err(CommandError::wrong(format!("the application declares no topic {name}; there are: {}", known.join(", "))));
        }
        let there = app.admin().map_err(CommandError::wrong)?.topics().await?;
        let wanted =
            declared.into_iter().filter(|(subscription, ..)| chosen.is_empty() || chosen.iter().any(|name| name == subscription.as_str()));
        let topics = wanted.map(|(subscription, consumed_by, produced_by)| Surveyed {
            topic: subscription.as_str().to_owned(),
            there: There::of(&subscription, &there),
            consumed_by,
            produced_by,
        });
        Ok(Self { topics: topics.collect() })
    }

    /// Topics that are named, and are not there.
    pub(super) fn missing(&self) -> impl Iterator<Item = &str> {
        self.topics.iter().filter(|topic| matches!(topic.there, There::Missing)).map(|topic| topic.topic.as_str())
    }
}

/// Each subscription once, with the consumers that take it and the types that produce to it.
fn declared(app: &App) -> Vec<(Subscription, Vec<String>, Vec<String>)> {
    let mut declared: Vec<(Subscription, Vec<String>, Vec<String>)> = Vec::new();
    for topic in app.topics() {
        let known = declared.iter().position(|(subscription, ..)| subscription.as_str() == topic.subscription.as_str());
        let at = known.unwrap_or_else(|| {
            declared.push((topic.subscription, Vec::new(), Vec::new()));
            declared.len() - 1
        });
        match topic.part {
            Part::Consumed { consumer, .. } => declared[at].1.push(consumer),
            Part::Produced { by } => declared[at].2.push(by.to_owned()),
            _ => {}
        }
    }
    declared
}

impl There {
    fn of(subscription: &Subscription, there: &BTreeMap<TopicName, i32>) -> Self {
        match subscription {
            Subscription::Exact(name) => there.get(name).map_or(Self::Missing, |&partitions| Self::Topic { partitions }),
            Subscription::Pattern(_) => {
                let matching = there.iter().filter(|(name, _)| subscription.matches(name.as_str()));
                Self::Pattern { matches: matching.map(|(name, partitions)| (name.to_string(), *partitions)).collect() }
            }
        }
    }
}

impl Display for Surveyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.topic)?;
        match &self.there {
            There::Topic { partitions } => f.write_str(&count(*partitions))?,
            There::Missing => f.write_str("missing")?,
            There::Pattern { matches } if matches.is_empty() => f.write_str("matches no topic now")?,
            There::Pattern { matches } => {
                let matches = matches.iter().map(|(name, partitions)| format!("{name} ({})", count(*partitions)));
                write!(f, "matches {}", matches.collect::<Vec<_>>().join(", "))?;
            }
        }
        for (what, who) in [("consumed by", &self.consumed_by), ("produced by", &self.produced_by)] {
            if !who.is_empty() {
                write!(f, "; {what} {}", who.join(", "))?;
            }
        }
        Ok(())
    }
}

pub(super) fn count(partitions: i32) -> String {
    if partitions == 1 { "1 partition".to_owned() } else { format!("{partitions} partitions") }
}
