//! The one request of Kafka's protocol that tells whose broker answers and whether it is ready: Metadata, version 5, for no topic.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What the broker says of its cluster.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cluster {
    /// The id that the storage was formatted with.
    pub(super) id: String,
    /// How many brokers clients can reach.
    pub(super) brokers: usize,
}

/// API key 3, version 5, correlation id 1, client id "xtask", an empty array of topics, no topic created.
const REQUEST: &[u8] = b"\x00\x03\x00\x05\x00\x00\x00\x01\x00\x05xtask\x00\x00\x00\x00\x00";

/// No answer to it is longer.
const LONGEST_ANSWER: u32 = 1 << 20;

/// Asks the broker at `address`; each step is bounded by `patience`.
pub(super) fn cluster(address: SocketAddr, patience: Duration) -> io::Result<Cluster> {
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    stream.write_all(&u32::try_from(REQUEST.len()).map_err(io::Error::other)?.to_be_bytes())?;
    stream.write_all(REQUEST)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > LONGEST_ANSWER {
        return Err(io::Error::new(ErrorKind::InvalidData, "the port is not a Kafka broker's"));
    }
    let mut answer = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    stream.read_exact(&mut answer)?;
    parse(&answer)
}

/// Correlation id, throttle time, brokers (id, host, port, rack), cluster id; the rest is not read.
fn parse(mut answer: &[u8]) -> io::Result<Cluster> {
    let (_correlation, _throttle) = (int(&mut answer)?, int(&mut answer)?);
    let brokers = int(&mut answer)?;
    for _ in 0..brokers {
        let (_id, _host, _port, _rack) = (int(&mut answer)?, text(&mut answer)?, int(&mut answer)?, text(&mut answer)?);
    }
    Ok(Cluster { id: text(&mut answer)?, brokers: usize::try_from(brokers).map_err(io::Error::other)? })
}

fn int(bytes: &mut &[u8]) -> io::Result<i32> {
    let mut number = [0; 4];
    bytes.read_exact(&mut number)?;
    Ok(i32::from_be_bytes(number))
}

/// A string with a length of two bytes; the length -1, for none, reads as empty.
fn text(bytes: &mut &[u8]) -> io::Result<String> {
    let mut length = [0; 2];
    bytes.read_exact(&mut length)?;
    let mut text = vec![0; usize::try_from(i16::from_be_bytes(length)).unwrap_or(0)];
    bytes.read_exact(&mut text)?;
    String::from_utf8(text).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_names_the_cluster_and_counts_its_brokers() {
        let mut answer = Vec::new();
        answer.extend(b"\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01");
        answer.extend(b"\x00\x00\x00\x01\x00\x09127.0.0.1\x00\x00\x23\x84\xff\xff");
        answer.extend(b"\x00\x04kits\x00\x00\x00\x01");
        assert_eq!(parse(&answer).unwrap(), Cluster { id: "kits".to_owned(), brokers: 1 });
    }

    #[test]
    fn a_short_answer_is_an_error() {
        assert_eq!(parse(b"\x00\x00\x00\x01").unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
}
