//! Removing letters for good. Kafka removes from a partition's start only, so that is what is offered.

use std::collections::BTreeMap;

use kafka_core::names::TopicPartition;

use super::{DeadLetterError, DeadLetterTopic, DeadLetters, Filter};

/// Which letters are removed. Single ones cannot be: Kafka trims a partition from its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trim {
    /// All that the topic had when it was looked up.
    All,
    /// Those before the first letter that was written at this time or later, in milliseconds since the epoch.
    Before(i64),
    /// Those before these offsets, by partition; other partitions keep theirs.
    Offsets(BTreeMap<i32, i64>),
}

/// What a purge removed, or would.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Purged {
    /// Of each partition that loses letters, the offsets that go: from the first to before this.
    pub partitions: BTreeMap<i32, std::ops::Range<i64>>,
}

impl Purged {
    /// How many letters. Offsets that transactions used up count too.
    #[must_use]
    pub fn letters(&self) -> u64 {
        self.partitions.values().map(|offsets| u64::try_from(offsets.end - offsets.start).unwrap_or(0)).sum()
    }
}

impl DeadLetters<'_> {
    /// What a purge would remove.
    ///
    /// # Errors
    /// When the topic cannot be read.
    pub async fn plan_purge(&self, topic: &DeadLetterTopic, trim: &Trim) -> Result<Purged, DeadLetterError> {
        let mut ends: BTreeMap<i32, i64> = topic.partitions.iter().map(|(partition, bounds)| (*partition, bounds.end)).collect();
        match trim {
            Trim::All => {}
            Trim::Offsets(offsets) => {
                ends.retain(|partition, _| offsets.contains_key(partition));
                for (partition, end) in &mut ends {
                    *end = (*end).min(offsets[partition]);
                }
            }
            Trim::Before(millis) => {
                // What follows the first late letter stays, even if it carries an earlier time.
                let mut late = self.read(topic, &Filter::default().since(*millis))?;
                while let Some(letter) = late.next().await? {
                    ends.entry(letter.partition).and_modify(|end| *end = (*end).min(letter.offset));
                }
            }
        }
        let goes = |(partition, end): (i32, i64)| {
            let start = topic.partitions.get(&partition)?.start;
            (end > start).then_some((partition, start..end))
        };
        Ok(Purged { partitions: ends.into_iter().filter_map(goes).collect() })
    }

    /// Removes letters for good.
    ///
    /// # Errors
    /// When the topic cannot be read, or the cluster refuses.
    pub async fn purge(&self, topic: &DeadLetterTopic, trim: &Trim) -> Result<Purged, DeadLetterError> {
        let purged = self.plan_purge(topic, trim).await?;
        let before: BTreeMap<_, _> = purged
            .partitions
            .iter()
            .map(|(partition, offsets)| (TopicPartition::new(topic.name.clone(), *partition), offsets.end))
            .collect();
        if !before.is_empty() {
            let doing = format!("removing letters from {}", topic.name);
            self.admin.delete_records(&before).await.map_err(DeadLetterError::client(doing))?;
            tracing::info!(topic = %topic.name, letters = purged.letters(), "dead letters purged");
        }
        Ok(purged)
    }
}
