//! Functions with declared state and timers: Flink's `KeyedProcessFunction`.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use firesteel_core::{Actions, Exchange, Key, Operator, Rdd, TaskContext};
use firesteel_state::{
    Declaration, Fired, GroupState, KeyContext, Result, StateStore, TableKind, TableSchema, TimeDomain, Times,
};
use firesteel_window::Timestamp;

use crate::error::Error;
use crate::state::side::{Plain, WithTime};
use crate::state::work::{Entry, in_slices, prefetch};
use crate::state::{Moment, Output, Stateful, StoreCell, Work};
use crate::stream::{DStream, Stream};
use crate::time::KeyedTimedStream;

/// What is done to the records of each key, with state and timers of its own. Used by [`Stream::process`] and
/// [`KeyedTimedStream::process`].
///
/// The state is declared by name; the handles that the declaration gives out are passed to every call. Nothing else may
/// be remembered between calls: a task may be repeated, or run on another thread or in another process.
///
/// ```
/// use firesteel_state::{Declaration, Fired, List, StateError, Timers};
/// use firesteel_streaming::{KeyedProcess, ProcessContext};
/// use firesteel_testkit::{TestJob, timeline};
/// use firesteel_window::{Timestamp, Watermark, minutes, seconds};
///
/// /// Tells when a card is used three times within a minute, and when it has been quiet for five.
/// struct VelocityCheck;
///
/// struct Handles {
///     recent: List<Timestamp>,
///     quiet: Timers,
/// }
///
/// impl KeyedProcess for VelocityCheck {
///     type Key = String;
///     type In = (String, Timestamp);
///     type Out = String;
///     type State = Handles;
///
///     fn declare(&self, states: &mut Declaration<String>) -> Handles {
///         Handles { recent: states.list("recent payments"), quiet: states.event_timers("quiet") }
///     }
///
///     fn on_record(
///         &self,
///         state: &Handles,
///         (card, at): (String, Timestamp),
///         ctx: &mut ProcessContext<'_, Self>,
///     ) -> Result<(), StateError> {
///         state.recent.retain(ctx, |payment| *payment > at - minutes(1))?;
///         state.recent.push(ctx, at)?;
///         if state.recent.len(ctx)? == 3 {
///             ctx.emit(format!("{card} is used a lot"));
///         }
///         state.quiet.clear(ctx)?;
///         state.quiet.register(ctx, at + minutes(5))?;
///         Ok(())
///     }
///
///     fn on_timer(
///         &self,
///         state: &Handles,
///         timer: &Fired<String>,
///         ctx: &mut ProcessContext<'_, Self>,
///     ) -> Result<(), StateError> {
///         state.recent.clear(ctx)?;
///         ctx.emit(format!("{} is quiet at {}", timer.key, timer.time.as_secs()));
///         Ok(())
///     }
/// }
///
/// let test = TestJob::new();
/// let payments = test.script(timeline::parse("c1@0 c1@10 c2@20 c1@30 | c3@400").expect("this is a timeline"));
/// let alerts = payments
///     .event_time(|payment| payment.1, Watermark::bounded(seconds(10)))
///     .key_by(|payment| payment.0.clone())
///     .process("velocity", VelocityCheck);
/// let alerts = test.record(alerts);
/// test.run()?;
/// assert_eq!(alerts.sorted(), [vec!["c1 is used a lot"], vec!["c1 is quiet at 330", "c2 is quiet at 320"]]);
/// # Ok::<(), firesteel_streaming::Error>(())
/// ```
///
/// The records of a batch are handled first, then the timers of processing time that the batch's time has reached, then
/// those of event time that the batch's records have brought the watermark to. At the end of event time, where all
/// sources have ended, all timers of event time fire; those that are registered by that do not.
pub trait KeyedProcess: Send + Sync + 'static {
    /// What records are grouped by.
    type Key: Key;
    /// A record.
    type In: Exchange;
    /// What comes out.
    type Out: Send + 'static;
    /// The handles of the declared state.
    type State: Send + Sync + 'static;

    /// Declares the state and the timers. Called once, while the program is built.
    fn declare(&self, states: &mut Declaration<Self::Key>) -> Self::State;

    /// Handles a record. Records of one key come in their order; late ones, too.
    ///
    /// # Errors
    /// Those of the state, which fail the task: it is repeated from the state before the batch. So is it if this
    /// function panics.
    fn on_record(&self, state: &Self::State, record: Self::In, ctx: &mut ProcessContext<'_, Self>) -> Result<()>;

    /// Handles a timer. Timers fire in the order of time, then of keys, then of registration.
    ///
    /// # Errors
    /// As for [`on_record`](Self::on_record).
    fn on_timer(
        &self,
        state: &Self::State,
        timer: &Fired<Self::Key>,
        ctx: &mut ProcessContext<'_, Self>,
    ) -> Result<()> {
        let _ = (state, timer, ctx);
        Ok(())
    }
}

