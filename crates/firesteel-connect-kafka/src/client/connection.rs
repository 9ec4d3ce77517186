//! One connection to one broker: frames, versions, time limits.
//!
//! Requests are sent one after another and answered in the same order; several may be under way. After any failure the
//! connection is not used again: what would come next belongs to nobody knows which request.

use std::collections::{HashMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};

use super::ask::Ask;
use super::fault::{Code, Fault, Outcome};
use crate::time::Deadline;

/// A frame has this many bytes at most. Brokers send larger ones only where a batch is larger, which they refuse to take.
pub(crate) const LARGEST_FRAME: usize = 256 << 20;

/// The version of `ApiVersions` that is asked for first: brokers since 2.4 know it.
const API_VERSIONS: i16 = 3;

/// A connection.
pub(crate) struct Connection {
    stream: TcpStream,
    peer: String,
    client_id: StrBytes,
    /// How long a request may take.
    limit: Duration,
    correlation: i32,
    /// Requests without an answer, with their deadlines.
    under_way: VecDeque<(i32, Deadline)>,
    out: BytesMut,
    /// The frame read last is the first `filled` bytes.
    frame: Vec<u8>,
    filled: usize,
    spoken: HashMap<i16, (i16, i16)>,
    transaction_version: i16,
    /// Whether it has been idle: then the broker may have closed it meanwhile, which is no failure.
    pub(crate) was_idle: bool,
    /// Whether something went wrong: what comes next on it belongs to nobody knows which request.
    is_broken: bool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects to `host:port`, trying each address of the name, and asks what the broker speaks.
    pub(crate) fn open(peer: &str, client_id: &str, limit: Duration) -> Outcome<Self> {
        let cut = |source| Fault::Cut { peer: peer.to_owned(), source };
        let mut last = None;
        for address in peer.to_socket_addrs().map_err(cut)? {
            match TcpStream::connect_timeout(&address, limit.min(Duration::from_secs(10))) {
                Ok(stream) => return Self::over(stream, peer, client_id, limit),
                Err(error) => last = Some(error),
            }
        }
        Err(cut(last.unwrap_or_else(|| ErrorKind::NotFound.into())))
    }

