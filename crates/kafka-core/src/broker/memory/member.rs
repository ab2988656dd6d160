//! One consumer as its group sees it: what it subscribed, what it was asked, what it reads. Decides nothing.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use regex::Regex;

use crate::broker::{ClientError, ClientEvent, PollWaker, Properties, QueueId};
use crate::names::{Subscription, TopicPartition};

/// How a group moves partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Everybody gives up everything, then all is assigned anew.
    Eager,
    /// Only what moves is given up; every rebalance ends with an answer, also an empty one.
    Cooperative,
    /// KIP-848: as cooperative, without an answer from those whom it does not concern.
    Incremental,
}

/// Where a consumer stands with its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Joined,
    /// Thrown out; joins again once it answered the loss.
    Expired,
    Left,
    Crashed,
}

/// What a consumer begins with when nothing valid was committed (`auto.offset.reset`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reset {
    Earliest,
    Latest,
    Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    Assign,
    Revoke,
    Lost,
}

/// An event that wants an answer. One at a time, as with librdkafka.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) question: Question,
    pub(super) partitions: Vec<TopicPartition>,
    pub(super) seen: bool,
    /// The call that answers it was made to fail.
    pub(super) refused: bool,
}

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) id: QueueId,
    pub(super) position: i64,
    pub(super) stored: Option<i64>,
    pub(super) committed: Option<i64>,
    /// Reported as ready, and not found empty since.
    pub(super) reported: bool,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) protocol: Protocol,
    pub(super) standing: Standing,
    pub(super) closing: bool,
    /// Is owed an answerable event even if it gets no partition.
    pub(super) greet: bool,
    pub(super) pending: Option<Pending>,
    pub(super) assigned: BTreeMap<TopicPartition, Queue>,
    pub(super) errors: VecDeque<ClientError>,
    pub(super) reset: Reset,
    pub(super) wake: PollWaker,
    pub(super) last_poll: Instant,
    pub(super) max_poll_interval: Duration,
    pub(super) last_commit: Instant,
    pub(super) commit_interval: Duration,
    subscriptions: Vec<Subscription>,
    blacklist: Vec<Regex>,
}

impl Member {
    pub(super) fn new(properties: &Properties, subscriptions: &[Subscription], wake: PollWaker, now: Instant) -> Result<Self, ClientError> {
        let get = |name: &str| properties.get(name).map(String::as_str);
        let millis = |name: &str, default: u64| Duration::from_millis(get(name).and_then(|text| text.parse().ok()).unwrap_or(default));
        Ok(Self {
            name: get("client.id").unwrap_or("rdkafka").to_owned(),
            protocol: protocol(properties)?,
            standing: Standing::Joined,
            closing: false,
            greet: true,
            pending: None,
            assigned: BTreeMap::new(),
            errors: VecDeque::new(),
            reset: match get("auto.offset.reset") {
                Some("earliest" | "smallest" | "beginning") => Reset::Earliest,
                Some("error") => Reset::Error,
                _ => Reset::Latest,
            },
            wake,
            last_poll: now,
            max_poll_interval: millis("max.poll.interval.ms", 300_000),
            last_commit: now,
            commit_interval: millis("auto.commit.interval.ms", 5_000),
            subscriptions: subscriptions.to_vec(),
            blacklist: blacklist(get("topic.blacklist").unwrap_or(""))?,
        })
    }

    pub(super) fn reads(&self, topic: &str) -> bool {
        self.subscriptions.iter().any(|subscription| match subscription {
            Subscription::Exact(_) => subscription.matches(topic),
            Subscription::Pattern(_) => subscription.matches(topic) && !self.blacklist.iter().any(|not| not.is_match(topic)),
        })
    }

    pub(super) fn queue_mut(&mut self, id: QueueId) -> Option<(&TopicPartition, &mut Queue)> {
        self.assigned.iter_mut().find(|(_, queue)| queue.id == id)
    }

    /// The next event, if there is one.
    pub(super) fn next_event(&mut self) -> Option<ClientEvent> {
        if let Some(error) = self.errors.pop_front() {
            return Some(ClientEvent::Error(error));
        }
        let pending = self.pending.as_mut().filter(|pending| !pending.seen)?;
        pending.seen = true;
        let partitions = pending.partitions.clone();
        Some(match pending.question {
            Question::Assign => ClientEvent::Assigned(partitions),
            Question::Revoke => ClientEvent::Revoked(partitions),
            Question::Lost => ClientEvent::Lost(partitions),
        })
    }

    /// Whether [`Member::next_event`] has something.
    pub(super) fn has_event(&self) -> bool {
        !self.errors.is_empty() || self.pending.as_ref().is_some_and(|pending| !pending.seen)
    }
}

/// librdkafka refuses the classic protocol's properties beside the new one, and so a default of ours would break it.
fn protocol(properties: &Properties) -> Result<Protocol, ClientError> {
    const CLASSIC_ONLY: [&str; 4] = ["partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms", "group.protocol.type"];
    if properties.get("group.protocol").is_some_and(|protocol| protocol.eq_ignore_ascii_case("consumer")) {
        return match CLASSIC_ONLY.into_iter().find(|name| properties.contains_key(*name)) {
            Some(name) => Err(ClientError::fatal("_INVALID_ARG", format!("`{name}` is not supported when `group.protocol=consumer`"))),
            None => Ok(Protocol::Incremental),
        };
    }
    let strategy = properties.get("partition.assignment.strategy").map_or("range,roundrobin", String::as_str);
    Ok(if strategy.contains("cooperative-sticky") { Protocol::Cooperative } else { Protocol::Eager })
}

/// Literals and `^patterns`, separated by commas.
fn blacklist(list: &str) -> Result<Vec<Regex>, ClientError> {
    let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries
        .map(|entry| if entry.starts_with('^') { Regex::new(entry) } else { Regex::new(&format!("^{}$", regex::escape(entry))) })
        .collect::<Result<_, _>>()
        .map_err(|error| ClientError::fatal("_INVALID_ARG", format!("topic.blacklist: {error}")))
}
