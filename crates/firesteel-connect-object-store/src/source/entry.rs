//! One object that is read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use firesteel_connect::{ConnectError, PositionUnit, Result, Split, SplitId, SplitNote};
use firesteel_formats::{FileOrigin, Format, Mismatch};
use firesteel_frames::{Compression, Gaps, Met, Misfit, Misfits, Withheld};
use firesteel_object_store::Pin;
use firesteel_object_store::object_store::ObjectMeta;
use firesteel_object_store::object_store::path::Path;
use firesteel_results::{Part, Shift};
use firesteel_window::Timestamp;

use super::merged::View;
use super::note::Note;
use super::results::tag_of;

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
    /// What of this and other objects was passed over; and whether something of it was, before a restart.
    pub(super) gaps: Arc<Gaps>,
    was_damaged: bool,
    /// What readers of this and other objects cannot read for now, if that is left for later; and whether it is left alone.
    pub(super) met: Option<Met<String>>,
    pub(super) withheld: Option<Withheld>,
    /// What readers find of this and other objects that does not fit, and whether this one does not.
    pub(super) misfits: Misfits,
    pub(super) misfit: Option<Misfit>,
    pub(super) committed: u64,
    /// Up to where nothing is asked for again.
    pub(super) forgotten: u64,
    /// Whether it is deleted or archived when it is read. What is stored under its key after that is another one, whatever is in it.
    pub(super) is_consumed: bool,
    /// Whether that was done, and whether it has failed.
    pub(super) is_disposed: bool,
    pub(super) is_undisposable: bool,
    /// Whether a manifest lists it, so that it may be merged into another one at any time.
    pub(super) is_result: bool,
    /// Where it stands, if it was.
    pub(super) view: Option<Arc<View>>,
    /// A reader has found it gone.
    pub(super) is_missed: Arc<AtomicBool>,
    /// A hash of what the store called its content, where it was merged before anybody knew it.
    tag: Option<u64>,
    /// Whether the checkpoint knows where it ends.
    is_end_noted: bool,
    /// What the checkpoint knows of it.
    noted: Option<SplitNote>,
    unit: PositionUnit,
}

impl Object {
    /// One that nobody has seen before.
    pub(super) fn new(split: SplitId, pin: Pin, unit: PositionUnit) -> Self {
        let (compression, end, reached, damage, is_missed) = Default::default();
        Self {
            split,
            pin,
            compression,
            is_divisible: false,
            end,
            reached,
            damage,
            gaps: Arc::default(),
            was_damaged: false,
            met: None,
            withheld: None,
            misfits: Misfits::default(),
            misfit: None,
            committed: 0,
            forgotten: 0,
            is_consumed: false,
            is_disposed: false,
            is_undisposable: false,
            is_result: false,
            view: None,
            is_missed,
            tag: None,
            is_end_noted: false,
            noted: None,
            unit,
        }
    }

    /// One that was merged before anybody knew it, of this key.
    pub(super) fn of_part(split: SplitId, key: &str, part: &Part, unit: PositionUnit) -> Option<Self> {
        let pin = Pin { key: Path::parse(key).ok()?, e_tag: None, version: None, size: part.bytes, modified: 0 };
        Some(Self { tag: Some(part.tag?), ..Self::new(split, pin, unit) })
    }

    /// What tells it from others that had its key.
    fn tag(&self) -> u64 {
        self.tag.unwrap_or_else(|| tag_of(&self.pin))
    }

    /// Whether it is the object that was merged.
    pub(super) fn was(&self, part: &Part) -> bool {
        self.pin.size == part.bytes && part.tag == Some(self.tag())
    }

    /// Whether a reader has found it gone, which may be since it was merged.
    pub(super) fn is_missed(&self) -> bool {
        self.is_result && self.is_missed.load(Ordering::Relaxed)
    }

    /// From now on it is read where it stands in a merged object.
    pub(super) fn look_through(&mut self, view: View) {
        self.is_result = true;
        if self.view.as_deref() != Some(&view) {
            self.end.get_or_init(|| view.stretch.end());
            (self.view, self.is_missed) = (Some(Arc::new(view)), Arc::default());
        }
    }

    /// One that was read before a restart.
    pub(super) fn resumed(split: SplitId, position: u64, note: &SplitNote, unit: PositionUnit) -> Option<Self> {
        let known = Note::decode(note)?;
        let mut object = Self::new(split, known.pin()?, unit);
        if let Some(end) = known.end {
            (object.end, object.is_end_noted) = (Arc::new(end.into()), true);
        }
        object.reached.store(position, Ordering::Relaxed);
        (object.committed, object.noted, object.tag) = (position, Some(note.clone()), known.tag);
        object.was_damaged = known.is_damaged;
        object.misfit = known.misfit.map(|(reason, at)| Misfit::noted(reason, at));
        Some(object)
    }

