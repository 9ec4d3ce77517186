//! Spark's `flatMapGroupsWithState`.

use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_core::shuffle::KeyedTable;
use firesteel_core::{Data, Exchange, Key, Operator, Rdd, TaskContext};
use firesteel_state::{Declaration, GroupState, KeyContext, Value};
use firesteel_window::Timestamp;

use crate::graph::What;
use crate::state::deadline::Deadline;
use crate::state::key_state::{Change, Timeout};
use crate::state::side::{Late, Plain, WithTime};
use crate::state::update::fill;
use crate::state::work::{Entry, prefetch};
use crate::state::{EventTimeout, KeyState, Moment, Output, ProcessingTimeout, Stateful, Work};
use crate::stream::{DStream, SideOutput, Stream};
use crate::time::KeyedTimedStream;

/// The work of [`Stream::flat_map_with_state`] and [`KeyedTimedStream::flat_map_with_state`].
pub struct FlatMapWithState<S, T, F> {
    state: Value<S>,
    processing: Deadline,
    event: Option<Deadline>,
    f: F,
    kind: PhantomData<fn(T)>,
}

impl<S: Exchange, T, F> FlatMapWithState<S, T, F> {
    fn declare<K: Key + Ord>(states: &mut Declaration<K>, in_event_time: bool, f: F) -> Self {
        Self {
            state: states.value("state"),
            processing: Deadline::processing(states),
            event: in_event_time.then(|| Deadline::event(states)),
            f,
            kind: PhantomData,
        }
    }

