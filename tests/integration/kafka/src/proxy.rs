//! A proxy in front of a broker, which loses ends of transactions.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// What becomes of the next request that ends a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Loses {
    /// It is passed on, as all others.
    #[default]
    Nothing,
    /// It never arrives.
    Request,
    /// It arrives; the answer is lost.
    Answer,
    /// It arrives when [`Proxy::land`] says so.
    Late,
}

#[derive(Debug, Default)]
struct Shared {
    loses: Loses,
    kept: Option<Vec<u8>>,
    broker: String,
}

/// A proxy on a port of its own, which passes on what it does not lose.
#[derive(Debug, Clone)]
pub struct Proxy {
    port: u16,
    shared: Arc<Mutex<Shared>>,
}

/// The number of the request that ends a transaction.
const END_TXN: i16 = 26;

impl Proxy {
    /// Starts one; the broker comes later, since it has to know where the proxy is.
    ///
    /// # Errors
    /// When there is no port.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let proxy = Self { port: listener.local_addr()?.port(), shared: Arc::default() };
        let accepting = proxy.clone();
        std::thread::Builder::new().spawn(move || {
            for client in listener.incoming().flatten() {
                let one = accepting.clone();
                // A connection that breaks is what this is for.
                _ = std::thread::Builder::new().spawn(move || one.relay(client));
            }
        })?;
        Ok(proxy)
    }

    /// Says where the broker is.
    pub fn leads_to(&self, broker: &str) {
        self.with(|shared| broker.clone_into(&mut shared.broker));
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Says what becomes of the next request that ends a transaction.
    pub fn lose(&self, loses: Loses) {
        self.with(|shared| shared.loses = loses);
    }

    /// Has a request arrive that was kept, and waits for its answer.
    ///
    /// # Errors
    /// When the broker is not there.
    pub fn land(&self) -> io::Result<()> {
        let (kept, broker) = self.with(|shared| (shared.kept.take(), shared.broker.clone()));
        let Some(frame) = kept else { return Ok(()) };
        let mut broker = TcpStream::connect(broker)?;
        broker.write_all(&frame)?;
        read_frame(&mut broker).map(drop)
    }

    fn with<T>(&self, run: impl FnOnce(&mut Shared) -> T) -> T {
        run(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn relay(&self, mut client: TcpStream) -> io::Result<()> {
        let mut broker = TcpStream::connect(self.with(|shared| shared.broker.clone()))?;
        client.set_nodelay(true)?;
        broker.set_nodelay(true)?;
        loop {
            let frame = read_frame(&mut client)?;
            let ends = frame.get(4..6) == Some(&END_TXN.to_be_bytes());
            let loses = if ends { self.with(|shared| std::mem::take(&mut shared.loses)) } else { Loses::Nothing };
            match loses {
                Loses::Request => return Ok(()),
                Loses::Late => {
                    self.with(|shared| shared.kept = Some(frame));
                    return Ok(());
                }
                Loses::Nothing | Loses::Answer => broker.write_all(&frame)?,
            }
            let answer = read_frame(&mut broker)?;
            if loses == Loses::Answer {
                return Ok(());
            }
            client.write_all(&answer)?;
        }
    }
}

/// A frame with its length before it.
fn read_frame(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut frame = length.to_vec();
    let length = u64::from(u32::from_be_bytes(length));
    stream.take(length).read_to_end(&mut frame)?;
    if frame.len() as u64 == length + 4 { Ok(frame) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
