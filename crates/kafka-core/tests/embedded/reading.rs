//! Topics read from here to there, without a group.

use std::ops::Range;

use kafka_core::broker::{Broker, ReadRange};
use kafka_core::names::TopicPartition;

use crate::member::{broker_with, produce, topic, wait};

fn range(partition: i32, offsets: Range<i64>) -> ReadRange {
    ReadRange { partition: TopicPartition::new(topic("t"), partition), start: offsets.start, end: offsets.end }
}

/// Partition and offset of everything that comes.
fn read(broker: &dyn Broker, ranges: &[ReadRange]) -> Vec<(i32, i64)> {
    let mut reader = broker.reader(&[("fetch.queue.backoff.ms".to_owned(), "5".to_owned())].into(), ranges).unwrap();
    let mut places = Vec::new();
    wait(async {
        while let Some(messages) = reader.next().await.unwrap() {
            places.extend(messages.iter().map(|read| (read.partition.partition, read.message.offset)));
        }
    });
    places.sort_unstable();
    places
}

#[test]
fn ranges_are_read_to_their_ends_and_no_further() {
    let broker = broker_with("t", 3);
    produce(&broker, "t", 0, (0..1_000).map(|number| number.to_string()));
    produce(&broker, "t", 1, (0..200).map(|number| number.to_string()));
    let bounds = wait(async { broker.admin(&[].into()).unwrap().bounds(&[topic("t"), topic("missing")]).await }).unwrap();
    let bounds: Vec<_> = bounds.into_iter().map(|(at, offsets)| (at.partition, offsets)).collect();
    assert_eq!(bounds, [(0, 0..1_000), (1, 0..200), (2, 0..0)]);

    assert_eq!(read(&broker, &[range(0, 0..1_000)]).len(), 1_000);
    assert_eq!(read(&broker, &[range(0, 7..10), range(1, 198..200), range(2, 0..0)]), [(0, 7), (0, 8), (0, 9), (1, 198), (1, 199)]);
    // What no message stands at, such as a transaction's marker, ends with the partition.
    assert_eq!(read(&broker, &[range(1, 199..205)]), [(1, 199)]);
    assert_eq!(read(&broker, &[]), []);
}
