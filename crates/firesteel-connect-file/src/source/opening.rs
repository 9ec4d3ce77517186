//! Files as they are opened: where they are by then.

use std::sync::Arc;

use firesteel_connect::{ConnectError, ReadRange, Result, Source, SplitId};
use firesteel_formats::Format;
use firesteel_window::Timestamp;

use super::entry::FileEntry;
use super::reader::Rest;
use super::{FileReader, Files};

impl<F: Format> Files<F> {
    /// A reader of the range. A file that is not where it was found last has been renamed since, most likely.
    pub(super) fn opened(&self, range: &ReadRange, rest: Option<Rest<F::Reading>>) -> Result<FileReader<F::Reading>> {
        let spares = Arc::clone(&self.spares).downcast().unwrap_or_default();
        let open = |rest| {
            let file = self.file(&range.split)?;
            let misfits = file.misfits.clone();
            let reader = FileReader::open(file, range, self.longest, &self.format, rest, &spares)?;
            if reader.is_compared() {
                misfits.fits();
            }
            Ok(reader)
        };
        match open(rest) {
            Err(ConnectError::Lost { .. }) if self.policy.follow => {
                let mut catalog = self.catalog.lock();
                let now = self.looks.lock().last.map_or(Timestamp::EPOCH, |(last, _)| last);
                catalog.look(now)?;
                let is_missing = catalog.file(&range.split).is_some_and(FileEntry::is_missing);
                drop(catalog);
                match open(None) {
                    // It may come back: for how long it is waited for, looks know.
                    Err(ConnectError::Lost { place, position, reason }) if is_missing => {
                        Err(ConnectError::Later { place, position, reason })
                    }
                    opened => opened,
                }
            }
            // Files of results may have been merged since they were found.
            Err(ConnectError::Lost { .. }) if self.catalog.lock().find_merged(&range.split) => open(None),
            Err(ConnectError::Mismatch { place, reason }) if self.policy.bears_damage() => {
                Err(self.misfit(range, place, reason))
            }
            Err(error @ ConnectError::File { .. }) => {
                Err(FileReader::<F::Reading>::later(&self.file(&range.split)?, range.from, error))
            }
            opened => opened,
        }
    }

    /// The file as it was found last.
    fn file(&self, split: &SplitId) -> Result<FileEntry> {
        let mut catalog = self.catalog.lock();
        if !catalog.has_looked() {
            self.look(&mut catalog, Timestamp::EPOCH)?;
        }
        let file = catalog.file(split).cloned();
        file.ok_or_else(|| ConnectError::unknown_split(&self.describe(), split))
    }
}
