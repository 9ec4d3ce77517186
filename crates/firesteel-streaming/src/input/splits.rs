//! The splits of one source: what it says of them, and how far the job has come in each.
//!
//! A batch costs what has changed, and what is left to read: splits that are read to where they end are not visited.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem::{replace, take};
use std::ops::Index;
use std::sync::Arc;

use firesteel_connect::{ConnectError, Discovery, Split, SplitId, SplitNote};
use firesteel_core::hash::BuildKeyHasher;

use super::cut::Unread;
use super::parked::Parked;
use crate::checkpoint::{InputCursor, SplitCursor};
use crate::plan::Admitted;
use crate::split_numbers::SplitNumbers;

/// How far the job has come in one split.
pub(super) struct SplitState {
    pub(super) name: Arc<str>,
    /// Its number among all splits of the job.
    pub(super) number: u32,
    pub(super) next: u64,
    /// The source has said that nothing more is there.
    pub(super) at_end: bool,
    /// Where the source said the data ends when the last read got nothing: asking again is of no use before it moves.
    pub(super) empty_up_to: Option<u64>,
    end: SplitEnd,
    /// Whether the checkpoint does not know of it as it is now.
    changed: bool,
    /// Whether the source has not been told how far the job has come.
    moved: bool,
    /// What the source wants to know again, where the checkpoint does not have it.
    note: Option<SplitNote>,
    /// What the source said of it last; nothing where its position is from before a restart, and the source has not been
    /// asked since.
    found: Option<Found>,
}

/// What the source says of a split.
struct Found {
    split: Split,
    /// Its place among the splits: in the order in which the source told of them.
    rank: u64,
    /// Whether nothing is left of it, and nothing will come.
    is_done: bool,
}

/// Whether a split has ended, and who knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SplitEnd {
    Open,
    /// It has, and the next batch tells the watermark.
    Seen,
    Told,
}

impl SplitState {
    fn new(name: &SplitId, number: u32, next: u64) -> Self {
        let name = name.as_str().into();
        let (end, empty_up_to) = (SplitEnd::Open, None);
        Self {
            name,
            number,
            next,
            at_end: false,
            empty_up_to,
            end,
            changed: false,
            moved: false,
            note: None,
            found: None,
        }
    }

    /// The error of a source that does not have what the job would read next.
    fn lost(&self, split: &Split) -> Option<ConnectError> {
        let reason = if self.next < split.first {
            format!("the oldest record still there is at {}; start again from there", split.first)
        } else {
            let available = split.available.filter(|available| self.found.is_none() && *available < self.next)?;
            format!(
                "the job stood there before it was started again, but the data ends at {available}: bring back what the \
                 source held, or begin another checkpoint"
            )
        };
        Some(ConnectError::Lost { place: split.id.to_string(), position: self.next, reason })
    }

    /// Whether something is left to read.
    fn is_left(&self, split: &Split) -> bool {
        match split.available {
            Some(available) => available > self.next && self.empty_up_to != Some(available),
            None => !self.at_end,
        }
    }
}

/// All splits of a source.
#[derive(Default)]
pub(super) struct Splits {
    states: HashMap<SplitId, SplitState, BuildKeyHasher>,
    /// Those of which something may be left to read, in the order of their ranks.
    open: BTreeMap<u64, SplitId>,
    /// Those that have ended, by their numbers, until a batch has told the watermark.
    ended: BTreeMap<u32, SplitId>,
    ranks: u64,
    /// How many the source does not call finished, and how many of all are not read to their end.
    unfinished: usize,
    undone: usize,
    /// Those of which the checkpoint does not know how they are now, and those whose progress the source has not been told.
    changed: Vec<SplitId>,
    moved: Vec<SplitId>,
    /// Numbers of splits that the source has no more, until the next batch tells the watermark.
    gone: Vec<u32>,
    /// Whether any of those has come with the last look.
    lost_open: bool,
    /// Whether the source has told of all splits that there are.
    has_looked: bool,
    /// Where splits stood when the last epoch ended of which the source has not been told.
    untold: BTreeMap<SplitId, u64>,
    /// The names of splits that the checkpoint still knows and the source has no more.
    forgotten: Vec<String>,
}

impl Index<&SplitId> for Splits {
    type Output = SplitState;

    fn index(&self, split: &SplitId) -> &SplitState {
        &self.states[split]
    }
}

impl Splits {
    /// Forgets what the source has no more: what it says is gone, and, where it has named all, what it has not named. Returns
    /// what is forgotten.
    fn forget(&mut self, found: &Discovery) -> HashSet<SplitId> {
        let is_all = found.is_all || !self.has_looked;
        let mut gone: HashSet<SplitId> = HashSet::new();
        let named = || found.splits.iter().filter(|split| self.states.contains_key(&split.id)).count();
        if is_all && named() < self.states.len() {
            let there: HashSet<&SplitId> = found.splits.iter().map(|split| &split.id).collect();
            gone.extend(self.states.keys().filter(|split| !there.contains(split)).cloned());
        }
        gone.extend(found.gone.iter().filter(|split| self.states.contains_key(*split)).cloned());
        for split in &gone {
            let Some(state) = self.states.remove(split) else { continue };
            self.forgotten.push(split.as_str().to_owned());
            self.untold.remove(split);
            self.ended.remove(&state.number);
            if state.end != SplitEnd::Told {
                self.gone.push(state.number);
                self.lost_open = true;
            }
            if let Some(Found { split, rank, is_done }) = state.found {
                self.open.remove(&rank);
                self.unfinished -= usize::from(!split.finished);
                self.undone -= usize::from(!is_done);
            }
        }
        gone
    }

