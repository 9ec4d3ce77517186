//! Windows that follow from the events: stretches without a long pause.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Window;
use crate::error::WindowError;
use crate::time::{Duration, Timestamp};

/// Sessions: events of a key that follow one another without a pause of more than a gap.
///
/// A single event at `t` is the session `[t, t + gap)`. Sessions that overlap *or touch* are one session: two events whose
/// distance is exactly the gap are in one. So a session reaches from its first event to a gap after its last one.
///
/// ```
/// use firesteel_window::{Session, Sessions, Timestamp, seconds};
///
/// let sessions = Session::gap(seconds(10));
/// let mut of_ann = Sessions::new();
/// for second in [40, 25, 30, 62] {
///     of_ann.add(sessions.window_of(Timestamp::from_secs(second)), 1, |count, more| *count += more);
/// }
/// // 25 and 30 are one session, and so are 30 and 40, which touch.
/// let found: Vec<_> = of_ann.iter().map(|(window, count)| (window.start().as_secs(), window.end().as_secs(), *count)).collect();
/// assert_eq!(found, [(25, 50, 3), (62, 72, 1)]);
/// ```
///
/// # When a session closes
///
/// An event at the very end of a session still belongs to it. So a watermark that is exactly there leaves it open, and the
/// session [closes](Self::is_closed) when the watermark is past its end: after that, nothing that is in time can touch it.
/// Other windows close when the watermark reaches their end, which no event of theirs can be at.
///
/// A gap of zero makes sessions of events at one instant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Session {
    gap: Duration,
}

impl Session {
    /// Sessions end with a pause of more than this.
    ///
    /// A negative gap is reported by [`validate`](Self::validate), which a job calls before it starts; until then it is zero.
    pub const fn gap(gap: Duration) -> Self {
        Self { gap }
    }

    /// The session of a single event.
    #[inline]
    #[must_use]
    pub fn window_of(&self, at: Timestamp) -> Window {
        Window::new(at, at.saturating_add(self.gap))
    }

    /// Whether a watermark has closed a session: it is past its end, or at the end of time.
    #[inline]
    #[must_use]
    pub fn is_closed(session: Window, watermark: Timestamp) -> bool {
        session.end < watermark || watermark == Timestamp::MAX
    }

