//! Spark's `mapWithState`.

use firesteel_core::ops::BoxRdd;
use firesteel_core::{Exchange, Key, Rdd, RddOps};
use firesteel_state::{Changes, Declaration, GroupState, KeyContext, Setting, Value};
use firesteel_window::{Duration, Timestamp};

use crate::error::Result;
use crate::state::KeyState;
use crate::state::deadline::Deadline;
use crate::state::group_batch::{GroupBatch, Results};
use crate::state::initial::Initial;
use crate::state::key_state::Change;
use crate::state::operator::{KeyedOperator, NewState, OperatorInfo};
use crate::state::route::WithoutTimes;
use crate::state::work::BatchTimes;
use crate::stream::{Pair, Plain, Shape, SideOutput, Stream};

/// The options of [`map_with_state_with`](Stream::map_with_state_with), as Spark's `StateSpec` has them.
#[must_use]
pub struct MapSpec<K: Key, S: Exchange> {
    timeout: Option<(Duration, DeclareDeadline<K>)>,
    initial: Option<BoxRdd<(K, S)>>,
    snapshots: Option<SideOutput<(K, S)>>,
}

/// Declares timeouts, for which keys have to be in order.
type DeclareDeadline<K> = fn(&mut Declaration<K>) -> Deadline;

impl<K: Key, S: Exchange> MapSpec<K, S> {
    /// State that begins empty and never times out.
    pub const fn new() -> Self {
        Self { timeout: None, initial: None, snapshots: None }
    }

    /// A key with state that gets no record for so long, in processing time, times out: the function is called for it,
    /// with no value and a state [that is timing out](KeyState::is_timing_out), and its state is removed. That happens
    /// after the records of the first batch whose time has come so far.
    ///
    /// Keys whose state is older than this setting time out once they have got a record.
    ///
    /// ```
    /// use firesteel_streaming::{KeyState, MapSpec};
    /// use firesteel_testkit::TestJob;
    /// use firesteel_window::seconds;
    ///
    /// let test = TestJob::new(); // a batch per second
    /// let sessions = test
    ///     .script([vec!["ann", "bob"], vec!["ann"], vec!["ann"]])
    ///     .map(|user| (user.to_owned(), ()))
    ///     .map_with_state_with(MapSpec::new().timeout(seconds(2)), |user, click, clicks: &mut KeyState<u32>| {
    ///         let so_far = clicks.get().copied().unwrap_or(0);
    ///         match click {
    ///             Some(()) => {
    ///                 clicks.update(so_far + 1);
    ///                 None
    ///             }
    ///             None => Some(format!("{user} has left after {so_far}")),
    ///         }
    ///     });
    /// let sessions = test.record(sessions);
    /// test.run()?;
    /// assert_eq!(sessions.batches(), [vec![], vec![], vec!["bob has left after 1"]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    pub fn timeout(self, idle: Duration) -> Self
    where
        K: Ord,
    {
        Self { timeout: Some((idle, Deadline::processing)), ..self }
    }

    /// The state that a new job begins with. It is read once, and not at all where a job resumes from a checkpoint.
    ///
    /// The timeout of its keys counts from the first batch.
    pub fn initial_state(self, initial: impl Rdd<Item = (K, S)>) -> Self {
        Self { initial: Some(initial.boxed()), ..self }
    }

    /// Puts all keys and their states into a side output, after each batch: Spark's `stateSnapshots`. The cost grows
    /// with the number of keys.
    ///
    /// ```
    /// use firesteel_streaming::{KeyState, MapSpec};
    /// use firesteel_testkit::TestJob;
    ///
    /// let test = TestJob::new();
    /// let counts = test.context().side_output("counts");
    /// let words = test.script([vec!["a"], vec!["b"]]).map(|word| (word.to_owned(), 1));
    /// let spec = MapSpec::new().snapshots_to(&counts);
    /// let new = words.map_with_state_with(spec, |_, one: Option<i64>, count: &mut KeyState<i64>| {
    ///     count.update(count.get().unwrap_or(&0) + one.unwrap_or(0));
    ///     None::<()>
    /// });
    /// test.record(new);
    /// let counts = test.record(counts.stream().map(|(word, count)| format!("{word}{count}")));
    /// test.run()?;
    /// assert_eq!(counts.sorted(), [vec!["a1"], vec!["a1", "b1"]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    pub fn snapshots_to(self, snapshots: &SideOutput<(K, S)>) -> Self {
        Self { snapshots: Some(snapshots.clone()), ..self }
    }
}

