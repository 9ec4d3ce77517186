//! Aggregates over all that a stream has yielded so far.

use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_core::hash::hash_key;
use firesteel_core::ops::BoxRdd;
use firesteel_core::{Exchange, Key, Rdd, RddOps};
use firesteel_state::{Changes, Declaration, GroupState, Setting, Value};
use firesteel_window::{Aggregator, Count, Reduce, Sum, Summand};

use crate::error::Result;
use crate::state::OutputMode;
use crate::state::group_batch::{GroupBatch, Results};
use crate::state::initial::Initial;
use crate::state::operator::{KeyedOperator, NewState, OperatorInfo};
use crate::state::route::Combined;
use crate::stream::{Pair, Plain, Shape, Stream};

/// How a running aggregate begins and which rows it yields: the options of
/// [`running_aggregate_with`](Stream::running_aggregate_with).
///
/// ```
/// use firesteel_streaming::{OutputMode, RunningSpec};
/// use firesteel_testkit::TestJob;
/// use firesteel_window::Count;
///
/// let test = TestJob::new();
/// let words = test.script([vec!["a"], vec!["b", "b"]]).map(|word| (word.to_owned(), ()));
/// let counts = words.running_aggregate_with(RunningSpec::new().output_mode(OutputMode::Complete), Count);
/// let counts = test.record(counts.map(|(word, count)| format!("{word}{count}")));
/// test.run()?;
/// assert_eq!(counts.sorted(), [vec!["a1"], vec!["a1", "b2"]]);
/// # Ok::<(), firesteel_streaming::Error>(())
/// ```
#[must_use]
pub struct RunningSpec<K, A> {
    mode: OutputMode,
    initial: Option<BoxRdd<(K, A)>>,
}

impl<K: Key, A: Exchange> RunningSpec<K, A> {
    /// An aggregate that begins with nothing and yields the keys that each batch has changed.
    pub fn new() -> Self {
        Self { mode: OutputMode::default(), initial: None }
    }

    /// Says which rows come out in each batch. [`OutputMode::Append`] is refused when the job starts.
    pub fn output_mode(self, mode: OutputMode) -> Self {
        Self { mode, ..self }
    }

    /// What a new job begins with, as the aggregator keeps it. It is read once, and not at all where a job resumes from a
    /// checkpoint.
    pub fn initial_state(self, initial: impl Rdd<Item = (K, A)>) -> Self {
        Self { initial: Some(initial.boxed()), ..self }
    }
}

impl<K: Key, A: Exchange> Default for RunningSpec<K, A> {
    fn default() -> Self {
        Self::new()
    }
}

/// The operator of [`Stream::running_aggregate`].
struct Running<K, V, A: Aggregator<V>, U> {
    kind: &'static str,
    aggregator: Arc<A>,
    /// The result, as far as there is one: a key is there because of its first value.
    present: fn(A::Out) -> Option<U>,
    mode: OutputMode,
    initial: Initial<K, A::Acc>,
    values: PhantomData<fn(V)>,
}

impl<K, V, S, A, U> KeyedOperator<K, V, S> for Running<K, V, A, U>
where
    K: Key,
    V: Send + 'static,
    S: Shape,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    U: Send + 'static,
{
    type Route = Combined<A>;
    type State = Value<A::Acc>;
    type Out = (K, U);
    type OutShape = Plain;

    fn info(&self) -> OperatorInfo {
        let mode = Setting::new_holds("output mode", format!("{:?}", self.mode).to_lowercase());
        let info = OperatorInfo::new(self.kind).folds_by(self.aggregator.kind()).setting(mode);
        if self.mode == OutputMode::Append { info.refused(NEVER_FINAL) } else { info }
    }

    fn route(&self) -> Combined<A> {
        Combined::by(&self.aggregator)
    }

    fn declare(&self, states: &mut Declaration<K>) -> Value<A::Acc> {
        states.value("aggregate")
    }

    fn initialize(&self, state: &Value<A::Acc>, new: &NewState<'_, K>) -> Result<()> {
        self.initial.set(new, *state)
    }

    fn expected_results(&self, records: usize) -> usize {
        // Records of a map task are aggregated already: hardly a key comes twice.
        if self.mode == OutputMode::Complete { 0 } else { records }
    }

    fn changes(&self, state: &Value<A::Acc>, group: &mut GroupState<K>) -> firesteel_state::Result<Changes> {
        state.changes(group)
    }

    fn run(
        &self,
        state: &Value<A::Acc>,
        group: &mut GroupBatch<'_, K, A::Acc>,
        out: &mut Results<'_, (K, U)>,
    ) -> firesteel_state::Result<()> {
        let (aggregator, times) = (&*self.aggregator, group.times().now());
        let (lists, group) = group.lists();
        let merge = |state: &mut A::Acc, new| aggregator.merge(state, new);
        if self.mode != OutputMode::Complete {
            return state.merge_many(group, lists, times, merge, |key, state| {
                if let Some(result) = (self.present)(aggregator.finish(state)) {
                    out.push((key, result));
                }
            });
        }
        state.merge_many(group, lists, times, merge, |_, _| {})?;
        let (mut rows, mut hashes) = (Vec::new(), Vec::new());
        state.for_each(group, times, |key, state| {
            if let Some(result) = (self.present)(aggregator.finish(state)) {
                rows.push(Some((key.clone(), result)));
                hashes.push(hash_key(key));
            }
        })?;
        in_order(&hashes, &mut |at| {
            if let Some(row) = rows[at].take() {
                out.push(row);
            }
        });
        Ok(())
    }
}

