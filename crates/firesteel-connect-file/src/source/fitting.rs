//! Files that are not what the program expects: as long as any other is, such a file costs itself; where none is, it is the program that is
//! wrong.

use std::sync::Arc;

use firesteel_connect::{ConnectError, ReadRange, Result};
use firesteel_formats::Format;

use super::catalog::Compared;
use super::entry::FileEntry;
use super::{FileReader, Files};

impl<F: Format> Files<F> {
    /// Looks, before anything is read, whether what is to be read is what the program expects.
    pub(super) fn compare(&self) -> Result<()> {
        let format = &self.format;
        let may_differ = format.has_head() || format.is_packed() || format.rows().is_some() || format.looks_at_files();
        if !may_differ {
            return Ok(());
        }
        let (compared, misfits) = {
            let catalog = self.catalog.lock();
            (catalog.to_compare(), catalog.misfits.clone())
        };
        let mut refused = None;
        for file in &compared.unread {
            match self.look_at(file) {
                Ok(true) => {
                    misfits.fits();
                    return Ok(());
                }
                Err(ConnectError::Mismatch { reason, .. })
                    if file.misfit.is_some_and(|misfit| misfit.is_known_for(&reason)) => {}
                Err(error @ ConnectError::Mismatch { .. }) if !self.policy.bears_damage() => return Err(error),
                Err(ConnectError::Mismatch { place, reason }) => _ = refused.get_or_insert((place, reason)),
                // What else is wrong with a file is told when it is read.
                Ok(false) | Err(_) => {}
            }
        }
        let Some((place, reason)) = refused else { return Ok(()) };
        if misfits.is_any_fit(|| self.is_any_other_fit(&compared)) { Ok(()) } else { Err(nothing_fits(place, reason)) }
    }

    /// What becomes of a file that does not fit.
    pub(super) fn misfit(&self, range: &ReadRange, place: String, reason: String) -> ConnectError {
        let (known, misfits) = {
            let catalog = self.catalog.lock();
            (catalog.file(&range.split).and_then(|file| file.misfit), catalog.misfits.clone())
        };
        let is_known = known.is_some_and(|misfit| misfit.is_known_for(&reason));
        if !is_known && !misfits.is_any_fit(|| self.is_any_fit()) {
            return nothing_fits(place, reason);
        }
        misfits.note(&range.split, reason.clone());
        ConnectError::Later { place, position: range.from, reason }
    }

    fn is_any_fit(&self) -> bool {
        let compared = self.catalog.lock().to_compare();
        compared.unread.iter().any(|file| self.look_at(file).unwrap_or(false)) || self.is_any_other_fit(&compared)
    }

    /// Whether any fits that was read, or waits; those that were read and are gone have done so, as far as can be known.
    fn is_any_other_fit(&self, compared: &Compared) -> bool {
        let Compared { read, waiting, is_any_gone, .. } = compared;
        let mut waiting = waiting.iter().filter_map(|path| FileEntry::waiting(path, &self.policy).ok());
        (read.is_empty() && *is_any_gone)
            || read.iter().any(|file| self.look_at(file).unwrap_or(false))
            || waiting.any(|file| self.look_at(&file).unwrap_or(false))
    }

    /// Whether a file fits; nothing can be told of one that is not whole.
    fn look_at(&self, file: &FileEntry) -> Result<bool> {
        let range = ReadRange::starting_at(file.split.clone(), 0);
        let reader = FileReader::open(file.for_a_look(), &range, self.longest, &self.format, None, &Arc::default())?;
        Ok(reader.is_compared())
    }
}

/// The error where nothing is what the program expects.
fn nothing_fits(place: String, reason: String) -> ConnectError {
    ConnectError::Mismatch {
        place,
        reason: format!("{reason}; no file that is there fits, so that none is passed over"),
    }
}
