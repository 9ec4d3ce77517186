//! Windows of processing time: when records come instead of when they happened.

use std::sync::Arc;

use firesteel_core::ops::BoxRdd;
use firesteel_core::{Exchange, FlatMapStep, Key, MapStep, Operator, Step};
use firesteel_state::Setting;
use firesteel_window::{Aggregator, Count, Duration, List, Reduce, Sliding, Timestamp};

use crate::plan::{PlanNode, Role, Width};
use crate::stream::{Pair, Shape, Stream, Timed};
use crate::time::Tracker;
use crate::windows::WindowResult;

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// The records with the time at which they came: that of their batch. What follows goes by the job's clock instead of by what
    /// records say, and closes windows when their end has come by that clock, though nothing comes then.
    ///
    /// The time is that of the batch as it is stored, and not the number of batches: where batches are rare, or the job was stopped for an hour,
    /// windows are as long as they are. A batch belongs to the windows that end at its time: records of the batch at 12:00:10 are in
    /// `[12:00, 12:00:10)`, which fires with that batch. Nothing is late. The end of a finite input closes all windows; a stop closes none.
    ///
    /// Results depend on when records come. Where they say when they happened, [`event_time`](Self::event_time) has the same
    /// windows whenever they come.
    ///
    /// ```
    /// use firesteel_testkit::TestJob;
    /// use firesteel_window::{Tumbling, seconds};
    ///
    /// let test = TestJob::new(); // with a batch each second
    /// let words = test.script([vec!["a"], vec!["a", "b"], vec!["b"]]).map(|word| (word.to_owned(), ()));
    /// let counts = words.in_processing_time().window(Tumbling::of(seconds(2))).count();
    /// let counts = test.record(counts.map(|row| (row.key, row.value)));
    /// test.run()?;
    /// test.batch()?;
    /// let row = |word: &str, count| (word.to_owned(), count);
    /// assert_eq!(counts.sorted(), [vec![], vec![row("a", 2), row("b", 1)], vec![], vec![row("b", 1)]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    #[track_caller]
    pub fn in_processing_time(self) -> Stream<T, Timed> {
        let operator = Operator::here("processing_time");
        let Self { plan, node: parent, rule } = self;
        let (node, tracker) = plan.change(|parts| {
            let tracker = Arc::new(Tracker::by_clock());
            parts.trackers.push(Arc::clone(&tracker));
            let role = Role::EventTime(parts.trackers.len() - 1);
            let settings = vec![Setting::new_holds("watermark", "the clock")];
            let node = PlanNode::operator(operator, &[parent], Width::Narrow).with_role(role).with_settings(settings);
            (parts.add(node), tracker)
        });
        Stream::new(plan, node, move |batch| {
            let (operator, at) = (batch.operator(node), tracker.stamp());
            let step: Arc<dyn Step<T, (Timestamp, T)>> = Arc::new(MapStep::new(move |record| (at, record)));
            Ok(BoxRdd::step(S::plain(rule.rdd(batch)?, operator), operator, false, &step))
        })
    }

    /// The records of the last `length` of processing time, at each multiple of `slide`: those of a window come again with each window that they are in.
    /// See [`in_processing_time`](Self::in_processing_time) for what a window holds.
    #[track_caller]
    pub fn records_by_window(self, length: Duration, slide: Duration) -> Stream<T>
    where
        T: Exchange,
    {
        let step = FlatMapStep::new(|(_, row): (Timestamp, WindowResult<(), Vec<T>>)| row.value.into_iter());
        self.of_all(length, slide, List).step(Operator::here("records_by_window"), false, Arc::new(step))
    }

    /// How many records there were in the last `length` of processing time, every `slide`. A window without records has no row.
    #[track_caller]
    pub fn count_by_window(self, length: Duration, slide: Duration) -> Stream<u64> {
        self.of_all(length, slide, Count).alone("count_by_window", |row| Some(row.value))
    }

    /// The records of the last `length` of processing time reduced to one by `f`, every `slide`. A window without records has no row.
    ///
    /// An inverse is not needed for long windows: each merges a few values, however many slides they are long.
    #[track_caller]
    pub fn reduce_by_window<F>(self, f: F, length: Duration, slide: Duration) -> Stream<T>
    where
        T: Exchange,
        F: Fn(T, T) -> T + Send + Sync + 'static,
    {
        self.of_all(length, slide, Reduce::new(f)).alone("reduce_by_window", |row| row.value)
    }

    /// How often each value occurred in the last `length` of processing time, every `slide`. A value that occurs no more has no row.
    #[track_caller]
    pub fn count_by_value_and_window(self, length: Duration, slide: Duration) -> Stream<(T, u64)>
    where
        T: Key,
    {
        let ones = self.in_processing_time().map(|value| (value, ()));
        let counts = ones.window(ending(length, slide)).aggregate(Count);
        counts.alone("count_by_value_and_window", |row| Some((row.key, row.value)))
    }

    /// Each key's values in the last `length` of processing time reduced to one by `f`, every `slide`. A key that has none there has no
    /// row, be the last one told what it may: nothing has to be filtered.
    ///
    /// An inverse is not needed for long windows: each merges a few values for each key, however many slides they are long. So
    /// nothing sticks that cannot be undone, such as a number that is none.
    ///
    /// ```
    /// use firesteel_testkit::TestJob;
    /// use firesteel_window::seconds;
    ///
    /// let test = TestJob::new(); // with a batch each second
    /// let clicks = test.script([vec![("a", 1)], vec![("a", 2), ("b", 5)], vec![("b", 1)]]);
    /// let clicks = clicks.map(|(user, clicks)| (user.to_owned(), clicks));
    /// let sums = test.record(clicks.reduce_by_key_and_window(|a, b| a + b, seconds(2), seconds(1)));
    /// test.run()?;
    /// let row = |user: &str, sum| (user.to_owned(), sum);
    /// assert_eq!(sums.sorted(), [vec![row("a", 1)], vec![row("a", 3), row("b", 5)], vec![row("a", 2), row("b", 6)]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    #[track_caller]
    pub fn reduce_by_key_and_window<K, V, F>(self, f: F, length: Duration, slide: Duration) -> Stream<(K, V)>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Exchange,
        F: Fn(V, V) -> V + Send + Sync + 'static,
    {
        let reduced = T::pairs(self).in_processing_time().window(ending(length, slide)).reduce(f);
        reduced.alone("reduce_by_key_and_window", |row| Some((row.key, row.value)))
    }

    /// Each key's values in the last `length` of processing time, every `slide`.
    #[track_caller]
    pub fn group_by_key_and_window<K, V>(self, length: Duration, slide: Duration) -> Stream<(K, Vec<V>)>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Exchange,
    {
        let groups = T::pairs(self).in_processing_time().window(ending(length, slide)).aggregate(List);
        groups.alone("group_by_key_and_window", |row| Some((row.key, row.value)))
    }

    /// What an aggregator makes of all records in each window of processing time.
    #[track_caller]
    fn of_all<A>(self, length: Duration, slide: Duration, aggregator: A) -> Stream<WindowResult<(), A::Out>, Timed>
    where
        A: Aggregator<T, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    {
        let all = self.in_processing_time().map(|record| ((), record));
        all.window(ending(length, slide)).aggregate(aggregator)
    }
}

/// Windows of this length that end at multiples of the slide.
fn ending(length: Duration, slide: Duration) -> Sliding {
    Sliding::of(length).every(slide).offset(Duration::ZERO - length)
}

impl<K: Send + 'static, T: Send + 'static> Stream<WindowResult<K, T>, Timed> {
    /// What is wanted of the rows of windows, without their times.
    #[track_caller]
    fn alone<U: Send + 'static>(self, kind: &'static str, wanted: fn(WindowResult<K, T>) -> Option<U>) -> Stream<U> {
        let step = FlatMapStep::new(move |(_, row): (Timestamp, WindowResult<K, T>)| wanted(row).into_iter());
        self.step(Operator::here(kind), false, Arc::new(step))
    }
}