/// The key that a [`KeyedProcess`] handles, with its times and where results go. It is used with handles as the
/// [`KeyContext`] that it derefs to.
///
/// Its event time is that of the record or of the timer; for a timer of processing time, it is as far as event time has
/// come. Its watermark is the one at the start of the batch; for a timer of event time, it is the one that the batch's
/// records have reached.
pub struct ProcessContext<'a, P: KeyedProcess + ?Sized> {
    key: KeyContext<'a, P::Key>,
    out: &'a mut Vec<P::Out>,
}

impl<P: KeyedProcess + ?Sized> ProcessContext<'_, P> {
    /// Yields a result.
    pub fn emit(&mut self, result: P::Out) {
        self.out.push(result);
    }
}

impl<'a, P: KeyedProcess + ?Sized> Deref for ProcessContext<'a, P> {
    type Target = KeyContext<'a, P::Key>;
    fn deref(&self) -> &Self::Target {
        &self.key
    }
}

impl<P: KeyedProcess + ?Sized> DerefMut for ProcessContext<'_, P> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.key
    }
}

impl<P: KeyedProcess + ?Sized> fmt::Debug for ProcessContext<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessContext").field("event_time", &self.event_time()).finish_non_exhaustive()
    }
}

/// The work of [`Stream::process`].
pub struct Process<P: KeyedProcess> {
    process: P,
    /// Shared with what fills a new store.
    state: Arc<P::State>,
    /// Whether timers of event time, and of processing time, are declared.
    timers: [bool; 2],
    /// A state whose values live so long in event time.
    lives: Option<String>,
}

impl<P: KeyedProcess> Process<P> {
    fn declare(process: P, states: &mut Declaration<P::Key>) -> Self {
        let state = Arc::new(process.declare(states));
        let schema = states.schema();
        let timers = [TimeDomain::Event, TimeDomain::Processing]
            .map(|domain| schema.tables.iter().any(|table| table.kind == TableKind::Timers(domain)));
        let of_event_time = |table: &&TableSchema| table.ttl.is_some_and(|ttl| ttl.domain() == TimeDomain::Event);
        let lives = schema.tables.iter().find(of_event_time).map(|table| table.name.clone());
        Self { process, state, timers, lives }
    }

    fn run_group<T>(
        &self,
        group: &mut GroupState<P::Key>,
        lists: &mut [Vec<Entry<P::Key, T>>],
        split: impl Fn(T) -> (Timestamp, P::In),
        moment: &Moment,
        task: &TaskContext,
        out: &mut Output<P::Out>,
    ) -> Result<()> {
        prefetch(group, lists)?;
        for (hash, key, record) in lists.iter_mut().flat_map(|list| list.drain(..)) {
            let (at, record) = split(record);
            let key = group.key(hash, &key, moment.at(at));
            self.process.on_record(&self.state, record, &mut ProcessContext { key, out: &mut out.rows })?;
        }
        let [event, processing] = self.timers;
        if processing {
            let times = Times { event: moment.watermark, ..moment.now() };
            in_slices(task, || {
                let Some(fired) = group.pop_due(TimeDomain::Processing, moment.time) else { return Ok(false) };
                self.fire(group, &fired, times, &mut out.rows)?;
                Ok(true)
            })?;
        }
        if event {
            self.fire_event_timers(group, moment, task, &mut out.rows)?;
        }
        out.changes += group.changes();
        Ok(())
    }