    /// The format as it reads this object, and what records can have of it, where records depend on that.
    pub(super) fn format<F: Format>(
        &self,
        format: &F,
        shift: Option<&Shift<()>>,
    ) -> Result<Option<(Arc<FileOrigin>, F)>> {
        if !format.looks_at_files() {
            return Ok(None);
        }
        let modified = Some(Timestamp::from_micros(self.pin.modified));
        let origin = FileOrigin::new(self.pin.key.as_ref()).split_named(self.split.as_str()).modified_at(modified);
        let origin = Arc::new(shift.into_iter().fold(origin, |origin, shift| shift.told_in(origin)));
        let format = format.of_file(&origin).map_err(|mismatch| self.mismatch(mismatch))?;
        Ok(Some((origin, format)))
    }

    /// The error of an object that is not what the program expects.
    pub(super) fn mismatch(&self, mismatch: Mismatch) -> ConnectError {
        ConnectError::Mismatch { place: self.pin.key.to_string(), reason: mismatch.into_reason() }
    }

    /// The same object for somebody who looks what is in it and reads nothing.
    pub(super) fn for_a_look(&self) -> Self {
        let (end, reached, damage, gaps, is_missed) = Default::default();
        Self { end, reached, damage, gaps, is_missed, misfit: None, met: None, ..self.clone() }
    }

    /// What the engine is told of it.
    pub(super) fn as_split(&self) -> Split {
        let is_withheld = self.is_withheld();
        let is_left = is_withheld || self.is_misfit();
        let end = if is_left { Some(self.got_to()) } else { self.end.get().copied() };
        let split = Split::new(self.split.clone(), self.unit).available(end);
        split.divisible(self.is_divisible).finished(!is_withheld)
    }

    /// Whether all of it has been read and committed.
    pub(super) fn is_done(&self) -> bool {
        self.is_misfit() || self.end.get().is_some_and(|end| self.committed >= *end)
    }

    /// Whether all of it was read, nothing of it will be asked for again, and nobody else counts on it.
    pub(super) fn is_over(&self) -> bool {
        let is_forgotten = self.end.get().is_some_and(|end| self.forgotten >= *end);
        let is_ours = !self.is_result && self.view.is_none() && !self.is_disposed;
        // A start that does not know the end would miss it.
        is_ours && is_forgotten && self.is_end_noted && self.is_done() && !self.is_damaged() && self.misfit.is_none()
    }

    /// Whether something of it was passed over, so that it has to stay for whoever wants to mend it.
    fn is_damaged(&self) -> bool {
        self.was_damaged || self.damage.get().is_some() || self.gaps.has(&self.split)
    }

    /// Whether readers have come to its end.
    pub(super) fn is_read(&self) -> bool {
        self.end.get().is_some_and(|end| self.reached.load(Ordering::Relaxed) >= *end)
    }

    /// Whether what was listed is this object in the same version.
    pub(super) fn is_same(&self, listed: &ObjectMeta) -> bool {
        if self.tag.is_some() {
            let now = Pin::of(listed);
            return self.pin.key == now.key && self.pin.size == now.size && self.tag() == tag_of(&now);
        }
        let (Pin { key, e_tag, version, size, modified }, ObjectMeta { location, .. }) = (&self.pin, listed);
        let is_over = self.is_consumed && !self.is_result && self.is_done();
        if self.is_disposed || is_over && *modified != listed.last_modified.timestamp_micros() {
            return false;
        }
        // Without a tag the time has to tell.
        let is_same_time = *modified == listed.last_modified.timestamp_micros();
        let is_same_content = *e_tag == listed.e_tag && (e_tag.is_some() || is_same_time);
        key == location && *size == listed.size && *version == listed.version && is_same_content
    }

    /// What the checkpoint is to know of it, where it does not.
    pub(super) fn note(&mut self) -> Result<Option<SplitNote>> {
        let got_to = self.got_to();
        // What was read on fits now.
        self.misfit = self.misfit.filter(|misfit| got_to <= misfit.at);
        let misfit = self.misfit.map(|misfit| (misfit.reason, misfit.at));
        let note = Note::of(&self.pin, self.end.get().copied(), self.tag, self.is_damaged(), misfit).encode()?;
        let is_new = self.noted.as_ref() != Some(&note);
        self.is_end_noted = self.end.get().is_some();
        self.noted = Some(note.clone());
        Ok(is_new.then_some(note))
    }
}
