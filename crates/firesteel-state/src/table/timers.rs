//! Timers: calls that a key has asked for at a time.
//!
//! They fire in the order of time, then of keys, then of registration, whatever was registered, deleted or fired in
//! between, and however many are taken at once. All timers of a key group are in memory.

use std::any::Any;
use std::collections::BTreeMap;

use firesteel_window::Timestamp;
use hashbrown::HashTable;

use super::values::Hasher;
use super::{Setup, Stamps, Table};
use crate::changes::Changes;
use crate::codec::{self, StateKey};
use crate::error::Result;
use crate::frame::{Change, FrameWriter, TableId};
use crate::ttl::Times;

/// What can be done with the timers of one clock, without knowing that keys have an order.
pub(crate) trait TimerTable<K>: Table<K> {
    /// Registers a timer; `false` if it is there already.
    fn register(&mut self, hash: u64, key: &K, timer: TableId, at: Timestamp, stamps: Stamps) -> bool;

    /// Deletes a timer; `false` if there is none.
    fn delete(&mut self, hash: u64, key: &K, timer: TableId, at: Timestamp, stamps: Stamps) -> bool;

    /// When the key's timers of this name fire, in ascending order.
    fn list(&self, hash: u64, key: &K, timer: TableId) -> Vec<Timestamp>;

    /// Takes the first timer that is due at `now`.
    fn pop_due(&mut self, now: Timestamp, stamps: Stamps) -> Option<(u64, K, TableId, Timestamp)>;

    /// When the first timer fires.
    fn next(&self) -> Option<Timestamp>;
}

/// All timers of one clock in one key group.
pub(crate) struct Timers<K> {
    setup: Setup,
    hasher: Hasher<K>,
    queue: BTreeMap<(Timestamp, K), Due>,
    /// The times at which each key has a timer, ascending.
    keys: HashTable<(u64, K, Vec<Timestamp>)>,
    count: usize,
    /// Times and keys that changed since they were applied, with the attempt that changed them last.
    pending: BTreeMap<(Timestamp, K), u64>,
    undo: Vec<Undo<K>>,
}

/// The timers of one key at one time, in order of registration.
#[derive(Clone)]
struct Due {
    hash: u64,
    timers: Vec<TableId>,
}

struct Undo<K> {
    place: (Timestamp, K),
    due: Option<Due>,
    pending: Option<u64>,
}

impl<K: StateKey + Ord> Timers<K> {
    pub(crate) fn new(setup: Setup, hasher: Hasher<K>) -> Self {
        Self {
            setup,
            hasher,
            queue: BTreeMap::new(),
            keys: HashTable::new(),
            count: 0,
            pending: BTreeMap::new(),
            undo: Vec::new(),
        }
    }

    /// Notes that the timers at the place are about to change.
    fn mark(&mut self, place: &(Timestamp, K), stamps: Stamps) {
        let pending = self.pending.get(place).copied();
        if pending == Some(stamps.attempt) {
            return;
        }
        self.undo.push(Undo { place: place.clone(), due: self.queue.get(place).cloned(), pending });
        self.pending.insert(place.clone(), stamps.attempt);
    }

    /// Replaces the timers at a place, in the queue and in the list of the key.
    fn replace(&mut self, hash: u64, place: (Timestamp, K), timers: Vec<TableId>) {
        let (at, key) = &place;
        let before = self.queue.get(&place).map_or(0, |due| due.timers.len());
        self.count = self.count + timers.len() - before;
        match (before == 0, timers.is_empty()) {
            (true, false) => self.index(hash, key, *at),
            (false, true) => self.unindex(hash, key, *at),
            _ => {}
        }
        if timers.is_empty() {
            self.queue.remove(&place);
        } else {
            self.queue.insert(place, Due { hash, timers });
        }
    }

    fn index(&mut self, hash: u64, key: &K, at: Timestamp) {
        let spread = hash.rotate_left(20);
        let same = |entry: &(u64, K, Vec<Timestamp>)| entry.0 == hash && entry.1 == *key;
        match self.keys.find_mut(spread, same) {
            Some((_, _, times)) => {
                if let Err(position) = times.binary_search(&at) {
                    times.insert(position, at);
                }
            }
            None => {
                let entry = (hash, key.clone(), vec![at]);
                self.keys.insert_unique(spread, entry, |(hash, ..)| hash.rotate_left(20));
            }
        }
    }

    fn unindex(&mut self, hash: u64, key: &K, at: Timestamp) {
        let same = |entry: &(u64, K, Vec<Timestamp>)| entry.0 == hash && entry.1 == *key;
        if let Ok(mut entry) = self.keys.find_entry(hash.rotate_left(20), same) {
            let times = &mut entry.get_mut().2;
            if let Ok(position) = times.binary_search(&at) {
                times.remove(position);
            }
            if times.is_empty() {
                entry.remove();
            }
        }
    }

    fn write(&self, place: &(Timestamp, K), out: &mut FrameWriter) -> Result<()> {
        let key = |out: &mut Vec<u8>| {
            out.extend_from_slice(&ordered(place.0));
            codec::encode(&place.1, out)
        };
        let value = self.queue.get(place).map(|due| {
            |out: &mut Vec<u8>| {
                for timer in &due.timers {
                    out.extend_from_slice(&timer.0.to_le_bytes());
                }
                Ok(())
            }
        });
        out.encode(key, value).map_err(|source| self.setup.unencodable(source))
    }