    fn fire_event_timers(
        &self,
        group: &mut GroupState<P::Key>,
        moment: &Moment,
        task: &TaskContext,
        out: &mut Vec<P::Out>,
    ) -> Result<()> {
        let times = |fired: &Fired<P::Key>| Times::new(fired.time, moment.reached, moment.time);
        if moment.reached < Timestamp::MAX {
            return in_slices(task, || {
                let Some(fired) = group.pop_due(TimeDomain::Event, moment.reached) else { return Ok(false) };
                self.fire(group, &fired, times(&fired), out)?;
                Ok(true)
            });
        }
        // The end of time reaches all timers. Those that are registered by it would never end.
        let mut last = Vec::new();
        in_slices(task, || {
            last.extend(group.pop_due(TimeDomain::Event, moment.reached));
            Ok(group.next_timer(TimeDomain::Event).is_some())
        })?;
        let mut last = last.into_iter();
        in_slices(task, || {
            let Some(fired) = last.next() else { return Ok(false) };
            self.fire(group, &fired, times(&fired), out)?;
            Ok(true)
        })
    }

    fn fire(
        &self,
        group: &mut GroupState<P::Key>,
        fired: &Fired<P::Key>,
        times: Times,
        out: &mut Vec<P::Out>,
    ) -> Result<()> {
        let key = group.key(fired.hash, &fired.key, times);
        self.process.on_timer(&self.state, fired, &mut ProcessContext { key, out })
    }
}

impl<P: KeyedProcess> Work<P::Key, P::In> for Process<P> {
    type Out = P::Out;

    fn run(
        &self,
        group: &mut GroupState<P::Key>,
        lists: &mut [Vec<Entry<P::Key, P::In>>],
        moment: &Moment,
        task: &TaskContext,
        out: &mut Output<P::Out>,
    ) -> Result<()> {
        self.run_group(group, lists, |record| (Timestamp::MIN, record), moment, task, out)
    }
}

/// The work of [`KeyedTimedStream::process`].
pub struct TimedProcess<P: KeyedProcess>(Process<P>);

impl<P: KeyedProcess> Work<P::Key, (Timestamp, P::In)> for TimedProcess<P> {
    type Out = P::Out;

    fn run(
        &self,
        group: &mut GroupState<P::Key>,
        lists: &mut [Vec<Entry<P::Key, (Timestamp, P::In)>>],
        moment: &Moment,
        task: &TaskContext,
        out: &mut Output<P::Out>,
    ) -> Result<()> {
        self.0.run_group(group, lists, |record| record, moment, task, out)
    }
}

impl<K, V, D> Stream<D>
where
    K: Key,
    V: Exchange,
    D: DStream<Item = (K, V)>,
{
    /// Handles the records of each key with a [`KeyedProcess`]. Its state is stored, and found again, under `name`.
    ///
    /// A process that declares timers of event time, or values that live so long in it, needs a stream that has one: the
    /// job does not start otherwise.
    #[track_caller]
    pub fn process<P>(self, name: &str, process: P) -> Stream<Stateful<D, K, V, Process<P>>>
    where
        P: KeyedProcess<Key = K, In = V>,
    {
        let operator = Operator::here("process").named(name);
        let stream = Stateful::stream(self, operator, Arc::new([]), Plain, |states| Process::declare(process, states));
        let what = stream.node.name();
        let needs = match stream.node.work() {
            Process { timers: [true, _], .. } => Some("timers of event time".to_owned()),
            Process { lives: Some(name), .. } => Some(format!("that values of `{name}` live for a time of event time")),
            _ => None,
        };
        if let Some(needs) = needs {
            let reason = format!(
                "it declares {needs}, and its stream has no event time: put event_time before the key_by, or declare \
                 processing time"
            );
            stream.graph.change(|parts| parts.faults.push(Error::Setting { what, reason }));
        }
        stream
    }
}

impl<K, V, D> KeyedTimedStream<D>
where
    K: Key,
    V: Exchange,
    D: DStream<Item = (Timestamp, (K, V))>,
{
    /// Handles the records of each key with a [`KeyedProcess`]. Its state is stored, and found again, under `name`.
    ///
    /// Late records are handled, too: compare their [event time](KeyContext::event_time) with the
    /// [watermark](KeyContext::watermark).
    #[track_caller]
    pub fn process<P>(
        self,
        name: &str,
        process: P,
    ) -> Stream<Stateful<D, K, (Timestamp, V), TimedProcess<P>, WithTime<K, V>>>
    where
        P: KeyedProcess<Key = K, In = V>,
    {
        let operator = Operator::here("process").named(name);
        Stateful::stream(self.stream, operator, self.trackers, WithTime { late: None }, |states| {
            TimedProcess(Process::declare(process, states))
        })
    }
}

