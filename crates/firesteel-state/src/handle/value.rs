//! One value for each key.

use std::marker::PhantomData;

use crate::changes::Changes;
use crate::codec::{StateKey, StateValue};
use crate::context::KeyContext;
use crate::error::Result;
use crate::group::GroupState;
use crate::table::Table;
use crate::table::values::Values;
use crate::ttl::Times;

/// One value for each key.
///
/// ```
/// # use firesteel_state::*;
/// # use firesteel_window::Timestamp;
/// let mut states = Declaration::<String>::new("totals");
/// let total = states.value::<u64>("total");
/// # let store = KeyedStore::in_memory(states, KeyGroups::default(), |key| key.len() as u64)?;
/// # let mut group = store.lock(KeyGroup(0));
/// # let ann = String::from("ann");
/// # let mut context = group.key(3, &ann, Times::processing(Timestamp::EPOCH));
/// # let ann = &mut context;
/// assert_eq!(total.get(ann)?, None);
/// total.set(ann, 3)?;
/// total.update(ann, |value| *value.get_or_insert(0) += 4)?;
/// assert_eq!(total.get(ann)?, Some(&7));
/// total.clear(ann)?;
/// assert_eq!(total.get(ann)?, None);
/// # Ok::<(), StateError>(())
/// ```
#[derive(Debug)]
pub struct Value<V> {
    at: usize,
    kind: PhantomData<fn() -> V>,
}

impl<V> Clone for Value<V> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<V> Copy for Value<V> {}

impl<V: StateValue> Value<V> {
    pub(crate) const fn new(at: usize) -> Self {
        Self { at, kind: PhantomData }
    }

    /// The key's value.
    ///
    /// # Errors
    /// When it cannot be read from the backend, or the handle belongs to another operator.
    pub fn get<'a, K: StateKey>(&self, context: &'a mut KeyContext<'_, K>) -> Result<Option<&'a V>> {
        let place = context.values::<V>(self.at)?;
        place.table.get(place.hash, place.key, &place.times, place.stamps)
    }

    /// Gives the key a value. The old one is not looked at.
    ///
    /// # Errors
    /// When the handle belongs to another operator.
    pub fn set<K: StateKey>(&self, context: &mut KeyContext<'_, K>, value: V) -> Result<()> {
        let place = context.values::<V>(self.at)?;
        place.table.set(place.hash, place.key, Some(value), &place.times, place.stamps);
        Ok(())
    }

    /// Gives the key a value if it has none; tells whether it had none. A value that is there stays as it is, with its TTL,
    /// and is not written again: cheaper than a [`get`](Self::get) and a [`set`](Self::set), and than an
    /// [`update`](Self::update) that mostly changes nothing.
    ///
    /// ```
    /// # use firesteel_state::*;
    /// # use firesteel_window::Timestamp;
    /// # let mut states = Declaration::<String>::new("seen");
    /// let first = states.value::<u64>("first");
    /// # let store = KeyedStore::in_memory(states, KeyGroups::default(), |key| key.len() as u64)?;
    /// # let mut group = store.lock(KeyGroup(0));
    /// # let ann = String::from("ann");
    /// # let mut context = group.key(3, &ann, Times::processing(Timestamp::EPOCH));
    /// # let ann = &mut context;
    /// assert!(first.insert(ann, 3)?);
    /// assert!(!first.insert(ann, 4)?);
    /// assert_eq!(first.get(ann)?, Some(&3));
    /// # Ok::<(), StateError>(())
    /// ```
    ///
    /// # Errors
    /// When the value cannot be read from the backend, or the handle belongs to another operator.
    pub fn insert<K: StateKey>(&self, context: &mut KeyContext<'_, K>, value: V) -> Result<bool> {
        let place = context.values::<V>(self.at)?;
        place.table.insert(place.hash, place.key, value, &place.times, place.stamps)
    }

    /// Takes the key's value away.
    ///
    /// # Errors
    /// When the handle belongs to another operator.
    pub fn clear<K: StateKey>(&self, context: &mut KeyContext<'_, K>) -> Result<()> {
        let place = context.values::<V>(self.at)?;
        place.table.set(place.hash, place.key, None, &place.times, place.stamps);
        Ok(())
    }

    /// Changes the key's value in place: `None` means that there is none, before and after. Cheaper than a
    /// [`get`](Self::get) and a [`set`](Self::set).
    ///
    /// # Errors
    /// When the value cannot be read from the backend, or the handle belongs to another operator.
    pub fn update<K: StateKey, R>(
        &self,
        context: &mut KeyContext<'_, K>,
        change: impl FnOnce(&mut Option<V>) -> R,
    ) -> Result<R> {
        let place = context.values::<V>(self.at)?;
        place.table.update(place.hash, place.key, &place.times, place.stamps, change)
    }