    fn over(stream: TcpStream, peer: &str, client_id: &str, limit: Duration) -> Outcome<Self> {
        stream.set_nodelay(true).map_err(|source| Fault::Cut { peer: peer.to_owned(), source })?;
        let mut connection = Self {
            stream,
            peer: peer.to_owned(),
            client_id: StrBytes::from_string(client_id.to_owned()),
            limit,
            correlation: 0,
            under_way: VecDeque::new(),
            out: BytesMut::new(),
            frame: Vec::new(),
            filled: 0,
            spoken: HashMap::from([(ApiKey::ApiVersions as i16, (0, API_VERSIONS))]),
            transaction_version: 0,
            was_idle: false,
            is_broken: false,
        };
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("firesteel"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let answer: ApiVersionsResponse = connection.call(API_VERSIONS, &request)?;
        Code::check(answer.error_code, || format!("asking {peer} for its versions"))?;
        connection.spoken =
            answer.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version))).collect();
        let mut features = answer.finalized_features.iter();
        let transactions = features.find(|feature| feature.name.as_str() == "transaction.version");
        connection.transaction_version = transactions.map_or(0, |feature| feature.max_version_level);
        Ok(connection)
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> &str {
        &self.peer
    }

    /// The finalized version of the transaction protocol.
    pub(crate) fn transaction_version(&self) -> i16 {
        self.transaction_version
    }

    /// Whether another request can be sent and its answer told apart.
    pub(crate) fn is_free(&self) -> bool {
        !self.is_broken && self.under_way.is_empty()
    }

    /// Sends a request in this version.
    pub(crate) fn send<Q: Ask>(&mut self, version: i16, request: &Q) -> Outcome<()> {
        let api = Q::NAME;
        match self.spoken.get(&Q::KEY) {
            Some((least, most)) if (*least..=*most).contains(&version) => {}
            spoken => {
                let spoken =
                    spoken.map_or("not at all".into(), |(least, most)| format!("in versions {least} to {most}"));
                let reason = format!("version {version} is, the broker has it {spoken}; Kafka 3.1 or newer is needed");
                return Err(Fault::Unspoken { peer: self.peer.clone(), api, reason });
            }
        }
        self.correlation = self.correlation.wrapping_add(1);
        self.out.clear();
        self.out.put_i32(0);
        let header = RequestHeader::default()
            .with_request_api_key(Q::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(self.client_id.clone()));
        let encoded = header.encode(&mut self.out, Q::header_version(version));
        let encoded = encoded.and_then(|()| request.encode(&mut self.out, version));
        let garbled = |reason: String| Fault::Garbled { peer: self.peer.clone(), reason };
        encoded.map_err(|error| garbled(format!("{api} cannot be encoded: {error}")))?;
        let length = i32::try_from(self.out.len() - 4).map_err(|_| garbled(format!("{api} is too long")))?;
        self.out[..4].copy_from_slice(&length.to_be_bytes());
        let deadline = Deadline::after(self.limit);
        self.is_broken = true;
        let sent = self.stream.set_write_timeout(Some(self.limit)).and_then(|()| self.stream.write_all(&self.out));
        sent.map_err(|source| self.cut(source))?;
        self.is_broken = false;
        self.under_way.push_back((self.correlation, deadline));
        Ok(())
    }

    /// The answer to the oldest request, as it came: after the header's correlation id.
    pub(crate) fn receive_raw(&mut self) -> Outcome<&[u8]> {
        let Some((correlation, deadline)) = self.under_way.pop_front() else {
            return Err(self.garbled("nothing was asked".into()));
        };
        self.is_broken = true;
        let mut length = [0; 4];
        self.fill(&mut length, deadline)?;
        let length = i32::from_be_bytes(length);
        let fits = usize::try_from(length).ok().filter(|length| (4..=LARGEST_FRAME).contains(length));
        let Some(length) = fits else {
            return Err(self.garbled(format!(
                "it announces a frame of {length} bytes; is this the port of something else, or one that wants TLS?"
            )));
        };
        let mut frame = std::mem::take(&mut self.frame);
        // The length is the peer's word: memory grows as bytes come.
        let mut filled = 0;
        while filled < length {
            let upto = length.min((filled + (4 << 20)).max(frame.len().min(length)));
            if frame.len() < upto {
                frame.resize(upto, 0);
            }
            self.fill(&mut frame[filled..upto], deadline)?;
            filled = upto;
        }
        (self.frame, self.filled) = (frame, filled);
        let found = i32::from_be_bytes([self.frame[0], self.frame[1], self.frame[2], self.frame[3]]);
        if found != correlation {
            return Err(self.garbled(format!("it answers request {found}, and {correlation} was asked")));
        }
        self.is_broken = false;
        Ok(&self.frame[4..filled])
    }

    /// The frame of the answer received last, for this buffer. What it holds begins at byte 4.
    pub(crate) fn swap_frame(&mut self, buffer: &mut Vec<u8>) -> usize {
        std::mem::swap(&mut self.frame, buffer);
        std::mem::take(&mut self.filled)
    }

    /// The answer to the oldest request, which was in this version.
    pub(crate) fn receive<A: Decodable + HeaderVersion>(&mut self, version: i16) -> Outcome<A> {
        let frame = self.receive_raw()?;
        let mut whole = BytesMut::with_capacity(frame.len() + 4);
        whole.put_i32(0);
        whole.extend_from_slice(frame);
        let mut bytes: Bytes = whole.freeze();
        let answer = ResponseHeader::decode(&mut bytes, A::header_version(version));
        let answer = answer.and_then(|_| A::decode(&mut bytes, version));
        match answer {
            Ok(answer) if !bytes.has_remaining() => Ok(answer),
            Ok(_) => Err(self.garbled("an answer is longer than its version says".into())),
            Err(error) => Err(self.garbled(format!("an answer cannot be read: {error}"))),
        }
    }

    /// Asks, and waits for the answer.
    pub(crate) fn call<Q: Ask>(&mut self, version: i16, request: &Q) -> Outcome<Q::Answer> {
        self.send(version, request)?;
        self.receive(version)
    }

    fn fill(&mut self, mut bytes: &mut [u8], deadline: Deadline) -> Outcome<()> {
        while !bytes.is_empty() {
            let Some(left) = deadline.left() else { return Err(Fault::late(&self.peer)) };
            let read = self.stream.set_read_timeout(Some(left)).and_then(|()| self.stream.read(bytes));
            match read {
                Ok(0) => {
                    let source = std::io::Error::new(ErrorKind::UnexpectedEof, "the broker has closed the connection");
                    return Err(self.cut(source));
                }
                Ok(read) => bytes = &mut bytes[read..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Err(Fault::late(&self.peer));
                }
                Err(error) => return Err(self.cut(error)),
            }
        }
        Ok(())
    }

    fn cut(&self, source: std::io::Error) -> Fault {
        Fault::Cut { peer: self.peer.clone(), source }
    }

    fn garbled(&self, reason: String) -> Fault {
        Fault::Garbled { peer: self.peer.clone(), reason }
    }
}
