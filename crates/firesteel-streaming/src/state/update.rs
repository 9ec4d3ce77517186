//! Spark's `updateStateByKey`.

use firesteel_core::ops::BoxRdd;
use firesteel_core::shuffle::KeyedTable;
use firesteel_core::{Exchange, Key, Rdd, RddOps};
use firesteel_state::{Changes, Declaration, GroupState, Value};
use firesteel_window::Timestamp;

use crate::error::Result;
use crate::state::group_batch::{GroupBatch, Results};
use crate::state::initial::Initial;
use crate::state::operator::{KeyedOperator, NewState, OperatorInfo};
use crate::state::route::WithoutTimes;
use crate::stream::{Pair, Plain, Shape, Stream};

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

/// The operator of [`Stream::update_state_by_key`].
struct Update<K: Key, S: Exchange, F> {
    initial: Initial<K, S>,
    f: F,
}

impl<K, V, Z, S, F> KeyedOperator<K, V, Z> for Update<K, S, F>
where
    K: Key,
    V: Exchange,
    Z: Shape,
    S: Exchange,
    F: Fn(Timestamp, &K, Vec<V>, Option<S>) -> Option<S> + Send + Sync + 'static,
{
    type Route = WithoutTimes;
    type State = Value<S>;
    type Out = (K, S);
    type OutShape = Plain;

    fn info(&self) -> OperatorInfo {
        OperatorInfo::new("update_state_by_key")
    }

    fn route(&self) -> WithoutTimes {
        WithoutTimes
    }

    fn declare(&self, states: &mut Declaration<K>) -> Value<S> {
        states.value("state")
    }

    fn initialize(&self, state: &Value<S>, new: &NewState<'_, K>) -> Result<()> {
        self.initial.set(new, *state)
    }

    fn changes(&self, state: &Value<S>, group: &mut GroupState<K>) -> firesteel_state::Result<Changes> {
        state.changes(group)
    }

    fn run(
        &self,
        state: &Value<S>,
        group: &mut GroupBatch<'_, K, V>,
        out: &mut Results<'_, (K, S)>,
    ) -> firesteel_state::Result<()> {
        let (time, times) = (group.times().time(), group.times().now());
        let (records, group) = group.records();
        let mut new: KeyedTable<K, Vec<V>> = KeyedTable::default();
        for (hash, key, value) in records {
            new.upsert(hash, key, value, |value| vec![value], |values, value| values.push(value));
        }
        // All known keys, with or without new values.
        state.for_each(group, times, |key, _| {
            let hash = firesteel_core::hash::hash_key(key);
            if new.get(hash, key).is_none() {
                new.upsert(hash, key.clone(), (), |()| Vec::new(), |_, ()| ());
            }
        })?;
        let mut keys = new.take();
        // In an order that does not depend on when the job was last restarted.
        keys.sort_by_key(|(hash, ..)| *hash);
        for (hash, key, values) in keys {
            let new = state.update(&mut group.key(hash, &key, times), |state| {
                *state = (self.f)(time, &key, values, state.take());
                state.clone()
            })?;
            out.extend(new.map(|state| (key, state)));
        }
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
        self.update_state_by_key_with(UpdateSpec::new(), move |_, _, values, state| f(values, state))
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
        self.apply(Update { initial: Initial::new(spec.initial), f })
    }
}
