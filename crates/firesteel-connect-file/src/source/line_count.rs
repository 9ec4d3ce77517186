//! In which line of a file a position is, for messages.

use std::fs::File;
use std::io::{self, Read};

use firesteel_frames::Compression;
use memchr::memchr_iter;

use super::entry::FileEntry;
use super::input::{self, Input};
use super::policy::Borders;

/// Lines are counted up to here: no message is worth reading more than that.
const FARTHEST: u64 = 4 << 20;
const CHUNK: usize = 64 << 10;

/// Counts the lines of a file, from one position to a later one.
pub(crate) struct LineCount {
    input: Input,
    position: u64,
    /// The line of the position, counting from 1.
    line: u64,
}

impl LineCount {
    /// The line of the position. `None` where it is too far into the file, or the file cannot be read.
    pub(crate) fn of(counted: &mut Option<Box<Self>>, file: &FileEntry, position: u64) -> Option<u64> {
        if position > FARTHEST || matches!(file.borders, Borders::Packed | Borders::Rows) {
            return None;
        }
        if counted.as_ref().is_none_or(|counted| counted.position > position) {
            *counted = Self::begin(file).ok().map(Box::new);
        }
        counted.as_mut()?.up_to(position).ok()
    }

    fn begin(file: &FileEntry) -> io::Result<Self> {
        let input = match file.compression {
            Some(compression) if compression != Compression::Plain => {
                input::compressed(File::open(&file.path)?, compression)
            }
            _ => input::plain(File::open(&file.path)?, 0, file.announced)?,
        };
        Ok(Self { input, position: 0, line: 1 })
    }

    fn up_to(&mut self, position: u64) -> io::Result<u64> {
        let mut chunk = vec![0; CHUNK];
        while self.position < position {
            let wanted = (position - self.position).min(CHUNK as u64) as usize;
            let count = self.input.read(&mut chunk[..wanted])?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.line += memchr_iter(b'\n', &chunk[..count]).count() as u64;
            self.position += count as u64;
        }
        Ok(self.line)
    }
}
