//! What one window has gathered, key by key, as far as it is in memory.

use firesteel_window::Window;

use crate::changes::Changes;
use crate::codec::{StateKey, StateValue};
use crate::table::changed::Changed;
use crate::table::eviction::MeanSize;
use crate::table::slots::Slots;
use crate::table::{Stamps, reuse};

/// One window's accumulators: a dense table in the order in which keys came.
// What every merge looks at stands together.
#[repr(C)]
pub(super) struct Pane<K, A> {
    pub(super) window: Window,
    /// The attempt that last came here.
    pub(super) attempt: u64,
    /// How many slots, from the first on, the end of an epoch has written before.
    pub(super) saved: usize,
    /// Whether everything that the window has gathered is here.
    pub(super) complete: bool,
    pub(super) slots: Slots<K, A>,
    /// How many slots there were when the attempt came.
    pub(super) base: usize,
    /// What slots before `base` held then, each once.
    undo: Vec<Undo<A>>,
    /// What has been counted of the attempt's changes.
    counted: Changes,
    /// What the account is of, and what it says.
    accounted: (Account, u64),
    /// Slots that may have an older value in the backend, which has not been looked for yet.
    pub(super) unread: Vec<u32>,
    /// How many of those that came in this attempt had one.
    pub(super) found: usize,
    /// Which of the saved slots have changed since.
    changed: Changed,
}

/// This many records are looked up before the first of them is merged.
const AHEAD: usize = 64;

/// What the memory that a pane takes follows from, as long as it is the same.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Account {
    slots: usize,
    undo: usize,
    unread: usize,
    unsaved: usize,
}

struct Undo<A> {
    at: u32,
    stamp: u64,
    value: A,
}

impl<K: StateKey, A: StateValue> Pane<K, A> {
    pub(super) fn new(window: Window, complete: bool) -> Self {
        Self {
            window,
            slots: Slots::new(),
            complete,
            attempt: 0,
            base: 0,
            undo: Vec::new(),
            unread: Vec::new(),
            found: 0,
            counted: Changes::default(),
            saved: 0,
            changed: Changed::default(),
            accounted: Default::default(),
        }
    }

    /// Drops the contents and keeps the buffers; `false` if these are much larger than was needed.
    pub(super) fn recycle(&mut self) -> bool {
        if self.slots.len() < self.slots.room() / 4 {
            return false;
        }
        self.slots.clear();
        self.keep();
        self.unread.clear();
        self.changed.end_epoch();
        true
    }

    /// Makes a recycled pane that of another window.
    pub(super) fn reuse_for(&mut self, window: Window, complete: bool) {
        (self.window, self.complete) = (window, complete);
        (self.attempt, self.base, self.found, self.saved) = (0, 0, 0, 0);
    }

    /// An attempt comes here for the first time.
    pub(super) fn enter(&mut self, attempt: u64) {
        self.keep();
        self.attempt = attempt;
        self.base = self.slots.len();
        (self.found, self.counted) = (0, Changes::default());
        self.changed.begin();
    }

    /// Makes the changes of the last attempt final.
    pub(super) fn keep(&mut self) {
        reuse(&mut self.undo);
    }

    /// Rolls back what `attempt` changed, if it has been here. `false` if nothing is left here then.
    pub(super) fn roll_back(&mut self, attempt: u64) -> bool {
        if self.attempt == attempt {
            for Undo { at, stamp, value } in self.undo.drain(..) {
                let slot = self.slots.at_mut(at as usize);
                (slot.stamp, slot.value) = (stamp, value);
            }
            self.slots.truncate(self.base);
            self.unread.clear();
            self.changed.roll_back();
        }
        self.slots.len() > 0
    }

    #[inline]
    pub(super) fn merge(&mut self, hash: u64, key: K, acc: A, stamps: Stamps, combine: impl FnOnce(&mut A, A)) {
        match self.slots.add(hash, key, acc, stamps.attempt) {
            Some((at, acc)) => self.take_in(at, acc, stamps, combine),
            None if self.complete => {}
            None => self.unread.push(self.slots.len() as u32 - 1),
        }
    }

    #[inline]
    fn take_in(&mut self, at: usize, acc: A, stamps: Stamps, combine: impl FnOnce(&mut A, A)) {
        if self.slots.at(at).stamp != stamps.attempt {
            self.mark(at, stamps);
        }
        combine(&mut self.slots.at_mut(at).value, acc);
    }

