//! How far event time has come.
//!
//! A watermark is a statement about the events still to come: those before it are not expected any more. It is what
//! lets a window close while its stream never ends. Akidau et al., *The Dataflow Model* (VLDB 2015), is the
//! source of the notion; the rules here are Spark's where Spark has one, per partition as in Flink:
//!
//! - The watermark of a partition is computed from the largest event time seen in it, by a [`WatermarkStrategy`]. For
//!   [`Watermark::bounded`] it is `largest − delay`, exactly.
//! - The watermark of a stream is the smallest over its active partitions ([`PartitionWatermarks`]), and never falls.
//! - A window is closed when `end <= watermark` ([`Window::is_closed_by`](crate::Window::is_closed_by)): at that moment
//!   it fires, and an event that comes for it afterwards is late. An event earlier than the watermark whose window is
//!   still open is not late.
//!
//! ```
//! use firesteel_window::{PartitionWatermarks, Timestamp, Watermark, seconds};
//!
//! let strategy = Watermark::bounded(seconds(10));
//! let now = Timestamp::EPOCH; // processing time comes from whoever has a clock
//! let mut watermarks = PartitionWatermarks::new();
//! watermarks.observe("fast", Timestamp::from_secs(60), now);
//! watermarks.observe("slow", Timestamp::from_secs(25), now);
//! assert_eq!(watermarks.advance(&strategy, now), Timestamp::from_secs(15));
//! ```
//!
//! No clock is read here: processing time, which is needed to tell idle partitions, is handed in.

mod partitions;

use serde::{Deserialize, Serialize};

use crate::error::WindowError;
use crate::time::{Duration, Timestamp};

pub use partitions::{PartitionWatermarks, Slowest};

/// A rule that derives the watermark of one partition from the largest event time seen in it.
pub trait WatermarkStrategy {
    /// The watermark of a partition whose largest event time so far is `largest`.
    ///
    /// Expected to grow with `largest`. Where it does not, the watermark of the stream stands still: it never falls.
    fn watermark(&self, largest: Timestamp) -> Timestamp;

    /// How long, in processing time, a partition may be silent before the others stop waiting for it; `None` forever.
    fn idle_timeout(&self) -> Option<Duration> {
        None
    }

    /// How far, in processing time, an event may be ahead of the clock and still count; `None` for any. By one that is further ahead
    /// the watermark is not moved.
    fn most_ahead(&self) -> Option<Duration> {
        None
    }

    /// How long, in processing time, all partitions have to be silent before event time follows the clock; `None` where it
    /// waits for an event.
    fn clock_timeout(&self) -> Option<Duration> {
        None
    }

    /// How far, in event time, a partition may lead the slowest one before it waits; `None` for any.
    fn aligned_within(&self) -> Option<Duration> {
        None
    }

    /// What the strategy is set to, as names with values, for people and for comparison. The first name says of which
    /// kind it is.
    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![("watermark", "custom".to_owned())]
    }

    /// Whether the strategy can work as declared. A job asks once, before it starts.
    ///
    /// # Errors
    ///
    /// A [`WindowError`] that names the value that was refused.
    fn validate(&self) -> Result<(), WindowError> {
        Ok(())
    }
}

/// Where the usual watermark strategies are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watermark {}

impl Watermark {
    /// Events may come up to `delay` later than the latest one of their partition.
    ///
    /// Zero is for events in order. A negative delay is reported by
    /// [`validate`](WatermarkStrategy::validate).
    pub const fn bounded(delay: Duration) -> BoundedOutOfOrderness {
        BoundedOutOfOrderness { delay, idle_after: None, ahead_at_most: None, clock_after: None, aligned_within: None }
    }

