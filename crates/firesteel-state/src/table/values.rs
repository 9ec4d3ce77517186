//! One value for each key.

mod bulk;
mod table;

use std::sync::Arc;

use firesteel_window::Timestamp;

use super::changed::Changed;
use super::eviction::MeanSize;
use super::pieces::Pieces;
use super::slots::{Moved, Slots};
use super::{Setup, Stamps};
use crate::changes::Changes;
use crate::codec::{self, StateKey, StateValue};
use crate::error::Result;
use crate::evolved::TableCodec;
use crate::frame::FrameWriter;
use crate::ttl::Times;

/// Computes the hash of a key that comes from storage.
pub(crate) type Hasher<K> = std::sync::Arc<dyn Fn(&K) -> u64 + Send + Sync>;

/// Below this, removals are not worth a pass over the table.
const FEW: usize = 64;

/// The values of one state in one key group. `None` is a key known to have no value.
pub(crate) struct Values<K, V> {
    setup: Setup,
    codec: Arc<TableCodec<V>>,
    hasher: Hasher<K>,
    complete: bool,
    slots: Slots<K, Option<V>>,
    /// When each slot was last touched; empty without a TTL.
    touched: Vec<Timestamp>,
    /// How many slots there were when the attempt began.
    base: usize,
    undo: Pieces<Undo<V>>,
    /// When the slots in `undo` were touched before; empty without a TTL.
    undo_touched: Vec<Timestamp>,
    changed: Changed,
    /// How many slots became empty, and how many may before the table is tidied.
    emptied: usize,
    tidy_at: usize,
    size: MeanSize,
    sweep_at: usize,
    changes: Changes,
}

struct Undo<V> {
    at: u32,
    stamp: u64,
    value: Option<V>,
}

impl<K: StateKey, V: StateValue> Values<K, V> {
    pub(crate) fn new(setup: Setup, hasher: Hasher<K>, codec: Arc<TableCodec<V>>) -> Self {
        Self {
            codec,
            complete: setup.backend.is_none(),
            setup,
            hasher,
            slots: Slots::new(),
            touched: Vec::new(),
            base: 0,
            undo: Pieces::new(),
            undo_touched: Vec::new(),
            changed: Changed::default(),
            emptied: 0,
            tidy_at: FEW,
            size: MeanSize::default(),
            sweep_at: 0,
            changes: Changes::default(),
        }
    }

    fn push(&mut self, hash: u64, key: K, value: Option<V>, stamp: u64, touched: Timestamp) -> usize {
        let at = self.slots.push(hash, key, value, stamp);
        if self.setup.ttl.is_some() {
            self.touched.push(touched);
        }
        at
    }

    fn touched(&self, at: usize) -> Timestamp {
        self.touched.get(at).copied().unwrap_or(Timestamp::MIN)
    }

    fn expired(&self, at: usize, times: &Times) -> bool {
        self.setup.ttl.is_some_and(|ttl| ttl.expired(self.touched[at], times))
    }

    /// Notes that the slot is about to change. Whether it does for the first time in this attempt.
    #[inline]
    fn mark(&mut self, at: usize, stamps: Stamps) -> bool {
        let slots = self.slots.len();
        let slot = self.slots.at_mut(at);
        if slot.stamp == stamps.attempt {
            return false;
        }
        if at < self.base {
            self.undo.push(Undo { at: at as u32, stamp: slot.stamp, value: slot.value.clone() });
            self.undo_touched.extend(self.touched.get(at));
        }
        if slot.stamp < stamps.epoch_start {
            self.changed.note(at, slots);
        }
        slot.stamp = stamps.attempt;
        true
    }

    /// Replaces the value.
    fn put(&mut self, at: usize, value: Option<V>, stamps: Stamps) {
        let first = self.mark(at, stamps);
        let slot = &mut self.slots.at_mut(at).value;
        let (before, after) = (slot.is_some(), value.is_some());
        *slot = value;
        self.changes.note(first, before, after);
        self.emptied += usize::from(!after);
    }

    fn touch(&mut self, at: usize, times: &Times) {
        if let Some(ttl) = self.setup.ttl {
            self.touched[at] = ttl.touch(self.touched[at], times);
        }
    }

    /// The slot of a key, read from the backend if need be; `None` if the key has no slot and no value.
    #[inline]
    fn locate(&mut self, hash: u64, key: &K, stamps: Stamps) -> Result<Option<usize>> {
        match self.slots.find(hash, key) {
            Some(at) => Ok(Some(at)),
            None if self.complete => Ok(None),
            None => {
                self.fetch(vec![(hash, key)], stamps)?;
                Ok(self.slots.find(hash, key))
            }
        }
    }

    pub(crate) fn get(&mut self, hash: u64, key: &K, times: &Times, stamps: Stamps) -> Result<Option<&V>> {
        let Some(at) = self.locate(hash, key, stamps)? else { return Ok(None) };
        if self.expired(at, times) {
            return Ok(None);
        }
        if self.slots.at(at).value.is_some() && self.setup.ttl.is_some_and(|ttl| ttl.counts_reads()) {
            let first = self.mark(at, stamps);
            self.changes.note(first, true, true);
            self.touch(at, times);
        } else {
            self.note_use(at, stamps);
        }
        Ok(self.slots.at(at).value.as_ref())
    }