    /// Merges many, front to back. Their places are looked for ahead, so that the processor waits for many at once.
    pub(super) fn merge_all(
        &mut self,
        entries: &mut Vec<(u64, K, A)>,
        stamps: Stamps,
        mut combine: impl FnMut(&mut A, A),
    ) {
        self.slots.make_room_for(entries.len());
        let warm = self.slots.warm_up(entries.len());
        let mut entries = entries.drain(..);
        while !entries.as_slice().is_empty() {
            let hashes = entries.as_slice().iter().take(AHEAD).map(|entry| entry.0);
            let places: [u32; AHEAD] = self.slots.candidates(hashes, warm);
            for (place, (hash, key, acc)) in places.into_iter().zip(entries.by_ref()) {
                let at = place as usize;
                if at < self.slots.len() && self.slots.at(at).key == key {
                    self.take_in(at, acc, stamps, &mut combine);
                } else {
                    self.merge(hash, key, acc, stamps, &mut combine);
                }
            }
        }
    }

    /// Notes that the slot is about to change for the first time in this attempt.
    #[inline]
    fn mark(&mut self, at: usize, stamps: Stamps) {
        let slot = self.slots.at_mut(at);
        self.undo.push(Undo { at: at as u32, stamp: slot.stamp, value: slot.value.clone() });
        if at < self.saved && slot.stamp < stamps.epoch_start {
            self.changed.note(at, self.saved);
        }
        slot.stamp = stamps.attempt;
    }

    /// What the attempt has changed here and has not been counted yet.
    pub(super) fn count(&mut self) -> Changes {
        let inserted = (self.slots.len() - self.base - self.found) as u64;
        let updated = (self.slots.len() - self.base + self.undo.len()) as u64;
        let before = std::mem::replace(&mut self.counted, Changes { inserted, updated, removed: 0 });
        Changes { inserted: inserted - before.inserted, updated: updated - before.updated, removed: 0 }
    }

    /// The places of what changed in the open epoch.
    pub(super) fn changed(&self, stamps: Stamps) -> impl Iterator<Item = usize> {
        let (list, all) = match self.changed.list() {
            Some(list) => (list, 0..0),
            None => (&[][..], 0..self.saved),
        };
        let all = all.filter(move |at| self.slots.at(*at).stamp >= stamps.epoch_start);
        list.iter().map(|at| *at as usize).chain(all).chain(self.saved..self.slots.len())
    }

    /// Takes note that everything here has been written.
    pub(super) fn set_saved(&mut self) {
        self.saved = self.slots.len();
        self.changed.end_epoch();
    }

    /// How many slots the end of the epoch will write.
    fn unsaved(&self) -> usize {
        self.slots.len() - self.saved + self.changed.count()
    }

    /// Drops the slots whose stamps `keep` does not want.
    pub(super) fn retain(&mut self, keep: &dyn Fn(usize, u64) -> bool) {
        let moved = self.slots.retain(&mut |at, slot| keep(at, slot.stamp));
        (self.base, self.saved) = (moved.kept_of(self.base), moved.kept_of(self.saved));
        self.undo.iter_mut().for_each(|undo| undo.at = moved.to(undo.at));
        self.unread.iter_mut().for_each(|at| *at = moved.to(*at));
        self.changed.renumber(&moved);
    }

    /// The bytes that it takes, as they were accounted last.
    pub(super) fn bytes(&self) -> u64 {
        self.accounted.1
    }

    /// Finds out how many bytes it takes, partly estimated.
    pub(super) fn account(&mut self, size: &MeanSize, is_written: bool) -> u64 {
        let account = Account {
            slots: self.slots.len(),
            undo: self.undo.capacity(),
            unread: self.unread.capacity(),
            unsaved: if is_written { self.unsaved() } else { 0 },
        };
        if self.accounted.0 != account {
            let owns = std::mem::needs_drop::<K>() || std::mem::needs_drop::<A>();
            let lists = account.undo * size_of::<Undo<A>>() + account.unread * 4 + self.changed.allocated();
            let bytes = self.slots.allocated()
                + (size_of::<Self>() + lists) as u64
                + size.owned(account.slots + self.undo.len(), owns)
                // What the end of the epoch will write.
                + if account.unsaved == 0 { 0 } else { size.of(account.unsaved) as u64 };
            self.accounted = (account, bytes);
        }
        self.accounted.1
    }
}
