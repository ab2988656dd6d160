//! Names that are parsed once, at the edge: topics, groups, partitions, subscriptions.

use std::fmt;
use std::sync::Arc;

use regex::Regex;
use serde::{Serialize, Serializer};

/// The name of one Kafka topic. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicName(Arc<str>);

/// The id of a consumer group (`group.id`). Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId(Arc<str>);

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The topic name breaks Kafka's rules; rename the topic.
    #[error("{name:?} is not a topic name: Kafka takes 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-', and neither '.' nor '..'")]
    Topic {
        /// The refused text.
        name: String,
    },
    /// The group id is empty; give one.
    #[error("the group id is empty: give the consumer a group")]
    EmptyGroup,
    /// The pattern is outside the subset that means the same under every protocol.
    #[error("{pattern:?} cannot be subscribed: {reason}")]
    Pattern {
        /// The refused pattern.
        pattern: String,
        /// What is wrong with it, and what to write.
        reason: String,
    },
}

impl TopicName {
    /// Checks Kafka's rules and makes the name.
    ///
    /// # Errors
    /// When the name is not one that Kafka takes.
    pub fn new(name: &str) -> Result<Self, NameError> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let sized = (1..=249).contains(&name.len()) && name != "." && name != "..";
        if sized && name.chars().all(legal) { Ok(Self(name.into())) } else { Err(NameError::Topic { name: name.to_owned() }) }
    }

    /// A name that a broker gave us, taken as it is.
    #[must_use]
    pub fn from_broker(name: &str) -> Self {
        Self(name.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl GroupId {
    /// Makes a group id.
    ///
    /// # Errors
    /// When it is empty.
    pub fn new(id: &str) -> Result<Self, NameError> {
        if id.is_empty() { Err(NameError::EmptyGroup) } else { Ok(Self(id.into())) }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text {
    ($($name:ty),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    )*};
}
text!(TopicName, GroupId);

/// One partition of one topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicName,
    /// The partition, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Names a partition.
    #[must_use]
    pub fn new(topic: TopicName, partition: i32) -> Self {
        Self { topic, partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// What a declared topic reads: one topic, or all whose name matches a pattern.
#[derive(Debug, Clone)]
pub enum Subscription {
    /// One topic.
    Exact(TopicName),
    /// Every topic whose name the pattern matches from its start; unanchored at the end.
    Pattern(TopicPattern),
}

/// A pattern that means the same to librdkafka (POSIX ERE), to KIP-848 brokers (RE2J) and to the router.
#[derive(Debug, Clone)]
pub struct TopicPattern {
    text: String,
    regex: Regex,
}

impl Subscription {
    /// Parses a declared name: a pattern when it starts with `^`, a literal otherwise.
    ///
    /// # Errors
    /// When the literal is not a topic name, or the pattern is outside the common subset.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.starts_with('^') { TopicPattern::new(text).map(Self::Pattern) } else { TopicName::new(text).map(Self::Exact) }
    }

    /// Whether a topic of this name belongs to the subscription.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        match self {
            Self::Exact(name) => name.as_str() == topic,
            Self::Pattern(pattern) => pattern.regex.is_match(topic),
        }
    }

    /// The text as declared.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Exact(name) => name.as_str(),
            Self::Pattern(pattern) => &pattern.text,
        }
    }
}

impl TopicPattern {
    /// Parses a pattern that starts with `^`.
    ///
    /// # Errors
    /// When it is not a regular expression, or uses a construct that the three engines read differently.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let refuse = |reason: String| NameError::Pattern { pattern: text.to_owned(), reason };
        if text == "^" {
            return Err(refuse("it is empty and would match every topic; write what the names start with".to_owned()));
        }
        if let Some(construct) = outside_common_subset(text) {
            return Err(refuse(format!(
                "{construct} is not read alike by librdkafka, by KIP-848 brokers and here; \
                 use literals, '.', '[…]', '(…|…)', '*', '+', '?', '{{n,m}}' and a final '$'"
            )));
        }
        let regex = Regex::new(text).map_err(|error| refuse(error.to_string()))?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// The pattern as declared.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The pattern for a broker that matches whole names (KIP-848): `.*` is added where the end is open.
    #[must_use]
    pub fn whole_name(&self) -> String {
        if self.text.ends_with('$') && !self.text.ends_with("\\$") { self.text.clone() } else { format!("{}.*", self.text) }
    }
}

/// The first construct of the pattern that POSIX ERE, RE2J and `regex` read differently.
fn outside_common_subset(text: &str) -> Option<&'static str> {
    let mut rest = text.chars().skip(1).peekable();
    let (mut in_class, mut depth) = (false, 0_u32);
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            // Inside brackets POSIX reads a backslash literally.
            ('\\', Some(next)) if in_class || next.is_ascii_alphanumeric() => {
                return Some("a backslash before a letter, a digit or inside brackets");
            }
            ('\\', _) => {
                rest.next();
            }
            ('[', Some(':' | '.' | '=')) if in_class => return Some("a POSIX class such as '[:alpha:]'"),
            ('[', _) => in_class = true,
            (']', _) => in_class = false,
            ('(', Some('?')) => return Some("a group that starts with '(?'"),
            ('*' | '+' | '?' | '}', Some('?' | '+')) if !in_class => return Some("a lazy or possessive repetition"),
            ('(', _) if !in_class => depth += 1,
            (')', _) if !in_class => depth = depth.saturating_sub(1),
            // Only its first branch would begin at the name's start.
            ('|', _) if !in_class && depth == 0 => return Some("a '|' outside of parentheses"),
            ('^', _) if !in_class => return Some("a second '^'"),
            ('$', Some(_)) if !in_class => return Some("a '$' before the end"),
            ('&', Some('&')) if in_class => return Some("'&&' inside brackets"),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafka_rules_for_topic_names() {
        for good in ["a", "orders", "A.b-c_9", &"x".repeat(249)] {
            assert!(TopicName::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a b", "ä", "a/b", &"x".repeat(250)] {
            assert!(TopicName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn patterns_are_open_at_the_end_only() {
        let pattern = Subscription::parse("^orders\\.(eu|us)").unwrap();
        assert!(pattern.matches("orders.eu") && pattern.matches("orders.us.v2"));
        assert!(!pattern.matches("my.orders.eu"));
        let closed = Subscription::parse("^orders$").unwrap();
        assert!(closed.matches("orders") && !closed.matches("orders.eu"));
    }

    #[test]
    fn whole_name_form_matches_what_the_router_matches() {
        for (text, name) in [("^(a|b)", "bx"), ("^orders", "orders.eu"), ("^orders$", "orders"), ("^a\\$", "a$")] {
            let pattern = TopicPattern::new(text).unwrap();
            let whole = Regex::new(&format!("^(?:{})$", pattern.whole_name())).unwrap();
            assert!(whole.is_match(name), "{text} as {}", pattern.whole_name());
        }
    }

    #[test]
    fn only_the_common_subset_is_taken() {
        for bad in ["^", "^\\d+", "^a(?i)b", "^a*?", "^a$b", "^[[:alpha:]]", "^[\\d]", "^[a&&b]", "^a^b", "^(a", "^a|b"] {
            assert!(Subscription::parse(bad).is_err(), "{bad} was taken");
        }
    }
}