const NEVER_FINAL: &str = "a running aggregate keeps changing, so that no row is ever final and could be appended: \
                           choose OutputMode::Update or OutputMode::Complete, or aggregate in windows of event time";

/// Calls `each` with the place of each hash, in the order of the hashes, then of the places.
fn in_order(hashes: &[u64], each: &mut dyn FnMut(usize)) {
    let mut places: Vec<_> = hashes.iter().copied().zip(0..).collect();
    places.sort_unstable();
    places.into_iter().for_each(|(_, at)| each(at));
}

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// What `aggregator` makes of all values that each key has had so far. In each batch, yields the keys that it has
    /// changed.
    ///
    /// Values are aggregated before they travel where keys repeat. They are taken in the order of the partitions.
    ///
    /// ```
    /// use firesteel_testkit::TestJob;
    /// use firesteel_window::{Count, Max};
    ///
    /// let test = TestJob::new();
    /// let sizes = test.script([vec![("a", 3), ("b", 1)], vec![("a", 2)], vec![("a", 7)]]);
    /// let sizes = sizes.map(|(name, size)| (name.to_owned(), size)).running_aggregate((Count, Max));
    /// let sizes = test.record(sizes.map(|(name, (count, max))| format!("{name}: {count}, at most {}", max.unwrap_or(0))));
    /// test.run()?;
    /// let expected = [vec!["a: 1, at most 3", "b: 1, at most 1"], vec!["a: 2, at most 3"], vec!["a: 3, at most 7"]];
    /// assert_eq!(sizes.sorted(), expected);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    #[track_caller]
    pub fn running_aggregate<K, V, A>(self, aggregator: A) -> Stream<(K, A::Out)>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Send + 'static,
        A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    {
        self.apply(RunningSpec::new().operator("running_aggregate", aggregator, Some))
    }

    /// As [`running_aggregate`](Self::running_aggregate), with options.
    #[track_caller]
    pub fn running_aggregate_with<K, V, A>(self, spec: RunningSpec<K, A::Acc>, aggregator: A) -> Stream<(K, A::Out)>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Send + 'static,
        A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    {
        self.apply(spec.operator("running_aggregate", aggregator, Some))
    }

    /// How many values each key has had so far.
    ///
    /// ```
    /// use firesteel_testkit::TestJob;
    ///
    /// let test = TestJob::new();
    /// let words = test.script([vec!["a"], vec!["a", "b"]]).map(|word| (word.to_owned(), ()));
    /// let counts = test.record(words.running_count().map(|(word, count)| format!("{word}{count}")));
    /// test.run()?;
    /// assert_eq!(counts.sorted(), [vec!["a1"], vec!["a2", "b1"]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    #[track_caller]
    pub fn running_count<K, V>(self) -> Stream<(K, u64)>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Send + 'static,
    {
        self.apply(RunningSpec::new().operator("running_count", Count, Some))
    }

    /// The sum of all values that each key has had so far; see [`Sum`].
    #[track_caller]
    pub fn running_sum<K, V>(self) -> Stream<(K, <Sum as Aggregator<V>>::Out)>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Summand + Send + 'static,
        Sum: Aggregator<V, Acc: Exchange, Out: Send + 'static>,
    {
        self.apply(RunningSpec::new().operator("running_sum", Sum, Some))
    }

    /// All values that each key has had so far, reduced by `f` in the order in which they came.
    ///
    /// ```
    /// use firesteel_testkit::TestJob;
    ///
    /// let test = TestJob::new();
    /// let words = test.script([vec!["sun", "moon"], vec!["star"]]);
    /// let longest = words
    ///     .map(|word| (word.chars().next(), word.to_owned()))
    ///     .running_reduce(|a, b| if b.len() > a.len() { b } else { a })
    ///     .map(|(_, word)| word);
    /// let longest = test.record(longest);
    /// test.run()?;
    /// assert_eq!(longest.sorted(), [vec!["moon", "sun"], vec!["star"]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    #[track_caller]
    pub fn running_reduce<K, V, F>(self, f: F) -> Stream<(K, V)>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Exchange,
        F: Fn(V, V) -> V + Send + Sync + 'static,
    {
        self.apply(RunningSpec::new().operator("running_reduce", Reduce::new(f), |reduced| reduced))
    }
}

impl<K: Key, A: Exchange> RunningSpec<K, A> {
    /// The operator that begins so.
    fn operator<V, G, U>(
        self,
        kind: &'static str,
        aggregator: G,
        present: fn(G::Out) -> Option<U>,
    ) -> Running<K, V, G, U>
    where
        G: Aggregator<V, Acc = A>,
    {
        let Self { mode, initial } = self;
        let (aggregator, initial) = (Arc::new(aggregator), Initial::new(initial));
        Running { kind, aggregator, present, mode, initial, values: PhantomData }
    }
}

#[cfg(test)]
mod tests {
    use super::in_order;

    #[test]
    fn rows_come_in_the_order_of_hashes_then_of_places() {
        let mut places = vec![];
        in_order(&[7, 3, 7, 1, 3], &mut |at| places.push(at));
        assert_eq!(places, [3, 1, 4, 0, 2]);
    }
}
