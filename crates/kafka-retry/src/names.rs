//! The names of retry and dead-letter topics: how they are built, and how they are read back.
//!
//! A wire contract, shared with django-kafka and with every service that took a group over:
//! `{group}.{topic}.{retry}.{n}` with `n` from 1, and `{group}.{topic}.{dlt}`. `{topic}` is the real
//! name of the topic a message first came from, never a pattern. The two words are settings.

use kafka_core::names::{NameError, Subscription, TopicName};
use kafka_core::settings::Settings;

/// The names that one consumer group's failed messages go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryNames {
    group: String,
    retry: String,
    dead_letter: String,
}

/// What a topic's name says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop<'a> {
    /// A topic as declared: no message of it was retried yet.
    Source {
        /// Its name.
        topic: &'a str,
    },
    /// A retry topic.
    Retry {
        /// The topic that its messages first came from.
        topic: &'a str,
        /// Which retry its messages wait for; the first is 1.
        number: u32,
    },
    /// A dead-letter topic.
    DeadLetter {
        /// The topic that its messages first came from.
        topic: &'a str,
    },
}

impl<'a> Hop<'a> {
    /// The topic that the messages first came from.
    #[must_use]
    pub fn source(self) -> &'a str {
        match self {
            Self::Source { topic } | Self::Retry { topic, .. } | Self::DeadLetter { topic } => topic,
        }
    }
}

impl RetryNames {
    /// The names of this group, the main consumer's and not that of its retry consumer, with the words of the settings.
    pub fn new(group: impl Into<String>, settings: &Settings) -> Self {
        Self::with_words(group, &settings.retry_topic_suffix, &settings.dead_letter_topic_suffix)
    }

    /// The names of this group with these words.
    pub fn with_words(group: impl Into<String>, retry: impl Into<String>, dead_letter: impl Into<String>) -> Self {
        Self { group: group.into(), retry: retry.into(), dead_letter: dead_letter.into() }
    }

    /// The main consumer's group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The group of the consumer that reads the retry topics: `{group}.{retry}`.
    #[must_use]
    pub fn retry_group(&self) -> String {
        format!("{}.{}", self.group, self.retry)
    }

    /// The topic in which messages of `topic` wait for this retry; the first is 1.
    ///
    /// # Errors
    /// When group and topic together make no topic name: too long, or with characters that Kafka does not take.
    pub fn retry(&self, topic: &str, number: u32) -> Result<TopicName, NameError> {
        TopicName::new(&format!("{}.{topic}.{}.{number}", self.group, self.retry))
    }

    /// The topic in which messages of `topic` end that nothing more is tried with.
    ///
    /// # Errors
    /// When group and topic together make no topic name.
    pub fn dead_letter(&self, topic: &str) -> Result<TopicName, NameError> {
        TopicName::new(&format!("{}.{topic}.{}", self.group, self.dead_letter))
    }

    /// Reads a topic's name. One that this group did not build is a source.
    #[must_use]
    pub fn parse<'a>(&self, name: &'a str) -> Hop<'a> {
        let source = Hop::Source { topic: name };
        let Some(rest) = name.strip_prefix(self.group.as_str()).and_then(|rest| rest.strip_prefix('.')) else { return source };
        let before =
            |text: &'a str, word: &str| text.strip_suffix(word).and_then(|rest| rest.strip_suffix('.')).filter(|topic| !topic.is_empty());
        if let Some(topic) = before(rest, &self.dead_letter) {
            return Hop::DeadLetter { topic };
        }
        let Some((rest, number)) = rest.rsplit_once('.') else { return source };
        // Only what we write counts: no sign, no leading zero.
        let number = number.parse::<u32>().ok().filter(|parsed| *parsed > 0 && parsed.to_string() == number);
        match (before(rest, &self.retry), number) {
            (Some(topic), Some(number)) => Hop::Retry { topic, number },
            _ => source,
        }
    }

    /// The pattern of all retry topics of what a declared topic subscribes to.
    #[must_use]
    pub fn retry_pattern(&self, subscription: &Subscription) -> String {
        let topics = match subscription {
            Subscription::Exact(name) => literal(name.as_str()),
            // A pattern is open at its end, unless it says otherwise.
            Subscription::Pattern(pattern) => {
                let whole = pattern.whole_name();
                let whole = if whole.ends_with("\\$") { &whole } else { whole.strip_suffix('$').unwrap_or(&whole) };
                format!("({})", whole.strip_prefix('^').unwrap_or(whole))
            }
        };
        format!("^{}\\.{topics}\\.{}\\.[0-9]+$", literal(&self.group), literal(&self.retry))
    }
}

