//! One file that is made of several.

use std::io;

use firesteel_connect::Result;
use firesteel_formats::{Joined, Joiner, NotJoined};

use super::{MergingStore, Seen, Written};
use crate::layout::Size;
use crate::manifest::Entry;
use crate::merged::{Part, Stretch};
use crate::name::PartName;
use crate::packed::Packed;

/// A file that grows by files, invisible.
pub(super) struct Whole<S: MergingStore> {
    out: Packed<S::Part>,
    joiner: Joiner,
    name: PartName,
    records: u64,
    parts: Vec<Part>,
    /// How many files, and how many bytes, it is made of.
    pub(super) files: u64,
    pub(super) bytes_before: u64,
    first: String,
}

/// What became of a file that was to be added.
pub(super) enum Added {
    Yes,
    /// It begins another whole.
    Differs,
    /// It is left, for this reason.
    Unfit(String),
}

impl<S: MergingStore> Whole<S> {
    /// Begins one that has this name.
    pub(super) fn begin(store: &S, name: PartName, joiner: Joiner) -> Result<Self> {
        let out = Packed::new(store.create(&name)?, name.gzip);
        let (parts, first) = (Vec::new(), String::new());
        Ok(Self { out, joiner, name, records: 0, parts, files: 0, bytes_before: 0, first })
    }

    /// Appends a file, which has to be as its manifest says.
    pub(super) fn add(&mut self, store: &S, entry: &Entry) -> Result<Added> {
        let Seen { print, tag, open } = store.look(entry)?;
        let Joined { at, length, begin } = match self.joiner.add(&*open, entry.records, &mut self.out) {
            Ok(joined) => joined,
            Err(NotJoined::Differs(_)) => return Ok(Added::Differs),
            Err(NotJoined::Unfit(reason)) => return Ok(Added::Unfit(reason)),
            Err(NotJoined::Damaged(reason)) => return Err(store.damaged(entry, reason)),
            Err(NotJoined::Read(error)) if is_of_data(&error) => return Err(store.damaged(entry, error.to_string())),
            Err(NotJoined::Read(error)) => return Err(store.unread(entry, error)),
            Err(NotJoined::Write(error)) => return Err(store.failed(&self.name, error)),
        };
        self.parts.extend(entry.as_parts(print, tag, Stretch { at, length, begin }));
        if self.files == 0 {
            self.first.clone_from(&entry.name);
        }
        self.files += 1;
        self.records += entry.records;
        self.bytes_before += entry.bytes;
        Ok(Added::Yes)
    }

    /// The only file that it is made of so far.
    pub(super) fn only(&self) -> &str {
        &self.first
    }

    /// Makes it durable, and still invisible.
    pub(super) fn finish(self, store: &S) -> Result<Written<S::Whole>> {
        let Self { mut out, mut joiner, name, records, parts, .. } = self;
        let failed = |error| store.failed(&name, error);
        match joiner.end(&mut out) {
            Ok(()) => {}
            Err(NotJoined::Write(error)) => return Err(failed(error)),
            Err(other) => return Err(failed(io::Error::other(other.to_string()))),
        }
        let (part, bytes) = out.finish().map_err(failed)?;
        let old = parts.iter().filter(|part| part.depth == 1).map(|part| part.name.clone()).collect();
        let entry = Entry { parts, ..Entry::new(name.published(), bytes, records) };
        let whole = store.finish(part, name, Size { bytes, records })?;
        Ok(Written { whole, entry, old })
    }
}

/// Whether what is wrong is what is in the file.
fn is_of_data(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}
