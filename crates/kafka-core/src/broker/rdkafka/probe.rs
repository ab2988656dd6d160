//! What a listener speaks, asked over a bare connection: by the first bytes of TLS, and by the first request of Kafka's protocol.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// For each step.
const PATIENCE: Duration = Duration::from_secs(1);

/// A greeting of TLS 1.2 that offers one cipher of no interest: whoever speaks TLS answers it with a record, be it a refusal.
const TLS_HELLO: [u8; 50] = {
    let mut hello = [0; 50];
    let record = [0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3];
    let mut at = 0;
    while at < record.len() {
        hello[at] = record[at];
        at += 1;
    }
    // After 32 random bytes and no session: two bytes of ciphers, one compression, none.
    hello[45] = 2;
    hello[47] = 0x2f;
    hello[48] = 1;
    hello
};

/// ApiVersions, version 0, correlation id 7, no client id.
const KAFKA_HELLO: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];

/// Whether TLS is spoken there; `false` also where nobody listens.
pub(super) fn speaks_tls(address: &str) -> bool {
    // An alert or a handshake, of any version 3.x.
    answer::<2>(address, &TLS_HELLO).is_ok_and(|answer| matches!(answer, [0x15 | 0x16, 3]))
}

/// Whether Kafka's protocol is spoken there without TLS; `false` also where nobody listens.
pub(super) fn speaks_plaintext(address: &str) -> bool {
    answer::<8>(address, &KAFKA_HELLO).is_ok_and(|answer| answer[4..] == [0, 0, 0, 7])
}

fn answer<const LENGTH: usize>(address: &str, hello: &[u8]) -> io::Result<[u8; LENGTH]> {
    let address = address.to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(hello)?;
    let mut answer = [0; LENGTH];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A listener that answers the next two connections with these bytes.
    fn listener(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _peer) = listener.accept().unwrap();
                stream.read_exact(&mut [0; 14]).unwrap();
                stream.write_all(answer).unwrap();
            }
        });
        address
    }

    #[test]
    fn each_protocol_is_known_by_its_first_bytes() {
        for (bytes, tls, plaintext) in [
            (&[0x15, 3, 3, 0, 2, 2, 40, 0][..], true, false),
            (&[0, 0, 0, 20, 0, 0, 0, 7], false, true),
            (b"HTTP/1.1 400", false, false),
            (b"", false, false),
        ] {
            let address = listener(bytes);
            assert_eq!((speaks_tls(&address), speaks_plaintext(&address)), (tls, plaintext), "{bytes:?}");
        }
        assert!(!speaks_tls("127.0.0.1:1") && !speaks_plaintext("127.0.0.1:1"));
    }
}
