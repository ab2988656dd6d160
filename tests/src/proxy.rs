//! A way to the cluster, or to another server, that can be cut.
//!
//! Brokers name themselves in their answers, so the name is rewritten to the proxy's.

use std::io::{Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::cluster::bootstrap;

/// Who is behind a proxy.
#[derive(Debug)]
enum Behind {
    /// It names itself in its answers.
    Broker(String),
    Server(String),
}

/// A proxy in front of a cluster of one broker, or of another server.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    cut: AtomicBool,
    refused: AtomicU32,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Listens on a free port, in front of the cluster.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn start() -> Self {
        Self::listen(Behind::Broker(bootstrap()))
    }

    /// Listens on a free port, in front of the server at this address.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn before(address: &str) -> Self {
        Self::listen(Behind::Server(address.to_owned()))
    }

    fn listen(behind: Behind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::<Shared>::default();
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if serving.cut.load(Ordering::SeqCst) {
                    serving.refused.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
                // A cluster that is not there closes the connection.
                drop(serving.connect(client, &behind, address.port()));
            }
        });
        Self { address, shared }
    }

    /// Where clients find it.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Breaks all connections and lets none through.
    pub fn cut(&self) {
        self.shared.cut.store(true, Ordering::SeqCst);
        for stream in self.shared.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // One that is closed already is what we want.
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.shared.cut.store(false, Ordering::SeqCst);
    }

    /// How many connections were refused while it was cut.
    #[must_use]
    pub fn refused(&self) -> u32 {
        self.shared.refused.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn connect(&self, client: TcpStream, behind: &Behind, port: u16) -> Result<()> {
        let (Behind::Broker(address) | Behind::Server(address)) = behind;
        let server = TcpStream::connect(address)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        self.open.lock().unwrap_or_else(PoisonError::into_inner).extend([client.try_clone()?, server.try_clone()?]);
        let (mut up, mut down) = (client.try_clone()?, server.try_clone()?);
        let (mut client, mut server) = (client, server);
        let broker = if let Behind::Broker(address) = behind { Some(address.clone()) } else { None };
        thread::spawn(move || {
            drop(std::io::copy(&mut up, &mut server));
            drop(server.shutdown(Shutdown::Both));
        });
        thread::spawn(move || {
            match broker {
                Some(broker) => drop(answers(&mut down, &mut client, &broker, port)),
                None => drop(std::io::copy(&mut down, &mut client)),
            }
            drop(client.shutdown(Shutdown::Both));
        });
        Ok(())
    }
}

/// Passes answers on, whole, with the broker's port replaced by ours.
fn answers(from: &mut TcpStream, to: &mut TcpStream, broker: &str, port: u16) -> Result<()> {
    let (host, theirs) = broker.rsplit_once(':').unwrap_or((broker, "9092"));
    let theirs: i32 = theirs.parse().unwrap_or(9092);
    let name = [host.as_bytes(), &theirs.to_be_bytes()].concat();
    let ours = [host.as_bytes(), &i32::from(port).to_be_bytes()].concat();
    loop {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        from.read_exact(&mut frame)?;
        let mut at = 0;
        while let Some(found) = frame[at..].windows(name.len()).position(|window| window == name) {
            frame[at + found..at + found + name.len()].copy_from_slice(&ours);
            at += found + name.len();
        }
        to.write_all(&length)?;
        to.write_all(&frame)?;
    }
}
