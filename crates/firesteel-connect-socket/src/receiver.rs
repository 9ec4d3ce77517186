//! The receiver: connect, read lines, notice the end.

use std::future::Future;
use std::io;
use std::pin::pin;

use firesteel_connect::{Class, ConnectError, Decode, InvalidUtf8, Receiver, Result, Store, redact};
use firesteel_window::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::lines::{BadLine, LineText, Splitter};

/// How often a wait looks whether the job is to stop.
const STOP_CHECK: Duration = Duration::millis(20);
/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// Receives lines of text from a TCP server.
///
/// Lines end with `\n` or `\r\n`. What the peer has sent after the last newline when it closes the connection is half a line,
/// most likely: it is dropped, and told, unless it is to be [kept](Self::keep_unfinished_line). A peer that closes or cannot be reached is a retryable error, upon which
/// [`Buffered`](firesteel_connect::Buffered) connects again after a pause; with [`end_on_close`](Self::end_on_close)
/// a closed connection is the end of the data instead, and what comes last a line in any case.
///
/// ```
/// use firesteel_connect::Receiver;
/// use firesteel_connect_socket::SocketText;
/// use firesteel_window::seconds;
///
/// let lines = SocketText::connect("localhost:9999").end_on_close().connect_within(seconds(2));
/// assert_eq!(lines.describe(), "lines from localhost:9999");
/// ```
#[derive(Debug, Clone)]
pub struct SocketText<D = LineText> {
    address: String,
    end_on_close: bool,
    keeps_unfinished: bool,
    connect_within: Duration,
    longest: usize,
    decode: D,
}

impl SocketText {
    /// Lines from the server at `host:port`.
    pub fn connect(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            end_on_close: false,
            keeps_unfinished: false,
            connect_within: Duration::secs(10),
            longest: 16 << 20,
            decode: LineText::default(),
        }
    }

    /// What becomes of a line that is not UTF-8. By default it is a record that cannot be decoded, since data is never changed in
    /// silence: the job stops there, or sets it aside, as it was told to, and the lines after it are received in either case.
    /// With [`InvalidUtf8::Replace`] it is a line like any other.
    #[must_use]
    pub fn invalid_utf8(mut self, policy: InvalidUtf8) -> Self {
        self.decode.invalid_utf8 = policy;
        self
    }
}

impl<D: Decode> SocketText<D> {
    /// Makes records of lines with a decoder, such as those of `firesteel-formats`. A line that it refuses is a record that cannot be
    /// decoded: the job stops there, or sets it aside, and the lines after it are received in either case.
    ///
    /// ```
    /// use firesteel_connect::Decoding;
    /// use firesteel_connect_socket::SocketText;
    ///
    /// let numbers = Decoding::new(|line: &[u8]| String::from_utf8_lossy(line).trim().parse::<i64>());
    /// let numbers = SocketText::connect("localhost:9999").decode_with(numbers);
    /// ```
    #[must_use]
    pub fn decode_with<E: Decode>(self, decode: E) -> SocketText<E> {
        let Self { address, end_on_close, connect_within, longest, keeps_unfinished, decode: _ } = self;
        SocketText { address, end_on_close, connect_within, longest, keeps_unfinished, decode }
    }

    /// Takes a connection that the peer closes as the end of the data, rather than as a reason to connect again.
    #[must_use]
    pub fn end_on_close(mut self) -> Self {
        self.end_on_close = true;
        self
    }

    /// Takes what the peer has sent after the last newline for a line when it closes the connection: for peers that end the
    /// last line so. Of a peer that was killed it is half a line.
    #[must_use]
    pub fn keep_unfinished_line(mut self) -> Self {
        self.keeps_unfinished = true;
        self
    }

    /// How long an attempt to connect may take; 10 s by default.
    #[must_use]
    pub fn connect_within(mut self, at_most: Duration) -> Self {
        self.connect_within = at_most;
        self
    }

    /// How many bytes a line may have; 16 MiB by default. A longer one ends the receiver with an error, since
    /// nothing says where sense begins again.
    #[must_use]
    pub fn longest_line(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }

    async fn run(&self, store: &Store<D::Item>) -> Result<()> {
        let Some(mut stream) = self.open(store).await? else { return Ok(()) };
        let mut splitter = Splitter::new(self.longest, self.decode.clone());
        let mut chunk = vec![0; CHUNK];
        let mut lines = Vec::new();
        while let Some(read) = unless_stopped(store, stream.read(&mut chunk)).await {
            let count = read.map_err(|error| self.cut_off(&error.to_string(), splitter.unfinished()))?;
            let fed = splitter.feed(&chunk[..count], &mut lines);
            if count == 0 && (self.end_on_close || self.keeps_unfinished) {
                lines.extend(splitter.finish());
            }
            // Nothing else runs on this thread, so it may wait here for room in the buffer, and the peer with it.
            if store.push_decoded(lines.drain(..)).is_err() {
                return Ok(());
            }
            fed.map_err(|bad| self.malformed(bad))?;
            if count == 0 {
                let closed = || self.cut_off("it has closed the connection", splitter.unfinished());
                return if self.end_on_close { Ok(()) } else { Err(closed()) };
            }
        }
        Ok(())
    }

    /// A connection, or `None` when the job is to stop.
    async fn open(&self, store: &Store<D::Item>) -> Result<Option<TcpStream>> {
        let connecting = timeout(self.connect_within.to_std(), TcpStream::connect(&self.address));
        match unless_stopped(store, connecting).await {
            None => Ok(None),
            Some(Ok(Ok(stream))) => Ok(Some(stream)),
            Some(Ok(Err(error))) if error.kind() == io::ErrorKind::InvalidInput => Err(ConnectError::Setting {
                connector: "SocketText",
                setting: "address",
                reason: format!("`{}` is not of the form host:port ({error})", self.address),
            }),
            Some(Ok(Err(error))) => Err(self.unreachable(error)),
            Some(Err(_)) => Err(self.unreachable(format!("no connection within {}", self.connect_within))),
        }
    }

    fn unreachable(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ConnectError {
        ConnectError::Unreachable { peer: self.address.clone(), source: source.into() }
    }

    /// The error of a connection that broke, which names what it takes with it.
    fn cut_off(&self, error: &str, unfinished: usize) -> ConnectError {
        match unfinished {
            0 => self.unreachable(error),
            bytes => self.unreachable(format!("{error}; {bytes} bytes of a line whose end never came are dropped")),
        }
    }

    fn malformed(&self, bad: BadLine) -> ConnectError {
        ConnectError::Malformed {
            place: self.describe(),
            position: bad.position,
            line: None,
            reason: bad.reason,
            payload: Some(Box::new(bad.payload)),
        }
    }
}

/// Waits for the future, but not beyond the job's end.
async fn unless_stopped<T, F: Future>(store: &Store<T>, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    while !store.is_stopped() {
        if let Ok(output) = timeout(STOP_CHECK.to_std(), future.as_mut()).await {
            return Some(output);
        }
    }
    None
}

impl<D: Decode> Receiver for SocketText<D> {
    type Item = D::Item;

    fn describe(&self) -> String {
        format!("lines from {}", redact(&self.address))
    }

    fn receive(&mut self, store: &Store<D::Item>) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(|source| ConnectError::Other {
            context: format!("starting to receive {}", self.describe()),
            class: Class::Retryable,
            source: source.into(),
        })?;
        let received = runtime.block_on(self.run(store));
        // A name that is still being looked up must not hold up the end of the job.
        runtime.shutdown_background();
        received
    }
}
