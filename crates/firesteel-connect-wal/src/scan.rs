//! Looking through a log that is there.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use firesteel_connect::{Class, ConnectError, Result};
use firesteel_disk::Disk;

use crate::error::failed;
use crate::frame::{self, FILE_HEADER, Foreign};
use crate::frames::{Frames, Next};
use crate::stretch::Stretch;

/// What is in a folder.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) stretches: VecDeque<Stretch>,
    /// Records before this position are committed.
    pub(crate) committed: u64,
    /// The position of the next record.
    pub(crate) next: u64,
    /// The newest token, and the segment in which it stands.
    pub(crate) token: Option<(Arc<[u8]>, Arc<Path>)>,
    /// Where the last frame of the last segment begins; 0 if there is none.
    pub(crate) last_frame: u64,
    /// The last segment is to be cut to this length.
    pub(crate) cut: Option<u64>,
    /// Segments whose header was not written to its end.
    pub(crate) not_begun: Vec<PathBuf>,
    /// Whether records are missing.
    pub(crate) gaps: bool,
    /// Whether writing continues in a new segment, since the last one has an end that cannot be trusted.
    pub(crate) new_segment: bool,
}

/// Looks through the log in a folder. Damage is an error, or with `skip` left out.
pub(crate) fn look(disk: &dyn Disk, folder: &Path, skip: bool) -> Result<Found> {
    let names: Vec<(u64, String)> = (disk.list(folder).map_err(failed)?.into_iter())
        .filter_map(|name| Some((frame::parse_name(&name)?, name)))
        .collect();
    let mut scan = Scan { found: Found::default(), skip, begun: false };
    let count = names.len();
    for (number, (first, name)) in names.into_iter().enumerate() {
        scan.segment(disk, folder.join(name).into(), first, number + 1 == count)?;
    }
    let mut found = scan.found;
    // What is before the first segment was committed, or it would be there.
    let begin = found.stretches.front().map_or(found.next, |first| first.first);
    found.committed = found.committed.max(begin).min(found.next);
    Ok(found)
}

struct Scan {
    found: Found,
    skip: bool,
    /// Whether there was a segment before.
    begun: bool,
}

impl Scan {
    fn segment(&mut self, disk: &dyn Disk, path: Arc<Path>, first: u64, last: bool) -> Result<()> {
        let mut frames = Frames::open(disk, &path, 0, None)?;
        if last && self.not_begun(&mut frames)? {
            self.found.not_begun.push(path.to_path_buf());
            // The name tells what comes next if nothing else does.
            self.found.next = self.found.next.max(first);
            return Ok(());
        }
        if self.begun && first != self.found.next {
            self.gap(&path, 0, first, "its records do not follow those of the segment before it")?;
        }
        self.begun = true;
        self.found.next = self.found.next.max(first);
        let mut from = FILE_HEADER as u64;
        match frame::check_file_header(frames.head(FILE_HEADER)?) {
            Ok(()) => {}
            Err(Foreign::Version(version)) => return Err(later(&path, version)),
            Err(Foreign::Unknown) if self.skip => from = 0,
            Err(Foreign::Unknown) => {
                return Err(self.damaged(&path, 0, "it has no header, or that of a file of another kind"));
            }
        }
        self.found.last_frame = 0;
        let mut stretch = Stretch::new(path, self.found.next, from);
        frames.go_to(from);
        loop {
            match frames.next(0)? {
                Next::End => break,
                Next::Frame { at, header, length } => {
                    let Some(next) = header.next() else {
                        return Err(self.damaged(&stretch.path, at, "a position exceeds 64 bits"));
                    };
                    if header.first != self.found.next {
                        self.gap(&stretch.path, at, header.first, "records are missing before it")?;
                        self.part(&mut stretch, at);
                    }
                    stretch.add(next, length as u64);
                    self.found.next = next;
                    self.found.committed = self.found.committed.max(header.committed);
                    self.found.last_frame = at;
                    if let Some(token) = frames.parts(&header, length).1 {
                        self.found.token = Some((token.into(), Arc::clone(&stretch.path)));
                    }
                    frames.advance(length);
                }
                Next::Bad { at } => match self.bad(&mut frames, &stretch.path, at, last)? {
                    Some(at) => {
                        frames.go_to(at);
                        self.part(&mut stretch, at);
                    }
                    None => break,
                },
            }
        }
        self.found.stretches.push_back(stretch);
        Ok(())
    }

    /// Whether the last segment was not even begun: it is shorter than its header, or nothing of it was written.
    fn not_begun(&self, frames: &mut Frames) -> Result<bool> {
        let short = frames.end() < FILE_HEADER as u64;
        Ok(short || frames.head(FILE_HEADER)?.iter().all(|byte| *byte == 0) && is_zero(&frames.rest(0)?))
    }

    /// Begins another stretch of the same file.
    fn part(&mut self, stretch: &mut Stretch, at: u64) {
        let next = Stretch::new(Arc::clone(&stretch.path), self.found.next, at);
        let before = std::mem::replace(stretch, next);
        if before.next > before.first {
            self.found.stretches.push_back(before);
        }
    }

    /// Resumes at a later position than is expected.
    fn gap(&mut self, path: &Path, at: u64, position: u64, reason: &str) -> Result<()> {
        if !self.skip || position < self.found.next {
            return Err(self.damaged(path, at, reason));
        }
        self.lose(path, at, &format!("records {} to {position} are skipped", self.found.next));
        self.found.next = position;
        Ok(())
    }

    fn lose(&mut self, path: &Path, at: u64, what: &str) {
        tracing::error!(file = %path.display(), at, "the write-ahead log is damaged: {what}");
        self.found.gaps = true;
    }

    /// What to do about bytes that are no frame: tells where to continue in the file, if anywhere.
    fn bad(&mut self, frames: &mut Frames, path: &Path, at: u64, last: bool) -> Result<Option<u64>> {
        let rest = frames.rest(at)?;
        if last && at >= FILE_HEADER as u64 && frame::is_torn(&rest, at) {
            self.found.cut = Some(at);
            return Ok(None);
        }
        if !self.skip {
            return Err(self.damaged(path, at, "a frame does not match its checksum, and no write was torn there"));
        }
        let next = self.found.next;
        if let Some((offset, header)) = frame::find(&rest, 1).filter(|(_, header)| header.first >= next) {
            self.lose(path, at, &format!("records {next} to {} are skipped", header.first));
            self.found.next = header.first;
            return Ok(Some(at + offset as u64));
        }
        if last {
            // A record takes a byte at least. No position that anybody may have seen is given away again.
            self.found.next = next.saturating_add(rest.len() as u64);
            self.found.new_segment = true;
        }
        self.lose(path, at, &format!("all records from {next} on in this segment are skipped"));
        Ok(None)
    }

    fn damaged(&self, path: &Path, position: u64, reason: &str) -> ConnectError {
        let next = self.found.next;
        let way_out = format!(
            "{reason}; records from {next} on are affected: restore the file from a copy, or give up what cannot be read \
             with WriteAheadLog::skip_damage"
        );
        ConnectError::Damaged { path: path.to_owned(), position, reason: way_out }
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn later(path: &Path, version: u32) -> ConnectError {
    ConnectError::Other {
        context: format!("opening {}", path.display()),
        class: Class::Fatal,
        source: format!("it is of format {version}, which this release does not know: use a newer release").into(),
    }
}