    /// The watermark of a stream with several inputs: the smallest among those that are not idle, and never below
    /// `current`.
    ///
    /// Each input is given as its own watermark and whether it is [idle](PartitionWatermarks::is_idle). Where all are
    /// idle, or there are none, nothing changes.
    ///
    /// ```
    /// use firesteel_window::{Timestamp, Watermark};
    ///
    /// let [early, middle, late] = [10, 20, 30].map(Timestamp::from_secs);
    /// assert_eq!(Watermark::merge(early, [(middle, false), (late, false)]), middle);
    /// assert_eq!(Watermark::merge(early, [(middle, true), (late, false)]), late);
    /// assert_eq!(Watermark::merge(early, [(middle, true), (late, true)]), early);
    /// ```
    pub fn merge(current: Timestamp, inputs: impl IntoIterator<Item = (Timestamp, bool)>) -> Timestamp {
        inputs
            .into_iter()
            .filter_map(|(watermark, idle)| (!idle).then_some(watermark))
            .min()
            .map_or(current, |smallest| smallest.max(current))
    }
}

/// A watermark that trails the largest event time by a fixed delay: `largest − delay`.
///
/// Made by [`Watermark::bounded`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundedOutOfOrderness {
    delay: Duration,
    idle_after: Option<Duration>,
    ahead_at_most: Option<Duration>,
    clock_after: Option<Duration>,
    aligned_within: Option<Duration>,
}

impl BoundedOutOfOrderness {
    /// Stops waiting for a partition that has been silent for `timeout` of processing time.
    ///
    /// Without this a partition that has nothing to say holds the windows of all others open. With it, what a partition
    /// sends after a long silence may be late. A timeout of zero or below is reported by
    /// [`validate`](WatermarkStrategy::validate).
    #[must_use]
    pub const fn idle_after(self, timeout: Duration) -> Self {
        Self { idle_after: Some(timeout), ..self }
    }

    /// Does not let an event move the watermark whose time is further ahead of the clock than `span`: one device whose clock is wrong by
    /// years would close all windows, and whatever is true would be late. Such events stay in the stream, in windows that close when
    /// their time comes; that they are there is told. A negative span is reported by [`validate`](WatermarkStrategy::validate).
    ///
    /// Without this a watermark that is more than a day ahead of the clock is told, and counts.
    ///
    /// ```
    /// use firesteel_window::{Watermark, WatermarkStrategy, minutes, seconds};
    ///
    /// let strategy = Watermark::bounded(seconds(10)).ahead_at_most(minutes(5));
    /// assert_eq!(strategy.most_ahead(), Some(minutes(5)));
    /// ```
    #[must_use]
    pub const fn ahead_at_most(self, span: Duration) -> Self {
        Self { ahead_at_most: Some(span), ..self }
    }

    /// Lets event time follow the clock once all partitions have been silent for `timeout` of processing time: as if an event
    /// had come for each instant since the last one. So the last windows close though nothing comes any more.
    ///
    /// Without this the watermark waits for the next event, forever if need be. With it, an event is late that comes after
    /// the silence and happened longer before that than the delay and the way of the last event from when it happened to where it was read.
    /// A timeout of zero or below is reported by [`validate`](WatermarkStrategy::validate).
    ///
    /// ```
    /// use firesteel_window::{Watermark, WatermarkStrategy, minutes, seconds};
    ///
    /// let strategy = Watermark::bounded(seconds(10)).follow_clock_after(minutes(1));
    /// assert_eq!(strategy.clock_timeout(), Some(minutes(1)));
    /// ```
    #[must_use]
    pub const fn follow_clock_after(self, timeout: Duration) -> Self {
        Self { clock_after: Some(timeout), ..self }
    }

    /// Has a partition wait when its latest event is more than `bound` later than that of the slowest one: what a fast partition brings
    /// would only lie in windows that stay open for the slow ones. Partitions of streams that are brought together, by a union or a join, are
    /// compared with one another.
    ///
    /// It is decided before each batch, so that a partition leads by the bound and what one batch reads of it at most. Partitions
    /// that have ended, or are idle, hold nobody up; so this needs [`idle_after`](Self::idle_after), without which a silent partition would
    /// hold all others forever, and is reported by [`validate`](WatermarkStrategy::validate) without it, or with a negative bound.
    ///
    /// ```
    /// use firesteel_window::{Watermark, WatermarkStrategy, minutes, seconds};
    ///
    /// let strategy = Watermark::bounded(seconds(10)).idle_after(minutes(1)).align_within(minutes(5));
    /// assert_eq!((strategy.aligned_within(), strategy.validate()), (Some(minutes(5)), Ok(())));
    /// ```
    #[must_use]
    pub const fn align_within(self, bound: Duration) -> Self {
        Self { aligned_within: Some(bound), ..self }
    }

