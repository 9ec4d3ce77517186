//! Aggregates over all that a stream has yielded so far.

use std::cell::Cell;
use std::sync::Arc;

use firesteel_core::hash::hash_key;
use firesteel_core::{Exchange, Key, Operator, Rdd, TaskContext};
use firesteel_state::{GroupState, Value};
use firesteel_window::{Aggregator, Count, Reduce, Sum, Summand};

use crate::error::Error;
use crate::state::combine::{Combine, Tables};
use crate::state::update::fill;
use crate::state::work::Entry;
use crate::state::{Moment, Output, OutputMode, Stateful, Work};
use crate::stream::{DStream, Stream};

/// The work of [`Stream::running_aggregate`].
pub struct Running<K, V, A: Aggregator<V>> {
    state: Value<A::Acc>,
    aggregator: Arc<A>,
    mode: OutputMode,
    merged: Tables<K, Cell<Option<A::Acc>>>,
}

impl<K, V, A> Work<K, A::Acc> for Running<K, V, A>
where
    K: Key,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
{
    type Out = (K, A::Out);

    fn rows(&self, records: usize) -> usize {
        // Records of a map task are aggregated already: hardly a key comes twice.
        if self.mode == OutputMode::Complete { 0 } else { records }
    }

    fn run(
        &self,
        group: &mut GroupState<K>,
        lists: &mut [Vec<Entry<K, A::Acc>>],
        moment: &Moment,
        _: &TaskContext,
        out: &mut Output<(K, A::Out)>,
    ) -> firesteel_state::Result<()> {
        let (aggregator, times) = (&*self.aggregator, moment.now());
        let mut merged = self.merged.take();
        for (hash, key, acc) in lists.iter_mut().flat_map(|list| list.drain(..)) {
            merged.upsert(
                hash,
                key,
                acc,
                |acc| Cell::new(Some(acc)),
                |merged, acc| match merged.get_mut() {
                    Some(merged) => aggregator.merge(merged, acc),
                    None => *merged = Cell::new(Some(acc)),
                },
            );
        }
        let updates = self.mode != OutputMode::Complete;
        let mut results = Vec::with_capacity(if updates { merged.len() } else { 0 });
        self.state.update_many(
            group,
            merged.entries(),
            |entry| (entry.0, &entry.1),
            times,
            |state, entry| {
                if let Some(new) = entry.2.take() {
                    match state {
                        Some(state) => aggregator.merge(state, new),
                        None => *state = Some(new),
                    }
                }
                if updates {
                    results.extend(state.as_ref().map(|state| aggregator.finish(state)));
                }
            },
        )?;
        let entries = merged.drain();
        if updates {
            out.rows.extend(entries.zip(results).map(|((_, key, _), result)| (key, result)));
        } else {
            drop(entries);
            let mut all = Vec::new();
            self.state.for_each(group, times, |key, state| {
                all.push((hash_key(key), (key.clone(), aggregator.finish(state))));
            })?;
            all.sort_by_key(|(hash, _)| *hash);
            out.rows.extend(all.into_iter().map(|(_, row)| row));
        }
        self.merged.keep(merged);
        out.changes += self.state.changes(group)?;
        Ok(())
    }
}

/// The stream of [`Stream::running_aggregate`].
pub type RunningStream<D, K, V, A> =
    Stream<Stateful<D, K, <A as Aggregator<V>>::Acc, Running<K, V, A>, Combine<K, V, A>>>;

