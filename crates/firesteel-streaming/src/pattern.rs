//! Patterns: records of a key that follow one another in a certain way, within a time.

mod operator;

use std::fmt;

use firesteel_core::{Data, Exchange, Key, Operator};
use firesteel_window::{Matched, Outcome, Pattern};

use crate::pattern::operator::MatchPattern;
use crate::stream::{EventTime, Late, Pair, Shape, SideOutput, Stream, Timed};

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// Looks for a [`Pattern`] in the records of each key, in the order of event time. What is wanted of it follows:
    /// [`matches`](PatternMatching::matches), [`timeouts`](PatternMatching::timeouts), or both as
    /// [`outcomes`](PatternMatching::outcomes).
    ///
    /// ```
    /// use firesteel_testkit::{TestJob, timeline};
    /// use firesteel_window::{Pattern, Watermark, minutes};
    ///
    /// let test = TestJob::new();
    /// // A detector of each road tells how slow traffic is.
    /// let readings = test.script([vec![("a", 0, 25), ("b", 0, 90), ("a", 60, 20)], vec![("a", 180, 50), ("a", 120, 15), ("b", 240, 80)]]);
    /// let readings = readings
    ///     .map(|(road, second, speed)| (road.to_owned(), second, speed))
    ///     .event_time(|reading| firesteel_window::Timestamp::from_secs(reading.1), Watermark::bounded(minutes(2)));
    ///
    /// let jam = Pattern::begin("slow", |reading: &(String, i64, i32)| reading.2 < 30).times(3).in_a_row().within(minutes(5));
    /// let jams = readings
    ///     .key_by(|reading| reading.0.clone())
    ///     .match_pattern(jam)
    ///     .matches(|found| found.of("slow").map(|reading| reading.2).min())
    ///     .named("jams");
    /// let jams = test.record(jams.map(|(road, slowest)| format!("{road} {slowest:?}")));
    /// test.run()?;
    /// test.finish()?;
    /// assert_eq!(jams.batches().concat(), ["a Some(15)"]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    ///
    /// A record is looked at when the watermark is past it, since one that comes before it in time may come after it. Records of one time
    /// come in the order of [`Pattern::ordered_by`], and of arrival otherwise. Records that happened before the watermark at the start of
    /// their batch are late: counted, left out, and told to [`late_to`](PatternMatching::late_to).
    ///
    /// A partial match times out, and an absence is known, when the watermark is past the last instant that could change it, whether the key
    /// has another record or not. Then it leaves the state: a key that never comes again leaves nothing.
    ///
    /// The pattern's steps, its times, and what follows a match are compared with the checkpoint, and others are refused. Conditions cannot
    /// be: [`version`](Stream::version) tells that they have changed.
    #[track_caller]
    pub fn match_pattern<K, V>(self, pattern: Pattern<V>) -> PatternMatching<K, V>
    where
        T: Pair<Key = K, Value = V>,
        S: EventTime,
        K: Key + Ord,
        V: Exchange,
    {
        let operator = Operator::here("match_pattern");
        PatternMatching { stream: S::timed(T::pairs(self)), pattern, operator, late: None }
    }
}

/// A stream in which a pattern is looked for, waiting for what is wanted of it.
///
/// A match happened when its last record did; a match that ends with an absence, and what times out, at the last instant at which a record
/// could have changed that. No such row is late for what comes after.
#[must_use = "a pattern yields nothing by itself: end it with matches, timeouts or outcomes"]
pub struct PatternMatching<K: Data, V: Data> {
    stream: Stream<(K, V), Timed>,
    pattern: Pattern<V>,
    operator: Operator,
    late: Option<SideOutput<Late<(K, V)>>>,
}

impl<K: Key + Ord, V: Exchange> PatternMatching<K, V> {
    /// Sends late records to a side output.
    pub fn late_to(self, late: &SideOutput<Late<(K, V)>>) -> Self {
        Self { late: Some(late.clone()), ..self }
    }

    /// What `f` makes of each match, with its key.
    pub fn matches<U, F>(self, f: F) -> Stream<(K, U), Timed>
    where
        U: Send + 'static,
        F: Fn(&Matched<'_, V>) -> U + Send + Sync + 'static,
    {
        self.told(move |outcome| match outcome {
            Outcome::Match(found) => Some(f(found)),
            Outcome::TimedOut(_) => None,
        })
    }

    /// What `f` makes of each partial match that has timed out, with its key.
    ///
    /// ```
    /// use firesteel_testkit::{TestJob, timeline};
    /// use firesteel_window::{Pattern, Timestamp, Watermark, minutes};
    ///
    /// let test = TestJob::new();
    /// let steps = test.script(timeline::parse("order1@0 order2@10 | order1@300 | tick@1000").expect("this is a timeline"));
    /// let steps = steps.event_time(|step| step.1, Watermark::bounded(minutes(0))).key_by(|step| step.0.clone());
    /// let both = Pattern::begin("ordered", |_: &(String, Timestamp)| true).followed_by("paid", |_| true).within(minutes(15));
    /// let unpaid = steps.match_pattern(both).timeouts(|partial| partial.first().1.as_secs());
    /// let unpaid = test.record(unpaid.map(|(order, since)| format!("{order} of {since}")));
    /// test.run()?;
    /// assert_eq!(unpaid.batches(), [vec![], vec![], vec!["order2 of 10"]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    pub fn timeouts<U, F>(self, f: F) -> Stream<(K, U), Timed>
    where
        U: Send + 'static,
        F: Fn(&Matched<'_, V>) -> U + Send + Sync + 'static,
    {
        self.told(move |outcome| match outcome {
            Outcome::TimedOut(partial) => Some(f(partial)),
            Outcome::Match(_) => None,
        })
    }

    /// What `f` makes of each match and of each partial match that has timed out, with its key.
    pub fn outcomes<U, F>(self, f: F) -> Stream<(K, U), Timed>
    where
        U: Send + 'static,
        F: Fn(&Outcome<'_, V>) -> U + Send + Sync + 'static,
    {
        self.told(move |outcome| Some(f(outcome)))
    }

    fn told<U, F>(self, tell: F) -> Stream<(K, U), Timed>
    where
        U: Send + 'static,
        F: Fn(&Outcome<'_, V>) -> Option<U> + Send + Sync + 'static,
    {
        let Self { stream, pattern, operator, late } = self;
        let refused = pattern.validate().err();
        let found = stream.apply_at(operator, MatchPattern { pattern, tell, late });
        found.plan.refuse_windows(found.node, refused);
        found
    }
}

impl<K: Data, V: Data> fmt::Debug for PatternMatching<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, pattern, .. } = self;
        f.debug_struct("PatternMatching").field("of", stream).field("pattern", pattern).finish_non_exhaustive()
    }
}
