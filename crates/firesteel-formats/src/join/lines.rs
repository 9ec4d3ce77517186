//! Text whose records are lines, and records that need nothing between them.

use std::io::Write;

use super::{Joined, MARK, NotJoined, Opener, copy, fill};

/// Lines, one after the other.
#[derive(Debug)]
pub(super) struct Lines {
    /// Whether a newline has to stand after the last record of each file.
    by_lines: bool,
    written: u64,
    is_ended: bool,
    buffer: Vec<u8>,
}

impl Lines {
    pub(super) fn of_lines() -> Self {
        Self { by_lines: true, written: 0, is_ended: true, buffer: Vec::new() }
    }

    pub(super) fn of_bytes() -> Self {
        Self { by_lines: false, ..Self::of_lines() }
    }

    pub(super) fn add(&mut self, file: Opener<'_>, out: &mut dyn Write) -> Result<Joined, NotJoined> {
        let mut text = file().map_err(NotJoined::Read)?;
        if !self.is_ended {
            out.write_all(b"\n").map_err(NotJoined::Write)?;
            (self.written, self.is_ended) = (self.written + 1, true);
        }
        let mut begin = 0;
        let at = self.written;
        if self.by_lines && self.written > 0 {
            // In the middle of a text it would be a part of the line.
            let mut head = [0; MARK.len()];
            let count = fill(&mut text, &mut head)?;
            if head[..count] == *MARK {
                begin = count as u64;
            } else {
                out.write_all(&head[..count]).map_err(NotJoined::Write)?;
                self.note(count as u64, head[..count].last().copied());
            }
        }
        let (length, last) = copy(&mut text, &mut self.buffer, out)?;
        self.note(length, last);
        Ok(Joined { at, length: self.written - at, begin })
    }

    fn note(&mut self, length: u64, last: Option<u8>) {
        self.written += length;
        if self.by_lines
            && let Some(last) = last
        {
            self.is_ended = last == b'\n';
        }
    }
}
