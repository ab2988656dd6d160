//! Reading partitions of the broker in memory from here to there.

use std::collections::VecDeque;

use futures_util::future::BoxFuture;

use super::MemoryBroker;
use crate::broker::{ClientError, ReadMessage, ReadRange, TopicReader};

#[derive(Debug)]
pub(super) struct MemoryReader {
    broker: MemoryBroker,
    left: VecDeque<ReadRange>,
}

impl MemoryReader {
    pub(super) fn new(broker: MemoryBroker, ranges: &[ReadRange]) -> Self {
        Self { broker, left: ranges.iter().cloned().collect() }
    }
}

impl TopicReader for MemoryReader {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Vec<ReadMessage>>, ClientError>> {
        Box::pin(async move {
            while let Some(ReadRange { partition, start, end }) = self.left.pop_front() {
                let records = self.broker.records(&partition.topic).into_iter();
                let here =
                    records.filter(|record| record.partition == partition.partition && (start..end).contains(&record.message.offset));
                let messages: Vec<_> = here.map(|record| ReadMessage { partition: partition.clone(), message: record.message }).collect();
                if !messages.is_empty() {
                    return Ok(Some(messages));
                }
            }
            Ok(None)
        })
    }
}
