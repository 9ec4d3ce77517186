//! Lines of standard input and of pipes: what comes once.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver as Queue, RecvTimeoutError, sync_channel};
use std::time::Duration as StdDuration;

use firesteel_connect::{Class, ConnectError, Decoded, InvalidUtf8, Payload, Receiver, Result, Store, Undecoded};

use crate::path;

/// How often a wait looks whether the job is to stop.
const STOP_CHECK: StdDuration = StdDuration::from_millis(20);
/// Lines that are handed on at once, at most, and how many such portions are read in advance.
const PORTION: usize = 1_024;
const AHEAD: usize = 4;
/// How long a line may be unless told otherwise: 16 MiB.
const LONGEST_LINE: usize = 16 << 20;

/// Receives the lines of standard input, which come once: a job that is started again cannot ask for them a second time. With
/// [`Buffered`](firesteel_connect::Buffered) it is at-most-once across restarts; a write-ahead log (`firesteel-connect-wal`)
/// keeps what has been received, and with it the job is exactly-once.
///
/// Lines end with `\n` or `\r\n`; what comes after the last newline is a line too. Where standard input ends, so does the source.
///
/// ```
/// use firesteel_connect::{Buffered, Receiver, Replay, Source};
/// use firesteel_connect_file::Stdin;
///
/// let lines = Stdin::lines();
/// assert_eq!(lines.describe(), "lines of standard input");
/// assert_eq!(Buffered::new(lines).replay(), Replay::WhileRunning);
/// ```
#[derive(Debug, Clone)]
pub struct Stdin {
    from: From,
    longest: usize,
    invalid_utf8: InvalidUtf8,
}

/// What is read.
#[derive(Debug, Clone)]
enum From {
    Stdin,
    /// A pipe with a name, which is opened again when its writer has closed it, if `follow`.
    Pipe {
        path: PathBuf,
        follow: bool,
    },
}

impl Stdin {
    /// The lines of standard input.
    #[must_use]
    pub fn lines() -> Self {
        Self { from: From::Stdin, longest: LONGEST_LINE, invalid_utf8: InvalidUtf8::default() }
    }

    /// The lines of a pipe with a name (`mkfifo`), until its writer closes it.
    pub fn pipe(path: impl Into<PathBuf>) -> Self {
        Self { from: From::Pipe { path: path.into(), follow: false }, ..Self::lines() }
    }

    /// Waits for the next writer of the pipe when one has closed it, without end. Standard input has one writer.
    #[must_use]
    pub fn follow(mut self) -> Self {
        if let From::Pipe { follow, .. } = &mut self.from {
            *follow = true;
        }
        self
    }

    /// How many bytes a line may have; 16 MiB unless told otherwise. A longer one is a record that cannot be decoded.
    #[must_use]
    pub fn longest_line(mut self, bytes: usize) -> Self {
        self.longest = bytes.max(1);
        self
    }

    /// What becomes of a line that is not UTF-8. By default it is a record that cannot be decoded.
    #[must_use]
    pub fn invalid_utf8(mut self, policy: InvalidUtf8) -> Self {
        self.invalid_utf8 = policy;
        self
    }

    /// Reads all lines of the input and hands them on, a portion when no more are there at the moment.
    fn read(&self, input: impl Read, mut hand_on: impl FnMut(Vec<Decoded<String>>) -> bool) -> io::Result<bool> {
        let mut input = BufReader::with_capacity(64 << 10, input);
        let (mut portion, mut is_first) = (Vec::new(), true);
        loop {
            let mut line = Vec::new();
            let length = read_line(&mut input, self.longest, &mut line)?;
            if length > 0 {
                let text = line.strip_suffix(b"\n").unwrap_or(&line);
                let text = text.strip_suffix(b"\r").filter(|_| line.ends_with(b"\n")).unwrap_or(text);
                let mark = "\u{feff}".as_bytes();
                let text = text.strip_prefix(mark).filter(|_| is_first).unwrap_or(text);
                portion.push(self.decoded(text, length));
                is_first = false;
            }
            let is_all = length == 0;
            if (is_all || portion.len() == PORTION || input.buffer().is_empty()) && !portion.is_empty() {
                let kept = hand_on(std::mem::take(&mut portion));
                if !kept {
                    return Ok(false);
                }
            }
            if is_all {
                return Ok(true);
            }
        }
    }

    fn decoded(&self, text: &[u8], length: u64) -> Decoded<String> {
        if length > self.longest as u64 + 2 || text.len() > self.longest {
            let reason = format!("a line of more than {} bytes; allow longer lines", self.longest);
            return Err(Undecoded::new(reason, Payload::beginning(text, length)));
        }
        self.invalid_utf8.text(text).map(Cow::into_owned).map_err(|index| {
            let reason = format!("byte {index} of the line is not UTF-8; convert it, or have such bytes replaced");
            Undecoded::new(reason, Payload::of(text))
        })
    }
}