    /// Calls the function for one key; a key that times out has no values.
    fn call<K, V, I>(
        &self,
        key: &mut KeyContext<'_, K>,
        values: Vec<V>,
        moment: &Moment,
        timing_out: bool,
        out: &mut Vec<I::Item>,
    ) -> firesteel_state::Result<()>
    where
        K: Key,
        I: IntoIterator,
        F: Fn(&K, Vec<V>, &mut KeyState<'_, S, T>) -> I,
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

    fn run_group<K, V, I>(
        &self,
        group: &mut GroupState<K>,
        lists: &mut [Vec<Entry<K, V>>],
        moment: &Moment,
        task: &TaskContext,
        out: &mut Output<I::Item>,
    ) -> firesteel_state::Result<()>
    where
        K: Key,
        I: IntoIterator,
        F: Fn(&K, Vec<V>, &mut KeyState<'_, S, T>) -> I,
    {
        prefetch(group, lists)?;
        let mut keys: KeyedTable<K, Vec<V>> = KeyedTable::default();
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

impl<K, V, S, I, F> Work<K, V> for FlatMapWithState<S, ProcessingTimeout, F>
where
    K: Key,
    V: Exchange,
    S: Exchange,
    I: IntoIterator<Item: Send + 'static>,
    F: Fn(&K, Vec<V>, &mut KeyState<'_, S, ProcessingTimeout>) -> I + Send + Sync + 'static,
{
    type Out = I::Item;

    fn run(
        &self,
        group: &mut GroupState<K>,
        lists: &mut [Vec<Entry<K, V>>],
        moment: &Moment,
        task: &TaskContext,
        out: &mut Output<I::Item>,
    ) -> firesteel_state::Result<()> {
        self.run_group(group, lists, moment, task, out)
    }
}

impl<K, V, S, I, F> Work<K, (Timestamp, V)> for FlatMapWithState<S, EventTimeout, F>
where
    K: Key,
    V: Exchange,
    S: Exchange,
    I: IntoIterator<Item: Send + 'static>,
    F: Fn(&K, Vec<(Timestamp, V)>, &mut KeyState<'_, S, EventTimeout>) -> I + Send + Sync + 'static,
{
    type Out = I::Item;

    fn run(
        &self,
        group: &mut GroupState<K>,
        lists: &mut [Vec<Entry<K, (Timestamp, V)>>],
        moment: &Moment,
        task: &TaskContext,
        out: &mut Output<I::Item>,
    ) -> firesteel_state::Result<()> {
        self.run_group(group, lists, moment, task, out)
    }
}

impl<K, V, D> Stream<D>
where
    K: Key + Ord,
    V: Exchange,
    D: DStream<Item = (K, V)>,
{
    /// Calls `f` once for each key that has records in a batch, with all of them in their order and the key's state;
    /// yields what `f` returns. Spark's `flatMapGroupsWithState`, and its `mapGroupsWithState` if `f` returns one thing.
    ///
    /// `f` may ask to be called [when time has passed](KeyState::set_timeout_after): then it is called without values,
    /// behind the records of the first batch whose time has come so far, unless the key has got records before. A call
    /// that sets no time-out clears the one before, and state is kept until it is [removed](KeyState::remove).
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
    #[track_caller]
    pub fn flat_map_with_state<S, I, F>(
        self,
        f: F,
    ) -> Stream<Stateful<D, K, V, FlatMapWithState<S, ProcessingTimeout, F>>>
    where
        S: Exchange,
        I: IntoIterator<Item: Send + 'static>,
        F: Fn(&K, Vec<V>, &mut KeyState<'_, S, ProcessingTimeout>) -> I + Send + Sync + 'static,
    {
        let operator = Operator::here("flat_map_with_state");
        Stateful::stream(self, operator, Arc::new([]), Plain, |states| FlatMapWithState::declare(states, false, f))
    }
}

impl<K, V, D> KeyedTimedStream<D>
where
    K: Key + Ord,
    V: Exchange,
    D: DStream<Item = (Timestamp, (K, V))>,
{
    /// As [`Stream::flat_map_with_state`], for records that know when they happened: `f` gets them with their times, and
    /// may ask to be called [when the watermark has reached a time](KeyState::set_timeout_at). That happens in the batch
    /// whose records move the watermark there. Where event time ends, because all sources have, every key that has a
    /// time-out reaches it.
    ///
    /// Records that happened before the watermark at the start of their batch are late: they are counted, left out, and
    /// go to the side output that [`late_to`](Stream::late_to) names.
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
    pub fn flat_map_with_state<S, I, F>(self, f: F) -> Stream<TimedFlatMap<D, K, V, S, F>>
    where
        S: Exchange,
        I: IntoIterator<Item: Send + 'static>,
        F: Fn(&K, Vec<(Timestamp, V)>, &mut KeyState<'_, S, EventTimeout>) -> I + Send + Sync + 'static,
    {
        let operator = Operator::here("flat_map_with_state");
        let count = self.stream.graph.counter(What::Late);
        let late = Late { trackers: Arc::clone(&self.trackers), count, output: None };
        let prepare = WithTime { late: Some(late) };
        Stateful::stream(self.stream, operator, self.trackers, prepare, |states| {
            FlatMapWithState::declare(states, true, f)
        })
    }
}

/// The stream of [`KeyedTimedStream::flat_map_with_state`].
pub type TimedFlatMap<D, K, V, S, F> =
    Stateful<D, K, (Timestamp, V), FlatMapWithState<S, EventTimeout, F>, WithTime<K, V>>;

impl<D, K, V, S, I, F> Stream<TimedFlatMap<D, K, V, S, F>>
where
    K: Key,
    V: Exchange,
    S: Exchange,
    I: IntoIterator<Item: Send + 'static>,
    D: DStream<Item = (Timestamp, (K, V))>,
    F: Fn(&K, Vec<(Timestamp, V)>, &mut KeyState<'_, S, EventTimeout>) -> I + Send + Sync + 'static,
{
    /// Sends late records to a side output.
    pub fn late_to(mut self, late: &SideOutput<(Timestamp, (K, V))>) -> Self
    where
        K: Data,
    {
        late.feed(self.node.parent());
        let output = late.clone();
        if let Some(late) = &mut self.node.prepare_mut().late {
            late.output = Some(Arc::new(move |at, key, value| output.emit((at, (key, value)))));
        }
        self
    }
}

impl<D, K, T, S, M, F, P> Stream<Stateful<D, K, T, FlatMapWithState<S, M, F>, P>>
where
    K: Key,
    S: Exchange,
    D: DStream,
    T: 'static,
    F: 'static,
{
    /// The state that a new job begins with. It is read once, and not at all where a job goes on from a checkpoint. Its
    /// keys have no time-outs.
    pub fn initial_state(self, initial: impl Rdd<Item = (K, S)>) -> Self {
        let state = self.node.work().state;
        self.node.cell.begin_with(move |store| fill(store, initial, state, |_| Ok(())));
        self
    }
}
