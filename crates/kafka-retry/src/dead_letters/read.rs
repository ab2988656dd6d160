//! Reading letters, and counting them by their errors.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use kafka_core::app::AssembledTopic;
use kafka_core::broker::{ReadMessage, ReadRange, TopicReader};
use kafka_core::names::{TopicName, TopicPartition};

use super::{DeadLetter, DeadLetterError, DeadLetterTopic, DeadLetters, Filter};

/// How much of a payload is shown when nothing else is said.
const SHOWN: usize = 4 * 1_024;

/// The letters that a filter means, one after the other. Partitions come mixed, each in its order.
#[derive(Debug)]
pub struct Reading<'a> {
    reader: Box<dyn TopicReader>,
    read: VecDeque<ReadMessage>,
    declared: Option<AssembledTopic<'a>>,
    source: TopicName,
    filter: Filter,
    left: u64,
    ranges: BTreeMap<i32, Range<i64>>,
    shown: usize,
}

/// Letters that died of the same error.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorGroup {
    /// The error's summary; none when the headers say nothing.
    pub summary: Option<String>,
    /// The error's type, where the headers say it.
    pub error_type: Option<String>,
    /// How many letters.
    pub letters: u64,
    /// When the first of them died, in milliseconds since the epoch.
    pub first: Option<i64>,
    /// When the last of them died, in milliseconds since the epoch.
    pub last: Option<i64>,
}

impl<'a> DeadLetters<'a> {
    /// Reads the letters of a topic that the filter means, up to where the topic ended when it was looked up.
    ///
    /// # Errors
    /// When no reader can be made.
    pub fn read(&self, topic: &DeadLetterTopic, filter: &Filter) -> Result<Reading<'a>, DeadLetterError> {
        let ranges = filter.ranges(topic);
        let wanted: Vec<_> = ranges
            .iter()
            .map(|(partition, offsets)| ReadRange {
                partition: TopicPartition::new(topic.name.clone(), *partition),
                start: offsets.start,
                end: offsets.end,
            })
            .collect();
        Ok(Reading {
            reader: self.app.reader(&wanted).map_err(DeadLetterError::client(format!("reading {}", topic.name)))?,
            read: VecDeque::new(),
            declared: self.declared(&topic.group, &topic.source),
            source: TopicName::from_broker(&topic.source),
            filter: filter.clone(),
            left: filter.limit.unwrap_or(u64::MAX),
            ranges,
            shown: SHOWN,
        })
    }

    /// The letters that the filter means, counted by error; the most frequent first.
    ///
    /// # Errors
    /// When the topic cannot be read.
    pub async fn errors(&self, topic: &DeadLetterTopic, filter: &Filter) -> Result<Vec<ErrorGroup>, DeadLetterError> {
        let mut groups: BTreeMap<(Option<String>, Option<String>), ErrorGroup> = BTreeMap::new();
        let mut reading = self.read(topic, filter)?;
        while let Some(letter) = reading.next().await? {
            let (summary, error_type) = (letter.provenance.summary, letter.provenance.error_type);
            let group = groups.entry((summary.clone(), error_type.clone())).or_insert(ErrorGroup {
                summary,
                error_type,
                letters: 0,
                first: letter.timestamp,
                last: letter.timestamp,
            });
            group.letters += 1;
            // Letters come mixed over partitions: the first read need not be the first written.
            group.first = group.first.into_iter().chain(letter.timestamp).min();
            group.last = group.last.max(letter.timestamp);
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.letters));
        Ok(groups)
    }
}

impl Reading<'_> {
    /// Shows at most so many bytes of each key and value. Default 4 KiB.
    #[must_use]
    pub fn shown(mut self, bytes: usize) -> Self {
        self.shown = bytes;
        self
    }

    /// The next letter that the filter means; `None` at the end, or when the limit is reached.
    ///
    /// # Errors
    /// When the topic cannot be read.
    pub async fn next(&mut self) -> Result<Option<DeadLetter>, DeadLetterError> {
        loop {
            match self.step().await? {
                Step::Letter(letter) => return Ok(Some(*letter)),
                Step::PassedOver { .. } => {}
                Step::End => return Ok(None),
            }
        }
    }

    /// As [`Reading::next`], and tells of letters that the filter does not mean too.
    pub(super) async fn step(&mut self) -> Result<Step, DeadLetterError> {
        while self.left > 0 {
            let Some(read) = self.read.pop_front() else {
                let doing = || format!("reading the dead letters of {}", self.source);
                match self.reader.next().await.map_err(|source| DeadLetterError::Client { doing: doing(), source })? {
                    Some(messages) => self.read.extend(messages),
                    None => return Ok(Step::End),
                }
                continue;
            };
            let letter = DeadLetter::read(read, self.declared.as_ref(), &self.source, self.shown).await;
            if !self.filter.fits(&letter) {
                return Ok(Step::PassedOver { partition: letter.partition, offset: letter.offset });
            }
            self.left -= 1;
            return Ok(Step::Letter(Box::new(letter)));
        }
        Ok(Step::End)
    }

    /// The offsets that are read of each partition.
    pub(super) fn ranges(&self) -> &BTreeMap<i32, Range<i64>> {
        &self.ranges
    }

    /// Whether the end that was reached is that of the topic, not the limit.
    pub(super) fn exhausted(&self) -> bool {
        self.left > 0
    }
}

/// One step of reading.
#[derive(Debug)]
pub(super) enum Step {
    Letter(Box<DeadLetter>),
    PassedOver { partition: i32, offset: i64 },
    End,
}