    /// Numbers of splits that have gone since the last batch.
    pub(super) fn gone(&self) -> &[u32] {
        &self.gone
    }

    /// Takes in what the source of this name has found; of splits that are gone, nothing is kept. Tells whether any had not
    /// ended.
    pub(super) fn take_in(
        &mut self,
        mut found: Discovery,
        input: &str,
        numbers: &SplitNumbers,
        parked: &Parked,
    ) -> Result<bool, ConnectError> {
        let gone = self.forget(&found);
        if !gone.is_empty() {
            parked.drop_where(|split| gone.contains(split));
        }
        for split in found.splits.drain(..) {
            self.take_in_one(split, input, numbers)?;
        }
        self.has_looked = true;
        Ok(take(&mut self.lost_open))
    }

    /// Takes in what the source says of a split, which is made up when it is named first.
    fn take_in_one(&mut self, split: Split, input: &str, numbers: &SplitNumbers) -> Result<(), ConnectError> {
        let Self { states, changed, .. } = self;
        let state = states.entry(split.id.clone()).or_insert_with(|| {
            changed.push(split.id.clone());
            SplitState {
                changed: true,
                ..SplitState::new(&split.id, numbers.of(input, split.id.as_str()), split.first)
            }
        });
        if state.found.as_ref().is_some_and(|found| found.split == split) {
            return Ok(());
        }
        if let Some(lost) = state.lost(&split) {
            return Err(lost);
        }
        let before = state.found.take();
        let rank = before.as_ref().map_or(self.ranks, |found| found.rank);
        match before {
            Some(before) => {
                self.unfinished -= usize::from(!before.split.finished);
                self.undone -= usize::from(!before.is_done);
                // What was the end is none where the source has come to know of more.
                state.at_end &= before.split.available == split.available;
            }
            None => self.ranks += 1,
        }
        self.unfinished += usize::from(!split.finished);
        self.undone += 1;
        self.open.insert(rank, split.id.clone());
        state.found = Some(Found { split, rank, is_done: false });
        Ok(())
    }

    /// How far each split goes now.
    pub(super) fn available(&self) -> HashMap<SplitId, Option<u64>> {
        let found = self.states.values().filter_map(|state| state.found.as_ref());
        found.map(|Found { split, .. }| (split.id.clone(), split.available)).collect()
    }

    /// What is left to read, within the horizon if there is one. Notes which splits the watermark waits for and which have
    /// ended.
    pub(super) fn unread(
        &mut self,
        admitted: &mut Admitted,
        horizon: Option<&HashMap<SplitId, Option<u64>>>,
    ) -> Vec<Unread> {
        let mut unread = Vec::new();
        let Self { states, undone, ended, changed, .. } = self;
        self.open.retain(|_, id| {
            let Some(state) = states.get_mut(id) else { return false };
            let Some(mut found) = state.found.take() else { return false };
            let (split, is_left) = (&found.split, state.is_left(&found.split));
            let is_done = split.finished && !is_left;
            if !is_done && state.end != SplitEnd::Open {
                // More has come all the same: it ends once more.
                state.end = SplitEnd::Open;
                ended.remove(&state.number);
                if !replace(&mut state.changed, true) {
                    changed.push(id.clone());
                }
            }
            if is_left {
                admitted.waiting.push(state.number);
                if let Some(up_to) = within(split, horizon, state.next) {
                    unread.push((split.clone(), up_to, state.next));
                }
            }
            if is_done && state.end == SplitEnd::Open {
                admitted.newly_finished = true;
                state.end = SplitEnd::Seen;
                ended.insert(state.number, id.clone());
            }
            *undone = *undone + usize::from(!is_done) - usize::from(!found.is_done);
            found.is_done = is_done;
            state.found = Some(found);
            is_left
        });
        admitted.finished.extend(self.ended.keys());
        unread
    }

    /// Whether the source calls all of them finished.
    pub(super) fn all_finished(&self) -> bool {
        self.unfinished == 0
    }

    /// Whether nothing is left of any, and nothing will come.
    pub(super) fn all_done(&self) -> bool {
        self.undone == 0
    }

    /// A split that a batch before a restart has read.
    pub(super) fn known(&mut self, id: &SplitId, from: u64, input: &str, numbers: &SplitNumbers) -> &SplitState {
        let Self { states, changed, .. } = self;
        states.entry(id.clone()).or_insert_with(|| {
            changed.push(id.clone());
            SplitState { changed: true, ..SplitState::new(id, numbers.of(input, id.as_str()), from) }
        })
    }

