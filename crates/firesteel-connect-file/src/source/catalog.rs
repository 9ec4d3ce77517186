//! What is known of the files, from look to look.

mod dispose;
mod intake;
mod later;
mod look_through;
mod misfits;
mod new_files;
mod refresh;

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use firesteel_connect::{ConnectError, Discovery, Result, SourceContext, SplitId, SplitNote};
use firesteel_frames::{Gaps, Met, Misfits};
use firesteel_window::{Duration, Timestamp, seconds};

use super::ends;
use super::entry::{FileEntry, Looked, Presence};
use super::family;
use super::identity::Stamp;
use super::listing::{Listed, Listing};
use super::matching::{Found, Matching, is_copy_of};
use super::policy::{OnMissing, Policy};
use super::telling::Telling;
use super::watch::Watch;
use crate::path;
pub(crate) use misfits::Compared;

/// How long a file that is gone before it was read is waited for: it may be on its way to another name.
const WAIT: Duration = seconds(5);
/// So few files are told of again without a need.
const FEW: usize = 16;
/// How long a piece that was put aside is looked at: whoever writes to it may do so until it is told to stop.
const LINGER: Duration = seconds(10);
/// How many pieces of a log are remembered that were put aside outside of what is listed.
const PIECES: usize = 8;
/// How many files that are gone are remembered, in case they come back under another name.
const REMEMBERED: usize = 1_024;

/// The files, in the order in which they were found.
pub(crate) struct Catalog {
    paths: Vec<PathBuf>,
    listing: Listing,
    watch: Watch,
    policy: Policy,
    looked: bool,
    files: Vec<FileEntry>,
    index: HashMap<SplitId, usize>,
    /// Files by where they are, since somebody has asked.
    by_path: Option<HashMap<Arc<Path>, usize>>,
    /// When the next thing happens that no change brings about.
    next_at: Option<Timestamp>,
    /// New files that are copies of others, by path: since when, and how both were when that was found.
    held: HashMap<PathBuf, Held>,
    intake: intake::Intake,
    /// Whether there may be files to be removed or archived, and when to try again.
    may_dispose: bool,
    dispose_again: Option<Timestamp>,
    context: SourceContext,
    pub(crate) telling: Telling,
    /// What of files was passed over, and has not been told.
    gaps: Arc<Gaps>,
    /// What readers cannot read for now, and the splits that are left alone or were since they were read on.
    met: Met<ConnectError>,
    withheld: Vec<SplitId>,
    /// What readers find that does not fit.
    pub(crate) misfits: Misfits,
    /// Splits that are forgotten, and of which the engine has not been told so.
    pub(crate) dropped: HashSet<SplitId>,
    /// Compressed files of which the engine has not been told where they end.
    unended: Vec<SplitId>,
    /// Files of which there is more, or which are finished, since the engine was told last.
    touched: Vec<usize>,
    /// When to find out of which files newer pieces are there, after some were written to.
    supersede_at: Option<Timestamp>,
    /// Whether anything has changed since the engine was told last.
    pub(crate) has_changed: bool,
}

/// Files by what their names have in common.
type Families = HashMap<Arc<str>, Vec<usize>>;

/// A new file that is left alone, since it holds what another one does.
struct Held {
    since: Timestamp,
    stamps: (Stamp, Stamp),
    split: SplitId,
    /// Whether people have been told, or need not be.
    is_told: bool,
}

impl Catalog {
    pub(crate) fn new(paths: Vec<PathBuf>, policy: Policy) -> Self {
        Self {
            watch: Watch::new(&paths, policy.is_notified),
            listing: Listing::new(paths.clone(), policy.follow, policy.is_patient())
                .without(policy.after_reading.folder().map(Path::to_owned)),
            paths,
            policy,
            looked: false,
            files: Vec::new(),
            index: HashMap::new(),
            by_path: None,
            next_at: None,
            held: HashMap::new(),
            intake: intake::Intake::default(),
            may_dispose: true,
            dispose_again: None,
            context: SourceContext::default(),
            telling: Telling::default(),
            gaps: Arc::default(),
            met: Met::default(),
            withheld: Vec::new(),
            misfits: Misfits::default(),
            dropped: HashSet::new(),
            unended: Vec::new(),
            touched: Vec::new(),
            supersede_at: None,
            has_changed: true,
        }
    }

