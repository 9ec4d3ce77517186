//! Files that are not what the program expects.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use firesteel_connect::SplitId;
use firesteel_frames::{Misfit, some_of};

use super::{Catalog, FileEntry, Policy, Presence, Stamp};

/// How many files are looked at, at most, before it is said that none fits.
const LOOKS: usize = 1_000;

/// Files by which is told whether any is what the program expects.
pub(crate) struct Compared {
    /// Some of those that are to be read, in their order.
    pub(crate) unread: Vec<FileEntry>,
    /// Some of those that were read.
    pub(crate) read: Vec<FileEntry>,
    /// Some of those whose turn has not come.
    pub(crate) waiting: Vec<PathBuf>,
    /// Whether others were read, and are not there any more.
    pub(crate) is_any_gone: bool,
}

impl Catalog {
    /// Tells of files that do not fit, and passes them over.
    pub(super) fn pass_misfits(&mut self) {
        for (split, reason) in self.misfits.take() {
            let Some(file) = self.index.get(&split).map(|index| &mut self.files[*index]) else { continue };
            let (misfit, tell) = Misfit::met(file.misfit, &reason, file.reached(), file.stamp.size);
            file.misfit = Some(misfit);
            file.is_unnoted = true;
            self.has_changed = true;
            self.telling.misfit(file, &reason, tell);
        }
    }

    /// Files to look at, to see whether any fits.
    pub(crate) fn to_compare(&self) -> Compared {
        let is_here = |file: &&FileEntry| file.presence == Presence::Here && !file.is_given_up;
        let unread = self.files.iter().filter(is_here).filter(|file| file.is_misfit() || !file.is_done());
        let read = self.files.iter().filter(is_here).filter(|file| file.is_done() && file.committed > 0);
        Compared {
            unread: some_of(unread.collect(), LOOKS).into_iter().cloned().collect(),
            read: some_of(read.rev().collect(), LOOKS).into_iter().cloned().collect(),
            waiting: some_of(self.intake.paths().collect(), LOOKS).into_iter().map(Path::to_owned).collect(),
            is_any_gone: self.files.iter().any(|file| file.committed > 0 && file.presence != Presence::Here),
        }
    }
}

impl FileEntry {
    /// A file whose turn has not come, for a look.
    pub(crate) fn waiting(path: &Path, policy: &Policy) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let stamp = Stamp::of(&file.metadata()?);
        let mut entry = Self::new(SplitId::new(path.to_string_lossy()), path, path, stamp);
        entry.read_by(policy);
        entry.announce(&mut file, stamp, policy.follow)?;
        Ok(entry)
    }
}
