//! Timers: calls that a key has asked for at a time.
//!
//! They fire in the order of time, then of keys, then of registration, whatever was registered, deleted or fired in
//! between, and however many are taken at once. All timers of a key group are in memory.

use std::any::Any;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use firesteel_window::Timestamp;
use hashbrown::HashTable;

use super::few::Few;
use super::moments::Moments;
use super::values::Hasher;
use super::{Setup, Stamps, Table, TableOf, reuse};
use crate::changes::Changes;
use crate::codec::{self, StateKey};
use crate::error::Result;
use crate::frame::{Change, FrameWriter, TableId};
use crate::ttl::Times;

/// What can be done with the timers of one clock, without knowing that keys have an order.
pub(crate) trait TimerTable<K>: TableOf<K> {
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
    /// The names that have a timer at a time, for a key, in order of registration.
    queue: BTreeMap<(Timestamp, K), Few<TableId>>,
    /// The times at which each key has a timer, ascending.
    keys: HashTable<(K, Moments)>,
    count: usize,
    /// Times and keys that changed since they were applied, with the attempt that changed them last.
    pending: BTreeMap<(Timestamp, K), u64>,
    /// What was applied when those that were applied were last taken out.
    tidied: u64,
    undo: Vec<Undo<K>>,
}

/// Below this, changes that were applied are not worth a pass.
const FEW: usize = 64;

struct Undo<K> {
    place: (Timestamp, K),
    timers: Option<Few<TableId>>,
    pending: Option<u64>,
}

/// What the table of keys goes by: the upper bits of hashes are alike in a key group.
fn spread(hash: u64) -> u64 {
    hash.rotate_left(20)
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
            tidied: 0,
            undo: Vec::new(),
        }
    }

    /// Notes that the timers at the place have changed from what they were before.
    fn note(&mut self, place: (Timestamp, K), before: Option<Few<TableId>>, stamps: Stamps) {
        let pending = match self.pending.entry(place.clone()) {
            Entry::Occupied(entry) if *entry.get() == stamps.attempt => return,
            Entry::Occupied(mut entry) => Some(entry.insert(stamps.attempt)),
            Entry::Vacant(entry) => {
                entry.insert(stamps.attempt);
                None
            }
        };
        self.undo.push(Undo { place, timers: before, pending });
    }

    /// Replaces the timers at a place, in the queue and in the list of the key; what was there.
    fn replace(&mut self, hash: u64, place: (Timestamp, K), timers: Option<Few<TableId>>) -> Option<Few<TableId>> {
        let (at, key) = (place.0, place.1.clone());
        let (after, is) = (timers.as_ref().map_or(0, |timers| timers.as_slice().len()), timers.is_some());
        let before = match timers {
            Some(timers) => self.queue.insert(place, timers),
            None => self.queue.remove(&place),
        };
        self.count = self.count + after - before.as_ref().map_or(0, |timers| timers.as_slice().len());
        match (before.is_some(), is) {
            (false, true) => self.index(hash, key, at),
            (true, false) => self.unindex(hash, &key, at),
            _ => {}
        }
        before
    }

    fn index(&mut self, hash: u64, key: K, at: Timestamp) {
        match self.keys.find_mut(spread(hash), |entry| entry.0 == key) {
            Some((_, times)) => times.insert(at),
            None => {
                let hasher = &self.hasher;
                self.keys.insert_unique(spread(hash), (key, Moments::one(at)), |(key, _)| spread(hasher(key)));
            }
        }
    }

    fn unindex(&mut self, hash: u64, key: &K, at: Timestamp) {
        if let Ok(mut entry) = self.keys.find_entry(spread(hash), |entry| entry.0 == *key)
            && !entry.get_mut().1.remove(at)
        {
            entry.remove();
        }
    }

    fn write(&self, place: &(Timestamp, K), out: &mut FrameWriter) -> Result<()> {
        let key = |out: &mut Vec<u8>| {
            out.extend_from_slice(&ordered(place.0));
            codec::encode(&place.1, out)
        };
        let value = self.queue.get(place).map(|timers| {
            |out: &mut Vec<u8>| {
                for timer in timers.as_slice() {
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
        let timers = match self.queue.get(&place) {
            Some(timers) if timers.as_slice().contains(&timer) => return false,
            Some(timers) => {
                let mut timers = timers.clone();
                timers.insert(timers.as_slice().len(), timer);
                timers
            }
            None => Few::One(timer),
        };
        let before = self.replace(hash, place.clone(), Some(timers));
        self.note(place, before, stamps);
        true
    }

    fn delete(&mut self, hash: u64, key: &K, timer: TableId, at: Timestamp, stamps: Stamps) -> bool {
        let place = (at, key.clone());
        let Some(timers) = self.queue.get(&place) else { return false };
        let Some(position) = timers.as_slice().iter().position(|other| *other == timer) else { return false };
        let left = timers.without(position);
        let before = self.replace(hash, place.clone(), left);
        self.note(place, before, stamps);
        true
    }

    fn list(&self, hash: u64, key: &K, timer: TableId) -> Vec<Timestamp> {
        let Some((key, times)) = self.keys.find(spread(hash), |entry| entry.0 == *key) else { return vec![] };
        let mut place = (Timestamp::MIN, key.clone());
        let mut has = |at: &Timestamp| {
            place.0 = *at;
            self.queue.get(&place).is_some_and(|timers| timers.as_slice().contains(&timer))
        };
        times.iter().filter(|at| has(at)).collect()
    }

    fn pop_due(&mut self, now: Timestamp, stamps: Stamps) -> Option<(u64, K, TableId, Timestamp)> {
        let mut first = self.queue.first_entry().filter(|first| first.key().0 <= now)?;
        let timer = *first.get().as_slice().first()?;
        let (at, hash) = (first.key().0, (self.hasher)(&first.key().1));
        let (place, before) = match first.get().without(0) {
            Some(left) => (first.key().clone(), first.insert(left)),
            None => {
                let (place, before) = first.remove_entry();
                self.unindex(hash, &place.1, at);
                (place, before)
            }
        };
        self.count -= 1;
        let key = place.1.clone();
        self.note(place, Some(before), stamps);
        Some((hash, key, timer, at))
    }

    fn next(&self) -> Option<Timestamp> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
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
        let timers = Few::of(timers.iter().map(|timer| TableId(u16::from_le_bytes(*timer))).collect());
        let hash = (self.hasher)(&key);
        self.replace(hash, (at, key), timers);
        Ok(())
    }

    fn tidy(&mut self, stamps: Stamps) {
        // Once for what is applied at a time, not in every batch.
        if self.pending.len() > FEW && stamps.applied > self.tidied {
            self.pending.retain(|_, changed| *changed > stamps.applied);
            self.tidied = stamps.applied;
            if self.keys.len() < self.keys.capacity() / 8 {
                self.keys.shrink_to(self.keys.len() * 2, |(key, _)| spread((self.hasher)(key)));
            }
        }
    }

    fn warm_up(&self, _: usize) {}

    fn evict(&mut self, _: f64, _: Stamps) {}

    fn sweep(&mut self, _: usize, _: &Times, _: Stamps) -> usize {
        0
    }

    fn memory_used(&self) -> u64 {
        let place = size_of::<(Timestamp, K)>();
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

    fn is_complete(&self) -> bool {
        true
    }

    fn set_complete(&mut self, _: bool) {}
}

impl<K: StateKey + Ord> TableOf<K> for Timers<K> {
    fn prefetch(&mut self, _: &[(u64, &K)], _: Stamps) -> Result<()> {
        Ok(())
    }
}
