//! The largest few: of a key's values in a window, and of the keys of a window.

use firesteel_core::{Exchange, Key};
use firesteel_window::{Aggregator, Distinct, Duration, TopN, Tumbling, Window};

use crate::stream::{Stream, Timed};
use crate::windows::{WindowKind, WindowResult, WindowedStream};

impl<K, V, W> WindowedStream<K, V, W>
where
    K: Key,
    V: Send + 'static,
    W: WindowKind<K>,
{
    /// The largest of each key's values in each window, this many of them, the largest first; see [`TopN`].
    pub fn top(self, count: usize) -> Stream<WindowResult<K, Vec<V>>, Timed>
    where
        V: PartialOrd + Exchange,
    {
        self.aggregate(TopN::new(count))
    }

    /// As [`top`](Self::top), compared by something taken from each value; ties go to the smaller value.
    pub fn top_by<F, R>(self, count: usize, rank: F) -> Stream<WindowResult<K, Vec<V>>, Timed>
    where
        V: PartialOrd + Exchange,
        R: PartialOrd + 'static,
        F: Fn(&V) -> R + Send + Sync + 'static,
    {
        self.aggregate(TopN::by(count, rank))
    }

    /// How many different values each key has in each window; see [`Distinct`].
    pub fn distinct(self) -> Stream<WindowResult<K, u64>, Timed>
    where
        V: Ord + Exchange,
    {
        self.aggregate(Distinct)
    }
}

impl<K, T> Stream<WindowResult<K, T>, Timed>
where
    K: Exchange + PartialOrd,
    T: Exchange + PartialOrd,
{
    /// Of each window, the keys with the largest results, this many of them, the largest first. Ties go to the smaller key.
    /// It comes out in the batch in which the window's results do.
    ///
    /// The results of one window have to come in one batch: those of `Tumbling` windows, sliding ones and those of a calendar do.
    ///
    /// ```
    /// use firesteel_testkit::TestJob;
    /// use firesteel_window::{Timestamp, Tumbling, Watermark, seconds};
    ///
    /// let test = TestJob::new();
    /// let tags = vec![("rust", 1), ("spark", 2), ("rust", 4), ("flink", 7), ("spark", 12), ("flink", 13), ("flink", 15)];
    /// let most = test
    ///     .script([tags])
    ///     .event_time(|tag| Timestamp::from_secs(tag.1), Watermark::bounded(seconds(0)))
    ///     .key_by(|tag| tag.0.to_owned())
    ///     .window(Tumbling::of(seconds(10)))
    ///     .count()
    ///     .top(2);
    /// let most = test.record(most.map(|(window, tags)| format!("{}: {tags:?}", window.start().as_secs())));
    /// test.run()?;
    /// test.finish()?;
    /// assert_eq!(most.batches(), [[r#"0: [("rust", 2), ("flink", 1)]"#], [r#"10: [("flink", 2), ("spark", 1)]"#]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    #[track_caller]
    pub fn top(self, count: usize) -> Stream<(Window, Vec<(K, T)>), Timed> {
        self.top_of(TopN::by(count, |row: &(K, T)| row.1.clone()))
    }

    /// As [`top`](Self::top), compared by something taken from each result; ties go to the smaller key, then to the smaller
    /// result.
    #[track_caller]
    pub fn top_by<F, R>(self, count: usize, rank: F) -> Stream<(Window, Vec<(K, T)>), Timed>
    where
        R: PartialOrd + 'static,
        F: Fn(&T) -> R + Send + Sync + 'static,
    {
        self.top_of(TopN::by(count, move |row: &(K, T)| rank(&row.1)))
    }

    #[track_caller]
    fn top_of<A>(self, aggregator: A) -> Stream<(Window, Vec<(K, T)>), Timed>
    where
        A: Aggregator<(K, T), Acc: Exchange, Out = Vec<(K, T)>> + Send + Sync + 'static,
    {
        let rows = self.map(|row| (row.window, (row.key, row.value)));
        // All results of a window happened at its last instant, and this window ends where that one does.
        rows.window(Tumbling::of(Duration::micros(1))).aggregate(aggregator).map(|row| (row.key, row.value))
    }
}
