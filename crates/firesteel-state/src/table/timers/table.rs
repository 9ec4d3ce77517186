//! What every table does, for timers.

use std::any::Any;

use firesteel_window::Timestamp;

use super::away::Away;
use super::{At, FEW, Few, Timers, Undo, spread};
use crate::changes::Changes;
use crate::codec::StateKey;
use crate::error::Result;
use crate::frame::{Change, FrameWriter, TableId};
use crate::table::{Stamps, Table, reuse};
use crate::ttl::Times;

impl<K: StateKey + Ord> Timers<K> {
    fn write_since(&self, stamp: u64, out: &mut FrameWriter) -> Result<()> {
        let changed = self.pending.iter().filter(|(_, changed)| **changed >= stamp);
        self.write_places(changed.map(|(place, _)| place), out)
    }

    /// Forgets that something changed which the backend has.
    fn forget_applied(&mut self, stamps: Stamps) {
        self.pending.retain(|_, changed| *changed > stamps.applied);
        self.tidied = stamps.applied;
    }

    /// Gives back the room that the table of keys does not need.
    pub(super) fn shrink_keys(&mut self) {
        self.keys.shrink_to(self.keys.len() * 2, |(key, _)| spread((self.hasher)(key)));
    }
}

impl<K: StateKey + Ord> Table for Timers<K> {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn begin(&mut self) {
        reuse(&mut self.undo);
    }

    fn roll_back(&mut self) {
        while let Some(Undo { place, timers, pending }) = self.undo.pop() {
            match pending {
                Some(stamp) => _ = self.pending.insert(place.clone(), stamp),
                None => _ = self.pending.remove(&place),
            }
            let hash = (self.hasher)(&place.1);
            self.replace(hash, place, timers);
        }
    }

    fn changes(&self) -> Changes {
        Changes::default()
    }

    fn end_epoch(&mut self, stamps: Stamps, out: &mut FrameWriter) -> Result<()> {
        self.write_since(stamps.epoch_start, out)
    }

    fn pass_epoch(&mut self) {}

    fn write_unapplied(&self, stamps: Stamps, out: &mut FrameWriter) -> Result<()> {
        self.write_since(stamps.applied + 1, out)
    }

    fn write_all(&self, out: &mut FrameWriter) -> Result<()> {
        self.write_places(self.queue.keys(), out)
    }

    fn load(&mut self, change: Change<'_>) -> Result<()> {
        let place = self.decode(change.key)?;
        let timers = self.decode_names(change.value.unwrap_or_default())?;
        let hash = (self.hasher)(&place.1);
        self.replace(hash, place, timers);
        Ok(())
    }

    fn tidy(&mut self, stamps: Stamps) {
        // Once for what is applied at a time, not in every batch.
        if self.pending.len() > FEW && stamps.applied > self.tidied {
            self.forget_applied(stamps);
            if self.keys.len() < self.keys.capacity() / 8 {
                self.shrink_keys();
            }
        }
    }

    fn warm_up(&self, _: usize) {}

    fn evict(&mut self, share: f64, stamps: Stamps) {
        if self.setup.backend.is_some() {
            self.forget_applied(stamps);
            self.put_away((share * self.queue.len() as f64).ceil() as usize);
        }
    }

    fn sweep(&mut self, _: usize, _: &Times, _: Stamps) -> usize {
        0
    }

    fn memory_used(&self) -> u64 {
        let place = size_of::<At<K>>();
        // Tree nodes are two thirds full. Vectors are for the few that have several timers.
        let queue = self.queue.len() * (place + size_of::<Few<TableId>>()) * 3 / 2;
        let pending = self.pending.len() * (place + 8) * 3 / 2;
        let several = self.count.saturating_sub(self.queue.len()) * 64
            + self.queue.len().saturating_sub(self.keys.len()) * size_of::<Timestamp>() * 2;
        (queue + pending + several + self.keys.allocation_size() + self.undo.capacity() * size_of::<Undo<K>>()) as u64
    }

    fn len(&self) -> usize {
        self.count
    }

    fn timers(&self) -> usize {
        self.count + self.away.as_ref().map_or(0, Away::count)
    }

    fn open(&mut self) -> Result<()> {
        self.count_away()
    }

    fn is_complete(&self) -> bool {
        self.away.is_none()
    }

    fn set_complete(&mut self, _: bool) {}
}