impl<K, V, D> Stream<D>
where
    K: Key,
    V: Send + 'static,
    D: DStream<Item = (K, V)>,
{
    /// What `aggregator` makes of all values that each key has had so far. In each batch, yields the keys that it has
    /// changed, or [as the output mode says](Stream::output_mode).
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
    pub fn running_aggregate<A>(self, aggregator: A) -> RunningStream<D, K, V, A>
    where
        A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    {
        running(self, Operator::here("running_aggregate"), aggregator)
    }

    /// How many values each key has had so far.
    ///
    /// ```
    /// use firesteel_streaming::OutputMode;
    /// use firesteel_testkit::TestJob;
    ///
    /// let test = TestJob::new();
    /// let words = test.script([vec!["a"], vec!["b", "b"]]).map(|word| (word.to_owned(), ()));
    /// let counts = words.running_count().output_mode(OutputMode::Complete);
    /// let counts = test.record(counts.map(|(word, count)| format!("{word}{count}")));
    /// test.run()?;
    /// assert_eq!(counts.sorted(), [vec!["a1"], vec!["a1", "b2"]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    #[track_caller]
    pub fn running_count(self) -> RunningStream<D, K, V, Count> {
        running(self, Operator::here("running_count"), Count)
    }

    /// The sum of all values that each key has had so far; see [`Sum`].
    #[track_caller]
    pub fn running_sum(self) -> RunningStream<D, K, V, Sum>
    where
        V: Summand,
        Sum: Aggregator<V, Acc: Exchange, Out: Send + 'static>,
    {
        running(self, Operator::here("running_sum"), Sum)
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
    pub fn running_reduce<F>(self, f: F) -> RunningStream<D, K, V, Known<Reduce<F>>>
    where
        V: Exchange,
        F: Fn(V, V) -> V + Send + Sync + 'static,
    {
        running(self, Operator::here("running_reduce"), Known(Reduce::new(f)))
    }
}

fn running<D, K, V, A>(stream: Stream<D>, operator: Operator, aggregator: A) -> RunningStream<D, K, V, A>
where
    K: Key,
    V: Send + 'static,
    D: DStream<Item = (K, V)>,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
{
    let aggregator = Arc::new(aggregator);
    let combine = Combine::new(&aggregator, operator.clone());
    Stateful::stream(stream, operator, Arc::new([]), combine, |states| Running {
        state: states.value("aggregate"),
        aggregator,
        mode: OutputMode::default(),
        merged: Tables::new(),
    })
}

impl<D, K, V, A> RunningStream<D, K, V, A>
where
    D: DStream,
    K: Key,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange>,
{
    /// Says which rows come out in each batch. [`OutputMode::Append`] is refused when the job starts.
    pub fn output_mode(mut self, mode: OutputMode) -> Self {
        if mode == OutputMode::Append {
            let what = self.node.name();
            let reason = "a running aggregate goes on changing, so that no row is ever final and could be appended: \
                          choose OutputMode::Update or OutputMode::Complete, or aggregate in windows of event time"
                .to_owned();
            self.graph.change(|parts| parts.faults.push(Error::Setting { what, reason }));
        }
        self.node.work_mut().mode = mode;
        self
    }

    /// What a new job begins with, as the aggregator keeps it. It is read once, and not at all where a job goes on from
    /// a checkpoint.
    pub fn initial_state(self, initial: impl Rdd<Item = (K, A::Acc)>) -> Self {
        let state = self.node.work().state;
        self.node.cell.begin_with(move |store| fill(store, initial, state, |_| Ok(())));
        self
    }
}

/// An aggregation that has a result once it has seen a value, where it always has.
#[derive(Debug, Clone, Copy)]
pub struct Known<A>(A);

impl<V, T, A: Aggregator<V, Out = Option<T>>> Aggregator<V> for Known<A> {
    type Acc = A::Acc;
    type Out = T;

    #[inline]
    fn create(&self) -> A::Acc {
        self.0.create()
    }
    #[inline]
    fn add(&self, acc: &mut A::Acc, value: V) {
        self.0.add(acc, value);
    }
    #[inline]
    fn merge(&self, acc: &mut A::Acc, other: A::Acc) {
        self.0.merge(acc, other);
    }
    #[inline]
    fn finish(&self, acc: &A::Acc) -> T {
        self.0.finish(acc).expect("a key is there because of its first value")
    }
}
