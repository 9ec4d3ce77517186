//! Operators with state that anybody can write: the trait, and what the engine is told of them.

use std::cell::Cell;

use firesteel_core::{Data, Key};
use firesteel_state::{Changes, Declaration, GroupState, KeyContext, KeyedStore, Result, Setting, StateStore, Times};
use firesteel_window::{Duration, Timestamp};

use crate::plan::NodeId;
use crate::state::group_batch::{GroupBatch, Results};
use crate::state::route::Route;
use crate::stream::{Shape, SideOutput};

/// An operator with state: what a stream of keys and values is put through by [`Stream::apply`](crate::Stream::apply).
///
/// All of the library's operators with state are written on it, and so can be those of anybody else. It is for
/// operators that are used by many programs, or that have to be fast: it is called once for each key group and batch
/// and has all of the group's records at hand. For what one program does with each key, a
/// [`KeyedProcess`](crate::KeyedProcess) is less to write. The guide is `docs/operators.md` of the repository, and
/// `examples/rate-limiter` a crate with an operator of its own.
///
/// The operator is made for keys `K`, values `V` and a stream of shape `S`. One that works on plain and timed streams
/// alike is implemented for every `S: Shape`; one that needs event time for [`Timed`](crate::Timed) alone.
///
/// ```
/// use firesteel_core::{Exchange, Key};
/// use firesteel_state::{Declaration, Result, Value};
/// use firesteel_streaming::operator::{GroupBatch, KeyedOperator, OperatorInfo, Results, WithoutTimes};
/// use firesteel_streaming::{Plain, Shape};
/// use firesteel_testkit::TestJob;
///
/// /// Lets a value pass if it differs from the one that its key had before.
/// struct Changed;
///
/// impl<K: Key, V: Exchange + PartialEq, S: Shape> KeyedOperator<K, V, S> for Changed {
///     type Route = WithoutTimes;
///     type State = Value<V>;
///     type Out = (K, V);
///     type OutShape = Plain;
///
///     fn info(&self) -> OperatorInfo {
///         OperatorInfo::new("changed")
///     }
///
///     fn route(&self) -> WithoutTimes {
///         WithoutTimes
///     }
///
///     fn declare(&self, states: &mut Declaration<K>) -> Value<V> {
///         states.value("last")
///     }
///
///     fn run(
///         &self,
///         last: &Value<V>,
///         group: &mut GroupBatch<'_, K, V>,
///         results: &mut Results<'_, (K, V)>,
///     ) -> Result<()> {
///         group.prefetch()?;
///         let times = group.times().now();
///         let (records, state) = group.records();
///         for (hash, key, value) in records {
///             let mut ctx = state.key(hash, &key, times);
///             if last.get(&mut ctx)? != Some(&value) {
///                 last.set(&mut ctx, value.clone())?;
///                 results.push((key, value));
///             }
///         }
///         Ok(())
///     }
/// }
///
/// let test = TestJob::new();
/// let lights = test.script([vec![("a", 1), ("a", 1), ("b", 1)], vec![("a", 2), ("b", 1)]]);
/// let changes = lights.map(|(light, color)| (light.to_owned(), color)).apply(Changed).named("changes");
/// let changes = test.record(changes.map(|(light, color)| format!("{light}{color}")));
/// test.run()?;
/// assert_eq!(changes.sorted(), [vec!["a1", "b1"], vec!["a2"]]);
/// # Ok::<(), firesteel_streaming::Error>(())
/// ```
///
/// # Attempts
///
/// A task may fail and be repeated, and after a crash whole batches are. The engine begins every attempt with the state
/// that there was before the batch, and throws the results of a failed one away. So an operator may do anything to its
/// declared state, and must remember nothing elsewhere: what it yields and writes follows from its state, the records and
/// the batch's times, and from nothing else, be it a clock, a random number, or the order of a hash map of its own.
pub trait KeyedOperator<K: Key, V: Send + 'static, S: Shape>: Send + Sync + 'static {
    /// How records get here.
    type Route: Route<K, V, S>;
    /// The handles of the declared state.
    type State: Send + Sync + 'static;
    /// A result.
    type Out: Send + 'static;
    /// Whether results know when they happened: [`Plain`](crate::Plain), or `S` for an operator whose results have event
    /// time where its records have.
    type OutShape: Shape;

    /// What kind of operator it is, what it is set to, and what it needs. Called once, while the program is built.
    fn info(&self) -> OperatorInfo;

    /// How records get here. Called once, while the program is built.
    fn route(&self) -> Self::Route;

    /// Declares the state and the timers. Called once, while the program is built.
    fn declare(&self, states: &mut Declaration<K>) -> Self::State;

    /// Handles one key group in one batch: its records, then the timers that are due.
    ///
    /// It is called for every group in every batch, also where there are no records, since time passes for all keys.
    /// Different groups are handled by different threads at once.
    ///
    /// # Errors
    /// Those of the state, which fail the task; it is repeated from the state before the batch. So is it if this function
    /// panics.
    fn run(
        &self,
        state: &Self::State,
        group: &mut GroupBatch<'_, K, <Self::Route as Route<K, V, S>>::Item>,
        results: &mut Results<'_, Self::Out, Self::OutShape>,
    ) -> Result<()>;

