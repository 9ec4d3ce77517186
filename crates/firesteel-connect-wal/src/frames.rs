//! Frames of a file, one after the other.

use std::path::Path;
use std::sync::Arc;

use firesteel_connect::Result;
use firesteel_disk::{Disk, Reading};

use crate::error::failed;
use crate::frame::{FrameHeader, HEADER, OVERHEAD};

/// Bytes that are read at once, at least.
const CHUNK: usize = 64 << 10;

/// Goes through the frames of a part of a file, with no more in memory than one frame and a little.
#[derive(Debug)]
pub(crate) struct Frames {
    pub(crate) path: Arc<Path>,
    file: Box<dyn Reading>,
    buffer: Vec<u8>,
    /// Where in the file the buffer begins.
    base: u64,
    /// Where in the buffer the next frame begins.
    start: usize,
    /// Where in the file the part ends.
    end: u64,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Next {
    /// A sound frame, which begins at byte `at`.
    Frame { at: u64, header: FrameHeader, length: usize },
    /// The part is at its end.
    End,
    /// Bytes that are no frame, or not all of one.
    Bad { at: u64 },
}

impl Frames {
    /// The frames from byte `at` on; up to `end`, or to the end of the file.
    pub(crate) fn open(disk: &dyn Disk, path: &Arc<Path>, at: u64, end: Option<u64>) -> Result<Self> {
        let mut file = disk.open_to_read(path).map_err(failed)?;
        let end = match end {
            Some(end) => end,
            None => file.length().map_err(failed)?,
        };
        Ok(Self { path: Arc::clone(path), file, buffer: vec![], base: at, start: 0, end })
    }

    fn at(&self) -> u64 {
        self.base + self.start as u64
    }

    /// Where the part ends.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Reads until there are `wanted` bytes from the next frame's beginning on; tells how many there are.
    fn fill(&mut self, wanted: usize) -> Result<usize> {
        if self.buffer.len() - self.start < wanted {
            self.buffer.drain(..self.start);
            self.base += self.start as u64;
            self.start = 0;
            let held = self.buffer.len();
            let there = usize::try_from(self.end.saturating_sub(self.base)).unwrap_or(usize::MAX);
            self.buffer.resize(wanted.max(CHUNK).min(there).max(held), 0);
            let read = self.file.read_at(self.base + held as u64, &mut self.buffer[held..]).map_err(failed)?;
            self.buffer.truncate(held + read);
        }
        Ok(self.buffer.len() - self.start)
    }

    /// The first bytes of the part, for a look at the header of a file. Only before the first frame.
    pub(crate) fn head(&mut self, length: usize) -> Result<&[u8]> {
        let there = self.fill(length)?;
        Ok(&self.buffer[self.start..][..there.min(length)])
    }

    /// Continues at byte `at`.
    pub(crate) fn go_to(&mut self, at: u64) {
        let inside = at.checked_sub(self.base).and_then(|offset| usize::try_from(offset).ok());
        match inside.filter(|offset| *offset <= self.buffer.len()) {
            Some(offset) => self.start = offset,
            None => {
                self.buffer.clear();
                (self.base, self.start) = (at, 0);
            }
        }
    }

    /// The next frame that holds a record from `position` on; those before it are skipped unseen. The frame stays the
    /// current one until the next call.
    pub(crate) fn next(&mut self, position: u64) -> Result<Next> {
        loop {
            let at = self.at();
            if at >= self.end {
                return Ok(Next::End);
            }
            self.fill(HEADER)?;
            let header = FrameHeader::decode(&self.buffer[self.start..]);
            let Some((header, length)) = header.and_then(|header| Some((header, header.length()?))) else {
                return Ok(Next::Bad { at });
            };
            let after = at.saturating_add(length as u64);
            if after > self.end {
                return Ok(Next::Bad { at });
            }
            if position > 0 && header.next().is_none_or(|next| next <= position) {
                self.go_to(after);
                continue;
            }
            self.fill(length)?;
            if header.payload(&self.buffer[self.start..]).is_none() {
                return Ok(Next::Bad { at });
            }
            return Ok(Next::Frame { at, header, length });
        }
    }

    /// The records of the current frame, and its token.
    pub(crate) fn parts(&self, header: &FrameHeader, length: usize) -> (&[u8], Option<&[u8]>) {
        let tail = OVERHEAD - HEADER;
        header.parts(&self.buffer[self.start + HEADER..self.start + length - tail])
    }

    /// Leaves the current frame.
    pub(crate) fn advance(&mut self, length: usize) {
        self.start += length;
    }

    /// Everything from byte `at` to the end of the part.
    pub(crate) fn rest(&mut self, at: u64) -> Result<Vec<u8>> {
        let mut rest = vec![0; usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX)];
        let read = self.file.read_at(at, &mut rest).map_err(failed)?;
        rest.truncate(read);
        Ok(rest)
    }
}
