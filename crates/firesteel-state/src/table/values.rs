//! One value for each key.

use std::any::Any;

use firesteel_window::Timestamp;

use super::eviction::{self, MeanSize};
use super::slots::{Moved, Slots};
use super::{Setup, Stamps, Table};
use crate::changes::Changes;
use crate::codec::{self, StateKey, StateValue};
use crate::error::Result;
use crate::frame::{Change, FrameWriter};
use crate::ttl::Times;

/// Computes the hash of a key that comes from storage.
pub(crate) type Hasher<K> = std::sync::Arc<dyn Fn(&K) -> u64 + Send + Sync>;

/// So many records are looked up before the first of them is changed, so that the processor waits for several cache
/// lines at once.
const AHEAD: usize = 128;
/// Below this, removals are not worth a pass over the table.
const FEW: usize = 64;

/// If one in so many slots changed, an epoch looks at all of them.
const DENSE: usize = 16;

/// The values of one state in one key group. `None` is a key known to have no value.
pub(crate) struct Values<K, V> {
    setup: Setup,
    hasher: Hasher<K>,
    complete: bool,
    slots: Slots<K, Option<V>>,
    /// When each slot was last touched; empty if lives are not limited.
    touched: Vec<Timestamp>,
    /// How many slots there were when the attempt began.
    base: usize,
    undo: Vec<Undo<V>>,
    /// When the slots in `undo` were touched before; empty if lives are not limited.
    undo_touched: Vec<Timestamp>,
    /// The slots that changed in the open epoch.
    changed: Vec<u32>,
    changed_base: usize,
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
    pub(crate) fn new(setup: Setup, hasher: Hasher<K>) -> Self {
        Self {
            complete: setup.backend.is_none(),
            setup,
            hasher,
            slots: Slots::new(),
            touched: Vec::new(),
            base: 0,
            undo: Vec::new(),
            undo_touched: Vec::new(),
            changed: Vec::new(),
            changed_base: 0,
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
        let slot = self.slots.at_mut(at);
        if slot.stamp == stamps.attempt {
            return false;
        }
        if at < self.base {
            self.undo.push(Undo { at: at as u32, stamp: slot.stamp, value: slot.value.clone() });
            self.undo_touched.extend(self.touched.get(at));
        }
        if slot.stamp < stamps.epoch_start {
            self.changed.push(at as u32);
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
                self.prefetch(&[(hash, key)], stamps)?;
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
        } else if !self.complete {
            // A clean slot's stamp tells when it was last of use.
            let slot = self.slots.at_mut(at);
            slot.stamp = slot.stamp.max(stamps.applied);
        }
        Ok(self.slots.at(at).value.as_ref())
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
        if value.is_some() {
            let at = self.push(hash, key.clone(), value, 0, Timestamp::MIN);
            let first = self.mark(at, stamps);
            self.changes.note(first, false, true);
            self.touch(at, times);
        }
        result
    }

    /// Updates the values of many records' keys, in the order of the records.
    pub(crate) fn update_many<R>(
        &mut self,
        records: &[R],
        key: impl Fn(&R) -> (u64, &K),
        times: &Times,
        stamps: Stamps,
        mut change: impl FnMut(&mut Option<V>, &R),
    ) -> Result<()> {
        if !self.complete {
            let keys: Vec<(u64, &K)> = records.iter().map(&key).collect();
            self.prefetch(&keys, stamps)?;
        }
        let warm = self.slots.warm_up(records.len());
        for records in records.chunks(AHEAD) {
            let places: [u32; AHEAD] = self.slots.candidates(records.iter().map(|record| key(record).0), warm);
            for (place, record) in places.iter().zip(records) {
                let (hash, key) = key(record);
                let at = match *place as usize {
                    at if at < self.slots.len() && self.slots.at(at).key == *key => Some(at),
                    _ => self.slots.find(hash, key),
                };
                match at {
                    Some(at) => self.update_at(at, times, stamps, |value| change(value, record)),
                    None => self.update_new(hash, key, times, stamps, |value| change(value, record)),
                }
            }
        }
        Ok(())
    }

    /// Hands every key that has a value to `each`.
    pub(crate) fn for_each(&mut self, times: &Times, mut each: impl FnMut(&K, &V)) -> Result<()> {
        for (at, slot) in self.slots.iter().enumerate() {
            if let Some(value) = &slot.value
                && !self.expired(at, times)
            {
                each(&slot.key, value);
            }
        }
        let Some(backend) = self.setup.backend.as_ref().filter(|_| !self.complete) else { return Ok(()) };
        // What is here is newer than what the backend holds, or the same.
        backend.scan(self.setup.shard, self.setup.table, &[], &mut |key, value| {
            let key: K = codec::decode(key).map_err(|source| self.setup.undecodable(source))?;
            if self.slots.find((self.hasher)(&key), &key).is_none() {
                let (touched, value) = self.setup.decode_value(value)?;
                if !self.setup.expired(touched, times) {
                    each(&key, &value);
                }
            }
            Ok(())
        })
    }

    #[inline]
    fn write(&self, at: usize, out: &mut FrameWriter) -> Result<()> {
        let slot = self.slots.at(at);
        let value =
            slot.value.as_ref().map(|value| |out: &mut Vec<u8>| self.setup.encode_value(self.touched(at), value, out));
        out.encode(|out| codec::encode(&slot.key, out), value).map_err(|source| self.setup.unencodable(source))
    }

    fn renumber(&mut self, moved: &Moved) {
        self.base = moved.kept_of(self.base);
        for undo in &mut self.undo {
            undo.at = moved.to(undo.at);
        }
        for at in &mut self.changed {
            *at = moved.to(*at);
        }
    }

    fn retain(&mut self, keep: impl Fn(u64, &Option<V>) -> bool) {
        let touched = std::mem::take(&mut self.touched);
        let mut kept = Vec::new();
        let moved = self.slots.retain(|at, slot| {
            let keeps = keep(slot.stamp, &slot.value);
            if keeps && let Some(at) = touched.get(at) {
                kept.push(*at);
            }
            keeps
        });
        self.touched = kept;
        self.renumber(&moved);
        self.emptied = self.slots.iter().filter(|slot| slot.value.is_none()).count();
        self.tidy_at = FEW.max(self.emptied * 2).max(self.slots.len() / 2);
    }
}

impl<K: StateKey, V: StateValue> Table<K> for Values<K, V> {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn begin(&mut self) {
        self.undo.clear();
        self.undo_touched.clear();
        self.base = self.slots.len();
        self.changed_base = self.changed.len();
        self.changes = Changes::default();
    }

