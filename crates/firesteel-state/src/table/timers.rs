//! Timers: calls that a key has asked for at a time.
//!
//! They fire in the order of time, then of keys, then of registration, whatever was registered, deleted or fired in
//! between, and however many are taken at once.
//!
//! Over a backend, those that fire last leave memory first. What is in memory is then what fires soonest, what changed
//! since the backend has it, and single timers that somebody asked for; the rest is [away](Away), and is read back in
//! pieces when its time comes. The backend has timers in two orders: by time, for that, and by key, to tell when the
//! timers of a key fire.

mod away;
pub(crate) mod stored;
mod table;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use firesteel_window::Timestamp;
use hashbrown::HashTable;

use self::away::Away;
use super::few::Few;
use super::moments::Moments;
use super::values::Hasher;
use super::{Setup, Stamps, TableOf};
use crate::codec::StateKey;
use crate::error::Result;
use crate::frame::TableId;

/// What can be done with the timers of one clock, without knowing that keys have an order.
pub(crate) trait TimerTable<K>: TableOf<K> {
    /// Registers a timer; `false` if it is there already.
    fn register(&mut self, hash: u64, key: &K, timer: TableId, at: Timestamp, stamps: Stamps) -> Result<bool>;

    /// Deletes a timer; `false` if there is none.
    fn delete(&mut self, hash: u64, key: &K, timer: TableId, at: Timestamp, stamps: Stamps) -> Result<bool>;

    /// When the key's timers of this name fire, in ascending order.
    fn list(&self, hash: u64, key: &K, timer: TableId) -> Result<Vec<Timestamp>>;

    /// Takes the first timer that is due at `now`.
    fn pop_due(&mut self, now: Timestamp, stamps: Stamps) -> Result<Option<Due<K>>>;

    /// When the first timer fires.
    fn next(&mut self) -> Result<Option<Timestamp>>;
}

/// A timer that is due: the key and its hash, the name, and when it was to fire.
pub(crate) type Due<K> = (u64, K, TableId, Timestamp);

/// What timers stand under.
type At<K> = (Timestamp, K);

/// All timers of one clock in one key group.
pub(crate) struct Timers<K> {
    setup: Setup,
    hasher: Hasher<K>,
    /// The names that have a timer at a time, for a key, in order of registration: those that are in memory.
    queue: BTreeMap<At<K>, Few<TableId>>,
    /// The times in the queue at which each key has a timer, ascending.
    keys: HashTable<(K, Moments)>,
    /// Timers in the queue.
    count: usize,
    /// The timers that only the backend has, if there are any.
    away: Option<Away<K>>,
    /// Times and keys that changed since they were applied, with the attempt that changed them last. What the queue has
    /// of these holds, whatever the backend has.
    pending: BTreeMap<At<K>, u64>,
    /// What was applied when those that were applied were last taken out.
    tidied: u64,
    undo: Vec<Undo<K>>,
}

/// Below this, changes that were applied are not worth a pass.
const FEW: usize = 64;

struct Undo<K> {
    place: At<K>,
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
            away: None,
            pending: BTreeMap::new(),
            tidied: 0,
            undo: Vec::new(),
        }
    }

    /// Notes that the timers at the place have changed from what they were before.
    fn note(&mut self, place: At<K>, before: Option<Few<TableId>>, stamps: Stamps) {
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
    fn replace(&mut self, hash: u64, place: At<K>, timers: Option<Few<TableId>>) -> Option<Few<TableId>> {
        let (at, key) = (place.0, place.1.clone());
        let (after, is) = (timers.as_ref().map_or(0, |timers| timers.as_slice().len()), timers.is_some());
        let before = match timers {
            Some(timers) => self.queue.insert(place, timers),
            None => self.queue.remove(&place),
        };
        self.count = self.count + after - before.as_ref().map_or(0, |timers| timers.as_slice().len());
        match (before.is_some(), is) {
            (false, true) => self.index(hash, &key, at),
            (true, false) => self.unindex(hash, &key, at),
            _ => {}
        }
        before
    }

    fn index(&mut self, hash: u64, key: &K, at: Timestamp) {
        match self.keys.find_mut(spread(hash), |entry| entry.0 == *key) {
            Some((_, times)) => times.insert(at),
            None => {
                let (hasher, entry) = (&self.hasher, (key.clone(), Moments::one(at)));
                self.keys.insert_unique(spread(hash), entry, |(key, _)| spread(hasher(key)));
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
}

impl<K: StateKey + Ord> TimerTable<K> for Timers<K> {
    fn register(&mut self, hash: u64, key: &K, timer: TableId, at: Timestamp, stamps: Stamps) -> Result<bool> {
        let place = (at, key.clone());
        self.fetch(&place)?;
        let before = match self.queue.entry(place.clone()) {
            Entry::Occupied(entry) if entry.get().as_slice().contains(&timer) => return Ok(false),
            Entry::Occupied(mut entry) => {
                let mut timers = entry.get().clone();
                timers.insert(timers.as_slice().len(), timer);
                Some(entry.insert(timers))
            }
            Entry::Vacant(entry) => {
                entry.insert(Few::One(timer));
                None
            }
        };
        self.count += 1;
        if before.is_none() {
            self.index(hash, key, at);
        }
        self.note(place, before, stamps);
        Ok(true)
    }

    fn delete(&mut self, hash: u64, key: &K, timer: TableId, at: Timestamp, stamps: Stamps) -> Result<bool> {
        let place = (at, key.clone());
        self.fetch(&place)?;
        let Entry::Occupied(mut entry) = self.queue.entry(place) else { return Ok(false) };
        let position = entry.get().as_slice().iter().position(|other| *other == timer);
        let Some(position) = position else { return Ok(false) };
        let (place, before) = match entry.get().without(position) {
            Some(left) => (entry.key().clone(), entry.insert(left)),
            None => {
                let (place, before) = entry.remove_entry();
                self.unindex(hash, key, at);
                (place, before)
            }
        };
        self.count -= 1;
        self.note(place, Some(before), stamps);
        Ok(true)
    }

    fn list(&self, hash: u64, key: &K, timer: TableId) -> Result<Vec<Timestamp>> {
        let mut listed = vec![];
        if let Some((key, times)) = self.keys.find(spread(hash), |entry| entry.0 == *key) {
            let mut place = (Timestamp::MIN, key.clone());
            let mut has = |at: &Timestamp| {
                place.0 = *at;
                self.queue.get(&place).is_some_and(|timers| timers.as_slice().contains(&timer))
            };
            listed.extend(times.iter().filter(|at| has(at)));
        }
        if self.away.is_some() {
            self.list_away(key, timer, &mut listed)?;
        }
        Ok(listed)
    }

    fn pop_due(&mut self, now: Timestamp, stamps: Stamps) -> Result<Option<Due<K>>> {
        self.approach(now)?;
        let Some(mut first) = self.queue.first_entry().filter(|first| first.key().0 <= now) else { return Ok(None) };
        let Some(&timer) = first.get().as_slice().first() else { return Ok(None) };
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
        Ok(Some((hash, key, timer, at)))
    }

    fn next(&mut self) -> Result<Option<Timestamp>> {
        self.find_first_away()?;
        let first = self.queue.first_key_value().map(|((at, _), _)| *at);
        let away = self.away.as_ref().map(Away::from);
        Ok(first.into_iter().chain(away).min())
    }
}

impl<K: StateKey + Ord> TableOf<K> for Timers<K> {
    fn prefetch(&mut self, _: &[(u64, &K)], _: Stamps) -> Result<()> {
        Ok(())
    }
}
