//! A map for each key, in the order of its fields.

use std::marker::PhantomData;
use std::ops::{Deref, RangeBounds};

use super::Map;
use crate::codec::{StateKey, StateValue};
use crate::context::KeyContext;
use crate::error::Result;
use crate::sorted::SortedField;
use crate::table::cells::range::Wanted;
use crate::table::cut::Span;

/// A map for each key, from `F` to `V`, that is read in ranges: it does all that a [`Map`] does, and its fields are stored
/// in the order of `Ord`.
///
/// A range reaches the backend: what is outside of it is not read, and reading it costs what it yields. What has been
/// removed costs nothing, neither from the map's front, as in a queue, nor within. What has been read of a key stays in
/// memory until it is evicted.
///
/// ```
/// # use firesteel_state::*;
/// # use firesteel_window::{Timestamp, minutes};
/// # let mut states = Declaration::<String>::new("orders");
/// let open = states.sorted_map::<Timestamp, u32>("open orders");
/// # let store = KeyedStore::in_memory(states, KeyGroups::default(), |key| key.len() as u64)?;
/// # let mut group = store.lock(KeyGroup(0));
/// # let ann = String::from("ann");
/// # let mut context = group.key(3, &ann, Times::processing(Timestamp::EPOCH));
/// # let ann = &mut context;
/// let noon = Timestamp::EPOCH;
/// for minute in [40, 10, 30, 20] {
///     open.put(ann, noon + minutes(minute), minute as u32)?;
/// }
/// assert!(open.range(ann, ..noon + minutes(30))?.map(|(_, order)| *order).eq([10, 20]));
/// assert_eq!(open.last(ann)?, Some((&(noon + minutes(40)), &40)));
/// assert_eq!(open.pop_first(ann)?, Some((noon + minutes(10), 10)));
/// assert!(open.first_of(ann, noon + minutes(25).., 1)?.map(|(_, order)| *order).eq([30]));
/// # Ok::<(), StateError>(())
/// ```
#[derive(Debug)]
pub struct SortedMap<F, V> {
    at: usize,
    map: Map<F, V>,
    kind: PhantomData<fn() -> (F, V)>,
}

impl<F, V> Clone for SortedMap<F, V> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<F, V> Copy for SortedMap<F, V> {}

impl<F, V> Deref for SortedMap<F, V> {
    type Target = Map<F, V>;
    fn deref(&self) -> &Map<F, V> {
        &self.map
    }
}

impl<F: SortedField, V: StateValue> SortedMap<F, V> {
    pub(crate) const fn new(at: usize) -> Self {
        Self { at, map: Map::new(at), kind: PhantomData }
    }

    fn read<'a, K: StateKey>(
        &self,
        context: &'a mut KeyContext<'_, K>,
        wanted: &Wanted<F>,
    ) -> Result<impl DoubleEndedIterator<Item = (&'a F, &'a V)> + use<'a, K, F, V>> {
        let place = context.cells::<F, V>(self.at, "sorted map")?;
        place.table.range(place.hash, place.key, wanted, place.times, place.stamps)
    }

    /// The entries of a range of fields, in their order. All of them are read.
    ///
    /// # Errors
    /// When they cannot be read from the backend, or the handle belongs to another operator.
    pub fn range<'a, K: StateKey, R: RangeBounds<F>>(
        &self,
        context: &'a mut KeyContext<'_, K>,
        range: R,
    ) -> Result<impl DoubleEndedIterator<Item = (&'a F, &'a V)> + use<'a, K, F, V, R>> {
        self.read(context, &Wanted { span: Span::of(&range), limit: usize::MAX, last: false })
    }

    /// The first entries of a range of fields, at most `limit`, in their order.
    ///
    /// # Errors
    /// As [`range`](Self::range).
    pub fn first_of<'a, K: StateKey, R: RangeBounds<F>>(
        &self,
        context: &'a mut KeyContext<'_, K>,
        range: R,
        limit: usize,
    ) -> Result<impl Iterator<Item = (&'a F, &'a V)> + use<'a, K, F, V, R>> {
        Ok(self.read(context, &Wanted { span: Span::of(&range), limit, last: false })?.take(limit))
    }

    /// The last entries of a range of fields, at most `limit`, from the last on.
    ///
    /// # Errors
    /// As [`range`](Self::range).
    pub fn last_of<'a, K: StateKey, R: RangeBounds<F>>(
        &self,
        context: &'a mut KeyContext<'_, K>,
        range: R,
        limit: usize,
    ) -> Result<impl Iterator<Item = (&'a F, &'a V)> + use<'a, K, F, V, R>> {
        Ok(self.read(context, &Wanted { span: Span::of(&range), limit, last: true })?.rev().take(limit))
    }

    /// The first entry.
    ///
    /// # Errors
    /// As [`range`](Self::range).
    pub fn first<'a, K: StateKey>(&self, context: &'a mut KeyContext<'_, K>) -> Result<Option<(&'a F, &'a V)>> {
        Ok(self.first_of(context, .., 1)?.next())
    }

    /// The last entry.
    ///
    /// # Errors
    /// As [`range`](Self::range).
    pub fn last<'a, K: StateKey>(&self, context: &'a mut KeyContext<'_, K>) -> Result<Option<(&'a F, &'a V)>> {
        Ok(self.last_of(context, .., 1)?.next())
    }

    /// Takes the first entry.
    ///
    /// # Errors
    /// As [`range`](Self::range).
    pub fn pop_first<K: StateKey>(&self, context: &mut KeyContext<'_, K>) -> Result<Option<(F, V)>> {
        let first = self.first(context)?.map(|(field, value)| (field.clone(), value.clone()));
        self.take(context, first)
    }

    /// Takes the last entry.
    ///
    /// # Errors
    /// As [`range`](Self::range).
    pub fn pop_last<K: StateKey>(&self, context: &mut KeyContext<'_, K>) -> Result<Option<(F, V)>> {
        let last = self.last(context)?.map(|(field, value)| (field.clone(), value.clone()));
        self.take(context, last)
    }

    fn take<K: StateKey>(&self, context: &mut KeyContext<'_, K>, entry: Option<(F, V)>) -> Result<Option<(F, V)>> {
        if let Some((field, _)) = &entry {
            self.remove(context, field)?;
        }
        Ok(entry)
    }

    /// Removes the entries of a range of fields. They are read.
    ///
    /// # Errors
    /// As [`range`](Self::range).
    pub fn remove_range<K: StateKey>(&self, context: &mut KeyContext<'_, K>, range: impl RangeBounds<F>) -> Result<()> {
        let gone: Vec<F> = self.range(context, range)?.map(|(field, _)| field.clone()).collect();
        gone.iter().try_for_each(|field| self.remove(context, field))
    }
}
