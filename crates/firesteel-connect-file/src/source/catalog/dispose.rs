//! Files that were read, and are removed or archived.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use firesteel_connect::{ConnectError, Result};
use firesteel_window::{Duration, Timestamp, seconds};

use super::{Catalog, FileEntry, Presence, Stamp};
use crate::manifest;
use crate::path;
use crate::source::after::{self, What};
use crate::source::own::resolved;
use crate::source::watch::base;

/// Why files of results stay where they are.
const LISTED: &str = "a manifest lists the files of results, which would be missed: let their sink remove them";
/// When to try again what has failed.
const RETRY: Duration = seconds(60);

impl Catalog {
    /// Refuses what would remove too much, or read its own archive.
    pub(super) fn check_disposal(&self) -> Result<()> {
        let after = &self.policy.after_reading;
        let unusable = |reason: String| ConnectError::Setting { connector: "Files", setting: "after_reading", reason };
        if after.keeps() {
            return Ok(());
        }
        for read in &self.paths {
            if manifest::folder_of(read).is_dir() {
                return Err(unusable(format!("{} holds results of a sink; {LISTED}", read.display())));
            }
            let (read, Some(folder)) = (base(read), after.folder()) else { continue };
            let is_within = resolved(&read).starts_with(resolved(folder));
            if is_within {
                let (read, folder) = (read.display(), folder.display());
                return Err(unusable(format!("{read} is read, and within the archive {folder}")));
            }
        }
        Ok(())
    }

    /// Removes or archives what was read, is committed and finished.
    pub(crate) fn dispose(&mut self, now: Timestamp) -> Result<()> {
        if self.policy.after_reading.keeps() || !std::mem::take(&mut self.may_dispose) {
            return Ok(());
        }
        let is_later = self.dispose_again.is_some_and(|at| now < at && at.since(now) <= RETRY);
        let Self { files, policy, paths, telling, .. } = self;
        let (mut disposed, mut failed) = (0, None);
        for file in files.iter_mut().filter(|file| is_over(file, policy.follow)) {
            if is_later && file.is_undisposable {
                continue;
            }
            match dispose_of(file, &policy.after_reading.what, paths) {
                Ok(to) => {
                    telling.disposed(file, to.as_deref());
                    (file.presence, file.is_unnoted) = (Presence::Gone, true);
                    disposed += 1;
                }
                // It is gone, or not as it was: what becomes of that, a look tells.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ResourceBusy) => {}
                Err(error) => {
                    telling.undisposed(file, &error);
                    file.is_undisposable = true;
                    failed = failed.or(Some(path::failed("remove or archive", &file.path)(error)));
                }
            }
        }
        self.has_changed |= disposed > 0;
        self.dispose_again = failed.as_ref().map(|_| now.saturating_add(RETRY));
        match failed {
            Some(error) if self.policy.after_reading.is_needed => Err(error),
            Some(_) => {
                self.may_dispose = true;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// Whether nothing of it will be asked for again, and nothing more of it will come.
fn is_over(file: &FileEntry, follow: bool) -> bool {
    let is_forgotten = file.end_of_all().is_some_and(|end| end == 0 || file.forgotten >= end);
    let is_here = file.presence == Presence::Here && !file.is_aside && !file.is_given_up;
    is_here
        && is_forgotten
        && file.is_done()
        && file.broken().is_none()
        && !file.is_damaged()
        && file.misfit.is_none()
        && (!follow || file.is_closed)
}

/// Does it, to the file as it was read and to no other; tells where it is now.
fn dispose_of(file: &FileEntry, what: &What, read: &[PathBuf]) -> io::Result<Option<PathBuf>> {
    if manifest::is_part(&file.path) && manifest::folder_of(manifest::results_of(&file.path)).is_dir() {
        return Err(io::Error::new(ErrorKind::InvalidInput, LISTED));
    }
    let metadata = fs::symlink_metadata(&file.path)?;
    if Stamp::of(&metadata) != file.stamp {
        return Err(ErrorKind::ResourceBusy.into());
    }
    match what {
        What::Keep => Ok(None),
        What::Delete => fs::remove_file(&file.path).map(|()| None),
        What::Archive(folder) => {
            firesteel_faults::fail_point!("archive.begin");
            let relative = relative(&file.path, read).ok_or_else(|| {
                let reason = "it is not in the folder that is read, but linked to: archive the link's target yourself";
                io::Error::new(ErrorKind::InvalidInput, reason)
            })?;
            let to = after::archive(&file.path, &metadata, folder, &relative)?;
            firesteel_faults::fail_point!("archive.moved");
            Ok(Some(to))
        }
    }
}

/// The path within what is read.
fn relative(file: &Path, read: &[PathBuf]) -> Option<PathBuf> {
    read.iter().find_map(|read| {
        let base = base(read);
        if file == base {
            return file.file_name().map(PathBuf::from);
        }
        let base = if base == Path::new(".") && !file.starts_with(".") { PathBuf::new() } else { base };
        let folder = if base.is_file() || *read == base && !base.is_dir() { base.parent()?.to_owned() } else { base };
        file.strip_prefix(folder).ok().map(Path::to_owned)
    })
}
