//! Spark's `flatMapGroupsWithState`.

use std::marker::PhantomData;

use firesteel_core::ops::BoxRdd;
use firesteel_core::shuffle::KeyedTable;
use firesteel_core::{Accumulator, Data, Exchange, Key, Operator, Rdd, RddOps, TaskContext};
use firesteel_state::{Declaration, GroupState, KeyContext, Value};
use firesteel_window::Timestamp;

use crate::plan::{NodeId, What};
use crate::shape::{Pair, Shape};
use crate::state::KeyState;
use crate::state::deadline::Deadline;
use crate::state::key_state::{Change, Timeout};
use crate::state::side::InTime;
use crate::state::stateful::Stateful;
use crate::state::update::begin_with;
use crate::state::work::{Entry, Moment, Output, Work, prefetch};
use crate::stream::{SideOutput, Stream};
use crate::time::{LateOutput, late_output};

/// The options of [`flat_map_with_state_with`](Stream::flat_map_with_state_with).
#[must_use]
pub struct FlatMapSpec<K, V, S> {
    initial: Option<BoxRdd<(K, S)>>,
    late: Option<(LateOutput<K, V>, NodeId)>,
}

impl<K: Key, V: Exchange, S: Exchange> FlatMapSpec<K, V, S> {
    /// State that begins empty; late records are counted and left out.
    pub const fn new() -> Self {
        Self { initial: None, late: None }
    }

    /// The state that a new job begins with. It is read once, and not at all where a job resumes from a checkpoint. Its
    /// keys have no timeouts.
    pub fn initial_state(self, initial: impl Rdd<Item = (K, S)>) -> Self {
        Self { initial: Some(initial.boxed()), ..self }
    }

    /// Sends late records to a side output. Without event time, no record is late.
    pub fn late_to(self, late: &SideOutput<(Timestamp, (K, V))>) -> Self {
        Self { late: Some((late_output(late), late.node())), ..self }
    }
}

impl<K: Key, V: Exchange, S: Exchange> Default for FlatMapSpec<K, V, S> {
    fn default() -> Self {
        Self::new()
    }
}

/// The work of [`Stream::flat_map_with_state`].
struct FlatMapWithState<S, Z, F, V> {
    state: Value<S>,
    processing: Deadline,
    event: Option<Deadline>,
    f: F,
    shape: PhantomData<fn(Z, V)>,
}

impl<S: Exchange, Z: Shape, F, V: Send + 'static> FlatMapWithState<S, Z, F, V> {
    fn declare<K: Key + Ord>(states: &mut Declaration<K>, in_event_time: bool, f: F) -> Self {
        Self {
            state: states.value("state"),
            processing: Deadline::processing(states),
            event: in_event_time.then(|| Deadline::event(states)),
            f,
            shape: PhantomData,
        }
    }

    /// Calls the function for one key; a key that times out has no values.
    fn call<K, I>(
        &self,
        key: &mut KeyContext<'_, K>,
        values: Vec<Z::Record<V>>,
        moment: &Moment,
        timing_out: bool,
        out: &mut Vec<I::Item>,
    ) -> firesteel_state::Result<()>
    where
        K: Key,
        I: IntoIterator,
        F: Fn(&K, Vec<Z::Record<V>>, &mut KeyState<'_, S, Z::Timeout>) -> I,
    {
        let name = key.key();
        let mut state = KeyState::new(self.state.get(key)?, *moment, timing_out);
        out.extend((self.f)(name, values, &mut state));
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

impl<K, V, S, I, F, Z> Work<K, Z::Record<V>> for FlatMapWithState<S, Z, F, V>
where
    K: Key,
    V: Exchange,
    S: Exchange,
    Z: Shape,
    I: IntoIterator<Item: Send + 'static> + 'static,
    F: Fn(&K, Vec<Z::Record<V>>, &mut KeyState<'_, S, Z::Timeout>) -> I + Send + Sync + 'static,
{
    type Out = I::Item;

    fn run(
        &self,
        group: &mut GroupState<K>,
        lists: &mut [Vec<Entry<K, Z::Record<V>>>],
        moment: &Moment,
        task: &TaskContext,
        out: &mut Output<I::Item>,
    ) -> firesteel_state::Result<()> {
        prefetch(group, lists)?;
        let mut keys: KeyedTable<K, Vec<Z::Record<V>>> = KeyedTable::default();
        for (hash, key, value) in lists.iter_mut().flat_map(|list| list.drain(..)) {
            keys.upsert(hash, key, value, |value| vec![value], |values, value| values.push(value));
        }
        for (hash, key, values) in keys.drain() {
            self.call(&mut group.key(hash, &key, moment.now()), values, moment, false, &mut out.rows)?;
        }
        for deadline in [Some(&self.processing), self.event.as_ref()].into_iter().flatten() {
            deadline.expire(group, moment, task, |key, _| self.call(key, Vec::new(), moment, true, &mut out.rows))?;
        }
        out.changes += self.state.changes(group)?;
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
        flat_mapped(T::pairs(self), Operator::here("flat_map_with_state"), FlatMapSpec::new(), f)
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
        flat_mapped(T::pairs(self), Operator::here("flat_map_with_state"), spec, f)
    }
}

fn flat_mapped<K, V, Z, S, I, F>(
    stream: Stream<(K, V), Z>,
    operator: Operator,
    spec: FlatMapSpec<K, V, S>,
    f: F,
) -> Stream<I::Item>
where
    K: Key + Ord,
    V: Exchange,
    Z: Shape,
    Z::Record<V>: Data,
    S: Exchange,
    I: IntoIterator<Item: Send + 'static> + 'static,
    F: Fn(&K, Vec<Z::Record<V>>, &mut KeyState<'_, S, Z::Timeout>) -> I + Send + Sync + 'static,
{
    let trackers = stream.plan.trackers_for::<Z>(stream.node);
    let count = Accumulator::default();
    let (output, side) = spec.late.unzip();
    let in_time = InTime::<Z, _, _> { trackers: trackers.clone(), count: count.clone(), output, shape: PhantomData };
    let declare = |states: &mut _| FlatMapWithState::<S, Z, F, V>::declare(states, Z::HAS_TIME, f);
    let stateful = Stateful { trackers, ..Stateful::new(operator, in_time, declare) };
    begin_with(&stateful.cell, spec.initial, stateful.work.state);
    let mapped = stateful.after(stream);
    mapped.plan.count(mapped.node, What::Late, count);
    if let Some(side) = side {
        mapped.plan.feed(side, mapped.node);
    }
    mapped
}
