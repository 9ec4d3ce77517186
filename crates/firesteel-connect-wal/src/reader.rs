//! Reading a range of the log from its files.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_connect::{Class, ConnectError, ReadRange, Result, SourceReader, Undecoded};
use firesteel_disk::Disk;
use serde::de::DeserializeOwned;

use crate::codec::{self, Stored};
use crate::frame::FrameHeader;
use crate::frames::{Frames, Next};
use crate::stretch::Stretch;

/// Reads a range of a [`WriteAheadLog`](crate::WriteAheadLog), with one frame in memory at a time.
pub struct LogReader<T> {
    disk: Arc<dyn Disk>,
    /// What is left to read, the current one first.
    stretches: VecDeque<Stretch>,
    frames: Option<Frames>,
    /// The header and the length of the current frame, if there is one.
    current: Option<(FrameHeader, usize)>,
    /// Where in its payload the next record begins, and the position of that record.
    offset: usize,
    ahead: u64,
    position: u64,
    last: u64,
    stop: u64,
    data_end: u64,
    bytes_left: u64,
    records_left: u64,
    item: PhantomData<fn() -> T>,
}

impl<T> LogReader<T> {
    pub(crate) fn new(disk: Arc<dyn Disk>, stretches: VecDeque<Stretch>, range: &ReadRange, end: u64) -> Self {
        Self {
            disk,
            stretches,
            frames: None,
            current: None,
            offset: 0,
            ahead: 0,
            position: range.from,
            last: range.from,
            stop: range.to.unwrap_or(end),
            data_end: end,
            bytes_left: range.max_bytes.unwrap_or(u64::MAX),
            records_left: range.max_records.unwrap_or(u64::MAX),
            item: PhantomData,
        }
    }

    /// Makes the frame that holds the next record the current one; tells whether there is one.
    fn next_frame(&mut self) -> Result<bool> {
        loop {
            if let Some(frames) = &mut self.frames {
                frames.advance(self.current.take().map_or(0, |(_, length)| length));
                match frames.next(self.position)? {
                    Next::Frame { header, length, .. } => {
                        self.current = Some((header, length));
                        (self.offset, self.ahead) = (0, header.first);
                        if header.count > 0 {
                            return Ok(true);
                        }
                        continue;
                    }
                    Next::Bad { at } => return Err(changed(frames, at)),
                    Next::End => {
                        self.frames = None;
                        self.stretches.pop_front();
                    }
                }
            }
            let Some(stretch) = self.stretches.front() else { return Ok(false) };
            let at = stretch.seek(self.position);
            self.frames = Some(Frames::open(&*self.disk, &stretch.path, at, Some(stretch.to))?);
        }
    }

    /// The file that is being read.
    fn place(&self) -> String {
        self.stretches.front().map(|stretch| stretch.path.display().to_string()).unwrap_or_default()
    }

    /// Nothing more of the range is there.
    fn finish(&mut self) {
        self.position = self.position.max(self.stop);
    }
}

fn changed(frames: &Frames, at: u64) -> ConnectError {
    let reason = "it has changed since the log was opened: restore the file from a copy, or start again with \
                  WriteAheadLog::skip_damage and give up what cannot be read";
    ConnectError::Damaged { path: frames.path.to_path_buf(), position: at, reason: reason.into() }
}

impl<T: DeserializeOwned> SourceReader for LogReader<T> {
    type Item = T;

    fn next_record(&mut self) -> Result<Option<T>> {
        loop {
            if self.position >= self.stop || self.bytes_left == 0 || self.records_left == 0 {
                return Ok(None);
            }
            let payload = match (&self.frames, &self.current) {
                (Some(frames), Some((header, length))) => &frames.parts(header, *length).0[self.offset..],
                _ => &[],
            };
            if payload.is_empty() {
                if !self.next_frame()? {
                    self.finish();
                    return Ok(None);
                }
                continue;
            }
            if self.ahead >= self.stop {
                self.finish();
                return Ok(None);
            }
            let place = |what: &str| format!("{what} record {} of the log in {}", self.ahead, self.place());
            let Some((record, rest)) = codec::split(payload) else {
                let source = "its length is not that of what is there".into();
                return Err(ConnectError::Other { context: place("finding"), class: Class::Fatal, source });
            };
            let size = payload.len() - rest.len();
            let wanted = self.ahead >= self.position;
            let decoded = wanted.then(|| match record {
                Stored::Decoded(record) => codec::decode(record).map(Ok),
                Stored::Undecoded(undecoded) => codec::decode::<Undecoded>(undecoded).map(Err),
            });
            let decoded = decoded.transpose().map_err(|error| ConnectError::Other {
                context: place("decoding"),
                class: Class::Fatal,
                source: format!(
                    "{error}; a {} was expected: process the log with the program that wrote it, or remove its folder",
                    std::any::type_name::<T>()
                )
                .into(),
            })?;
            let position = self.ahead;
            (self.offset, self.ahead) = (self.offset + size, position + 1);
            if let Some(record) = decoded {
                (self.last, self.position) = (position, position + 1);
                self.bytes_left = self.bytes_left.saturating_sub(size as u64);
                self.records_left -= 1;
                return match record {
                    Ok(record) => Ok(Some(record)),
                    Err(undecoded) => Err(undecoded.into_error(self.place(), position)),
                };
            }
        }
    }

    fn position(&self) -> u64 {
        self.position
    }

    fn last_position(&self) -> u64 {
        self.last
    }

    fn at_end(&self) -> bool {
        self.position >= self.data_end
    }
}

impl<T> fmt::Debug for LogReader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogReader").field("position", &self.position).field("stop", &self.stop).finish_non_exhaustive()
    }
}