    /// Begins where a job stood before a restart.
    pub(crate) fn start(&mut self, context: &SourceContext) -> Result<()> {
        self.context = context.clone();
        self.telling = Telling::new(context);
        self.check_disposal()?;
        // Of what nothing is known, and nothing was read, nothing has to be found again.
        let resumed = context.resumed().iter().filter(|resumed| resumed.note.is_some() || resumed.position > 0);
        self.files = resumed.map(FileEntry::resumed).collect();
        for file in &mut self.files {
            file.date(context.now());
            (file.is_patient, file.source) = (self.policy.bears_damage(), context.name().into());
            (file.gaps, file.misfits) = (Arc::clone(&self.gaps), self.misfits.clone());
            file.met = self.policy.leaves_for_later().then(|| self.met.clone());
            file.read_by(&self.policy);
        }
        self.index = self.files.iter().enumerate().map(|(index, file)| (file.split.clone(), index)).collect();
        self.look(context.now())
    }

    pub(crate) fn has_looked(&self) -> bool {
        self.looked
    }

    pub(crate) fn file(&self, split: &SplitId) -> Option<&FileEntry> {
        self.index.get(split).map(|index| &self.files[*index])
    }

    pub(crate) fn committed(&mut self, positions: &[(SplitId, u64)]) {
        for (split, position) in positions {
            // A file that was read to its end and removed may still be mentioned.
            if let Some(index) = self.index.get(split) {
                (self.files[*index].committed, self.files[*index].forgotten) = (*position, *position);
            }
        }
        self.may_dispose = true;
    }

    /// What the engine is told of the files: all of them where anything has changed.
    pub(crate) fn answer(&mut self, now: Timestamp) -> Discovery {
        self.tell_breaks();
        self.pass_misfits();
        self.withhold(now);
        let has_ended = self.unended.iter().any(|split| self.file(split).is_none_or(|file| file.available().is_some()));
        self.may_dispose |= has_ended;
        if !(self.has_changed || has_ended || self.files.len() <= FEW) {
            return self.answer_touched(now);
        }
        (self.has_changed, self.unended, self.touched) = (false, Vec::new(), Vec::new());
        self.dropped.clear();
        let mut splits = Vec::with_capacity(self.files.len());
        for file in self.files.iter_mut().filter(|file| !file.is_given_up) {
            let split = file.split(&self.policy, now);
            if split.available.is_none() {
                self.unended.push(split.id.clone());
            }
            file.told = Some(split.clone());
            splits.push(split);
        }
        let is_complete = !self.policy.follow && !self.intake.is_waiting();
        Discovery::all(splits).complete(is_complete).more(self.intake.has_more())
    }

    /// Tells of compressed files that cannot be read to their end.
    fn tell_breaks(&mut self) {
        let Self { unended, index, files, telling, .. } = self;
        for split in &*unended {
            let Some(file) = index.get(split).map(|index| &mut files[*index]) else { continue };
            if let Some(reason) = file.broken().map(|broken| Arc::clone(&broken.reason)).filter(|_| !file.is_break_told)
            {
                file.is_break_told = true;
                telling.broken(file, &reason);
            }
        }
        for gap in self.gaps.take_untold() {
            if let Some(file) = self.file(&gap.split) {
                self.telling.gap(file, &gap);
            }
        }
    }

    /// The job ends.
    pub(crate) fn stop(&mut self) {
        self.tell_breaks();
        self.pass_misfits();
        let half_lines: Vec<&FileEntry> = self.files.iter().filter(|file| file.has_half_line()).collect();
        self.telling.half_lines(&half_lines);
    }

    /// What the checkpoint is to know of the files that have been read on, and of others that are not as they were.
    pub(crate) fn notes(&mut self, moved: &[(SplitId, u64)]) -> Result<Vec<(SplitId, SplitNote)>> {
        let mut moved: HashSet<&SplitId> = moved.iter().map(|(split, _)| split).collect();
        let mut notes = Vec::new();
        for file in &mut self.files {
            if !moved.remove(&file.split) && !file.is_to_be_noted() {
                continue;
            }
            let note = file.note()?;
            if file.noted.as_ref() != Some(&note) {
                file.noted = Some(note.clone());
                notes.push((file.split.clone(), note));
            }
        }
        Ok(notes)
    }

