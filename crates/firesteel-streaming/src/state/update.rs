//! Spark's `updateStateByKey`.

use std::sync::Arc;

use firesteel_core::shuffle::KeyedTable;
use firesteel_core::{Actions, Exchange, Key, Operator, Rdd, TaskContext};
use firesteel_state::{GroupState, KeyContext, KeyedStore, StateStore, Times, Value};
use firesteel_window::Timestamp;

use crate::error::Result;
use crate::state::work::Entry;
use crate::state::{Moment, Output, Plain, Stateful, Work};
use crate::stream::{DStream, Stream};

/// The work of [`Stream::update_state_by_key`].
pub struct Update<S, F> {
    state: Value<S>,
    f: F,
}

impl<K, V, S, F> Work<K, V> for Update<S, F>
where
    K: Key,
    V: Exchange,
    S: Exchange,
    F: Fn(Timestamp, &K, Vec<V>, Option<S>) -> Option<S> + Send + Sync + 'static,
{
    type Out = (K, S);

    fn run(
        &self,
        group: &mut GroupState<K>,
        lists: &mut [Vec<Entry<K, V>>],
        moment: &Moment,
        _: &TaskContext,
        out: &mut Output<(K, S)>,
    ) -> firesteel_state::Result<()> {
        let mut new: KeyedTable<K, Vec<V>> = KeyedTable::default();
        for (hash, key, value) in lists.iter_mut().flat_map(|list| list.drain(..)) {
            new.upsert(hash, key, value, |value| vec![value], |values, value| values.push(value));
        }
        let times = moment.now();
        // All known keys, with or without new values.
        self.state.for_each(group, times, |key, _| {
            let hash = firesteel_core::hash::hash_key(key);
            if new.get(hash, key).is_none() {
                new.upsert(hash, key.clone(), (), |()| Vec::new(), |_, ()| ());
            }
        })?;
        let mut keys = new.take();
        // In an order that does not depend on when the job was last restarted.
        keys.sort_by_key(|(hash, ..)| *hash);
        for (hash, key, values) in keys {
            let state = self.state.update(&mut group.key(hash, &key, times), |state| {
                *state = (self.f)(moment.time, &key, values, state.take());
                state.clone()
            })?;
            out.rows.extend(state.map(|state| (key, state)));
        }
        out.changes += self.state.changes(group)?;
        Ok(())
    }
}

impl<K, V, D> Stream<D>
where
    K: Key,
    V: Exchange,
    D: DStream<Item = (K, V)>,
{
    /// Keeps a state for each key: `f` makes the new state of the values that came in the batch and of the old state;
    /// `None` forgets the key. Yields the state of every known key in every batch.
    ///
    /// As in Spark, `f` is called for all known keys in every batch, so that it can let old ones go: the cost grows with
    /// the number of keys.
    ///
    /// ```
    /// use firesteel_testkit::TestJob;
    ///
    /// let test = TestJob::new();
    /// let words = test.script([vec!["a"], vec!["a", "b"], vec!["b"], vec![]]);
    /// let counts = words
    ///     .map(|word| (word.to_owned(), 1))
    ///     .update_state_by_key(|new, old: Option<usize>| Some(old.unwrap_or(0) + new.len()))
    ///     .map(|(word, count)| format!("{word}{count}"));
    /// let counts = test.record(counts);
    /// test.run()?;
    /// assert_eq!(counts.sorted(), [vec!["a1"], vec!["a2", "b1"], vec!["a2", "b2"], vec!["a2", "b2"]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    #[track_caller]
    #[expect(clippy::type_complexity, reason = "what a closure makes of another has no name")]
    pub fn update_state_by_key<S, F>(
        self,
        f: F,
    ) -> Stream<
        Stateful<D, K, V, Update<S, impl Fn(Timestamp, &K, Vec<V>, Option<S>) -> Option<S> + Send + Sync + 'static>>,
    >
    where
        S: Exchange,
        F: Fn(Vec<V>, Option<S>) -> Option<S> + Send + Sync + 'static,
    {
        update(self, move |_: Timestamp, _: &K, values, state| f(values, state))
    }

    /// As [`update_state_by_key`](Self::update_state_by_key), with a function that is also told the time of the batch
    /// and the key.
    #[track_caller]
    pub fn update_state_by_key_with<S, F>(self, f: F) -> Stream<Stateful<D, K, V, Update<S, F>>>
    where
        S: Exchange,
        F: Fn(Timestamp, &K, Vec<V>, Option<S>) -> Option<S> + Send + Sync + 'static,
    {
        update(self, f)
    }
}

#[track_caller]
fn update<D, K, V, S, F>(stream: Stream<D>, f: F) -> Stream<Stateful<D, K, V, Update<S, F>>>
where
    K: Key,
    V: Exchange,
    S: Exchange,
    D: DStream<Item = (K, V)>,
    F: Fn(Timestamp, &K, Vec<V>, Option<S>) -> Option<S> + Send + Sync + 'static,
{
    let operator = Operator::here("update_state_by_key");
    Stateful::stream(stream, operator, Arc::new([]), Plain, |states| Update { state: states.value("state"), f })
}

impl<D, K, V, S, F> Stream<Stateful<D, K, V, Update<S, F>>>
where
    K: Key,
    V: Exchange,
    S: Exchange,
    D: DStream<Item = (K, V)>,
    F: Fn(Timestamp, &K, Vec<V>, Option<S>) -> Option<S> + Send + Sync + 'static,
{
    /// The state that a new job begins with. It is read once, and not at all where a job goes on from a checkpoint.
    pub fn initial_state(self, initial: impl Rdd<Item = (K, S)>) -> Self {
        let state = self.node.work().state;
        self.node.cell.begin_with(move |store| fill(store, initial, state, |_| Ok(())));
        self
    }
}

/// Writes what `initial` holds into a new store, and has `also` done for each key; returns how many keys that are.
pub(crate) fn fill<K: Key, S: Exchange>(
    store: &KeyedStore<K>,
    initial: impl Rdd<Item = (K, S)>,
    state: Value<S>,
    also: impl Fn(&mut KeyContext<'_, K>) -> firesteel_state::Result<()>,
) -> Result<u64> {
    let times = Times::processing(Timestamp::EPOCH);
    store.begin(0);
    let mut keys = 0;
    for (key, value) in initial.collect()? {
        let hash = store.hash(&key);
        let mut group = store.lock(store.group_of(hash));
        let mut context = group.key(hash, &key, times);
        keys += u64::from(state.update(&mut context, |state| state.replace(value).is_none())?);
        also(&mut context)?;
    }
    Ok(keys)
}
