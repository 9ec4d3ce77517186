//! Streams as tables: the newest value of each key.

use std::fmt;

use firesteel_core::{Data, MapStep, Operator};

use crate::stream::{Pair, Plain, Shape, Stream};

/// A stream of keys and values as a table: each record is the newest value of its key, or says that the key has none any more.
///
/// It is what [`as_of`](Stream::as_of) and [`join_latest`](Stream::join_latest) join with, which keep its rows as their state. A clone
/// is the same table for another join.
#[must_use = "a table that nothing is joined with yields nothing: use as_of or join_latest"]
pub struct StreamTable<K: Data, V: Data, S: Shape = Plain> {
    pub(super) changes: Stream<(K, Option<V>), S>,
}

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// This stream as a table: each record is the new value of its key.
    ///
    /// Where some records say that a key is gone, use [`as_table_by`](Self::as_table_by).
    #[track_caller]
    pub fn as_table<K, V>(self) -> StreamTable<K, V, S>
    where
        T: Pair<Key = K, Value = V>,
        K: Data,
        V: Data,
    {
        T::pairs(self).changed_by(Operator::here("as_table"), Some)
    }

    /// This stream as a table: each record is the new value of its key, as `value` finds it, or deletes the key where that is
    /// `None`.
    ///
    /// ```
    /// use firesteel_testkit::TestJob;
    ///
    /// let test = TestJob::new();
    /// let carts = test.script([vec![("ann", "pear")], vec![], vec![("ann", "")]]);
    /// let carts = carts.map(|(user, item)| (user.to_owned(), item.to_owned()));
    /// let carts = carts.as_table_by(|item| (!item.is_empty()).then_some(item)); // an empty text empties the cart
    ///
    /// let visits = test.script([vec!["ann"], vec!["ann", "bob"], vec!["ann"]]).map(|user| (user.to_owned(), ()));
    /// let seen = visits.join_latest(carts).left_outer(|(), item| item.cloned().unwrap_or("nothing".to_owned()));
    /// let seen = test.record(seen.map(|(user, item)| format!("{user}: {item}")));
    /// test.run()?;
    /// assert_eq!(seen.sorted(), [vec!["ann: pear"], vec!["ann: pear", "bob: nothing"], vec!["ann: nothing"]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    #[track_caller]
    pub fn as_table_by<K, V, W, F>(self, value: F) -> StreamTable<K, W, S>
    where
        T: Pair<Key = K, Value = V>,
        K: Data,
        V: Send + 'static,
        W: Data,
        F: Fn(V) -> Option<W> + Send + Sync + 'static,
    {
        T::pairs(self).changed_by(Operator::here("as_table"), value)
    }
}

impl<K: Data, V: Send + 'static, S: Shape> Stream<(K, V), S> {
    fn changed_by<W: Data>(
        self,
        operator: Operator,
        value: impl Fn(V) -> Option<W> + Send + Sync + 'static,
    ) -> StreamTable<K, W, S> {
        let step = MapStep::new(move |record: S::Record<(K, V)>| S::map(record, |(key, record)| (key, value(record))));
        StreamTable { changes: self.step(operator, true, std::sync::Arc::new(step)) }
    }
}

impl<K: Data, V: Data, S: Shape> Clone for StreamTable<K, V, S>
where
    S::Record<(K, Option<V>)>: Data,
{
    fn clone(&self) -> Self {
        Self { changes: self.changes.clone() }
    }
}

impl<K: Data, V: Data, S: Shape> fmt::Debug for StreamTable<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamTable").field("of", &self.changes).finish()
    }
}
