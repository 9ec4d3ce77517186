//! Late records on their way to a side output.

use std::fmt;
use std::sync::Arc;

use firesteel_core::Data;
use firesteel_window::{Timestamp, Window};
use serde::{Deserialize, Serialize};

use crate::stream::SideOutput;
use crate::time::{Tracker, When, least};

pub use crate::time::MovedBy;

/// A record that came too late, and why: what the side output of a `late_to` gets.
///
/// ```
/// use firesteel_testkit::{TestJob, timeline};
/// use firesteel_window::{Tumbling, Watermark, seconds};
///
/// let test = TestJob::new();
/// let late = test.context().side_output("late");
/// let counts = test
///     .script(timeline::parse("a@3 b@31 | a@4").expect("this is a timeline"))
///     .event_time(|event| event.1, Watermark::bounded(seconds(1)))
///     .map(|(name, _)| (name, ()))
///     .window(Tumbling::of(seconds(10)))
///     .late_to(&late)
///     .count();
/// # let _counts = test.record(counts);
///
/// let why = |late: firesteel_streaming::Late<(String, ())>| (late.at.as_secs(), late.watermark.as_secs(), late.windows.map(|of| of.count));
/// let told = test.record(late.stream().map(why));
/// let records = test.record(late.stream().map(|late| late.record));
/// test.run()?;
/// assert_eq!(records.take(), [("a".to_owned(), ())]);
/// // The window from 0 to 10 lacks it, since the watermark was at 30.
/// assert_eq!(told.take(), [(4, 30, Some(1))]);
/// # Ok::<(), firesteel_streaming::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Late<T> {
    /// The record.
    pub record: T,
    /// When it happened.
    pub at: Timestamp,
    /// The windows in which it is missing; nothing where the operator has none, as a join by an interval.
    pub windows: Option<LateFor>,
    /// The watermark when its batch began: by it, and by how long windows stay after it, the record is late.
    pub watermark: Timestamp,
    /// What had moved the watermark there; nothing where that is not known any more: after a restart, or when that split is gone.
    pub moved_by: Option<MovedBy>,
}

/// The windows that a record is late for: one, or where they overlap, several that begin one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateFor {
    /// The first of them. Of sessions, the one that the record would have begun.
    pub first: Window,
    /// The last of them.
    pub last: Window,
    /// How many they are.
    pub count: u64,
}

impl<T> Late<T> {
    /// The same for what `f` makes of the record.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Late<U> {
        let Self { record, at, windows, watermark, moved_by } = self;
        Late { record: f(record), at, windows, watermark, moved_by }
    }
}

impl<T> fmt::Display for Late<T> {
    /// Says all but the record.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, windows, watermark, moved_by, .. } = self;
        write!(f, "of {at}")?;
        match windows {
            Some(LateFor { first, count: 1, .. }) => write!(f, ", for the window {first}")?,
            Some(LateFor { first, last, count }) => write!(f, ", for {count} windows from {first} to {last}")?,
            None => {}
        }
        write!(f, ": the watermark was at {watermark}")?;
        match moved_by {
            Some(MovedBy::Split { input, split }) => write!(f, ", moved by split `{split}` of `{input}`"),
            Some(MovedBy::Clock) => f.write_str(", moved by the clock"),
            None => Ok(()),
        }
    }
}

/// Why a record is late: all but the record itself.
pub(crate) type Lateness = Late<()>;

impl Lateness {
    /// Of a record that happened at a time, for these windows, by these watermarks.
    #[cold]
    pub(crate) fn of(at: Timestamp, windows: Option<LateFor>, trackers: &[Arc<Tracker>]) -> Self {
        let moved_by = Tracker::moved_by(trackers);
        Self { record: (), at, windows, watermark: least(trackers, When::AtStart), moved_by }
    }
}

/// What is done with a late record besides counting it.
pub(crate) type LateOutput<K, V> = Arc<dyn Fn(&K, &V, Lateness) -> Told + Send + Sync>;

/// A record that may be late, before that is known: dropped, or told.
pub(crate) type Told = Arc<dyn Fn() + Send + Sync>;

/// Puts late records into a side output, when they are told.
pub(crate) fn late_output<K: Data, V: Data>(late: &SideOutput<Late<(K, V)>>) -> LateOutput<K, V> {
    let late = late.clone();
    Arc::new(move |key, value, why| {
        let (late, record) = (late.clone(), why.map(|()| (key.clone(), value.clone())));
        Arc::new(move || late.emit(record.clone()))
    })
}
