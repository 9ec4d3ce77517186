//! A map for each key.

use std::marker::PhantomData;

use crate::codec::StateField;
use crate::codec::{StateKey, StateValue};
use crate::context::KeyContext;
use crate::error::Result;

/// A map for each key, from `F` to `V`. Its entries are stored one by one: a change costs what it changes, and a
/// look-up reads no other entry. For ranges of entries there is the [`SortedMap`](crate::SortedMap).
///
/// ```
/// # use firesteel_state::*;
/// # use firesteel_window::Timestamp;
/// # let mut states = Declaration::<String>::new("visits");
/// let pages = states.map::<String, u32>("pages");
/// # let store = KeyedStore::in_memory(states, KeyGroups::default(), |key| key.len() as u64)?;
/// # let mut group = store.lock(KeyGroup(0));
/// # let ann = String::from("ann");
/// # let mut context = group.key(3, &ann, Times::processing(Timestamp::EPOCH));
/// # let ann = &mut context;
/// pages.put(ann, "/home".into(), 1)?;
/// pages.update(ann, "/cart".into(), |visits| *visits.get_or_insert(0) += 1)?;
/// assert_eq!(pages.get(ann, &"/home".into())?, Some(&1));
/// assert!(pages.iter(ann)?.map(|(page, _)| page.as_str()).eq(["/cart", "/home"]));
/// # Ok::<(), StateError>(())
/// ```
#[derive(Debug)]
pub struct Map<F, V> {
    at: usize,
    kind: PhantomData<fn() -> (F, V)>,
}

impl<F, V> Clone for Map<F, V> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<F, V> Copy for Map<F, V> {}

impl<F: StateField, V: StateValue> Map<F, V> {
    pub(crate) const fn new(at: usize) -> Self {
        Self { at, kind: PhantomData }
    }

    /// The value of an entry.
    ///
    /// # Errors
    /// When it cannot be read from the backend, or the handle belongs to another operator.
    pub fn get<'a, K: StateKey>(&self, context: &'a mut KeyContext<'_, K>, field: &F) -> Result<Option<&'a V>> {
        let place = context.cells::<F, V>(self.at, "map")?;
        place.table.get(place.hash, place.key, field, &place.times, place.stamps)
    }

    /// Whether there is an entry.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn contains<K: StateKey>(&self, context: &mut KeyContext<'_, K>, field: &F) -> Result<bool> {
        Ok(self.get(context, field)?.is_some())
    }

    /// Sets an entry. What it was is not looked at.
    ///
    /// # Errors
    /// When the handle belongs to another operator.
    pub fn put<K: StateKey>(&self, context: &mut KeyContext<'_, K>, field: F, value: V) -> Result<()> {
        let place = context.cells::<F, V>(self.at, "map")?;
        place.table.set(place.hash, place.key, &field, Some(value), &place.times, place.stamps);
        Ok(())
    }

    /// Removes an entry.
    ///
    /// # Errors
    /// When the handle belongs to another operator.
    pub fn remove<K: StateKey>(&self, context: &mut KeyContext<'_, K>, field: &F) -> Result<()> {
        let place = context.cells::<F, V>(self.at, "map")?;
        place.table.set(place.hash, place.key, field, None, &place.times, place.stamps);
        Ok(())
    }

    /// Changes an entry: `None` means that there is none, before and after.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn update<K: StateKey, R>(
        &self,
        context: &mut KeyContext<'_, K>,
        field: F,
        change: impl FnOnce(&mut Option<V>) -> R,
    ) -> Result<R> {
        let place = context.cells::<F, V>(self.at, "map")?;
        place.table.update(place.hash, place.key, &field, &place.times, place.stamps, change)
    }

    /// The entries in the order of their keys. All of them are read.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn iter<'a, K: StateKey>(
        &self,
        context: &'a mut KeyContext<'_, K>,
    ) -> Result<impl DoubleEndedIterator<Item = (&'a F, &'a V)>> {
        let place = context.cells::<F, V>(self.at, "map")?;
        place.table.iter(place.hash, place.key, place.times, place.stamps)
    }

    /// How many entries there are. All of them are read.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn len<K: StateKey>(&self, context: &mut KeyContext<'_, K>) -> Result<usize> {
        let place = context.cells::<F, V>(self.at, "map")?;
        place.table.count(place.hash, place.key, place.times, place.stamps)
    }

    /// Whether there is no entry. All of them are read.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn is_empty<K: StateKey>(&self, context: &mut KeyContext<'_, K>) -> Result<bool> {
        Ok(self.iter(context)?.next().is_none())
    }

    /// Removes all entries of the key.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn clear<K: StateKey>(&self, context: &mut KeyContext<'_, K>) -> Result<()> {
        let place = context.cells::<F, V>(self.at, "map")?;
        place.table.clear(place.hash, place.key, &place.times, place.stamps)
    }
}
