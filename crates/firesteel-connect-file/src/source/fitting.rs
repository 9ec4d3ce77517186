//! Files that are not what the program expects: as long as any other is, such a file costs itself; where none is, it is the program that is
//! wrong.

use std::sync::Arc;

use firesteel_connect::{ConnectError, ReadRange, Result};
use firesteel_formats::Format;
use firesteel_frames::{Looks, Misfit, may_differ};

use super::catalog::Compared;
use super::entry::FileEntry;
use super::{FileReader, Files};

impl<F: Format> Files<F> {
    /// Looks, before anything is read, whether what is to be read is what the program expects.
    pub(super) fn compare(&self) -> Result<()> {
        if !may_differ(&self.format) {
            return Ok(());
        }
        let (compared, misfits) = {
            let catalog = self.catalog.lock();
            (catalog.to_compare(), catalog.misfits.clone())
        };
        misfits.compare(&compared.unread, &Looking { files: self, compared: &compared })
    }

    /// What becomes of a file that does not fit.
    pub(super) fn misfit(&self, range: &ReadRange, place: String, reason: String) -> ConnectError {
        let (known, misfits) = {
            let catalog = self.catalog.lock();
            (catalog.file(&range.split).and_then(|file| file.misfit), catalog.misfits.clone())
        };
        misfits.refuse::<FileEntry, Looking<'_, F>>(range, known, || self.is_any_fit(), (place, reason))
    }

    fn is_any_fit(&self) -> bool {
        let compared = self.catalog.lock().to_compare();
        let looking = Looking { files: self, compared: &compared };
        compared.unread.iter().any(|file| looking.look_at(file).unwrap_or(false)) || looking.is_any_other_fit()
    }
}

/// How files are looked at.
struct Looking<'a, F: Format> {
    files: &'a Files<F>,
    compared: &'a Compared,
}

impl<F: Format> Looks<FileEntry> for Looking<'_, F> {
    const ONE: &'static str = "file";

    /// Nothing can be told of one that is not whole.
    fn look_at(&self, file: &FileEntry) -> Result<bool> {
        let (range, files) = (ReadRange::starting_at(file.split.clone(), 0), self.files);
        let reader = FileReader::open(file.for_a_look(), &range, files.longest, &files.format, None, &Arc::default())?;
        Ok(reader.is_compared())
    }
    fn misfit_of(&self, file: &FileEntry) -> Option<Misfit> {
        file.misfit
    }
    fn bears_damage(&self) -> bool {
        self.files.policy.bears_damage()
    }

    /// Whether any fits that was read, or waits; those that were read and are gone have done so, as far as can be known.
    fn is_any_other_fit(&self) -> bool {
        let Compared { read, waiting, is_any_gone, .. } = self.compared;
        let mut waiting = waiting.iter().filter_map(|path| FileEntry::waiting(path, &self.files.policy).ok());
        (read.is_empty() && *is_any_gone)
            || read.iter().any(|file| self.look_at(file).unwrap_or(false))
            || waiting.any(|file| self.look_at(&file).unwrap_or(false))
    }
}