    /// What they are set to, as names with values: what stored sessions are compared with, and what people read.
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![("window", "session".to_owned()), ("gap", self.gap.to_string())]
    }

    /// Whether they can work as declared.
    ///
    /// # Errors
    /// When the gap is negative.
    pub fn validate(&self) -> Result<(), WindowError> {
        if self.gap.is_negative() { Err(WindowError::Gap { gap: self.gap }) } else { Ok(()) }
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sessions with gaps of {}", self.gap)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The sessions of one key, with what each has gathered. No two of them touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sessions<A>(Vec<(Window, A)>);

impl<A> Default for Sessions<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A> Sessions<A> {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Takes in what a session has gathered. Those that it touches become one with it: what they have is merged in the order of
    /// time, and then what is new. A session is that of an event, [`Session::window_of`], or, where each event has a gap of its own, any
    /// span that begins with it. Where the aggregation does not depend on the order of values, the result does not depend on the
    /// order of these calls.
    #[inline]
    pub fn add(&mut self, session: Window, acc: A, mut merge: impl FnMut(&mut A, A)) {
        // Mostly it is the last one that grows.
        if let Some((last, gathered)) = self.0.last_mut()
            && last.start <= session.start
            && session.start <= last.end
        {
            last.end = last.end.max(session.end);
            return merge(gathered, acc);
        }
        self.insert(session, acc, &mut merge);
    }

    /// The same for a value: `start` makes it what a session has gathered, and where a session is there already that it
    /// belongs to, `add` takes it in.
    #[inline]
    pub fn add_value<V>(
        &mut self,
        session: Window,
        value: V,
        start: impl FnOnce(V) -> A,
        add: impl FnOnce(&mut A, V),
        merge: impl FnMut(&mut A, A),
    ) {
        if let Some((last, gathered)) = self.0.last_mut()
            && last.start <= session.start
            && session.start <= last.end
        {
            last.end = last.end.max(session.end);
            return add(gathered, value);
        }
        self.add(session, start(value), merge);
    }

    #[cold]
    fn insert(&mut self, session: Window, acc: A, merge: &mut dyn FnMut(&mut A, A)) {
        let from = self.0.partition_point(|(other, _)| other.end < session.start);
        let to = self.0.partition_point(|(other, _)| other.start <= session.end);
        let mut touched = self.0.drain(from..to);
        let Some((mut window, mut gathered)) = touched.next() else {
            drop(touched);
            return self.0.insert(from, (session, acc));
        };
        for (other, more) in touched {
            window.end = other.end;
            merge(&mut gathered, more);
        }
        merge(&mut gathered, acc);
        (window.start, window.end) = (window.start.min(session.start), window.end.max(session.end));
        self.0.insert(from, (window, gathered));
    }

    /// The sessions, in the order of time.
    pub fn iter(&self) -> impl Iterator<Item = (Window, &A)> {
        self.0.iter().map(|(window, acc)| (*window, acc))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<A> IntoIterator for Sessions<A> {
    type Item = (Window, A);
    type IntoIter = std::vec::IntoIter<(Window, A)>;

    /// The sessions, in the order of time.
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::seconds;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(second)
    }

    fn sessions(gap: i64, times: &[i64]) -> Vec<(i64, i64, Vec<i64>)> {
        let (windows, mut sessions) = (Session::gap(seconds(gap)), Sessions::new());
        for time in times {
            sessions.add(windows.window_of(at(*time)), vec![*time], |all, more| all.extend(more));
        }
        let span = |window: Window| (window.start().as_secs(), window.end().as_secs());
        sessions.into_iter().map(|(window, all)| (span(window).0, span(window).1, all)).collect()
    }

    #[test]
    fn sessions_that_touch_are_one() {
        assert_eq!(sessions(10, &[0, 10, 21]), [(0, 20, vec![0, 10]), (21, 31, vec![21])]);
        assert_eq!(sessions(10, &[10, 0]), [(0, 20, vec![10, 0])]);
    }

    #[test]
    fn an_event_in_between_joins_both_in_the_order_of_time() {
        assert_eq!(sessions(10, &[20, 0, 40, 10]), [(0, 30, vec![0, 20, 10]), (40, 50, vec![40])]);
        assert_eq!(sessions(10, &[20, 0, 40, 10, 30]), [(0, 50, vec![0, 20, 10, 40, 30])]);
    }

    #[test]
    fn a_gap_of_zero_joins_what_happens_at_one_instant() {
        assert_eq!(sessions(0, &[5, 6, 5]), [(5, 5, vec![5, 5]), (6, 6, vec![6])]);
    }

    #[test]
    fn a_session_closes_when_the_watermark_is_past_its_end() {
        let session = Session::gap(seconds(10)).window_of(at(0));
        assert!(!Session::is_closed(session, at(10)));
        assert!(Session::is_closed(session, Timestamp::from_micros(10_000_001)));
        let last = Session::gap(seconds(10)).window_of(Timestamp::MAX);
        assert_eq!(last.end(), Timestamp::MAX);
        assert!(Session::is_closed(last, Timestamp::MAX), "at the end of time all are closed");
    }

    #[test]
    fn a_negative_gap_is_reported_and_never_panics() {
        let bad = Session::gap(seconds(-1));
        let message = bad.validate().unwrap_err().to_string();
        assert_eq!(
            message,
            "FS-W006: a session cannot end after a gap of -1s; give zero or more, such as `minutes(30)`"
        );
        assert!(bad.window_of(at(0)).size().is_zero());
        assert_eq!(Session::gap(Duration::ZERO).validate(), Ok(()));
    }
}