    /// How far the watermark stays behind.
    pub const fn delay(&self) -> Duration {
        self.delay
    }
}

impl WatermarkStrategy for BoundedOutOfOrderness {
    #[inline]
    fn watermark(&self, largest: Timestamp) -> Timestamp {
        largest - self.delay
    }

    fn idle_timeout(&self) -> Option<Duration> {
        self.idle_after
    }

    fn most_ahead(&self) -> Option<Duration> {
        self.ahead_at_most
    }

    fn clock_timeout(&self) -> Option<Duration> {
        self.clock_after
    }

    fn aligned_within(&self) -> Option<Duration> {
        self.aligned_within
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![("watermark", "bounded".to_owned()), ("delay", self.delay.to_string())];
        settings.extend(self.idle_after.map(|idle| ("idle after", idle.to_string())));
        settings.extend(self.ahead_at_most.map(|span| ("ahead at most", span.to_string())));
        settings.extend(self.clock_after.map(|after| ("follows the clock after", after.to_string())));
        settings.extend(self.aligned_within.map(|bound| ("aligned within", bound.to_string())));
        settings
    }

    fn validate(&self) -> Result<(), WindowError> {
        if self.delay.is_negative() {
            return Err(WindowError::Delay { delay: self.delay });
        }
        if let Some(span) = self.ahead_at_most.filter(|span| span.is_negative()) {
            return Err(WindowError::Ahead { span });
        }
        if let Some(bound) = self.aligned_within.filter(|bound| bound.is_negative() || self.idle_after.is_none()) {
            return Err(WindowError::Alignment { bound });
        }
        match [self.idle_after, self.clock_after].into_iter().flatten().min() {
            Some(timeout) if timeout <= Duration::ZERO => Err(WindowError::IdleTimeout { timeout }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::seconds;

    #[test]
    fn trails_the_largest_event_time_by_the_delay() {
        let strategy = Watermark::bounded(seconds(10));
        assert_eq!(strategy.watermark(Timestamp::from_secs(25)), Timestamp::from_secs(15));
        assert_eq!(strategy.watermark(Timestamp::MIN), Timestamp::MIN);
    }

    #[test]
    fn refuses_what_cannot_work() {
        let refused = |strategy: BoundedOutOfOrderness| strategy.validate().unwrap_err().code();
        assert_eq!(refused(Watermark::bounded(seconds(-1))), "FS-W002");
        let at_once = Watermark::bounded(seconds(1)).idle_after(Duration::ZERO);
        assert_eq!(refused(at_once), "FS-W003");
        let by_the_clock = Watermark::bounded(seconds(1)).follow_clock_after(seconds(-1));
        assert_eq!(refused(by_the_clock), "FS-W003");
        let for_the_silent = Watermark::bounded(seconds(1)).align_within(seconds(5));
        assert_eq!(refused(for_the_silent), "FS-W015");
        assert_eq!(refused(for_the_silent.idle_after(seconds(1)).align_within(seconds(-1))), "FS-W015");
        let from_the_past = Watermark::bounded(seconds(1)).ahead_at_most(seconds(-1));
        assert_eq!(refused(from_the_past), "FS-W004");
        let fine = Watermark::bounded(Duration::ZERO).idle_after(seconds(1));
        assert_eq!(fine.validate(), Ok(()));
    }

    #[test]
    fn inputs_merge_by_minimum() {
        let at = Timestamp::from_secs;
        assert_eq!(Watermark::merge(Timestamp::MIN, []), Timestamp::MIN);
        assert_eq!(Watermark::merge(at(5), [(at(3), false)]), at(5));
        assert_eq!(Watermark::merge(at(5), [(at(9), false), (at(7), false), (at(6), true)]), at(7));
    }
}
