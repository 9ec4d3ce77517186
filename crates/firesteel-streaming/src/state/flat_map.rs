//! Spark's `flatMapGroupsWithState`.

use firesteel_core::ops::BoxRdd;
use firesteel_core::shuffle::KeyedTable;
use firesteel_core::{Data, Exchange, Key, Rdd, RddOps};
use firesteel_state::{Changes, Declaration, GroupState, KeyContext, Value};

use crate::error::Result;
use crate::state::KeyState;
use crate::state::deadline::Deadline;
use crate::state::group_batch::{GroupBatch, Results};
use crate::state::initial::Initial;
use crate::state::key_state::{Change, Timeout};
use crate::state::operator::{KeyedOperator, NewState, OperatorInfo};
use crate::state::route::InTime;
use crate::state::work::BatchTimes;
use crate::stream::{Late, Pair, Plain, Shape, SideOutput, Stream};

/// The options of [`flat_map_with_state_with`](Stream::flat_map_with_state_with).
#[must_use]
pub struct FlatMapSpec<K, V, S> {
    initial: Option<BoxRdd<(K, S)>>,
    route: InTime<K, V>,
}

impl<K: Key, V: Exchange, S: Exchange> FlatMapSpec<K, V, S> {
    /// State that begins empty; late records are counted and left out.
    pub fn new() -> Self {
        Self { initial: None, route: InTime::new() }
    }

    /// The state that a new job begins with. It is read once, and not at all where a job resumes from a checkpoint. Its
    /// keys have no timeouts.
    pub fn initial_state(self, initial: impl Rdd<Item = (K, S)>) -> Self {
        Self { initial: Some(initial.boxed()), ..self }
    }

    /// Sends late records to a side output. Without event time, no record is late.
    pub fn late_to(self, late: &SideOutput<Late<(K, V)>>) -> Self {
        Self { route: self.route.late_to(late), ..self }
    }
}

impl<K: Key, V: Exchange, S: Exchange> Default for FlatMapSpec<K, V, S> {
    fn default() -> Self {
        Self::new()
    }
}

/// The operator of [`Stream::flat_map_with_state`].
struct FlatMapWithState<K: Key, V, S: Exchange, F> {
    f: F,
    initial: Initial<K, S>,
    route: InTime<K, V>,
}

/// Its state.
struct Handles<S> {
    state: Value<S>,
    processing: Deadline,
    event: Option<Deadline>,
}

