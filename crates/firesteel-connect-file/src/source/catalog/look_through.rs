//! Files of results that are merged while they are known.

use std::io::ErrorKind;
use std::sync::Arc;

use firesteel_connect::{ConnectError, Result, SplitId};
use firesteel_window::Timestamp;

use super::{Catalog, FileEntry, Listed, Matching};
use crate::manifest::is_part;
use crate::source::listing::Look;
use crate::source::merged;

/// How often a look is repeated while files of results are merged.
pub(super) const MERGED_MEANWHILE: usize = 5;

impl Catalog {
    /// Looks for files. Unless they are followed, the first look is the only one.
    pub(crate) fn look(&mut self, now: Timestamp) -> Result<()> {
        let mut attempts = 0;
        loop {
            match self.look_once(now) {
                // A file of results may have been merged, and removed, since it was listed.
                Err(ConnectError::File { source, path, .. })
                    if source.kind() == ErrorKind::NotFound && attempts < MERGED_MEANWHILE && is_part(&path) =>
                {
                    attempts += 1;
                }
                looked => return looked,
            }
        }
    }

    /// Lists what is there, and finds the known files in it. Returns those that are not as they were, with whether they are cut, and whether
    /// something is not there.
    pub(super) fn list(&mut self, now: Timestamp) -> Result<(Matching, Vec<(usize, bool)>, bool)> {
        if self.policy.follow {
            let outcome = self.watch.before_look(self.files.len(), now);
            self.telling.unwatched(outcome);
        }
        let mut look = self.listing.look()?;
        if self.policy.follow {
            let outcome = self.watch.after_look(&mut look);
            self.telling.unwatched(outcome);
        }
        let Look { mut files, troubles, awaited, folders: _ } = look;
        let is_merged = self.look_through(&mut files);
        self.telling.troubles(&troubles);
        self.telling.awaited(&awaited);
        let mut matching = Matching::new(files);
        // Nothing is known of what is where nothing can be seen.
        let is_hidden = |file: &FileEntry| troubles.iter().any(|(path, _)| file.path.starts_with(path));
        let lost = self.find_again(&mut matching, &is_hidden, &is_merged, now)?;
        Ok((matching, lost, !awaited.is_empty()))
    }

    /// Takes note of which known files stand in others that they were merged into, and leaves the rest of these in the list. Tells which.
    pub(super) fn look_through(&mut self, listed: &mut Vec<Listed>) -> Vec<bool> {
        let claimed = merged::resolve(listed, &self.files);
        if claimed.is_empty() {
            return Vec::new();
        }
        let mut is_merged = vec![false; self.files.len()];
        for (index, view) in claimed {
            is_merged[index] = true;
            self.has_changed |= self.files[index].look_through(view, &self.policy);
        }
        is_merged
    }

    /// Looks whether a file has been merged into another one since it was found.
    pub(crate) fn find_merged(&mut self, split: &SplitId) -> bool {
        let at = |catalog: &Self| {
            let file = catalog.file(split).filter(|file| is_part(&file.home))?;
            Some(file.view.as_ref().map(|view| Arc::clone(&view.path)))
        };
        let Some(before) = at(self) else { return false };
        let Ok(mut look) = self.listing.look() else { return false };
        self.look_through(&mut look.files);
        at(self).is_some_and(|now| now.is_some() && now != before)
    }
}
