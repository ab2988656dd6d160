//! The topics of the in-memory broker: an append-only log per partition, with gaps. Knows nothing of groups.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;

use super::history::ClientId;
use super::transactions::End;
use crate::message::{OwnedMessage, Record, Timestamp};
use crate::names::{TopicName, TopicPartition};

/// One record as it stands in the log, read back for assertions.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LogRecord {
    /// The partition it was written to.
    pub partition: i32,
    /// What was written, with its offset.
    pub message: OwnedMessage,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    topics: BTreeMap<TopicName, Topic>,
}

#[derive(Debug, Default)]
struct Topic {
    partitions: Vec<Partition>,
    next_without_key: usize,
    max_bytes: Option<usize>,
}

#[derive(Debug, Default)]
struct Partition {
    start: i64,
    end: i64,
    records: Vec<Stored>,
}

#[derive(Debug)]
pub(super) struct Stored {
    pub(super) message: OwnedMessage,
    seen: Seen,
}

/// When consumers see a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// From this instant on.
    pub(super) from: Instant,
    /// Not before this producer's transaction is committed.
    pub(super) open: Option<ClientId>,
}

impl Log {
    /// Makes the topic, or adds the partitions that it lacks. Whether anything changed.
    pub(super) fn grow(&mut self, topic: &TopicName, partitions: i32) -> bool {
        let topic = self.topics.entry(topic.clone()).or_default();
        let wanted = usize::try_from(partitions).unwrap_or(0).max(1);
        let grows = topic.partitions.len() < wanted;
        if grows {
            topic.partitions.resize_with(wanted, Partition::default);
        }
        grows
    }

    pub(super) fn limit_bytes(&mut self, topic: &TopicName, max: Option<usize>) {
        if let Some(topic) = self.topics.get_mut(topic) {
            topic.max_bytes = max;
        }
    }

    pub(super) fn max_bytes(&self, topic: &TopicName) -> Option<usize> {
        self.topics.get(topic)?.max_bytes
    }

    pub(super) fn contains(&self, topic: &TopicName) -> bool {
        self.topics.contains_key(topic)
    }

    pub(super) fn topics(&self) -> impl Iterator<Item = (&TopicName, i32)> {
        self.topics.iter().map(|(name, topic)| (name, count(&topic.partitions)))
    }

    pub(super) fn has_partition(&self, topic: &TopicName, partition: i32) -> bool {
        self.topics.get(topic).is_some_and(|topic| (0..count(&topic.partitions)).contains(&partition))
    }

    /// The partition that a record goes to: the one it names, by the hash of its key, or each in turn.
    pub(super) fn choose(&mut self, record: &Record<'_>) -> i32 {
        let Some(topic) = self.topics.get_mut(&record.topic) else { return 0 };
        if let Some(partition) = record.partition {
            return partition;
        }
        let slot = match &record.key {
            Some(key) => usize::try_from(hash(key) % topic.partitions.len() as u64).unwrap_or(0),
            None => {
                topic.next_without_key += 1;
                (topic.next_without_key - 1) % topic.partitions.len()
            }
        };
        i32::try_from(slot).unwrap_or(0)
    }

    /// Writes the record after `gap` unused offsets; `None` when there is no such partition.
    pub(super) fn append(&mut self, record: &Record<'_>, partition: i32, gap: i64, wall_ms: i64, seen: Seen) -> Option<i64> {
        let log = self.partition_mut(&record.topic, partition)?;
        let offset = log.end + gap.max(0);
        log.end = offset + 1;
        log.records.push(Stored {
            message: OwnedMessage {
                offset,
                timestamp: Timestamp::CreateTime(record.timestamp.unwrap_or(wall_ms)),
                key: record.key.as_deref().map(Bytes::copy_from_slice),
                value: record.value.as_deref().map(Bytes::copy_from_slice),
                headers: record.headers.clone(),
            },
            seen,
        });
        Some(offset)
    }

    /// Leaves offsets unused at the end, as a transaction marker does.
    pub(super) fn skip(&mut self, at: &TopicPartition, offsets: i64) {
        if let Some(log) = self.partition_mut(&at.topic, at.partition) {
            log.end += offsets.max(0);
        }
    }

    /// Forgets everything before the offset, as retention does.
    pub(super) fn trim(&mut self, at: &TopicPartition, before: i64) {
        if let Some(log) = self.partition_mut(&at.topic, at.partition) {
            log.start = before.clamp(log.start, log.end);
            let start = log.start;
            log.records.retain(|record| record.message.offset >= start);
        }
    }