    /// Gives the key a value if it has none; tells whether it had none.
    pub(crate) fn insert(&mut self, hash: u64, key: &K, value: V, times: &Times, stamps: Stamps) -> Result<bool> {
        let Some(at) = self.locate(hash, key, stamps)? else {
            self.insert_new(hash, key, value, times, stamps);
            return Ok(true);
        };
        let has_one = self.slots.at(at).value.is_some() && !self.expired(at, times);
        if has_one {
            self.note_use(at, stamps);
        } else {
            self.put(at, Some(value), stamps);
            self.touch(at, times);
        }
        Ok(!has_one)
    }

    /// A clean slot's stamp tells when it was last of use.
    #[inline]
    fn note_use(&mut self, at: usize, stamps: Stamps) {
        if !self.complete {
            let slot = self.slots.at_mut(at);
            slot.stamp = slot.stamp.max(stamps.applied);
        }
    }

    /// Sets or removes the value without looking at the old one.
    pub(crate) fn set(&mut self, hash: u64, key: &K, value: Option<V>, times: &Times, stamps: Stamps) {
        let at = match self.slots.find(hash, key) {
            Some(at) => at,
            None if value.is_none() && self.complete => return,
            None => self.push(hash, key.clone(), None, 0, Timestamp::MIN),
        };
        self.put(at, value, stamps);
        self.touch(at, times);
    }

    pub(crate) fn update<R>(
        &mut self,
        hash: u64,
        key: &K,
        times: &Times,
        stamps: Stamps,
        change: impl FnOnce(&mut Option<V>) -> R,
    ) -> Result<R> {
        Ok(match self.locate(hash, key, stamps)? {
            Some(at) => self.update_at(at, times, stamps, change),
            None => self.update_new(hash, key, times, stamps, change),
        })
    }

    #[inline]
    fn update_at<R>(
        &mut self,
        at: usize,
        times: &Times,
        stamps: Stamps,
        change: impl FnOnce(&mut Option<V>) -> R,
    ) -> R {
        if self.slots.at(at).value.is_none() || self.expired(at, times) {
            let mut value = None;
            let result = change(&mut value);
            if value.is_some() || self.slots.at(at).value.is_some() {
                self.put(at, value, stamps);
                self.touch(at, times);
            }
            return result;
        }
        let first = self.mark(at, stamps);
        let value = &mut self.slots.at_mut(at).value;
        let result = change(value);
        let after = value.is_some();
        self.changes.note(first, true, after);
        self.emptied += usize::from(!after);
        if !self.touched.is_empty() {
            self.touch(at, times);
        }
        result
    }

    fn update_new<R>(
        &mut self,
        hash: u64,
        key: &K,
        times: &Times,
        stamps: Stamps,
        change: impl FnOnce(&mut Option<V>) -> R,
    ) -> R {
        let mut value = None;
        let result = change(&mut value);
        if let Some(value) = value {
            self.insert_new(hash, key, value, times, stamps);
        }
        result
    }

    /// Gives a value to a key that has no slot; where that is.
    fn insert_new(&mut self, hash: u64, key: &K, value: V, times: &Times, stamps: Stamps) -> usize {
        let at = self.push(hash, key.clone(), Some(value), 0, Timestamp::MIN);
        let first = self.mark(at, stamps);
        self.changes.note(first, false, true);
        self.touch(at, times);
        at
    }

    #[inline]
    fn write(&self, at: usize, out: &mut FrameWriter) -> Result<()> {
        let slot = self.slots.at(at);
        let value =
            slot.value.as_ref().map(|value| |out: &mut Vec<u8>| self.setup.encode_value(self.touched(at), value, out));
        out.encode(|out| codec::encode(&slot.key, out), value).map_err(|source| self.setup.unencodable(source))
    }

    /// Removes what earlier types have of the changed keys. It stands before what the keys have now, so that a frame may
    /// also be read into one table front to back.
    #[cold]
    fn write_older(&self, since: u64, out: &mut FrameWriter) -> Result<()> {
        let nothing = None::<fn(&mut Vec<u8>) -> postcard::Result<()>>;
        for number in &self.setup.older {
            out.begin_table(*number);
            for slot in self.slots.iter().filter(|slot| slot.stamp >= since) {
                out.encode(|out| codec::encode(&slot.key, out), nothing)
                    .map_err(|source| self.setup.unencodable(source))?;
            }
        }
        Ok(())
    }

    fn renumber(&mut self, moved: &Moved) {
        self.base = moved.kept_of(self.base);
        for undo in self.undo.iter_mut() {
            undo.at = moved.to(undo.at);
        }
        self.changed.renumber(moved);
    }

    fn retain(&mut self, keep: &dyn Fn(u64, &Option<V>) -> bool) {
        let touched = std::mem::take(&mut self.touched);
        let mut kept = Vec::new();
        let moved = self.slots.retain(&mut |at, slot| {
            let keeps = keep(slot.stamp, &slot.value);
            if keeps && let Some(at) = touched.get(at) {
                kept.push(*at);
            }
            keeps
        });
        self.touched = kept;
        self.renumber(&moved);
        self.emptied = 0;
        for slot in self.slots.iter() {
            self.emptied += usize::from(slot.value.is_none());
        }
        self.tidy_at = FEW.max(self.emptied * 2).max(self.slots.len() / 2);
    }
}