    fn changes(&self) -> Changes {
        self.changes
    }

    fn roll_back(&mut self) {
        for (undo, touched) in self.undo.iter().zip(self.undo_touched.drain(..)) {
            self.touched[undo.at as usize] = touched;
        }
        for undo in self.undo.drain(..) {
            let slot = self.slots.at_mut(undo.at as usize);
            slot.value = undo.value;
            slot.stamp = undo.stamp;
        }
        self.slots.truncate(self.base);
        self.touched.truncate(self.base);
        self.changed.truncate(self.changed_base);
    }

    fn end_epoch(&mut self, stamps: Stamps, out: &mut FrameWriter) -> Result<()> {
        out.begin_table(self.setup.table);
        out.reserve(self.size.of(self.changed.len()));
        let before = out.len();
        if self.changed.len() >= self.slots.len() / DENSE {
            // What is read front to back is in the cache when its turn comes.
            for (at, slot) in self.slots.iter().enumerate() {
                if slot.stamp >= stamps.epoch_start {
                    self.write(at, out)?;
                }
            }
        } else {
            for &at in &self.changed {
                self.write(at as usize, out)?;
            }
        }
        self.size.add(self.changed.len() as u64, (out.len() - before) as u64);
        self.changed.clear();
        self.changed_base = 0;
        Ok(())
    }

    fn pass_epoch(&mut self) {
        self.changed.clear();
        self.changed_base = 0;
    }

    fn write_unapplied(&self, stamps: Stamps, out: &mut FrameWriter) -> Result<()> {
        out.begin_table(self.setup.table);
        for (at, slot) in self.slots.iter().enumerate() {
            if slot.stamp > stamps.applied {
                self.write(at, out)?;
            }
        }
        Ok(())
    }

    fn write_all(&self, out: &mut FrameWriter) -> Result<()> {
        out.begin_table(self.setup.table);
        for (at, slot) in self.slots.iter().enumerate() {
            if slot.value.is_some() {
                self.write(at, out)?;
            }
        }
        Ok(())
    }