    /// Forgets one record, as compaction does.
    pub(super) fn compact(&mut self, at: &TopicPartition, offset: i64) {
        if let Some(log) = self.partition_mut(&at.topic, at.partition) {
            log.records.retain(|record| record.message.offset != offset);
        }
    }

    pub(super) fn stands(&self, at: &TopicPartition, offset: i64) -> bool {
        self.partition(at).is_some_and(|log| log.records.binary_search_by_key(&offset, |record| record.message.offset).is_ok())
    }

    pub(super) fn key_at(&self, at: &TopicPartition, offset: i64) -> Option<Bytes> {
        let records = &self.partition(at)?.records;
        let index = records.binary_search_by_key(&offset, |record| record.message.offset).ok()?;
        records[index].message.key.clone()
    }

    /// The first offset and the offset after the last.
    pub(super) fn bounds(&self, at: &TopicPartition) -> Option<(i64, i64)> {
        self.partition(at).map(|log| (log.start, log.end))
    }

    /// The records from a position on that are visible by now.
    pub(super) fn visible_from(&self, at: &TopicPartition, position: i64, now: Instant) -> &[Stored] {
        let Some(log) = self.partition(at) else { return &[] };
        let rest = &log.records[log.records.partition_point(|record| record.message.offset < position)..];
        // Nothing behind the first open transaction is seen.
        let open = log.records.iter().find(|record| record.seen.open.is_some()).map_or(i64::MAX, |record| record.message.offset);
        let unseen = |record: &Stored| record.seen.from > now || record.message.offset >= open;
        let visible = rest.iter().position(unseen).unwrap_or(rest.len());
        &rest[..visible]
    }

    /// The offset of the record that stands `records` before the position, or the first there is.
    pub(super) fn before(&self, at: &TopicPartition, position: i64, records: usize) -> i64 {
        let Some(log) = self.partition(at) else { return position };
        let index = log.records.partition_point(|record| record.message.offset < position);
        log.records.get(index.saturating_sub(records)).map_or(position, |record| record.message.offset.min(position))
    }

    /// The first instant after `now` at which a record becomes visible.
    pub(super) fn next_visible(&self, now: Instant) -> Option<Instant> {
        let records = self.topics.values().flat_map(|topic| &topic.partitions).flat_map(|log| &log.records);
        records.map(|record| record.seen.from).filter(|visible| *visible > now).min()
    }

    pub(super) fn records(&self, topic: &TopicName) -> Vec<LogRecord> {
        let partitions = self.topics.get(topic).map_or(&[][..], |topic| &topic.partitions);
        (0..)
            .zip(partitions)
            .flat_map(|(partition, log)| {
                log.records
                    .iter()
                    .take_while(|record| record.seen.open.is_none())
                    .map(move |record| LogRecord { partition, message: record.message.clone() })
            })
            .collect()
    }

    /// Ends the client's transaction, wherever it wrote: with a marker, which takes an offset. Where that was.
    pub(super) fn end_transaction(&mut self, client: ClientId, end: End) -> Vec<TopicPartition> {
        let mut ended = Vec::new();
        for (topic, topics) in &mut self.topics {
            for (partition, log) in (0..).zip(&mut topics.partitions) {
                let is_of_it = |record: &Stored| record.seen.open == Some(client);
                if !log.records.iter().any(is_of_it) {
                    continue;
                }
                match end {
                    End::Commit => log.records.iter_mut().filter(|record| is_of_it(record)).for_each(|record| record.seen.open = None),
                    End::Abort => log.records.retain(|record| !is_of_it(record)),
                }
                log.end += 1;
                ended.push(TopicPartition::new(topic.clone(), partition));
            }
        }
        ended
    }

    fn partition(&self, at: &TopicPartition) -> Option<&Partition> {
        self.topics.get(&at.topic)?.partitions.get(usize::try_from(at.partition).ok()?)
    }

    fn partition_mut(&mut self, topic: &TopicName, partition: i32) -> Option<&mut Partition> {
        self.topics.get_mut(topic)?.partitions.get_mut(usize::try_from(partition).ok()?)
    }
}

fn count(partitions: &[Partition]) -> i32 {
    i32::try_from(partitions.len()).unwrap_or(i32::MAX)
}

/// FNV-1a: the same on every machine and in every run, which is all that is asked of it.
fn hash(key: &[u8]) -> u64 {
    key.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
