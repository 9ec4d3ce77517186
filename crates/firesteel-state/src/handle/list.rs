//! A list for each key.

use std::marker::PhantomData;

use crate::codec::{StateKey, StateValue};
use crate::context::KeyContext;
use crate::error::Result;

/// A list for each key. Its elements are stored one by one: adding to a long list costs what it adds.
///
/// ```
/// # use firesteel_state::*;
/// # use firesteel_window::Timestamp;
/// # let mut states = Declaration::<String>::new("payments");
/// let last = states.list::<f64>("last three");
/// # let store = KeyedStore::in_memory(states, KeyGroups::default(), |key| key.len() as u64)?;
/// # let mut group = store.lock(KeyGroup(0));
/// # let ann = String::from("ann");
/// # let mut context = group.key(3, &ann, Times::processing(Timestamp::EPOCH));
/// # let ann = &mut context;
/// for amount in [1.0, 2.0, 3.0, 4.0] {
///     last.push(ann, amount)?;
///     if last.len(ann)? > 3 {
///         last.pop_front(ann)?;
///     }
/// }
/// assert!(last.iter(ann)?.eq([&2.0, &3.0, &4.0]));
/// # Ok::<(), StateError>(())
/// ```
#[derive(Debug)]
pub struct List<V> {
    at: usize,
    kind: PhantomData<fn() -> V>,
}

impl<V> Clone for List<V> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<V> Copy for List<V> {}

impl<V: StateValue> List<V> {
    pub(crate) const fn new(at: usize) -> Self {
        Self { at, kind: PhantomData }
    }

    /// Adds an element at the end.
    ///
    /// # Errors
    /// When the list cannot be read from the backend, or the handle belongs to another operator.
    pub fn push<K: StateKey>(&self, context: &mut KeyContext<'_, K>, value: V) -> Result<()> {
        let place = context.cells::<u64, V>(self.at, "list")?;
        // Elements that have expired still have their places, so that the order of what is stored stays that of time.
        let last = place.table.last(place.hash, place.key, place.stamps)?;
        let next = last.map_or(0, |last| last + 1);
        place.table.set(place.hash, place.key, &next, Some(value), &place.times, place.stamps);
        Ok(())
    }

    /// The elements, first to last.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn iter<'a, K: StateKey>(
        &self,
        context: &'a mut KeyContext<'_, K>,
    ) -> Result<impl DoubleEndedIterator<Item = &'a V>> {
        let place = context.cells::<u64, V>(self.at, "list")?;
        Ok(place.table.iter(place.hash, place.key, place.times, place.stamps)?.map(|(_, value)| value))
    }

    /// How many elements there are.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn len<K: StateKey>(&self, context: &mut KeyContext<'_, K>) -> Result<usize> {
        let place = context.cells::<u64, V>(self.at, "list")?;
        place.table.count(place.hash, place.key, place.times, place.stamps)
    }

    /// Whether there is no element.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn is_empty<K: StateKey>(&self, context: &mut KeyContext<'_, K>) -> Result<bool> {
        Ok(self.iter(context)?.next().is_none())
    }

    /// Takes the first element.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn pop_front<K: StateKey>(&self, context: &mut KeyContext<'_, K>) -> Result<Option<V>> {
        let place = context.cells::<u64, V>(self.at, "list")?;
        let first = place.table.iter(place.hash, place.key, place.times, place.stamps)?.next();
        let Some((at, value)) = first.map(|(at, value)| (*at, value.clone())) else { return Ok(None) };
        place.table.set(place.hash, place.key, &at, None, &place.times, place.stamps);
        Ok(Some(value))
    }

    /// Keeps the elements that `keep` wants; the others are removed.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn retain<K: StateKey>(&self, context: &mut KeyContext<'_, K>, mut keep: impl FnMut(&V) -> bool) -> Result<()> {
        let place = context.cells::<u64, V>(self.at, "list")?;
        let all = place.table.iter(place.hash, place.key, place.times, place.stamps)?;
        let gone: Vec<u64> = all.filter(|(_, value)| !keep(value)).map(|(at, _)| *at).collect();
        for at in gone {
            place.table.set(place.hash, place.key, &at, None, &place.times, place.stamps);
        }
        Ok(())
    }

    /// Replaces all elements.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn set<K: StateKey>(&self, context: &mut KeyContext<'_, K>, values: impl IntoIterator<Item = V>) -> Result<()> {
        self.clear(context)?;
        for value in values {
            self.push(context, value)?;
        }
        Ok(())
    }

    /// Removes all elements.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn clear<K: StateKey>(&self, context: &mut KeyContext<'_, K>) -> Result<()> {
        let place = context.cells::<u64, V>(self.at, "list")?;
        place.table.clear(place.hash, place.key, &place.times, place.stamps)
    }
}