    /// Looks for files, once.
    fn look_once(&mut self, now: Timestamp) -> Result<()> {
        if self.looked && !self.policy.follow {
            return Ok(());
        }
        self.by_path = None;
        let known: Vec<(Stamp, bool)> = self.files.iter().map(|file| (file.stamp, file.has_evidence())).collect();
        let (mut matching, mut lost, mut is_away) = self.list(now)?;
        if self.policy.follow && lost.iter().any(|(index, _)| self.files[*index].presence == Presence::Here) {
            // Who copies a log does so before he cuts it: the copy may have come after its folder was read.
            (matching, lost, is_away) = self.list(now)?;
        }
        self.find_copies(&mut matching, &lost, now)?;
        self.find_pieces(&mut matching, &known, is_away, now)?;
        let rest: Vec<Listed> = matching.rest().collect();
        self.held.retain(|path, _| path.exists());
        self.admit(rest, now)?;
        self.looked = true;
        self.forget(now);
        if self.has_changed {
            ends::supersede(&mut self.files);
            self.supersede_at = None;
        }
        self.conclude(now)
    }

    /// The known files, as far as they are there; returns those that are not as they were, and whether they are cut.
    pub(super) fn find_again(
        &mut self,
        matching: &mut Matching,
        is_hidden: &dyn Fn(&FileEntry) -> bool,
        is_merged: &[bool],
        now: Timestamp,
    ) -> Result<Vec<(usize, bool)>> {
        let mut lost = Vec::new();
        for (index, file) in self.files.iter_mut().enumerate() {
            if is_hidden(file) || is_merged.get(index).is_some_and(|is_merged| *is_merged) {
                continue;
            }
            let (path, was) = (Arc::clone(&file.path), file.presence);
            match matching.itself(file, self.policy.follow) {
                Ok(Some(Looked::Same)) if Arc::ptr_eq(&path, &file.path) && was == file.presence => {}
                Ok(Some(looked @ (Looked::Same | Looked::Changed))) => {
                    if looked == Looked::Changed {
                        file.changed_at = Some(now);
                    }
                    file.is_unnoted = true;
                    self.has_changed = true;
                    self.telling.readable(&file.path);
                    self.telling.moved(file, &path);
                    self.telling.continued(file);
                }
                Ok(Some(Looked::Other)) => lost.push((index, true)),
                Ok(None) => lost.push((index, false)),
                Err(error) if error.kind() == ErrorKind::NotFound => lost.push((index, false)),
                Err(error) => {
                    let error = path::failed("read", &file.path)(error);
                    if !self.policy.is_patient() || (self.listing.is_named(&file.path) && !self.policy.follow) {
                        return Err(error);
                    }
                    // What is there of it is read when it can be.
                    self.telling.troubles(&[(file.path.to_path_buf(), error)]);
                    matching.take(&file.path);
                }
            }
        }
        Ok(lost)
    }

    /// Finds other files with the content of those that are not as they were.
    fn find_copies(&mut self, matching: &mut Matching, lost: &[(usize, bool)], now: Timestamp) -> Result<()> {
        for (index, is_cut) in lost {
            let file = &mut self.files[*index];
            if file.presence == Presence::Gone && matching.is_all_taken() {
                continue;
            }
            let path = Arc::clone(&file.path);
            let found = matching.content(file, *is_cut, self.policy.follow);
            if let Some(found) = found.map_err(path::failed("read", &path))? {
                (self.has_changed, file.is_unnoted) = (true, true);
                self.telling.moved(file, &path);
                if found == Found::Copy && *path == *file.path {
                    self.telling.replaced(file);
                }
                continue;
            }
            if file.presence == Presence::Here {
                self.has_changed = true;
                file.presence = Presence::Missing(now);
                self.telling.missing(file, *is_cut);
            }
        }
        Ok(())
    }