    fn load(&mut self, change: Change<'_>) -> Result<()> {
        let key: K = codec::decode(change.key).map_err(|source| self.setup.undecodable(source))?;
        let (touched, value) = match change.value {
            Some(value) => {
                self.size.add(1, (change.key.len() + value.len()) as u64);
                let (touched, value) = self.setup.decode_value(value)?;
                (touched, Some(value))
            }
            None => (Timestamp::MIN, None),
        };
        self.emptied += usize::from(value.is_none());
        let hash = (self.hasher)(&key);
        match self.slots.find(hash, &key) {
            Some(at) => {
                let slot = self.slots.at_mut(at);
                slot.value = value;
                slot.stamp = 0;
                if let Some(at) = self.touched.get_mut(at) {
                    *at = touched;
                }
            }
            None if value.is_none() => {}
            None => _ = self.push(hash, key, value, 0, touched),
        }
        Ok(())
    }

    fn tidy(&mut self, stamps: Stamps) {
        if self.complete && self.emptied > self.tidy_at {
            self.retain(|stamp, value| value.is_some() || stamp > stamps.applied);
        }
    }

    fn prefetch(&mut self, keys: &[(u64, &K)], stamps: Stamps) -> Result<()> {
        let Some(backend) = self.setup.backend.clone().filter(|_| !self.complete) else { return Ok(()) };
        let mut wanted = vec![];
        let mut bytes = vec![];
        for &(hash, key) in keys {
            if self.slots.find(hash, key).is_none() {
                let start = bytes.len();
                codec::encode(key, &mut bytes).map_err(|source| self.setup.unencodable(source))?;
                wanted.push((start..bytes.len(), hash, key));
            }
        }
        wanted.sort_by(|(a, ..), (b, ..)| bytes[a.clone()].cmp(&bytes[b.clone()]));
        wanted.dedup_by(|(a, ..), (b, ..)| bytes[a.clone()] == bytes[b.clone()]);
        let sorted: Vec<&[u8]> = wanted.iter().map(|(range, ..)| &bytes[range.clone()]).collect();
        let mut found: Vec<Option<Result<(Timestamp, V)>>> = wanted.iter().map(|_| None).collect();
        backend.read(self.setup.shard, self.setup.table, &sorted, &mut |at, value| {
            found[at] = Some(self.setup.decode_value(value));
        })?;
        for ((_, hash, key), found) in wanted.into_iter().zip(found) {
            let (touched, value) = match found.transpose()? {
                Some((touched, value)) => (touched, Some(value)),
                None => (Timestamp::MIN, None),
            };
            self.push(hash, key.clone(), value, stamps.applied, touched);
        }
        Ok(())
    }

    fn evict(&mut self, share: f64, stamps: Stamps) {
        if self.setup.backend.is_none() {
            return;
        }
        let clean = self.slots.iter().map(|slot| slot.stamp).filter(|&stamp| stamp <= stamps.applied);
        if let Some(last) = eviction::threshold(clean, self.slots.len(), share) {
            self.retain(|stamp, _| stamp > last);
            self.complete = false;
        }
    }

    fn sweep(&mut self, limit: usize, times: &Times, stamps: Stamps) -> usize {
        if self.touched.is_empty() {
            return 0;
        }
        let end = self.slots.len().min(self.sweep_at.saturating_add(limit));
        let mut removed = 0;
        for at in self.sweep_at..end {
            if self.slots.at(at).value.is_some() && self.expired(at, times) {
                self.put(at, None, stamps);
                removed += 1;
            }
        }
        self.sweep_at = if end >= self.slots.len() { 0 } else { end };
        removed
    }

    fn memory_used(&self) -> u64 {
        let owns = std::mem::needs_drop::<K>() || std::mem::needs_drop::<V>();
        self.slots.allocated()
            + (self.touched.capacity() * size_of::<Timestamp>()
                + self.undo.capacity() * size_of::<Undo<V>>()
                + self.undo_touched.capacity() * size_of::<Timestamp>()
                + self.changed.capacity() * size_of::<u32>()) as u64
            + self.size.owned(self.slots.len() + self.undo.len(), owns)
    }

    fn len(&self) -> usize {
        self.slots.len()
    }

    fn is_complete(&self) -> bool {
        self.complete
    }

    fn set_complete(&mut self, complete: bool) {
        self.complete = complete || self.setup.backend.is_none();
    }
}
