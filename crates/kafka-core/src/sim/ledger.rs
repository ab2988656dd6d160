//! What is dealt with durably, read off the history: by it a simulation knows when it is done, and the checker what may be stored.

use std::collections::{BTreeMap, BTreeSet};

use super::history::{Answer, Happening, Outcome, Verdict, Word};
use crate::names::TopicPartition;

/// The messages that are not dealt with durably yet.
#[derive(Debug, Default, Clone)]
pub(super) struct Ledger {
    open: BTreeMap<TopicPartition, BTreeSet<i64>>,
    ends: BTreeMap<TopicPartition, i64>,
}

impl Ledger {
    /// The lowest message of the partition that is not dealt with.
    pub(super) fn lowest_open(&self, partition: &TopicPartition) -> Option<i64> {
        self.open.get(partition)?.first().copied()
    }

    /// The position after the last message of each partition that has messages.
    pub(super) fn ends(&self) -> &BTreeMap<TopicPartition, i64> {
        &self.ends
    }

    /// Where reading should begin: at the lowest message that is not dealt with.
    pub(super) fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.lowest_open(partition).or_else(|| self.ends.get(partition).copied())
    }

    /// What is not dealt with, in a few words.
    pub(super) fn open_words(&self) -> String {
        let open = self.open.iter().filter_map(|(partition, open)| Some(format!("{partition} is not settled from {} on", open.first()?)));
        let open: Vec<_> = open.collect();
        if open.is_empty() { "all is settled and not committed".to_owned() } else { open.join(", ") }
    }

    pub(super) fn is_settled(&self) -> bool {
        self.open.values().all(BTreeSet::is_empty)
    }

    fn close(&mut self, partition: &TopicPartition, offsets: &[i64]) {
        if let Some(open) = self.open.get_mut(partition) {
            offsets.iter().for_each(|offset| {
                open.remove(offset);
            });
        }
    }

    pub(super) fn observe(&mut self, what: &Happening) {
        match what {
            Happening::Appended { partition, offset, .. } => {
                self.open.entry(partition.clone()).or_default().insert(*offset);
                self.ends.insert(partition.clone(), offset + 1);
            }
            Happening::Ended { partition, offsets, outcome, .. } => match outcome {
                Outcome::Fine => self.close(partition, offsets),
                Outcome::Failed { done } => self.close(partition, &offsets[..*done]),
                Outcome::FailedWhole | Outcome::Dropped => {}
            },
            Happening::Answered { partition, offsets, answer: Some(Answer::Each(words)), .. } => {
                let parked = offsets.iter().zip(words).filter(|(_, word)| matches!(word, Word::Parked));
                self.close(partition, &parked.map(|(offset, _)| *offset).collect::<Vec<_>>());
            }
            Happening::Resolved { partition, offset, verdict: Some(Verdict::Done), .. }
            | Happening::Acknowledged { partition, offset, durable: true, .. } => self.close(partition, &[*offset]),
            _ => {}
        }
    }
}