    /// The batch has told the watermark which splits have ended.
    pub(super) fn settle_ends(&mut self) {
        self.gone.clear();
        for id in take(&mut self.ended).into_values() {
            if let Some(state) = self.states.get_mut(&id).filter(|state| state.end == SplitEnd::Seen) {
                state.end = SplitEnd::Told;
                if !replace(&mut state.changed, true) {
                    self.changed.push(id);
                }
            }
        }
    }

    /// The split's state, to be changed by what has been read of it: [`settle`](Self::settle) has to follow.
    pub(super) fn get_mut(&mut self, id: &SplitId) -> Option<&mut SplitState> {
        self.states.get_mut(id)
    }

    /// Takes note that some of a split has been read, from `before` on.
    pub(super) fn settle(&mut self, id: &SplitId, before: u64) {
        let Some(state) = self.states.get_mut(id) else { return };
        if let Some(Found { rank, .. }) = &state.found {
            self.open.entry(*rank).or_insert_with(|| id.clone());
        }
        if state.next == before {
            return;
        }
        if !replace(&mut state.changed, true) {
            self.changed.push(id.clone());
        }
        if !replace(&mut state.moved, true) {
            self.moved.push(id.clone());
        }
    }

    /// What has changed since the last call. Positions are no use after a restart where the source is not there any more.
    pub(super) fn changes(&mut self, positions: bool, input: &str, numbers: &SplitNumbers) -> InputCursor {
        let mut cursor = InputCursor { gone: self.take_forgotten(input, numbers), ..InputCursor::default() };
        for id in take(&mut self.changed) {
            let Some(state) = self.states.get_mut(&id) else { continue };
            state.changed = false;
            if positions {
                let ended = state.end == SplitEnd::Told;
                let note = state.note.take().map(|note| note.as_bytes().to_vec());
                let at = SplitCursor { next: state.next, ended, note };
                cursor.splits.insert(id.as_str().to_owned(), at);
            }
        }
        cursor
    }

    /// Drops what has changed since the last call.
    pub(super) fn drop_changes(&mut self, input: &str, numbers: &SplitNumbers) {
        for id in self.changed.drain(..) {
            if let Some(state) = self.states.get_mut(&id) {
                state.changed = false;
            }
        }
        self.take_forgotten(input, numbers);
    }

    /// The names of splits that are gone; those that have not come back lose their numbers.
    fn take_forgotten(&mut self, input: &str, numbers: &SplitNumbers) -> Vec<String> {
        let forgotten = take(&mut self.forgotten);
        for split in forgotten.iter().filter(|split| !self.states.contains_key(&SplitId::new(split.as_str()))) {
            numbers.forget(input, split);
        }
        forgotten
    }

    /// Resumes where the job stood before a restart.
    pub(super) fn resume(&mut self, name: &str, at: &SplitCursor, number: u32) {
        let id = SplitId::new(name);
        let end = if at.ended { SplitEnd::Told } else { SplitEnd::Open };
        self.moved.push(id.clone());
        let state = SplitState { end, moved: true, ..SplitState::new(&id, number, at.next) };
        self.states.insert(id, state);
    }

    /// Those that have got further since the last epoch, and where they stand.
    pub(super) fn moved(&self) -> Vec<(SplitId, u64)> {
        let moved = self.moved.iter().filter_map(|id| Some((id.clone(), self.states.get(id)?.next)));
        moved.collect()
    }

    /// Keeps what the source wants to know again of its splits.
    pub(super) fn note(&mut self, notes: Vec<(SplitId, SplitNote)>) {
        for (id, note) in notes {
            let Some(state) = self.states.get_mut(&id) else { continue };
            state.note = Some(note);
            if !replace(&mut state.changed, true) {
                self.changed.push(id);
            }
        }
    }

    /// An epoch ends where the splits stand.
    pub(super) fn end_epoch(&mut self) {
        for id in take(&mut self.moved) {
            let Some(state) = self.states.get_mut(&id) else { continue };
            state.moved = false;
            self.untold.insert(id, state.next);
        }
    }

    /// Where the splits stood at the end of the last epoch of which the source has not been told.
    pub(super) fn untold(&self) -> Vec<(SplitId, u64)> {
        self.untold.iter().map(|(id, at)| (id.clone(), *at)).collect()
    }

    /// The source has been told.
    pub(super) fn told(&mut self) {
        self.untold.clear();
    }
}

/// Up to where a split may be read, if it may be: `Some(None)` where only reading can tell.
fn within(split: &Split, horizon: Option<&HashMap<SplitId, Option<u64>>>, next: u64) -> Option<Option<u64>> {
    let available = match horizon.map(|horizon| horizon.get(&split.id)) {
        None | Some(Some(None)) => split.available,
        Some(None) => return None,
        Some(Some(Some(horizon))) => Some((*horizon).min(split.available.unwrap_or(*horizon))),
    };
    available.is_none_or(|available| available > next).then_some(available)
}
