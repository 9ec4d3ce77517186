//! Deduplication: of records with the same id, the first one to arrive passes.
//!
//! An id is remembered forever, for a span of processing time, or as long as a record that is in time can equal one that was
//! kept. It is exact: what is remembered are the ids themselves.

mod seen;
mod within;

use std::fmt;

use firesteel_core::{Data, Exchange, Key, Operator};
use firesteel_window::Duration;

use crate::dedup::seen::Seen;
use crate::dedup::within::Within;
use crate::plan::What;
use crate::stream::{EventTime, Late, Shape, SideOutput, Stream, Timed};

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// Leaves out records whose id, which `id` finds in them, has been seen. What follows says for how long:
    /// [`forever`](Deduplication::forever), [`within`](Deduplication::within) a span of event time, or until it is
    /// [forgotten](Deduplication::forget_after).
    ///
    /// Of equal records the first to arrive is kept; of those that arrive in one batch, the first one in the order of the splits
    /// and of the records in them. It keeps its event time. It is exact, whatever the number of ids.
    ///
    /// ```
    /// use firesteel_testkit::TestJob;
    ///
    /// let test = TestJob::new();
    /// let payments = test.script([vec![(7, 120), (8, 35)], vec![(7, 120), (9, 60)]]); // id and amount
    /// let payments = payments.dedup_by(|payment| payment.0).forever();
    /// let payments = test.record(payments.map(|(id, amount)| format!("{id}: {amount}")));
    /// test.run()?;
    /// assert_eq!(payments.sorted(), [vec!["7: 120", "8: 35"], vec!["9: 60"]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    #[track_caller]
    pub fn dedup_by<K, F>(self, id: F) -> Deduplication<K, T, S>
    where
        K: Key,
        T: Exchange,
        F: Fn(&T) -> K + Send + Sync + 'static,
    {
        let operator = Operator::here("dedup_by");
        Deduplication { stream: self.key_by(id), operator, late: None }
    }
}

/// A stream to be deduplicated, waiting to be told how long ids are remembered.
#[must_use = "it has to be said for how long: end it with forever, within or forget_after"]
pub struct Deduplication<K: Send + 'static, T: Data, S: Shape> {
    stream: Stream<(K, T), S>,
    operator: Operator,
    late: Option<SideOutput<Late<T>>>,
}

impl<K: Key, T: Exchange, S: Shape> Deduplication<K, T, S> {
    /// Every id is remembered forever: a record passes if none with its id ever has.
    ///
    /// State grows with the number of ids. With event time, a record passes whatever its time; if it is late for what comes
    /// after, it is late there.
    pub fn forever(self) -> Stream<T, S>
    where
        S::Record<T>: Data,
    {
        self.seen(None)
    }

    /// An id is forgotten when its record is so old, in processing time: so long after the batch in which a record passed,
    /// the next one with its id passes again. Records that are left out do not count.
    ///
    /// What is forgotten leaves memory within some 128 batches, and a backend when it rewrites its files. A span of zero or below is
    /// refused.
    ///
    /// ```
    /// use firesteel_testkit::TestJob;
    /// use firesteel_window::seconds;
    ///
    /// let test = TestJob::new(); // a batch per second
    /// let alarms = test.script([vec!["hot"], vec!["hot"], vec!["hot"], vec!["hot"]]);
    /// let alarms = alarms.map(str::to_owned).dedup_by(|alarm| alarm.clone()).forget_after(seconds(2));
    /// let alarms = test.record(alarms);
    /// test.run()?;
    /// assert_eq!(alarms.batches(), [vec!["hot"], vec![], vec!["hot"], vec![]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    pub fn forget_after(self, span: Duration) -> Stream<T, S>
    where
        S::Record<T>: Data,
    {
        self.seen(Some(span))
    }

    fn seen(self, forgets: Option<Duration>) -> Stream<T, S>
    where
        S::Record<T>: Data,
    {
        let has_late = self.late.is_some();
        let deduplicated = self.stream.apply_at(self.operator, Seen { forgets });
        if has_late {
            let reason =
                "no record is late for it, since it does not go by event time: leave out `late_to`, or say `within`";
            deduplicated.plan.refuse(deduplicated.node, reason.to_owned());
        }
        deduplicated
    }

    /// A record is left out if one with its id was kept that happened at most `span` before or after it. State is bounded by
    /// time: an id is forgotten once no record that is in time can be so near.
    ///
    /// The span counts from records that were kept, not from those that were left out: with `within(minutes(1))`, of records at
    /// 0:00, 0:40 and 1:20 the first and the last pass. At exactly `span` a record is left out. With `within(Duration::ZERO)` records
    /// are equal that have the same id and the same time, which is the least state for events that are sent again as they were; the
    /// delay of the watermark as span forgets nothing that records in time can still equal within it.
    ///
    /// Records are late that happened before the watermark at the start of their batch. One that is near to a record that is
    /// remembered is a duplicate as any other. Of others nobody knows any more whether they have been seen: they are counted as late, go
    /// to the side output of [`late_to`](Self::late_to), and never pass. A negative span is refused.
    ///
    /// ```
    /// use firesteel_testkit::{TestJob, timeline};
    /// use firesteel_window::{Watermark, seconds};
    ///
    /// let test = TestJob::new();
    /// let events = test.script(timeline::parse("a@0 a@40 | b@50 a@80 | a@141 b@20").expect("this is a timeline"));
    /// let events = events
    ///     .event_time(|event| event.1, Watermark::bounded(seconds(10)))
    ///     .dedup_by(|event| event.0.clone())
    ///     .within(seconds(60));
    /// let events = test.record(events.map(|(id, at)| format!("{id}@{}", at.as_secs())));
    /// test.run()?;
    /// assert_eq!(events.sorted(), [vec!["a@0"], vec!["a@80", "b@50"], vec!["a@141"]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    pub fn within(self, span: Duration) -> Stream<T, Timed>
    where
        K: Ord,
        S: EventTime,
    {
        let Self { stream, operator, late } = self;
        let within = Within::new(span, late, stream.plan.trackers_for(stream.node, true));
        let counted = within.late_count();
        let deduplicated = S::timed(stream).apply_at(operator, within);
        deduplicated.plan.count(deduplicated.node, What::Late, counted);
        deduplicated
    }

    /// Sends late records to a side output, for [`within`](Self::within).
    pub fn late_to(self, late: &SideOutput<Late<T>>) -> Self {
        Self { late: Some(late.clone()), ..self }
    }
}

impl<K: Send + 'static, T: Data, S: Shape> fmt::Debug for Deduplication<K, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deduplication").field("of", &self.stream).finish_non_exhaustive()
    }
}
