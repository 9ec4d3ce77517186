//! The files of a log, as its writer sees them: one that grows, and older ones that go.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use firesteel_connect::{Class, ConnectError, Result};
use firesteel_disk::{Disk, Growing};

use crate::error::{failed, unsynced};
use crate::frame;
use crate::group::{Group, Placed};
use crate::scan::Found;

/// The segment that is written to.
#[derive(Debug)]
struct Current {
    path: Arc<Path>,
    file: Box<dyn Growing>,
    /// The position of its first record.
    first: u64,
    /// Where the next frame goes.
    end: u64,
}

/// Whether the end of the current segment is known.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Writing {
    Sound,
    /// A write failed and may have left a part behind: it is cut off before the next one.
    Ragged,
}

/// Writes frames, each synced before the next.
#[derive(Debug)]
pub(crate) struct Files {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    segment_bytes: u64,
    current: Option<Current>,
    state: Writing,
    /// The newest token that is durable, and whether the current segment has it: it outlives the segment in which it was
    /// stored.
    token: Option<Arc<[u8]>>,
    has_token: bool,
    /// Segments that are to be removed, the oldest first.
    superfluous: VecDeque<Arc<Path>>,
}

impl Files {
    /// Continues the log that was found, of which everything is durable after this.
    pub(crate) fn open(disk: Arc<dyn Disk>, folder: &Path, segment_bytes: u64, found: &Found) -> Result<Self> {
        let mut files = Self {
            disk,
            folder: folder.to_owned(),
            segment_bytes,
            current: None,
            state: Writing::Sound,
            token: found.token.as_ref().map(|(token, _)| Arc::clone(token)),
            has_token: false,
            superfluous: VecDeque::new(),
        };
        for path in &found.not_begun {
            files.disk.remove(path).map_err(failed)?;
        }
        if let Some(last) = found.stretches.back() {
            let mut file = files.disk.open(&last.path).map_err(failed)?;
            if let Some(length) = found.cut {
                file.cut(length).map_err(failed)?;
            }
            // What was read may be in the cache only: a crash of the process alone leaves an unsynced frame behind, and so does
            // a sync that failed. After that the system takes the frame for written, and would not write it by itself.
            file.rewrite(found.last_frame).map_err(failed)?;
            file.sync().map_err(unsynced)?;
            let first = found.stretches.iter().find(|stretch| stretch.path == last.path).map_or(0, |part| part.first);
            if !found.new_segment {
                files.has_token = found.token.as_ref().is_some_and(|(_, path)| *path == last.path);
                files.current = Some(Current { path: Arc::clone(&last.path), file, first, end: last.to });
            }
        }
        files.disk.sync_folder(folder).map_err(failed)?;
        Ok(files)
    }

    /// Writes a group, and syncs it.
    ///
    /// When it fails, the group is not there, and the call may be repeated if the error is retryable.
    pub(crate) fn append(&mut self, group: &Group) -> Result<Placed> {
        let first = group.first;
        if self.current.as_ref().is_none_or(|current| current.end >= self.segment_bytes && first > current.first) {
            self.current = Some(self.begin(first)?);
            (self.state, self.has_token) = (Writing::Sound, false);
        }
        if !self.has_token
            && let Some(token) = &self.token
        {
            let mut note = vec![];
            frame::begin(&mut note);
            frame::seal(&mut note, 0, first, group.committed, Some(token));
            self.write(&note)?;
            self.has_token = true;
        }
        let placed = self.write(&group.frame)?;
        if let Some(token) = &group.token {
            (self.token, self.has_token) = (Some(Arc::clone(token)), true);
        }
        Ok(placed)
    }

    /// Writes a frame to the current segment, and syncs it.
    fn write(&mut self, bytes: &[u8]) -> Result<Placed> {
        let state = self.state;
        let Some(current) = &mut self.current else { return Err(self.unknown("there is no segment".into())) };
        if state == Writing::Ragged {
            current.file.cut(current.end).map_err(failed)?;
            // Synced, so that a crash during the next write cannot leave a mixture of both.
            current.file.sync().map_err(unsynced)?;
        }
        self.state = Writing::Ragged;
        current.file.append(bytes).map_err(failed)?;
        current.file.sync().map_err(unsynced)?;
        self.state = Writing::Sound;
        let at = current.end;
        current.end += bytes.len() as u64;
        Ok(Placed { path: Arc::clone(&current.path), at, end: current.end })
    }

    fn unknown(&self, reason: String) -> ConnectError {
        let context = format!("writing to {}", self.folder.display());
        ConnectError::Other { context, class: Class::Fatal, source: reason.into() }
    }

    /// Begins a segment whose first record will be that at `first`.
    fn begin(&self, first: u64) -> Result<Current> {
        let path: Arc<Path> = self.folder.join(frame::name(first)).into();
        // One may be left of an attempt that failed.
        self.disk.remove(&path).map_err(failed)?;
        let mut file = self.disk.create(&path).map_err(failed)?;
        let header = frame::file_header();
        file.append(&header).map_err(failed)?;
        // Where this fails, the next attempt is another file.
        file.sync().map_err(failed)?;
        self.disk.sync_folder(&self.folder).map_err(unsynced)?;
        Ok(Current { path, file, first, end: header.len() as u64 })
    }

    /// Removes segments that nobody needs, which are older than those handed in later.
    pub(crate) fn remove(&mut self, superfluous: Vec<Arc<Path>>) {
        self.superfluous.extend(superfluous);
        // From the front, one by one: what is left has no gap, whenever this ends.
        while let Some(path) = self.superfluous.front() {
            let removed = self.disk.remove(path).and_then(|()| self.disk.sync_folder(&self.folder));
            if let Err(error) = removed {
                tracing::warn!(%error, "an obsolete segment of the write-ahead log could not be removed");
                break;
            }
            self.superfluous.pop_front();
        }
    }
}