impl<K: Key, S: Exchange> Default for MapSpec<K, S> {
    fn default() -> Self {
        Self::new()
    }
}

/// The operator of [`Stream::map_with_state`].
struct MapWithState<K: Key, S: Exchange, F> {
    f: F,
    timeout: Option<(Duration, DeclareDeadline<K>)>,
    initial: Initial<K, S>,
    snapshots: Option<SideOutput<(K, S)>>,
}

/// Its state.
struct Handles<S> {
    state: Value<S>,
    timeout: Option<(Duration, Deadline)>,
}

/// The deadline of a key of the initial state until the first batch, whose time is not known before.
const UNSEEN: Timestamp = Timestamp::MIN;

impl<S: Exchange> Handles<S> {
    /// Calls the function for one key; a key that times out has no value.
    fn call<K, V, I, F>(
        &self,
        f: &F,
        key: &mut KeyContext<'_, K>,
        value: Option<V>,
        moment: &BatchTimes,
        out: &mut Results<'_, I::Item>,
    ) -> firesteel_state::Result<()>
    where
        K: Key,
        I: IntoIterator<Item: Send + 'static>,
        F: Fn(&K, Option<V>, &mut KeyState<'_, S>) -> I,
    {
        let timing_out = value.is_none();
        let name = key.key();
        let stored = self.state.get(key)?;
        let before = stored.is_some();
        let mut state = KeyState::new(stored, *moment, timing_out);
        out.extend(f(name, value, &mut state));
        let (change, _) = state.into_parts();
        let after = match change {
            _ if timing_out => false,
            Change::Keep => before,
            Change::Set(_) => true,
            Change::Remove => false,
        };
        if let Change::Set(state) = change {
            self.state.set(key, state)?;
        } else if before && !after {
            self.state.clear(key)?;
        }
        if let Some((idle, deadline)) = &self.timeout
            && (before || after)
        {
            deadline.set(key, after.then(|| moment.time.saturating_add(*idle)))?;
        }
        Ok(())
    }
}

impl<K, V, Z, S, I, F> KeyedOperator<K, V, Z> for MapWithState<K, S, F>
where
    K: Key,
    V: Exchange,
    Z: Shape,
    S: Exchange,
    I: IntoIterator<Item: Send + 'static> + 'static,
    F: Fn(&K, Option<V>, &mut KeyState<'_, S>) -> I + Send + Sync + 'static,
{
    type Route = WithoutTimes;
    type State = Handles<S>;
    type Out = I::Item;
    type OutShape = Plain;

    fn info(&self) -> OperatorInfo {
        let mut info = OperatorInfo::new("map_with_state");
        if let Some(snapshots) = &self.snapshots {
            info = info.fills(snapshots);
        }
        let Some((idle, _)) = self.timeout else { return info };
        // Those that are stored stay until their key gets a record.
        info = info.setting(Setting::new_holds("timeout", idle));
        if idle <= Duration::ZERO {
            info = info.refused(format!("a timeout of {idle} would end every key at once: give it a positive one"));
        }
        info
    }

    fn route(&self) -> WithoutTimes {
        WithoutTimes
    }

    fn declare(&self, states: &mut Declaration<K>) -> Handles<S> {
        let state = states.value("state");
        Handles { state, timeout: self.timeout.map(|(idle, declare)| (idle, declare(states))) }
    }

    fn initialize(&self, handles: &Handles<S>, new: &NewState<'_, K>) -> Result<()> {
        self.initial.fill(new, |key, state| {
            handles.state.set(key, state)?;
            handles.timeout.map_or(Ok(()), |(_, deadline)| deadline.set(key, Some(UNSEEN)))
        })
    }

    fn changes(&self, handles: &Handles<S>, group: &mut GroupState<K>) -> firesteel_state::Result<Changes> {
        handles.state.changes(group)
    }

    fn run(
        &self,
        handles: &Handles<S>,
        group: &mut GroupBatch<'_, K, V>,
        out: &mut Results<'_, I::Item>,
    ) -> firesteel_state::Result<()> {
        group.prefetch()?;
        let (moment, times) = (group.times(), group.times().now());
        let (records, state) = group.records();
        for (hash, key, value) in records {
            handles.call(&self.f, &mut state.key(hash, &key, times), Some(value), &moment, out)?;
        }
        if let Some((idle, deadline)) = &handles.timeout {
            deadline.expire(group, |key, at| match at {
                UNSEEN => deadline.set(key, Some(moment.time.saturating_add(*idle))),
                _ => handles.call(&self.f, key, None, &moment, out),
            })?;
        }
        if let Some(snapshots) = &self.snapshots {
            let mut all = Vec::new();
            handles.state.for_each(group.state(), times, |key, state| all.push((key.clone(), state.clone())))?;
            // In an order that does not depend on when the job was last restarted.
            all.sort_by_cached_key(|(key, _)| firesteel_core::hash::hash_key(key));
            all.into_iter().for_each(|pair| snapshots.emit(pair));
        }
        Ok(())
    }
}

impl<T: Send + 'static, Z: Shape> Stream<T, Z> {
    /// Calls `f` for each record, in order, with the state of its key; yields what `f` returns.
    ///
    /// The state is read, [updated](KeyState::update) and [removed](KeyState::remove) through a [`KeyState`]. Other keys
    /// are not looked at, so that the cost grows with the records, not with the keys. With a
    /// [timeout](MapSpec::timeout), `f` is also called without a value, once for each key that has been idle.
    ///
    /// ```
    /// use firesteel_streaming::KeyState;
    /// use firesteel_testkit::TestJob;
    ///
    /// let test = TestJob::new();
    /// let words = test.script([vec!["a"], vec!["a", "b", "a"], vec![]]);
    /// let counts = words
    ///     .map(|word| (word.to_owned(), 1))
    ///     .map_with_state(|word, one: Option<u32>, count: &mut KeyState<u32>| {
    ///         let new = count.get().unwrap_or(&0) + one.unwrap_or(0);
    ///         count.update(new);
    ///         [format!("{word}{new}")]
    ///     });
    /// let counts = test.record(counts);
    /// test.run()?;
    /// assert_eq!(counts.sorted(), [vec!["a1"], vec!["a2", "a3", "b1"], vec![]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    ///
    /// If `f` panics, its task fails and is repeated from the state before the batch; if it keeps panicking, the job
    /// stops.
    #[track_caller]
    pub fn map_with_state<K, V, S, I, F>(self, f: F) -> Stream<I::Item>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Exchange,
        S: Exchange,
        I: IntoIterator<Item: Send + 'static> + 'static,
        F: Fn(&K, Option<V>, &mut KeyState<'_, S>) -> I + Send + Sync + 'static,
    {
        self.apply(MapSpec::new().operator(f))
    }

    /// As [`map_with_state`](Self::map_with_state), with options.
    #[track_caller]
    pub fn map_with_state_with<K, V, S, I, F>(self, spec: MapSpec<K, S>, f: F) -> Stream<I::Item>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Exchange,
        S: Exchange,
        I: IntoIterator<Item: Send + 'static> + 'static,
        F: Fn(&K, Option<V>, &mut KeyState<'_, S>) -> I + Send + Sync + 'static,
    {
        self.apply(spec.operator(f))
    }
}

impl<K: Key, S: Exchange> MapSpec<K, S> {
    /// The operator that is set so.
    fn operator<F>(self, f: F) -> MapWithState<K, S, F> {
        let Self { timeout, initial, snapshots } = self;
        MapWithState { f, timeout, initial: Initial::new(initial), snapshots }
    }
}
