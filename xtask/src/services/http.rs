//! Just enough of HTTP to ask a server on this machine how it is: one request for each connection, every step bounded.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A server that takes longer for one of these small requests is not well.
const PATIENCE: Duration = Duration::from_secs(5);

/// No answer that is looked at is longer.
const LONGEST_ANSWER: u64 = 1 << 20;

/// What a server said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// Asks for a page.
pub(super) fn get(address: SocketAddr, path: &str) -> io::Result<Answer> {
    ask(address, &format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: application/json\r\n\r\n"))
}

/// Sends JSON.
pub(super) fn put(address: SocketAddr, path: &str, json: &str) -> io::Result<Answer> {
    let length = json.len();
    let head = format!("PUT {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
    ask(address, &(head + json))
}

/// Version 1.0, so that the answer comes in one piece and its end is the end of the connection.
fn ask(address: SocketAddr, request: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer)?;
    parse(&String::from_utf8_lossy(&answer)).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        let answer = parse("HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n\r\nno such page\r\n\r\n").unwrap();
        assert_eq!(answer, Answer { status: 404, body: "no such page\r\n\r\n".to_owned() });
        assert_eq!(parse("SSH-2.0-OpenSSH\r\n"), None);
    }

    #[test]
    fn a_request_carries_its_json() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _peer) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"{}") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nfine").unwrap();
            String::from_utf8(request).unwrap()
        });
        assert_eq!(put(address, "/config", "{}").unwrap(), Answer { status: 200, body: "fine".to_owned() });
        let request = server.join().unwrap();
        assert!(request.starts_with("PUT /config HTTP/1.0\r\n") && request.contains("Content-Length: 2\r\n"), "{request}");
    }
}
