//! The time that Kafka keeps with a message, and what it means.

/// A message's timestamp in milliseconds since the epoch, by its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timestamp {
    /// Set by the producer (`message.timestamp.type=CreateTime`).
    CreateTime(i64),
    /// Set by the broker when it appended the message (`LogAppendTime`).
    LogAppendTime(i64),
    /// The message has none (format before 0.10).
    NotAvailable,
}

impl Timestamp {
    /// Milliseconds since the epoch, if the message has a timestamp.
    #[must_use]
    pub fn as_millis(self) -> Option<i64> {
        match self {
            Self::CreateTime(ms) | Self::LogAppendTime(ms) => Some(ms),
            Self::NotAvailable => None,
        }
    }
}
