//! Kafka's protocol by hand, for the little that rdkafka does not let through: header names that are not UTF-8, configuration of groups.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::cluster::bootstrap;

/// A message under construction, numbers big-endian.
#[derive(Debug, Default)]
struct Frame(Vec<u8>);

impl Frame {
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn i8(self, number: i8) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    fn i16(self, number: i16) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    fn i32(self, number: i32) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    fn i64(self, number: i64) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    /// A number of records and below: zigzag, seven bits a byte.
    fn varint(mut self, number: i64) -> Self {
        let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
        while rest >= 0x80 {
            self.0.push(u8::try_from(rest & 0x7f).unwrap_or_default() | 0x80);
            rest >>= 7;
        }
        self.0.push(u8::try_from(rest).unwrap_or_default());
        self
    }

    fn string(self, text: &str) -> Self {
        self.i16(i16::try_from(text.len()).unwrap_or(i16::MAX)).bytes(text.as_bytes())
    }

    /// Bytes of a record, with their length.
    fn part(self, bytes: &[u8]) -> Self {
        self.varint(bytes.len().cast_signed() as i64).bytes(bytes)
    }

    fn sized(self, inner: &Self) -> Self {
        self.i32(i32::try_from(inner.0.len()).unwrap_or(i32::MAX)).bytes(&inner.0)
    }
}

/// Sends one record with these headers to partition 0.
///
/// # Panics
/// When the broker does not take it.
pub fn produce_with_headers(topic: &str, value: &[u8], headers: &[(&[u8], &[u8])]) {
    let record = Frame::default().i8(0).varint(0).varint(0).varint(-1).part(value).varint(headers.len().cast_signed() as i64);
    let record = headers.iter().fold(record, |record, (name, value)| record.part(name).part(value));
    // Attributes, last offset delta, first and last timestamp, producer id and epoch, sequence, count.
    let counted = Frame::default().i16(0).i32(0).i64(1).i64(1).i64(-1).i16(-1).i32(-1).i32(1);
    let counted = counted.part(&record.0);
    // Leader epoch, magic, checksum.
    let batch = Frame::default().i32(-1).i8(2).i32(crc32c(&counted.0).cast_signed()).bytes(&counted.0);
    let batch = Frame::default().i64(0).sized(&batch);
    // No transaction, acks of all, timeout, one topic with one partition.
    let body = Frame::default().i16(-1).i16(-1).i32(10_000).i32(1).string(topic).i32(1).i32(0).sized(&batch);
    let answer = ask(0, 3, &body);
    let error = answer.get(8 + 2 + topic.len() + 8..).and_then(|rest| rest.first_chunk::<2>()).map(|code| i16::from_be_bytes(*code));
    assert_eq!(error, Some(0), "the broker refused the record: {answer:?}");
}

/// Sets configuration of a group on the broker, such as `consumer.heartbeat.interval.ms`.
///
/// # Panics
/// When the broker does not take it.
pub fn configure_group(group: &str, settings: &[(&str, &str)]) {
    const GROUP: i8 = 32;
    const SET: i8 = 0;
    let body = Frame::default().i32(1).i8(GROUP).string(group).i32(i32::try_from(settings.len()).unwrap_or(0));
    let body = settings.iter().fold(body, |body, (name, value)| body.string(name).i8(SET).string(value)).i8(0);
    let answer = ask(44, 0, &body);
    // Correlation, throttle time, count of answers, error.
    let error = answer.get(12..14).and_then(|code| code.first_chunk::<2>()).map(|code| i16::from_be_bytes(*code));
    assert_eq!(error, Some(0), "the broker refused the settings: {}", String::from_utf8_lossy(&answer));
}

/// Sends a request and gives the answer from its correlation id on.
fn ask(api: i16, version: i16, body: &Frame) -> Vec<u8> {
    let request = Frame::default().i16(api).i16(version).i32(7).string("kafka-tests").bytes(&body.0);
    let mut broker = TcpStream::connect(bootstrap()).expect("a connection to the broker");
    broker.write_all(&Frame::default().sized(&request).0).expect("the request is sent");
    let mut length = [0; 4];
    broker.read_exact(&mut length).expect("an answer");
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    broker.read_exact(&mut answer).expect("a whole answer");
    answer
}

/// The checksum of record batches (Castagnoli).
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |sum: u32, _| if sum & 1 == 1 { (sum >> 1) ^ 0x82f6_3b78 } else { sum >> 1 };
    !bytes.iter().fold(!0, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn varints_are_zigzag() {
        let bytes = |number| Frame::default().varint(number).0;
        assert_eq!([bytes(0), bytes(-1), bytes(1), bytes(64), bytes(-65)], [vec![0], vec![1], vec![2], vec![0x80, 1], vec![0x81, 1]]);
    }
}