    /// Pieces of logs that were put aside before anybody saw them: newer than those that were known and are put aside now.
    /// `is_away`: a log is not there, so that one that nobody has seen may have come and have been put aside.
    fn find_pieces(
        &mut self,
        matching: &mut Matching,
        known: &[(Stamp, bool)],
        is_away: bool,
        now: Timestamp,
    ) -> Result<()> {
        if !self.policy.follow || (!self.has_changed && !is_away && matching.is_all_taken()) {
            return Ok(());
        }
        let mut newest: HashMap<Arc<Path>, Stamp> = HashMap::new();
        for (file, (stamp, had_evidence)) in self.files.iter().zip(known) {
            // One that was empty may have been filled, copied and cut.
            let was_filled = !had_evidence && file.stamp != *stamp;
            if file.is_aside || file.presence != Presence::Here || was_filled {
                newest.insert(Arc::clone(&file.home), *stamp);
            } else {
                newest.remove(&file.home);
            }
        }
        for (home, stamp) in newest {
            let mut pieces = matching.pieces_after(&home, &stamp);
            pieces.iter_mut().for_each(|piece| piece.put_aside_of(&home));
            let before = self.files.len();
            self.take_in_all(pieces, now)?;
            self.files[before..].iter_mut().for_each(|file| file.is_aside = true);
        }
        Ok(())
    }

    /// Forgets files that are gone and read: those outside of what is listed, and all but the last of the others.
    fn forget(&mut self, now: Timestamp) {
        let follow = self.policy.follow;
        let is_read = |file: &FileEntry| {
            let is_finished = file.is_aside && file.is_closed && file.is_done() && file.is_silent(now, LINGER);
            follow && (file.presence == Presence::Gone || is_finished)
        };
        let is_any_over = self.files.iter().any(|file| file.is_given_up || is_read(file));
        if !is_any_over && self.index.len() == self.files.len() {
            return;
        }
        // By the last pieces of a log is told which of those beside it are newer.
        let mut newer: HashMap<Arc<Path>, usize> = HashMap::new();
        let is_old = self.files.iter().rev().map(|file| {
            let newer = newer.entry(Arc::clone(&file.home)).or_default();
            *newer += 1;
            *newer > PIECES
        });
        let mut is_old: Vec<bool> = is_old.collect();
        let gone = self.files.iter().filter(|file| is_read(file)).count();
        let mut surplus = gone.saturating_sub(REMEMBERED);
        let (before, dropped) = (self.files.len(), &mut self.dropped);
        self.files.retain(|file| {
            let is_surplus = is_read(file) && surplus > 0;
            surplus -= usize::from(is_surplus);
            let is_past = is_old.pop().unwrap_or(false) && file.is_aside && is_read(file);
            let is_kept = !(is_surplus || is_past || file.is_given_up);
            if !is_kept {
                dropped.insert(file.split.clone());
            }
            is_kept
        });
        if self.files.len() != before || self.index.len() != before {
            self.has_changed = true;
            self.by_path = None;
            self.index = self.files.iter().enumerate().map(|(index, file)| (file.split.clone(), index)).collect();
        }
    }

    /// Decides what becomes of files that are gone.
    fn check_missing(&mut self, now: Timestamp) -> Result<()> {
        let mut error = None;
        for file in &mut self.files {
            let Presence::Missing(since) = file.presence else { continue };
            if file.is_done() {
                file.presence = Presence::Gone;
                (file.is_unnoted, self.has_changed) = (true, true);
                continue;
            }
            let is_given_up = self.policy.on_missing == OnMissing::Skip || self.context.gives_up(&file.split);
            if file.is_read() && file.told.is_some() {
                // What is left is that it is committed.
                continue;
            }
            let is_over = !self.policy.follow || file.told.is_none() || now.since(since) >= WAIT;
            if is_over && is_given_up {
                self.telling.given_up(file);
                (file.is_given_up, self.has_changed) = (true, true);
            } else if is_over && error.is_none() {
                error = Some(vanished(file, file.committed));
            }
        }
        error.map_or(Ok(()), Err)
    }
}

/// The error of a file that is gone.
pub(crate) fn vanished(file: &FileEntry, position: u64) -> ConnectError {
    let source = &file.source;
    let reason = format!(
        "the file is gone, was cut or written anew, and what it held is not beside it under another name; put it back, or \
         give up what is lost of it: TextFiles::on_missing(OnMissing::Skip), or `--allow-loss 'split:{source}/{}'`",
        file.split
    );
    file.lost(position, reason)
}
