//! What every table does, for values by key and field.

use std::any::Any;

use super::{Cells, Field};
use crate::changes::Changes;
use crate::codec::StateField;
use crate::codec::{StateKey, StateValue};
use crate::error::Result;
use crate::frame::{Change, FrameWriter};
use crate::table::eviction;
use crate::table::{Stamps, Table, TableOf, reuse};
use crate::ttl::Times;

impl<K: StateKey, F: StateField, V: StateValue> Table for Cells<K, F, V> {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn begin(&mut self) {
        reuse(&mut self.undo);
        self.base = self.slots.len();
        self.changed_base = self.changed.len();
        self.changes = Changes::default();
    }

    fn changes(&self) -> Changes {
        self.changes
    }

    fn roll_back(&mut self) {
        for (at, field, old) in self.undo.drain(..) {
            let cell = &mut self.slots.at_mut(at as usize).value;
            match old {
                Some(old) => _ = cell.put(field, old),
                None => {
                    cell.remove(&field);
                    // What was read meanwhile has passed over the field, since it was here.
                    if self.setup.backend.is_some() && !self.complete {
                        cell.forget_extent();
                    }
                }
            }
        }
        self.slots.truncate(self.base);
        self.changed.truncate(self.changed_base);
    }

    fn end_epoch(&mut self, _: Stamps, out: &mut FrameWriter) -> Result<()> {
        if !self.setup.older.is_empty() {
            let changed: Vec<_> = self.changed.iter().map(|(at, field)| (*at as usize, field)).collect();
            self.write_older(&changed, out)?;
        }
        out.begin_table(self.setup.table);
        let before = out.len();
        for (at, field) in &self.changed {
            if let Some(found) = self.slots.at(*at as usize).value.get(field) {
                self.write(*at as usize, field, found, out)?;
            }
        }
        self.size.add(self.changed.len() as u64, (out.len() - before) as u64);
        reuse(&mut self.changed);
        self.changed_base = 0;
        Ok(())
    }

    fn pass_epoch(&mut self) {
        reuse(&mut self.changed);
        self.changed_base = 0;
    }

    fn write_unapplied(&self, stamps: Stamps, out: &mut FrameWriter) -> Result<()> {
        if !self.setup.older.is_empty() {
            let slots = self.slots.iter().enumerate();
            let fields = slots.flat_map(|(at, slot)| slot.value.all().map(move |(field, found)| (at, field, found)));
            let changed = fields.filter(|(.., found)| found.stamp > stamps.applied).map(|(at, field, _)| (at, field));
            self.write_older(&changed.collect::<Vec<_>>(), out)?;
        }
        self.write_where(|field| field.stamp > stamps.applied, out)
    }

    fn write_all(&self, out: &mut FrameWriter) -> Result<()> {
        self.write_where(|field| field.value.is_some(), out)
    }

    fn load(&mut self, change: Change<'_>) -> Result<()> {
        let (key, rest): (K, &[u8]) =
            postcard::take_from_bytes(change.key).map_err(|source| self.setup.undecodable(source))?;
        let field: F = (self.bytes.decode)(rest).map_err(|source| self.setup.undecodable(source))?;
        let hash = (self.hasher)(&key);
        match change.value {
            Some(bytes) => {
                self.size.add(1, (change.key.len() + bytes.len()) as u64);
                let stored = self.setup.decode_value(&self.codec, change.table, change.key, bytes)?;
                if let Some((touched, value)) = stored {
                    let at = self.slot(hash, &key);
                    let loaded = Field { value: Some(value), stamp: 0, touched };
                    self.fields += usize::from(!self.slots.at_mut(at).value.put(field, loaded));
                }
            }
            None => {
                if let Some(at) = self.slots.find(hash, &key) {
                    self.slots.at_mut(at).value.remove(&field);
                    self.emptied += 1;
                }
            }
        }
        Ok(())
    }

    fn tidy(&mut self, stamps: Stamps) {
        if !self.complete || self.emptied <= self.tidy_at {
            return;
        }
        for slot in self.slots.iter_mut() {
            slot.value.tidy(|field| field.stamp > stamps.applied);
        }
        // A slot of this attempt may be in the list of changes although its fields were rolled back.
        self.retain(|stamp, cell| stamp > stamps.applied || cell.len() > 0);
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
            self.retain(|stamp, _| stamp > last);
            self.complete = false;
        }
    }

    fn sweep(&mut self, limit: usize, times: &Times, stamps: Stamps) -> usize {
        if self.setup.ttl.is_none() {
            return 0;
        }
        let end = self.slots.len().min(self.sweep_at.saturating_add(limit));
        let mut removed = 0;
        for at in self.sweep_at..end {
            let gone: Vec<F> = (self.slots.at(at).value.fields.iter())
                .filter(|(_, found)| self.setup.expired(found.touched, times))
                .map(|(field, _)| field.clone())
                .collect();
            for field in gone {
                let first = self.mark(at, &field, stamps);
                self.changes.note(first, true, false);
                let cell = &mut self.slots.at_mut(at).value;
                if let Some(found) = cell.fields.remove(&field) {
                    cell.put(field, Field { value: None, ..found });
                }
                removed += 1;
            }
        }
        self.emptied += removed;
        self.sweep_at = if end >= self.slots.len() { 0 } else { end };
        removed
    }

    fn memory_used(&self) -> u64 {
        // A tree node is half full on the average and has its own head.
        let per_field = (size_of::<F>() + size_of::<Field<V>>()) as u64 * 3 / 2 + 16;
        let owns = std::mem::needs_drop::<F>() || std::mem::needs_drop::<V>() || std::mem::needs_drop::<K>();
        self.slots.allocated()
            + self.fields as u64 * per_field
            + (self.undo.capacity() * size_of::<(u32, F, Option<Field<V>>)>()
                + self.changed.capacity() * size_of::<(u32, F)>()) as u64
            + self.size.owned(self.fields + self.undo.len(), owns)
            // What the end of the epoch will write.
            + self.size.of(self.changed.len()) as u64
    }

    fn len(&self) -> usize {
        self.slots.iter().map(|slot| slot.value.len()).sum()
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

impl<K: StateKey, F: StateField, V: StateValue> TableOf<K> for Cells<K, F, V> {
    fn prefetch(&mut self, _: &[(u64, &K)], _: Stamps) -> Result<()> {
        // Which fields will be asked for is not known.
        Ok(())
    }
}