    /// About how many results the records of one task have, where that is known: room is made for them at once. None,
    /// unless it is said.
    fn expected_results(&self, records: usize) -> usize {
        let _ = records;
        0
    }

    /// What the batch has changed in the group, as progress counts it: all values and entries of all states, unless it is
    /// said otherwise.
    ///
    /// # Errors
    /// Those of the state.
    fn changes(&self, state: &Self::State, group: &mut GroupState<K>) -> Result<Changes> {
        let _ = state;
        Ok(group.changes())
    }

    /// Fills the state of a new job. It is called once, when the job starts, and not at all where it resumes from a
    /// checkpoint that has the operator.
    ///
    /// # Errors
    /// Those of the state, and of what the program begins with: the job does not start.
    fn initialize(&self, state: &Self::State, store: &NewState<'_, K>) -> crate::Result<()> {
        let _ = (state, store);
        Ok(())
    }
}

/// What an operator with state says of itself.
#[derive(Debug)]
#[must_use]
pub struct OperatorInfo {
    pub(crate) kind: &'static str,
    pub(crate) fold: Option<String>,
    pub(crate) settings: Vec<Setting>,
    pub(crate) refused: Option<String>,
    pub(crate) needs_time: Option<String>,
    pub(crate) fills: Vec<NodeId>,
    pub(crate) holds_back: Duration,
}

impl OperatorInfo {
    /// An operator of this kind, as its method or type is called: `rate_limit`. Together with the names of the inputs it
    /// is what an operator without a name is stored under. State of another kind is refused.
    pub const fn new(kind: &'static str) -> Self {
        Self {
            kind,
            fold: None,
            settings: Vec::new(),
            refused: None,
            needs_time: None,
            fills: Vec::new(),
            holds_back: Duration::ZERO,
        }
    }

    /// What it aggregates by, as a part of its kind: `running_aggregate/sum`.
    pub fn folds_by(self, fold: impl Into<String>) -> Self {
        Self { fold: Some(fold.into()), ..self }
    }

    /// What it is set to: shown to people, and compared with the checkpoint by the rule that the setting has. A setting
    /// that gives stored bytes their meaning is [refused](Setting::refused) when it changes. A version of the operator
    /// itself, for when it does something else with the same state, is such a setting.
    pub fn setting(mut self, setting: Setting) -> Self {
        self.settings.push(setting);
        self
    }

    /// It cannot work as it is set, for this reason: the job is refused, with the operator's name and place before it.
    pub fn refused(self, reason: impl Into<String>) -> Self {
        Self { refused: Some(reason.into()), ..self }
    }

    /// It needs a stream with event time, because of this: "it declares timers of event time". For operators that find
    /// out by their settings; where the type says it, the operator is implemented for [`Timed`](crate::Timed) alone.
    ///
    /// Timers and TTLs of event time in the declaration say so by themselves.
    pub fn needs_event_time(self, why: impl Into<String>) -> Self {
        Self { needs_time: Some(why.into()), ..self }
    }

    /// Its results may have happened this much before the watermark at the start of the batch, or before the timer that yields
    /// them: the watermark that holds for them is held back by as much, so that they are not late for what comes after. None,
    /// unless it is said. For operators whose results have event time.
    pub fn holds_back(self, span: Duration) -> Self {
        Self { holds_back: span, ..self }
    }

    /// It puts records into this side output.
    pub fn fills<T: Data>(self, side: &SideOutput<T>) -> Self {
        self.fills_node(side.node())
    }

    /// The same, where the types of its records are of no interest.
    pub(crate) fn fills_node(mut self, side: NodeId) -> Self {
        self.fills.push(side);
        self
    }
}

/// The empty state of a new job, to be filled.
pub struct NewState<'a, K> {
    store: &'a KeyedStore<K>,
    begun: Cell<bool>,
}

impl<'a, K: Key> NewState<'a, K> {
    pub(crate) fn new(store: &'a KeyedStore<K>) -> Self {
        Self { store, begun: Cell::new(false) }
    }

    /// Whether anything was put into it.
    pub(crate) fn is_touched(&self) -> bool {
        self.begun.get()
    }

    /// Changes the state of a key.
    ///
    /// There is no time yet: event time and processing time are those of 1970, which counts for values with a TTL.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn with<T>(&self, key: &K, change: impl FnOnce(&mut KeyContext<'_, K>) -> Result<T>) -> Result<T> {
        if !self.begun.replace(true) {
            self.store.begin(0);
        }
        let times = Times::new(Timestamp::EPOCH, Timestamp::EPOCH, Timestamp::EPOCH);
        let hash = self.store.hash(key);
        let group = self.store.group_of(hash);
        let mut state = self.store.lock(group);
        if !self.store.key_space().owned().contains(group) {
            // Another job begins with it. What is done to it here is rolled back, or never looked at.
            state.begin(0);
        }
        change(&mut state.key(hash, key, times))
    }
}

impl<K> std::fmt::Debug for NewState<'_, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewState").finish_non_exhaustive()
    }
}