impl<P: KeyedProcess, D, T, N> Stream<Stateful<D, P::Key, T, Process<P>, N>> {
    /// What a new job begins with: `fill` is called with the handles for each pair of `initial`, in their order. It is
    /// read once, and not at all where a job goes on from a checkpoint.
    ///
    /// There is no time yet: event time and processing time are those of 1970, which counts for values that live for a
    /// limited time.
    ///
    /// ```
    /// use firesteel_state::{Declaration, StateError, Value};
    /// use firesteel_streaming::{KeyedProcess, ProcessContext};
    /// use firesteel_testkit::TestJob;
    ///
    /// struct Totals;
    ///
    /// impl KeyedProcess for Totals {
    ///     type Key = String;
    ///     type In = u64;
    ///     type Out = String;
    ///     type State = Value<u64>;
    ///
    ///     fn declare(&self, states: &mut Declaration<String>) -> Value<u64> {
    ///         states.value("total")
    ///     }
    ///
    ///     fn on_record(&self, total: &Value<u64>, new: u64, ctx: &mut ProcessContext<'_, Self>) -> Result<(), StateError> {
    ///         let total = total.get(ctx)?.unwrap_or(&0) + new;
    ///         ctx.emit(format!("{} {total}", ctx.key()));
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let test = TestJob::new();
    /// let known = test.context().rdds().parallelize([("ann".to_owned(), 40)]);
    /// let totals = test
    ///     .script([vec![("ann".to_owned(), 2), ("bob".to_owned(), 3)]])
    ///     .process("totals", Totals)
    ///     .initial_state(known, |total, at_first, key| total.set(key, at_first));
    /// let totals = test.record(totals);
    /// test.run()?;
    /// assert_eq!(totals.sorted(), [vec!["ann 42", "bob 3"]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    pub fn initial_state<S: Exchange>(
        self,
        initial: impl Rdd<Item = (P::Key, S)>,
        fill: impl Fn(&P::State, S, &mut KeyContext<'_, P::Key>) -> Result<()> + Send + 'static,
    ) -> Self {
        begin_with::<P, S>(&self.node.cell, &self.node.work().state, initial, fill);
        self
    }
}

impl<P: KeyedProcess, D, T, N> Stream<Stateful<D, P::Key, T, TimedProcess<P>, N>> {
    /// What a new job begins with: `fill` is called with the handles for each pair of `initial`, in their order. It is
    /// read once, and not at all where a job goes on from a checkpoint.
    ///
    /// There is no time yet: event time and processing time are those of 1970, which counts for values that live for a
    /// limited time.
    pub fn initial_state<S: Exchange>(
        self,
        initial: impl Rdd<Item = (P::Key, S)>,
        fill: impl Fn(&P::State, S, &mut KeyContext<'_, P::Key>) -> Result<()> + Send + 'static,
    ) -> Self {
        begin_with::<P, S>(&self.node.cell, &self.node.work().0.state, initial, fill);
        self
    }
}

/// Has a new store filled with what `initial` holds.
fn begin_with<P: KeyedProcess, S: Exchange>(
    cell: &StoreCell<P::Key>,
    state: &Arc<P::State>,
    initial: impl Rdd<Item = (P::Key, S)>,
    fill: impl Fn(&P::State, S, &mut KeyContext<'_, P::Key>) -> Result<()> + Send + 'static,
) {
    let state = Arc::clone(state);
    cell.begin_with(move |store| {
        let times = Times::new(Timestamp::EPOCH, Timestamp::EPOCH, Timestamp::EPOCH);
        store.begin(0);
        let mut entries = 0;
        for (key, value) in initial.collect()? {
            let hash = store.hash(&key);
            let mut group = store.lock(store.group_of(hash));
            let before = group.changes();
            fill(&state, value, &mut group.key(hash, &key, times))?;
            let after = group.changes();
            entries = (entries + after.inserted + before.removed) - (before.inserted + after.removed);
        }
        Ok(entries)
    });
}