/// The text as a pattern that matches it alone. Of what topic names are made of, only the dot means anything.
fn literal(text: &str) -> String {
    text.replace('.', "\\.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> RetryNames {
        RetryNames::new("my.group", &Settings::default())
    }

    // Whoever has to change this test breaks every running service, and django-kafka's beside them.
    #[test]
    fn the_grammar_is_a_contract() {
        assert_eq!(names().retry("orders", 1).unwrap().as_str(), "my.group.orders.retry.1");
        assert_eq!(names().retry("eu.orders", 12).unwrap().as_str(), "my.group.eu.orders.retry.12");
        assert_eq!(names().dead_letter("orders").unwrap().as_str(), "my.group.orders.dlt");
        assert_eq!(names().retry_group(), "my.group.retry");
        let worded = RetryNames::new("g", &Settings::default().retry_topic_suffix("again").dead_letter_topic_suffix("dead"));
        assert_eq!(worded.retry("t", 2).unwrap().as_str(), "g.t.again.2");
        assert_eq!((worded.dead_letter("t").unwrap().as_str(), worded.retry_group().as_str()), ("g.t.dead", "g.again"));
    }

    #[test]
    fn what_is_built_is_read_back() {
        for topic in ["orders", "eu.orders", "retry.1", "x.retry.7", "x.dlt", "dlt"] {
            for number in [1, 2, 10, u32::MAX] {
                let built = names().retry(topic, number).unwrap();
                assert_eq!(names().parse(built.as_str()), Hop::Retry { topic, number });
            }
            assert_eq!(names().parse(names().dead_letter(topic).unwrap().as_str()), Hop::DeadLetter { topic });
        }
    }

    #[test]
    fn what_was_built_otherwise_is_a_source() {
        for name in [
            "orders",
            "my.group",
            "my.group.retry.1",
            "my.group.dlt",
            "my.group.orders.retry.0",
            "my.group.orders.retry.01",
            "my.group.orders.retry.+1",
            "my.group.orders.retry",
            "my.group.orders.retry.x",
            "my.group.orders.retry.99999999999",
            "other.orders.retry.1",
            "my.grouporders.dlt",
            "my.group..dlt",
        ] {
            assert_eq!(names().parse(name), Hop::Source { topic: name }, "{name}");
        }
    }

    #[test]
    fn patterns_catch_the_groups_own_retry_topics_of_the_topic_and_nothing_else() {
        let table = [
            ("orders", "my.group.orders.retry.1", true),
            ("orders", "my.group.orders.retry.12", true),
            ("orders", "my.group.eu.orders.retry.1", false),
            ("orders", "my.group.orders2.retry.1", false),
            ("orders", "myxgroup.orders.retry.1", false),
            ("orders", "other.my.group.orders.retry.1", false),
            ("orders", "my.group.orders.dlt", false),
            ("orders", "my.group.orders.retry.1x", false),
            ("^orders\\.(eu|us)", "my.group.orders.eu.retry.1", true),
            ("^orders\\.(eu|us)", "my.group.orders.us.v2.retry.3", true),
            ("^orders\\.(eu|us)$", "my.group.orders.us.retry.3", true),
            ("^orders\\.(eu|us)$", "my.group.orders.us.v2.retry.3", false),
            ("^orders\\.(eu|us)", "my.group.orders.asia.retry.1", false),
        ];
        for (declared, name, caught) in table {
            let pattern = names().retry_pattern(&Subscription::parse(declared).unwrap());
            let subscription = Subscription::parse(&pattern).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(subscription.matches(name), caught, "{pattern} and {name}");
        }
    }

    #[test]
    fn a_group_or_topic_that_makes_no_name_is_told() {
        assert!(RetryNames::new("my group", &Settings::default()).retry("t", 1).is_err());
        assert!(names().dead_letter(&"x".repeat(240)).is_err());
    }
}
