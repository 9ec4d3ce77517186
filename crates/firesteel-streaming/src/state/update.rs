//! Spark's `updateStateByKey`.

use firesteel_core::ops::BoxRdd;
use firesteel_core::shuffle::KeyedTable;
use firesteel_core::{Actions, Exchange, Key, Operator, Rdd, RddOps, TaskContext};
use firesteel_state::{GroupState, KeyContext, KeyedStore, StateStore, Times, Value};
use firesteel_window::Timestamp;

use crate::error::Result;
use crate::shape::{Pair, Shape};
use crate::state::StoreCell;
use crate::state::side::Values;
use crate::state::stateful::Stateful;
use crate::state::work::{Entry, Moment, Output, Work};
use crate::stream::Stream;

/// How [`update_state_by_key_with`](Stream::update_state_by_key_with) begins.
#[must_use]
pub struct UpdateSpec<K, S> {
    initial: Option<BoxRdd<(K, S)>>,
}

impl<K: Key, S: Exchange> UpdateSpec<K, S> {
    /// State that begins empty.
    pub const fn new() -> Self {
        Self { initial: None }
    }

    /// The state that a new job begins with. It is read once, and not at all where a job resumes from a checkpoint.
    pub fn initial_state(self, initial: impl Rdd<Item = (K, S)>) -> Self {
        Self { initial: Some(initial.boxed()) }
    }
}

impl<K: Key, S: Exchange> Default for UpdateSpec<K, S> {
    fn default() -> Self {
        Self::new()
    }
}

/// The work of [`Stream::update_state_by_key`].
struct Update<S, F> {
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

impl<T: Send + 'static, S: Shape> Stream<T, S> {
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
    pub fn update_state_by_key<K, V, A, F>(self, f: F) -> Stream<(K, A)>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Exchange,
        A: Exchange,
        F: Fn(Vec<V>, Option<A>) -> Option<A> + Send + Sync + 'static,
    {
        let operator = Operator::here("update_state_by_key");
        update(T::pairs(self), operator, UpdateSpec::new(), move |_: Timestamp, _: &K, values, state| f(values, state))
    }

    /// As [`update_state_by_key`](Self::update_state_by_key), with options and with a function that is also told the time
    /// of the batch and the key.
    #[track_caller]
    pub fn update_state_by_key_with<K, V, A, F>(self, spec: UpdateSpec<K, A>, f: F) -> Stream<(K, A)>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Exchange,
        A: Exchange,
        F: Fn(Timestamp, &K, Vec<V>, Option<A>) -> Option<A> + Send + Sync + 'static,
    {
        update(T::pairs(self), Operator::here("update_state_by_key"), spec, f)
    }
}

fn update<K, V, S, A, F>(stream: Stream<(K, V), S>, operator: Operator, spec: UpdateSpec<K, A>, f: F) -> Stream<(K, A)>
where
    K: Key,
    V: Exchange,
    S: Shape,
    A: Exchange,
    F: Fn(Timestamp, &K, Vec<V>, Option<A>) -> Option<A> + Send + Sync + 'static,
{
    let stateful = Stateful::new(operator, Values::<S>::new(), |states| Update { state: states.value("state"), f });
    begin_with(&stateful.cell, spec.initial, stateful.work.state);
    stateful.after(stream)
}

/// Says that a new store begins with what `initial` holds.
pub(crate) fn begin_with<K: Key, S: Exchange>(cell: &StoreCell<K>, initial: Option<BoxRdd<(K, S)>>, state: Value<S>) {
    if let Some(initial) = initial {
        cell.begin_with(move |store| fill(store, initial, state, |_| Ok(())));
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
