//! Reads from a retry topic's messages when they are due and how often they were tried.

use kafka_core::clock::Clock;
use kafka_core::consumer::{Returned, Returns};
use kafka_core::message::RawMessage;
use kafka_core::names::TopicName;
use std::time::Duration;

use crate::defect::{Defect, planted};
use crate::headers;
use crate::names::{Hop, RetryNames};

/// What one group's retry topics tell.
#[derive(Debug)]
pub(crate) struct RetryReturns {
    pub(crate) names: RetryNames,
    pub(crate) clock: Clock,
}

impl Returns for RetryReturns {
    fn returned(&self, topic: &TopicName, message: &RawMessage) -> Returned {
        let number = match self.names.parse(topic.as_str()) {
            Hop::Retry { number, .. } => number,
            Hop::Source { .. } | Hop::DeadLetter { .. } => 0,
        };
        // django-kafka says by the topic alone which attempt it is; past the last topic only the header knows.
        let attempts = headers::attempt(message).map_or(number, |next| next.saturating_sub(1));
        let due = headers::due_time(message).and_then(|due| {
            let (now, wall) = (self.clock.now(), self.clock.wall());
            let due = Duration::from_micros(u64::try_from(due.as_micros()).unwrap_or(0));
            let wait = if planted(Defect::DueTooEarly) { Duration::ZERO } else { due.saturating_sub(wall) };
            // A time that no clock reaches is no time.
            now.checked_add(wait)
        });
        Returned { due, attempts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_core::message::{Headers, OwnedMessage, Timestamp};

    fn returned(topic: &str, headers: Headers) -> (Option<Duration>, u32) {
        let (clock, _) = Clock::manual();
        let now = clock.now();
        let returns = RetryReturns { names: RetryNames::with_words("g", "retry", "dlt"), clock };
        let message = OwnedMessage { offset: 0, timestamp: Timestamp::NotAvailable, key: None, value: None, headers };
        let returned = returns.returned(&TopicName::new(topic).unwrap(), &message.into());
        (returned.due.map(|due| due - now), returned.attempts)
    }

    // A manual clock begins at 1767225600.
    #[test]
    fn due_time_and_attempt_come_from_headers_and_topic() {
        let due = |text: &'static str| Headers::new().with("RETRY_TIMESTAMP", text);
        let at = |micros| Some(Duration::from_micros(micros));
        assert_eq!(returned("g.t.retry.2", due("1767225602.000001")), (at(2_000_001), 2));
        assert_eq!(returned("g.t.retry.2", due("1767225602.5").with("RETRY_ATTEMPT", "8")), (at(2_500_000), 7));
        assert_eq!(returned("g.t.retry.1", due("1767220000.0")), (at(0), 1), "overdue");
        assert_eq!(returned("g.t.retry.1", due("soon")), (None, 1), "unreadable is at once");
        assert_eq!(returned("g.t.retry.3", Headers::new()), (None, 3));
    }
}
