//! Functions with declared state and timers: Flink's `KeyedProcessFunction`.

use std::fmt;
use std::ops::{Deref, DerefMut};

use firesteel_core::{Data, Exchange, Key, Rdd, RddOps};
use firesteel_state::{Declaration, Fired, KeyContext, Result, TableKind, TimeDomain};
use parking_lot::Mutex;

use crate::state::group_batch::{GroupBatch, Results};
use crate::state::initial::Initial;
use crate::state::operator::{KeyedOperator, NewState, OperatorInfo};
use crate::state::route::WithTimes;
use crate::stream::{Pair, Shape, Stream};

/// What is done to the records of each key, with state and timers of its own. Used by [`Stream::process`].
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
///     .process(VelocityCheck)
///     .named("velocity");
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
    emit: &'a mut dyn FnMut(P::Out),
}

impl<P: KeyedProcess + ?Sized> ProcessContext<'_, P> {
    /// Yields a result.
    pub fn emit(&mut self, result: P::Out) {
        (self.emit)(result);
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

/// The operator of [`Stream::process`].
struct Process<P: KeyedProcess> {
    process: P,
    initial: Mutex<Option<Fill<P>>>,
}

/// Its state, and whether timers of event time and of processing time are declared.
struct Handles<T> {
    state: T,
    timers: [bool; 2],
}

impl<P, S> KeyedOperator<P::Key, P::In, S> for Process<P>
where
    P: KeyedProcess,
    S: Shape,
    S::Record<P::In>: Data,
{
    type Route = WithTimes;
    type State = Handles<P::State>;
    type Out = P::Out;
    type OutShape = S;

    fn info(&self) -> OperatorInfo {
        OperatorInfo::new("process")
    }

    fn route(&self) -> WithTimes {
        WithTimes
    }

    fn declare(&self, states: &mut Declaration<P::Key>) -> Handles<P::State> {
        let state = self.process.declare(states);
        let schema = states.schema();
        let timers = [TimeDomain::Event, TimeDomain::Processing]
            .map(|domain| schema.tables.iter().any(|table| table.kind == TableKind::Timers(domain)));
        Handles { state, timers }
    }

    fn initialize(&self, handles: &Handles<P::State>, new: &NewState<'_, P::Key>) -> crate::Result<()> {
        let fill = self.initial.lock().take();
        fill.map_or(Ok(()), |fill| fill(&handles.state, new))
    }

    fn run(
        &self,
        Handles { state, timers }: &Handles<P::State>,
        group: &mut GroupBatch<'_, P::Key, S::Record<P::In>>,
        results: &mut Results<'_, P::Out, S>,
    ) -> Result<()> {
        group.prefetch()?;
        let times = group.times();
        let (records, keys) = group.records();
        for (hash, key, record) in records {
            let (at, record) = S::split(record);
            let key = keys.key(hash, &key, times.at(at));
            let mut emit = |result| results.emit(at, result);
            self.process.on_record(state, record, &mut ProcessContext { key, emit: &mut emit })?;
        }
        let mut fire = |fired: &Fired<P::Key>, key: KeyContext<'_, P::Key>| {
            let at = key.event_time();
            let mut emit = |result| results.emit(at, result);
            self.process.on_timer(state, fired, &mut ProcessContext { key, emit: &mut emit })
        };
        let [event, processing] = *timers;
        if processing {
            group.fire_processing_timers(&mut fire)?;
        }
        if event {
            group.fire_event_timers(&mut fire)?;
        }
        Ok(())
    }
}

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// Handles the records of each key with a [`KeyedProcess`]. Its state is stored, and found again, under the name that
    /// [`named`](Self::named) gives.
    ///
    /// Where records know when they happened, so do results: at the time of the record or the timer that they come of.
    /// Late records are handled, too: compare their [event time](KeyContext::event_time) with the
    /// [watermark](KeyContext::watermark).
    ///
    /// A process that declares timers of event time, or values whose TTL is one of event time, needs a stream that has
    /// one: the job does not start otherwise.
    #[track_caller]
    pub fn process<P>(self, process: P) -> Stream<P::Out, S>
    where
        T: Pair<Key: Key, Value: Exchange>,
        S::Record<T::Value>: Data,
        P: KeyedProcess<Key = T::Key, In = T::Value>,
    {
        self.process_with(ProcessSpec::new(), process)
    }

    /// As [`process`](Self::process), with options.
    #[track_caller]
    pub fn process_with<P>(self, spec: ProcessSpec<P>, process: P) -> Stream<P::Out, S>
    where
        T: Pair<Key: Key, Value: Exchange>,
        S::Record<T::Value>: Data,
        P: KeyedProcess<Key = T::Key, In = T::Value>,
    {
        self.apply(Process { process, initial: Mutex::new(spec.initial) })
    }
}

/// How a [`KeyedProcess`] begins: the options of [`process_with`](Stream::process_with).
#[must_use]
pub struct ProcessSpec<P: KeyedProcess> {
    initial: Option<Fill<P>>,
}

/// Fills the state of a new job, by the handles of its states.
type Fill<P> =
    Box<dyn FnOnce(&<P as KeyedProcess>::State, &NewState<'_, <P as KeyedProcess>::Key>) -> crate::Result<()> + Send>;

impl<P: KeyedProcess> ProcessSpec<P> {
    /// State that begins empty.
    pub fn new() -> Self {
        Self { initial: None }
    }

    /// What a new job begins with: `fill` is called with the handles for each pair of `initial`, in their order. It is
    /// read once, and not at all where a job resumes from a checkpoint.
    ///
    /// There is no time yet: event time and processing time are those of 1970, which counts for values with a TTL.
    ///
    /// ```
    /// use firesteel_state::{Declaration, StateError, Value};
    /// use firesteel_streaming::{KeyedProcess, ProcessContext, ProcessSpec};
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
    /// let spec = ProcessSpec::<Totals>::new().initial_state(known, |total, at_first, key| total.set(key, at_first));
    /// let totals = test
    ///     .script([vec![("ann".to_owned(), 2), ("bob".to_owned(), 3)]])
    ///     .process_with(spec, Totals)
    ///     .named("totals");
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
        let initial = Initial::new(Some(initial.boxed()));
        Self { initial: Some(Box::new(move |state, new| initial.fill(new, |key, value| fill(state, value, key)))) }
    }
}

impl<P: KeyedProcess> Default for ProcessSpec<P> {
    fn default() -> Self {
        Self::new()
    }
}