    /// Changes the values of many records' keys, all of them keys of `group`, record by record in their order. This is
    /// the fast way for aggregates: what is missing is read in one call, and cache misses overlap.
    ///
    /// ```
    /// # use firesteel_state::*;
    /// # use firesteel_window::Timestamp;
    /// # let mut states = Declaration::<u64>::new("totals");
    /// # let total = states.value::<u64>("total");
    /// # let store = KeyedStore::in_memory(states, KeyGroups::default(), |key| *key)?;
    /// # let mut group = store.lock(KeyGroup(0));
    /// # let times = Times::processing(Timestamp::EPOCH);
    /// let records: [(u64, u64, u64); 3] = [(11, 1, 5), (22, 2, 6), (11, 1, 7)]; // hash, key, amount
    /// total.update_many(&mut group, &records, |record| (record.0, &record.1), times, |total, record| {
    ///     *total.get_or_insert(0) += record.2;
    /// })?;
    /// assert_eq!(total.get(&mut group.key(11, &1, times))?, Some(&12));
    /// # Ok::<(), StateError>(())
    /// ```
    ///
    /// # Errors
    /// When values cannot be read from the backend, or the handle belongs to another operator.
    pub fn update_many<K: StateKey, R>(
        &self,
        group: &mut GroupState<K>,
        records: &[R],
        key: impl Fn(&R) -> (u64, &K),
        times: Times,
        change: impl FnMut(&mut Option<V>, &R),
    ) -> Result<()> {
        let stamps = group.stamps();
        let table: &mut Values<K, V> = group.table(self.at, "value")?;
        table.update_many(records, key, &times, stamps, change)
    }

    /// Merges values into those of their keys, all of them keys of `group`, list by list in their order, and takes the
    /// lists' entries: hash, key and value of each. A key that has no value takes the new one. Then calls `each` with
    /// every key that the attempt at the batch had not changed before, in the order in which they came, and with what the
    /// key has now. It is the fast way for aggregates that yield a row for each key: as in
    /// [`update_many`](Self::update_many), and keys are neither looked up twice nor cloned where they are known.
    ///
    /// ```
    /// # use firesteel_state::*;
    /// # use firesteel_window::Timestamp;
    /// # let mut states = Declaration::<u64>::new("totals");
    /// # let total = states.value::<u64>("total");
    /// # let store = KeyedStore::in_memory(states, KeyGroups::default(), |key| *key)?;
    /// # let mut group = store.lock(KeyGroup(0));
    /// # let times = Times::processing(Timestamp::EPOCH);
    /// let mut lists = [vec![(11, 1, 5), (22, 2, 6)], vec![(11, 1, 7)]]; // hash, key, amount
    /// let mut rows = vec![];
    /// total.merge_many(&mut group, &mut lists, times, |total, more| *total += more, |key, total| rows.push((key, *total)))?;
    /// assert_eq!(rows, [(1, 12), (2, 6)]);
    /// # Ok::<(), StateError>(())
    /// ```
    ///
    /// # Errors
    /// When values cannot be read from the backend, or the handle belongs to another operator.
    pub fn merge_many<K: StateKey>(
        &self,
        group: &mut GroupState<K>,
        lists: &mut [Vec<(u64, K, V)>],
        times: Times,
        merge: impl FnMut(&mut V, V),
        each: impl FnMut(K, &V),
    ) -> Result<()> {
        let stamps = group.stamps();
        let table: &mut Values<K, V> = group.table(self.at, "value")?;
        table.merge_many(lists, &times, stamps, merge, each)
    }

    /// How many values of `group` the attempt at the batch has changed so far.
    ///
    /// # Errors
    /// When the handle belongs to another operator.
    pub fn changes<K: StateKey>(&self, group: &mut GroupState<K>) -> Result<Changes> {
        let table: &mut Values<K, V> = group.table(self.at, "value")?;
        Ok(table.changes())
    }

    /// Hands every key of `group` that has a value to `each`, with its value: those in memory in the order in which
    /// they came there, then those that only the backend holds in the order of their bytes.
    ///
    /// # Errors
    /// When values cannot be read from the backend, or the handle belongs to another operator.
    pub fn for_each<K: StateKey>(
        &self,
        group: &mut GroupState<K>,
        times: Times,
        each: impl FnMut(&K, &V),
    ) -> Result<()> {
        let table: &mut Values<K, V> = group.table(self.at, "value")?;
        table.for_each(&times, each)
    }
}