    fn write_since(&self, stamp: u64, out: &mut FrameWriter) -> Result<()> {
        out.begin_table(self.setup.table);
        for (place, _) in self.pending.iter().filter(|(_, changed)| **changed >= stamp) {
            self.write(place, out)?;
        }
        Ok(())
    }
}

/// Eight bytes in the order of time.
fn ordered(at: Timestamp) -> [u8; 8] {
    (at.as_micros() as u64 ^ 1 << 63).to_be_bytes()
}

impl<K: StateKey + Ord> TimerTable<K> for Timers<K> {
    fn register(&mut self, hash: u64, key: &K, timer: TableId, at: Timestamp, stamps: Stamps) -> bool {
        let place = (at, key.clone());
        let mut timers = self.queue.get(&place).map(|due| due.timers.clone()).unwrap_or_default();
        if timers.contains(&timer) {
            return false;
        }
        self.mark(&place, stamps);
        timers.push(timer);
        self.replace(hash, place, timers);
        true
    }

    fn delete(&mut self, hash: u64, key: &K, timer: TableId, at: Timestamp, stamps: Stamps) -> bool {
        let place = (at, key.clone());
        let Some(due) = self.queue.get(&place).filter(|due| due.timers.contains(&timer)) else { return false };
        let left = due.timers.iter().copied().filter(|other| *other != timer).collect();
        self.mark(&place, stamps);
        self.replace(hash, place, left);
        true
    }

    fn list(&self, hash: u64, key: &K, timer: TableId) -> Vec<Timestamp> {
        let same = |entry: &(u64, K, Vec<Timestamp>)| entry.0 == hash && entry.1 == *key;
        let Some((_, key, times)) = self.keys.find(hash.rotate_left(20), same) else { return vec![] };
        let has = |at: &Timestamp| self.queue.get(&(*at, key.clone())).is_some_and(|due| due.timers.contains(&timer));
        times.iter().copied().filter(has).collect()
    }

    fn pop_due(&mut self, now: Timestamp, stamps: Stamps) -> Option<(u64, K, TableId, Timestamp)> {
        let (place, due) = self.queue.first_key_value()?;
        if place.0 > now {
            return None;
        }
        let (place, hash) = (place.clone(), due.hash);
        let (&first, rest) = due.timers.split_first()?;
        let rest = rest.to_vec();
        self.mark(&place, stamps);
        self.replace(hash, place.clone(), rest);
        Some((hash, place.1, first, place.0))
    }

    fn next(&self) -> Option<Timestamp> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }
}

impl<K: StateKey + Ord> Table<K> for Timers<K> {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn begin(&mut self) {
        self.undo.clear();
    }

    fn roll_back(&mut self) {
        while let Some(Undo { place, due, pending }) = self.undo.pop() {
            match pending {
                Some(stamp) => _ = self.pending.insert(place.clone(), stamp),
                None => _ = self.pending.remove(&place),
            }
            let hash = (self.hasher)(&place.1);
            self.replace(hash, place, due.map(|due| due.timers).unwrap_or_default());
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
        out.begin_table(self.setup.table);
        for place in self.queue.keys() {
            self.write(place, out)?;
        }
        Ok(())
    }

    fn load(&mut self, change: Change<'_>) -> Result<()> {
        let bad = || self.setup.undecodable(postcard::Error::DeserializeBadEncoding);
        let (time, key) = change.key.split_first_chunk().ok_or_else(bad)?;
        let at = Timestamp::from_micros((u64::from_be_bytes(*time) ^ 1 << 63) as i64);
        let key: K = codec::decode(key).map_err(|source| self.setup.undecodable(source))?;
        let (timers, rest) = change.value.unwrap_or_default().as_chunks();
        if !rest.is_empty() {
            return Err(bad());
        }
        let timers = timers.iter().map(|timer| TableId(u16::from_le_bytes(*timer))).collect();
        let hash = (self.hasher)(&key);
        self.replace(hash, (at, key), timers);
        Ok(())
    }

    fn tidy(&mut self, stamps: Stamps) {
        if self.pending.len() > 64 || self.pending.len() > self.queue.len() {
            self.pending.retain(|_, changed| *changed > stamps.applied);
        }
    }

    fn prefetch(&mut self, _: &[(u64, &K)], _: Stamps) -> Result<()> {
        Ok(())
    }

    fn evict(&mut self, _: f64, _: Stamps) {}

    fn sweep(&mut self, _: usize, _: &Times, _: Stamps) -> usize {
        0
    }

    fn memory_used(&self) -> u64 {
        let place = size_of::<(Timestamp, K)>();
        // Tree nodes are two thirds full; the short vectors cost an allocation each.
        let queue = self.queue.len() * ((place + size_of::<Due>()) * 3 / 2 + 32);
        let pending = self.pending.len() * (place + 8) * 3 / 2;
        let lists = self.count * 8 + self.keys.len() * 32;
        (queue + pending + lists + self.keys.allocation_size() + self.undo.capacity() * size_of::<Undo<K>>()) as u64
    }

    fn len(&self) -> usize {
        self.count
    }

    fn is_complete(&self) -> bool {
        true
    }

    fn set_complete(&mut self, _: bool) {}
}
