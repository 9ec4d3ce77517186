//! Which window an event belongs to.
//!
//! A [`Window`] is a half-open span of event time: it holds its start, and the next one holds its end. A
//! [`WindowAssigner`] says which windows an instant falls into; [`Tumbling`] cuts time into windows of one size,
//! [`Sliding`] lets windows of one size overlap. A [`Session`] is no such rule: its windows follow from the events. Nor
//! is a [`CountWindow`], which knows no time.
//!
//! ```
//! use firesteel_window::{Timestamp, Tumbling, WindowAssigner, hours};
//!
//! let at: Timestamp = "2025-01-31T13:05:00Z".parse()?;
//! let window = Tumbling::of(hours(1)).window_of(at);
//! assert_eq!(window.to_string(), "[2025-01-31T13:00:00Z, 2025-01-31T14:00:00Z)");
//! # Ok::<(), firesteel_window::TimeError>(())
//! ```
//!
//! Nothing is stored here and no event is judged late by its assigner: that is the business of
//! [panes](crate::panes) and [watermarks](crate::watermark).

#[cfg(feature = "calendar")]
mod calendar;
mod count;
mod cursor;
mod disjoint;
mod global;
mod session;
mod sliding;
mod tumbling;

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::WindowError;
use crate::time::{Duration, Timestamp};

#[cfg(feature = "calendar")]
pub use calendar::Calendar;
pub use count::{CountWindow, Counted};
pub use cursor::WindowCursor;
pub use disjoint::{Disjoint, DisjointWindows, Standing};
pub use global::Global;
pub use session::{Session, Sessions};
pub use sliding::{Slices, Sliding, SlidingSize, WindowNumber};
pub use tumbling::Tumbling;

/// A span of event time from `start` up to, and without, `end`.
///
/// Windows are ordered by their end, then by their start: sorted windows stand in the order in which a rising
/// watermark closes them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Window {
    start: Timestamp,
    end: Timestamp,
}

impl Window {
    /// The window from `start` up to `end`; an empty one at `start` where `end` lies before it.
    #[inline]
    pub const fn new(start: Timestamp, end: Timestamp) -> Self {
        if end.as_micros() < start.as_micros() {
            return Self { start, end: start };
        }
        Self { start, end }
    }

    /// The first instant inside.
    #[inline]
    pub const fn start(&self) -> Timestamp {
        self.start
    }

    /// The first instant after the window.
    #[inline]
    pub const fn end(&self) -> Timestamp {
        self.end
    }

    /// Its last instant: when a result of the window happened. An empty window has none of its own, and is taken at its
    /// start.
    #[must_use]
    pub fn last_instant(&self) -> Timestamp {
        self.end.saturating_add(Duration::micros(-1)).max(self.start)
    }

    /// How long the window is.
    #[inline]
    pub const fn size(&self) -> Duration {
        self.end.since(self.start)
    }

    /// Whether `at` lies inside.
    #[inline]
    pub fn contains(&self, at: Timestamp) -> bool {
        // One branch instead of two: this is asked once per event.
        (self.start <= at) & (at < self.end)
    }

    /// Whether a watermark has closed this window: `end <= watermark`.
    ///
    /// This is the one rule of lateness, and Spark's: at that moment the window fires, and an event that still arrives
    /// for it is late.
    #[inline]
    pub fn is_closed_by(&self, watermark: Timestamp) -> bool {
        self.end <= watermark
    }
}

impl Ord for Window {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.end, self.start).cmp(&(other.end, other.start))
    }
}

impl PartialOrd for Window {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.start, self.end)
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A rule that gives each instant its windows.
///
/// An assigner is a pure function of the instant: the same one in every process, in every retry and after every
/// restart. Assigners that give exactly one window implement [`window_of`](Self::window_of) alone; those that give
/// several (sliding windows) override [`assign`](Self::assign) too.
pub trait WindowAssigner {
    /// The window of `at`; where there are several, the one that starts last; where there is none, an empty one.
    fn window_of(&self, at: Timestamp) -> Window;

    /// Hands each window of `at` to `each`, in the order of their ends.
    #[inline]
    fn assign(&self, at: Timestamp, each: &mut impl FnMut(Window))
    where
        Self: Sized,
    {
        each(self.window_of(at));
    }

    /// What the assigner is set to, as names with values: what stored windows are compared with, and what people read.
    /// The first name says of which kind the windows are.
    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![("window", "custom".to_owned())]
    }

    /// Whether the assigner can work as declared. A job asks once, before it starts.
    ///
    /// # Errors
    ///
    /// A [`WindowError`] that names the value that was refused.
    fn validate(&self) -> Result<(), WindowError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(start: i64, end: i64) -> Window {
        Window::new(Timestamp::from_secs(start), Timestamp::from_secs(end))
    }

    #[test]
    fn holds_its_start_and_not_its_end() {
        let w = window(10, 15);
        assert!(w.contains(Timestamp::from_secs(10)));
        assert!(w.contains(Timestamp::from_micros(14_999_999)));
        assert!(!w.contains(Timestamp::from_secs(15)));
        assert!(!w.contains(Timestamp::from_micros(9_999_999)));
        assert_eq!(w.size(), Duration::secs(5));
    }

    #[test]
    fn an_inverted_window_is_empty() {
        let w = window(15, 10);
        assert_eq!(w, window(15, 15));
        assert!(!w.contains(Timestamp::from_secs(12)));
        assert!(!w.contains(Timestamp::from_secs(15)));
    }

    #[test]
    fn closes_when_the_watermark_reaches_its_end() {
        let w = window(10, 15);
        assert!(!w.is_closed_by(Timestamp::from_micros(14_999_999)));
        assert!(w.is_closed_by(Timestamp::from_secs(15)));
        assert!(!w.is_closed_by(Timestamp::MIN));
    }

    #[test]
    fn sorts_in_closing_order() {
        let mut windows = [window(0, 30), window(20, 25), window(15, 25)];
        windows.sort();
        assert_eq!(windows, [window(15, 25), window(20, 25), window(0, 30)]);
    }

    #[test]
    fn is_serialized_by_field() {
        let json = serde_json::to_string(&window(0, 5)).unwrap();
        assert_eq!(json, r#"{"start":"1970-01-01T00:00:00Z","end":"1970-01-01T00:00:05Z"}"#);
        assert_eq!(serde_json::from_str::<Window>(&json).unwrap(), window(0, 5));
    }
}