impl<S: Exchange> Handles<S> {
    /// Calls the function for one key; a key that times out has no values.
    fn call<K, V, T, I, F>(
        &self,
        f: &F,
        key: &mut KeyContext<'_, K>,
        values: Vec<V>,
        moment: &BatchTimes,
        timing_out: bool,
        out: &mut Results<'_, I::Item>,
    ) -> firesteel_state::Result<()>
    where
        K: Key,
        I: IntoIterator<Item: Send + 'static>,
        F: Fn(&K, Vec<V>, &mut KeyState<'_, S, T>) -> I,
    {
        let name = key.key();
        let mut state = KeyState::new(self.state.get(key)?, *moment, timing_out);
        out.extend(f(name, values, &mut state));
        let (change, timeout) = state.into_parts();
        match change {
            Change::Keep => {}
            Change::Set(state) => self.state.set(key, state)?,
            Change::Remove => self.state.clear(key)?,
        }
        let (processing, event) = match timeout {
            Some(Timeout::Processing(at)) => (Some(at), None),
            Some(Timeout::Event(at)) => (None, Some(at)),
            None => (None, None),
        };
        self.processing.set(key, processing)?;
        self.event.map_or(Ok(()), |deadline| deadline.set(key, event))
    }
}

impl<K, V, Z, S, I, F> KeyedOperator<K, V, Z> for FlatMapWithState<K, V, S, F>
where
    K: Key + Ord,
    V: Exchange,
    Z: Shape,
    Z::Record<V>: Data,
    S: Exchange,
    I: IntoIterator<Item: Send + 'static> + 'static,
    F: Fn(&K, Vec<Z::Record<V>>, &mut KeyState<'_, S, Z::Timeout>) -> I + Send + Sync + 'static,
{
    type Route = InTime<K, V>;
    type State = Handles<S>;
    type Out = I::Item;
    type OutShape = Plain;

    fn info(&self) -> OperatorInfo {
        OperatorInfo::new("flat_map_with_state")
    }

    fn route(&self) -> InTime<K, V> {
        self.route.clone()
    }

    fn declare(&self, states: &mut Declaration<K>) -> Handles<S> {
        let state = states.value("state");
        let processing = Deadline::processing(states);
        Handles { state, processing, event: Z::HAS_TIME.then(|| Deadline::event(states)) }
    }

    fn initialize(&self, handles: &Handles<S>, new: &NewState<'_, K>) -> Result<()> {
        self.initial.set(new, handles.state)
    }

    fn changes(&self, handles: &Handles<S>, group: &mut GroupState<K>) -> firesteel_state::Result<Changes> {
        handles.state.changes(group)
    }

    fn run(
        &self,
        handles: &Handles<S>,
        group: &mut GroupBatch<'_, K, Z::Record<V>>,
        out: &mut Results<'_, I::Item>,
    ) -> firesteel_state::Result<()> {
        group.prefetch()?;
        let (moment, times) = (group.times(), group.times().now());
        let mut keys: KeyedTable<K, Vec<Z::Record<V>>> = KeyedTable::default();
        let (records, state) = group.records();
        for (hash, key, value) in records {
            keys.upsert(hash, key, value, |value| vec![value], |values, value| values.push(value));
        }
        for (hash, key, values) in keys.drain() {
            handles.call(&self.f, &mut state.key(hash, &key, times), values, &moment, false, out)?;
        }
        for deadline in [Some(&handles.processing), handles.event.as_ref()].into_iter().flatten() {
            deadline.expire(group, |key, _| handles.call(&self.f, key, Vec::new(), &moment, true, out))?;
        }
        Ok(())
    }
}

impl<T: Send + 'static, Z: Shape> Stream<T, Z> {
    /// Calls `f` once for each key that has records in a batch, with all of them in their order and the key's state;
    /// yields what `f` returns. Spark's `flatMapGroupsWithState`, and its `mapGroupsWithState` if `f` returns one thing.
    ///
    /// `f` may ask to be called [when time has passed](KeyState::set_timeout_after): then it is called without values,
    /// after the records of the first batch whose time has come so far, unless the key has got records before. A call
    /// that sets no timeout clears the one before, and state is kept until it is [removed](KeyState::remove).
    ///
    /// ```
    /// use firesteel_streaming::{KeyState, ProcessingTimeout};
    /// use firesteel_testkit::TestJob;
    ///
    /// // Three of a kind.
    /// let test = TestJob::new();
    /// let cards = test.script([vec!["a"], vec!["a", "b"], vec!["a", "b"]]);
    /// let trios = cards
    ///     .map(|card| (card.to_owned(), ()))
    ///     .flat_map_with_state(|card, new, seen: &mut KeyState<usize, ProcessingTimeout>| {
    ///         let count = seen.get().unwrap_or(&0) + new.len();
    ///         if count < 3 {
    ///             seen.update(count);
    ///             return None;
    ///         }
    ///         seen.remove();
    ///         Some(card.clone())
    ///     });
    /// let trios = test.record(trios);
    /// test.run()?;
    /// assert_eq!(trios.batches(), [vec![], vec![], vec!["a"]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    ///
    /// Where records know when they happened, `f` gets them with their times, and may ask to be called
    /// [when the watermark has reached a time](KeyState::set_timeout_at). That happens in the batch whose records move
    /// the watermark there. Where event time ends, because all sources have, every key that has a timeout reaches it.
    /// Records that happened before the watermark at the start of their batch are late then: they are counted, left
    /// out, and go to the side output that [`FlatMapSpec::late_to`] names.
    ///
    /// ```
    /// use firesteel_streaming::{EventTimeout, KeyState};
    /// use firesteel_testkit::{TestJob, timeline};
    /// use firesteel_window::{Watermark, seconds};
    ///
    /// let test = TestJob::new();
    /// let clicks = test.script(timeline::parse("a@1 a@3 | b@9 | c@20").expect("this is a timeline"));
    /// let visits = clicks
    ///     .event_time(|click| click.1, Watermark::bounded(seconds(2)))
    ///     .key_by(|click| click.0.clone())
    ///     .flat_map_with_state(|user, clicks, count: &mut KeyState<usize, EventTimeout>| {
    ///         let so_far = count.get().unwrap_or(&0) + clicks.len();
    ///         let Some((last, _)) = clicks.last() else {
    ///             count.remove();
    ///             return Some(format!("{user} came {so_far} times"));
    ///         };
    ///         count.update(so_far);
    ///         count.set_timeout_at(*last + seconds(4));
    ///         None
    ///     });
    /// let visits = test.record(visits);
    /// test.run()?;
    /// assert_eq!(visits.batches(), [vec![], vec!["a came 2 times"], vec!["b came 1 times"]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    #[track_caller]
    pub fn flat_map_with_state<K, V, S, I, F>(self, f: F) -> Stream<I::Item>
    where
        T: Pair<Key = K, Value = V>,
        K: Key + Ord,
        V: Exchange,
        Z::Record<V>: Data,
        S: Exchange,
        I: IntoIterator<Item: Send + 'static> + 'static,
        F: Fn(&K, Vec<Z::Record<V>>, &mut KeyState<'_, S, Z::Timeout>) -> I + Send + Sync + 'static,
    {
        self.apply(FlatMapSpec::new().operator(f))
    }

    /// As [`flat_map_with_state`](Self::flat_map_with_state), with options.
    #[track_caller]
    pub fn flat_map_with_state_with<K, V, S, I, F>(self, spec: FlatMapSpec<K, V, S>, f: F) -> Stream<I::Item>
    where
        T: Pair<Key = K, Value = V>,
        K: Key + Ord,
        V: Exchange,
        Z::Record<V>: Data,
        S: Exchange,
        I: IntoIterator<Item: Send + 'static> + 'static,
        F: Fn(&K, Vec<Z::Record<V>>, &mut KeyState<'_, S, Z::Timeout>) -> I + Send + Sync + 'static,
    {
        self.apply(spec.operator(f))
    }
}

impl<K: Key, V: Exchange, S: Exchange> FlatMapSpec<K, V, S> {
    /// The operator that is set so.
    fn operator<F>(self, f: F) -> FlatMapWithState<K, V, S, F> {
        FlatMapWithState { f, initial: Initial::new(self.initial), route: self.route }
    }
}
