//! One object that is read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use firesteel_connect::{ConnectError, PositionUnit, Result, Split, SplitId, SplitNote};
use firesteel_formats::{FileOrigin, Format, Mismatch};
use firesteel_frames::Compression;
use firesteel_object_store::Pin;
use firesteel_object_store::object_store::ObjectMeta;
use firesteel_window::Timestamp;

use super::note::Note;

/// An object that is read.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) split: SplitId,
    pub(super) pin: Pin,
    /// How it is compressed, once somebody has looked.
    pub(super) compression: Arc<OnceLock<Compression>>,
    /// Whether a read may begin anywhere in it, since it is plain, large, and its records are lines.
    pub(super) is_divisible: bool,
    /// Where it ends, in the unit of positions, once that is known.
    pub(super) end: Arc<OnceLock<u64>>,
    /// How far readers have come.
    pub(super) reached: Arc<AtomicU64>,
    /// Why what follows the end is passed over.
    pub(super) damage: Arc<OnceLock<String>>,
    pub(super) committed: u64,
    /// What the checkpoint knows of it.
    noted: Option<SplitNote>,
    unit: PositionUnit,
}

impl Object {
    /// One that nobody has seen before.
    pub(super) fn new(split: SplitId, pin: Pin, unit: PositionUnit) -> Self {
        let (compression, end, reached, damage) = Default::default();
        Self { split, pin, compression, is_divisible: false, end, reached, damage, committed: 0, noted: None, unit }
    }

    /// One that was read before a restart.
    pub(super) fn resumed(split: SplitId, position: u64, note: &SplitNote, unit: PositionUnit) -> Option<Self> {
        let known = Note::decode(note)?;
        let mut object = Self::new(split, known.pin()?, unit);
        if let Some(end) = known.end {
            object.end = Arc::new(end.into());
        }
        object.reached.store(position, Ordering::Relaxed);
        (object.committed, object.noted) = (position, Some(note.clone()));
        Some(object)
    }

    /// The format as it reads this object, and what records can have of it, where records depend on that.
    pub(super) fn format<F: Format>(&self, format: &F) -> Result<Option<(Arc<FileOrigin>, F)>> {
        if !format.looks_at_files() {
            return Ok(None);
        }
        let modified = Some(Timestamp::from_micros(self.pin.modified));
        let origin = FileOrigin::new(self.pin.key.as_ref()).split_named(self.split.as_str()).modified_at(modified);
        let origin = Arc::new(origin);
        let format = format.of_file(&origin).map_err(|mismatch| self.mismatch(mismatch))?;
        Ok(Some((origin, format)))
    }

    /// The error of an object that is not what the program expects.
    pub(super) fn mismatch(&self, mismatch: Mismatch) -> ConnectError {
        ConnectError::Mismatch { place: self.pin.key.to_string(), reason: mismatch.into_reason() }
    }

    /// What the engine is told of it.
    pub(super) fn as_split(&self) -> Split {
        let end = self.end.get().copied();
        let split = Split::new(self.split.clone(), self.unit).available(end);
        split.divisible(self.is_divisible).finished(true)
    }

    /// Whether all of it has been read and committed.
    pub(super) fn is_done(&self) -> bool {
        self.end.get().is_some_and(|end| self.committed >= *end)
    }

    /// Whether readers have come to its end.
    pub(super) fn is_read(&self) -> bool {
        self.end.get().is_some_and(|end| self.reached.load(Ordering::Relaxed) >= *end)
    }

    /// Whether what was listed is this object in the same version.
    pub(super) fn is_same(&self, listed: &ObjectMeta) -> bool {
        let (Pin { key, e_tag, version, size, modified }, ObjectMeta { location, .. }) = (&self.pin, listed);
        // Without a tag the time has to tell.
        let is_same_time = *modified == listed.last_modified.timestamp_micros();
        let is_same_content = *e_tag == listed.e_tag && (e_tag.is_some() || is_same_time);
        key == location && *size == listed.size && *version == listed.version && is_same_content
    }

    /// What the checkpoint is to know of it, where it does not.
    pub(super) fn note(&mut self) -> Result<Option<SplitNote>> {
        let note = Note::of(&self.pin, self.end.get().copied()).encode()?;
        let is_new = self.noted.as_ref() != Some(&note);
        self.noted = Some(note.clone());
        Ok(is_new.then_some(note))
    }
}