/// Reads a line with its newline, of which `longest` bytes and an end are kept; tells how many bytes it has.
fn read_line(input: &mut impl BufRead, longest: usize, line: &mut Vec<u8>) -> io::Result<u64> {
    let mut length = 0;
    loop {
        let bytes = match input.fill_buf() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let (count, is_end) = match memchr::memchr(b'\n', bytes) {
            Some(at) => (at + 1, true),
            None => (bytes.len(), bytes.is_empty()),
        };
        let room = (longest + 2).saturating_sub(line.len());
        line.extend_from_slice(&bytes[..count.min(room)]);
        input.consume(count);
        length += count as u64;
        if is_end {
            return Ok(length);
        }
    }
}

/// What a thread that reads has to tell.
enum Portion {
    Lines(Vec<Decoded<String>>),
    End(io::Result<()>),
}

impl Receiver for Stdin {
    type Item = String;

    fn describe(&self) -> String {
        match &self.from {
            From::Stdin => "lines of standard input".into(),
            From::Pipe { path, .. } => format!("lines of the pipe {}", path.display()),
        }
    }

    fn receive(&mut self, store: &Store<String>) -> Result<()> {
        // Reading waits for the writer, and cannot be broken off: it has a thread that the end of the job does not wait for.
        let (send, lines) = sync_channel(AHEAD);
        let reader = self.clone();
        let read = move || {
            let hand_on = |portion| send.send(Portion::Lines(portion)).is_ok();
            let ended = match &reader.from {
                From::Stdin => reader.read(io::stdin(), hand_on).map(drop),
                From::Pipe { path, follow } => loop {
                    match File::open(path).and_then(|pipe| reader.read(pipe, hand_on)) {
                        Ok(true) if *follow => {}
                        ended => break ended.map(drop),
                    }
                },
            };
            // Nobody may be listening any more.
            _ = send.send(Portion::End(ended));
        };
        let started = std::thread::Builder::new().name("firesteel-lines".into()).spawn(read);
        started.map_err(|source| ConnectError::Other {
            context: format!("starting to receive {}", self.describe()),
            class: Class::Retryable,
            source: source.into(),
        })?;
        self.hand_over(&lines, store)
    }
}

impl Stdin {
    fn hand_over(&self, lines: &Queue<Portion>, store: &Store<String>) -> Result<()> {
        loop {
            match lines.recv_timeout(STOP_CHECK) {
                Ok(Portion::Lines(portion)) => {
                    if store.push_decoded(portion.into_iter()).is_err() {
                        return Ok(());
                    }
                }
                Ok(Portion::End(Ok(()))) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Ok(Portion::End(Err(error))) => {
                    return Err(match &self.from {
                        From::Pipe { path, .. } => path::failed("read", path)(error),
                        From::Stdin => ConnectError::Other {
                            context: "reading standard input".into(),
                            class: Class::Fatal,
                            source: error.into(),
                        },
                    });
                }
                Err(RecvTimeoutError::Timeout) if store.is_stopped() => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], longest: usize) -> Vec<std::result::Result<String, (Vec<u8>, u64)>> {
        let mut lines = Vec::new();
        let whole = Stdin::lines().longest_line(longest).read(text, |portion| {
            lines.extend(portion);
            true
        });
        assert!(whole.unwrap());
        let payload = |undecoded: Undecoded| {
            let payload = undecoded.payload();
            (payload.bytes().to_vec(), payload.len())
        };
        lines.into_iter().map(|line| line.map_err(payload)).collect()
    }

    #[test]
    fn lines_come_as_those_of_files_do() {
        let good = |line: &str| Ok(line.to_owned());
        let text = b"\xef\xbb\xbfone\r\n\nlone\rreturn\n\xef\xbb\xbfcaf\xc3\xa9\nlast";
        let expected = [good("one"), good(""), good("lone\rreturn"), good("\u{feff}café"), good("last")];
        assert_eq!(read(text, 100), expected);
        assert_eq!(read(b"caf\xe9\nok\n", 100), [Err((b"caf\xe9".to_vec(), 4)), good("ok")]);
        let long = read(b"12345\n123456789\n12345\r\n", 5);
        assert_eq!((&long[0], &long[2]), (&good("12345"), &good("12345")));
        assert!(matches!(&long[1], Err((kept, 10)) if kept.starts_with(b"12345")), "{long:?}");
        assert_eq!(read(b"", 5), []);
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_a_receiver_that_ends_with_its_writer_or_waits_for_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let write = |text: &'static str| {
            let path = path.clone();
            std::thread::Builder::new().spawn(move || std::fs::write(path, text).unwrap()).unwrap()
        };
        firesteel_connect::conformance::receiver(
            || {
                write("one\ntwo\n");
                Stdin::pipe(&path)
            },
            &["one".to_owned(), "two".to_owned()],
        );
    }
}
