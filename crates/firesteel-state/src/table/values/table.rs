//! What every table does, for single values.

use std::any::Any;

use firesteel_window::Timestamp;

use super::Values;
use crate::changes::Changes;
use crate::codec::{self, StateKey, StateValue};
use crate::error::Result;
use crate::frame::{Change, FrameWriter, Sections};
use crate::table::eviction;
use crate::table::{Stamps, Table, TableOf, reuse};
use crate::ttl::Times;

/// This many keys are decoded before they are looked for: the processor waits for all of them at once.
const AHEAD: usize = 32;

/// A key that was written before, with its value if it was not removed.
struct Loaded<K, V> {
    hash: u64,
    key: K,
    value: Option<V>,
    touched: Timestamp,
}

impl<K: StateKey, V: StateValue> Values<K, V> {
    #[inline]
    fn decode(&mut self, change: Change<'_>) -> Result<Loaded<K, V>> {
        let key: K = codec::decode(change.key).map_err(|source| self.setup.undecodable(source))?;
        let stored = match change.value {
            Some(value) => {
                self.size.add(1, (change.key.len() + value.len()) as u64);
                self.setup.decode_value(&self.codec, change.table, change.key, value)?
            }
            None => None,
        };
        let (touched, value) = stored.unzip();
        Ok(Loaded { hash: (self.hasher)(&key), key, value, touched: touched.unwrap_or(Timestamp::MIN) })
    }

    #[inline]
    fn take(&mut self, Loaded { hash, key, value, touched }: Loaded<K, V>) {
        self.emptied += usize::from(value.is_none());
        if value.is_none() && self.slots.find(hash, &key).is_none() {
            return;
        }
        let at = self.slots.find_or_push(hash, key, || None, 0);
        let slot = self.slots.at_mut(at);
        slot.value = value;
        slot.stamp = 0;
        match self.touched.get_mut(at) {
            Some(at) => *at = touched,
            None if self.setup.ttl.is_some() => self.touched.push(touched),
            None => {}
        }
    }
}

impl<K: StateKey, V: StateValue> Table for Values<K, V> {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn begin(&mut self) {
        self.undo.reuse();
        reuse(&mut self.undo_touched);
        self.base = self.slots.len();
        self.changed.begin();
        self.changes = Changes::default();
    }

    fn changes(&self) -> Changes {
        self.changes
    }

    fn roll_back(&mut self) {
        for (undo, touched) in self.undo.iter().zip(self.undo_touched.drain(..)) {
            self.touched[undo.at as usize] = touched;
        }
        let slots = &mut self.slots;
        self.undo.take_each(|undo| {
            let slot = slots.at_mut(undo.at as usize);
            slot.value = undo.value;
            slot.stamp = undo.stamp;
        });
        self.slots.truncate(self.base);
        self.touched.truncate(self.base);
        self.changed.roll_back();
    }

    fn end_epoch(&mut self, stamps: Stamps, out: &mut FrameWriter) -> Result<()> {
        if !self.setup.older.is_empty() {
            self.write_older(stamps.epoch_start, out)?;
        }
        out.begin_table(self.setup.table);
        out.reserve(self.size.of(self.changed.count()));
        let before = out.len();
        match self.changed.list() {
            Some(list) => list.iter().try_for_each(|at| self.write(*at as usize, out))?,
            // What is read front to back is in the cache when its turn comes.
            None => {
                for (at, slot) in self.slots.iter().enumerate() {
                    if slot.stamp >= stamps.epoch_start {
                        self.write(at, out)?;
                    }
                }
            }
        }
        self.size.add(self.changed.count() as u64, (out.len() - before) as u64);
        self.changed.end_epoch();
        Ok(())
    }

    fn pass_epoch(&mut self) {
        self.changed.end_epoch();
    }

    fn write_unapplied(&self, stamps: Stamps, out: &mut FrameWriter) -> Result<()> {
        if !self.setup.older.is_empty() {
            self.write_older(stamps.applied + 1, out)?;
        }
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
        let loaded = self.decode(change)?;
        self.take(loaded);
        Ok(())
    }

    fn load_all(&mut self, changes: &mut Sections<'_>) -> Result<()> {
        if self.slots.len() == 0 {
            self.slots.reserve(changes.left());
        }
        let mut ahead = Vec::with_capacity(AHEAD);
        while changes.left() > 0 {
            while ahead.len() < AHEAD
                && let Some(change) = changes.next_change()
            {
                ahead.push(self.decode(change)?);
            }
            self.slots.touch(ahead.iter().map(|loaded| loaded.hash));
            ahead.drain(..).for_each(|loaded| self.take(loaded));
        }
        Ok(())
    }

    fn tidy(&mut self, stamps: Stamps) {
        if self.complete && self.emptied > self.tidy_at {
            self.retain(&|stamp, value| value.is_some() || stamp > stamps.applied);
        }
    }

    fn warm_up(&self, keys: usize) {
        self.slots.warm_up(keys);
    }

    fn evict(&mut self, share: f64, stamps: Stamps) {
        if self.setup.backend.is_none() {
            return;
        }
        let mut clean = self.slots.iter().map(|slot| slot.stamp).filter(|&stamp| stamp <= stamps.applied);
        let last = eviction::threshold(&mut clean, self.slots.len(), share);
        drop(clean);
        if let Some(last) = last {
            self.retain(&|stamp, _| stamp > last);
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
                + self.undo.allocated()
                + self.undo_touched.capacity() * size_of::<Timestamp>()
                + self.changed.allocated()) as u64
            + self.size.owned(self.slots.len() + self.undo.len(), owns)
            // What the end of the epoch will write.
            + self.size.of(self.changed.count()) as u64
    }

    fn len(&self) -> usize {
        self.slots.len()
    }

    fn open(&mut self) -> Result<()> {
        self.setup.find_older(self.codec.older())
    }

    fn is_complete(&self) -> bool {
        self.complete
    }

    fn set_complete(&mut self, complete: bool) {
        self.complete = complete || self.setup.backend.is_none();
    }
}

impl<K: StateKey, V: StateValue> TableOf<K> for Values<K, V> {
    fn prefetch(&mut self, keys: &[(u64, &K)], stamps: Stamps) -> Result<()> {
        if self.complete {
            return Ok(());
        }
        let missing = keys.iter().copied().filter(|(hash, key)| self.slots.find(*hash, *key).is_none()).collect();
        self.fetch(missing, stamps)
    }
}
