//! Windows that overlap, and the slices that they share.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{DisjointWindows, Standing, Window, WindowAssigner};
use crate::error::WindowError;
use crate::time::{Duration, Timestamp};

/// Windows of one size, of which one begins every so often: an instant is in several of them where they overlap, and in
/// none where they leave gaps.
///
/// They are aligned to the Unix epoch, moved by an offset if there is one: a window begins at each
/// `offset + n × slide`, and ends `size` later. The slide need not divide the size.
///
/// ```
/// use firesteel_window::{Sliding, Timestamp, WindowAssigner, seconds};
///
/// let windows = Sliding::of(seconds(10)).every(seconds(5));
/// let mut starts = vec![];
/// windows.assign(Timestamp::from_secs(7), &mut |window| starts.push(window.start().as_secs()));
/// assert_eq!(starts, [0, 5]);
///
/// // Two seconds of every three.
/// let gaps = Sliding::of(seconds(2)).every(seconds(3));
/// gaps.assign(Timestamp::from_secs(5), &mut |window| unreachable!("{window} holds second 5"));
/// ```
///
/// # Slices
///
/// What windows share is stored once. Time is cut wherever a window begins or ends, into [slices](Self::slices): one or two for
/// each slide. All instants of a slice are in the same windows, so a window's result is the combination of the
/// slices in it, and a record is taken into one slice, however many windows overlap. The cut is that of the
/// paired windows of Krishnamurthy, Wu and Franklin (*On-the-fly sharing for streamed aggregation*, SIGMOD 2006): never
/// more slices than pieces of the greatest common divisor would be, and mostly far fewer.
///
/// At the very ends of the range, 292,000 years away, windows are cut short rather than moved.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sliding {
    size: Duration,
    slide: Duration,
    offset: Duration,
}

/// The size of windows of which it is not said yet how often one begins: [`every`](Self::every) says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "say how often a window begins: `Sliding::of(minutes(5)).every(minutes(1))`"]
pub struct SlidingSize(Duration);

impl SlidingSize {
    /// A window begins this often. Below the size, windows overlap; above, there are gaps between them, and what happens in
    /// a gap is in no window.
    ///
    /// A slide of zero or below is reported by [`validate`](WindowAssigner::validate), which a job calls before it
    /// starts; until then it is one microsecond.
    #[must_use]
    pub const fn every(self, slide: Duration) -> Sliding {
        Sliding { size: self.0, slide, offset: Duration::ZERO }
    }
}

/// The number of a window among those of a [`Sliding`], counted from the one that begins at its offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowNumber(i128);

impl WindowNumber {
    /// The number of the window that begins next.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

const fn clamp(micros: i128) -> Timestamp {
    Timestamp::from_micros(if micros < i64::MIN as i128 {
        i64::MIN
    } else if micros > i64::MAX as i128 {
        i64::MAX
    } else {
        micros as i64
    })
}

const fn positive(span: Duration) -> i128 {
    if span.as_micros() < 1 { 1 } else { span.as_micros() as i128 }
}

impl Sliding {
    /// Windows of this size; [`every`](SlidingSize::every) says how often one begins.
    ///
    /// A size of zero or below is reported by [`validate`](WindowAssigner::validate), which a job calls before it starts;
    /// until then such windows are one microsecond long.
    pub const fn of(size: Duration) -> SlidingSize {
        SlidingSize(size)
    }

    /// Moves every window by `offset`, of either sign and any length; only its remainder by the slide matters.
    #[must_use]
    pub const fn offset(self, offset: Duration) -> Self {
        Self { offset, ..self }
    }

    /// The size of the windows.
    pub const fn size(&self) -> Duration {
        self.size
    }

    /// How often one begins.
    pub const fn slide(&self) -> Duration {
        self.slide
    }

    /// The slices into which these windows cut time.
    pub const fn slices(&self) -> Slices {
        Slices(*self)
    }

    // Nothing overflows in 128 bits.
    fn start_of(&self, number: i128) -> i128 {
        let slide = positive(self.slide);
        i128::from(self.offset.as_micros()).rem_euclid(slide) + number * slide
    }

    /// The last window that has begun at an instant.
    fn begun_by(&self, at: i128) -> i128 {
        (at - self.start_of(0)).div_euclid(positive(self.slide))
    }

    /// The first window that has not ended at an instant.
    fn open_at(&self, at: i128) -> i128 {
        self.begun_by(at - positive(self.size)) + 1
    }

    /// The window of this number.
    #[must_use]
    pub fn window(&self, number: WindowNumber) -> Window {
        let start = self.start_of(number.0);
        Window { start: clamp(start), end: clamp(start + positive(self.size)) }
    }

    /// The first window that `watermark` has not closed; `None` at the end of time, which closes all.
    #[must_use]
    pub fn first_open(&self, watermark: Timestamp) -> Option<WindowNumber> {
        let open = || WindowNumber(self.open_at(watermark.as_micros().into()));
        (watermark < Timestamp::MAX).then(open)
    }

    /// The first and the last window that hold an instant; `None` in a gap.
    #[must_use]
    pub fn windows_at(&self, at: Timestamp) -> Option<(WindowNumber, WindowNumber)> {
        let at = at.as_micros().into();
        let (first, last) = (self.open_at(at), self.begun_by(at));
        (first <= last).then_some((WindowNumber(first), WindowNumber(last)))
    }

    /// Where the [combination](crate::overlap) of a window's slices is divided: at the same instant for windows that begin one
    /// after the other, as many as overlap, and within each of them.
    pub(crate) fn divide(&self, number: WindowNumber) -> Timestamp {
        let together = (positive(self.size) / positive(self.slide)).max(1);
        clamp(self.start_of((number.0.div_euclid(together) + 1) * together))
    }

    /// The slice of an instant; one that lies in a gap between windows, too.
    fn slice_of(&self, at: Timestamp) -> Window {
        let (at, slide) = (i128::from(at.as_micros()), positive(self.slide));
        let base = self.start_of(self.begun_by(at));
        let cut = base + positive(self.size) % slide;
        let (start, end) = if at < cut { (base, cut) } else { (cut, base + slide) };
        Window { start: clamp(start), end: clamp(end) }
    }
}

impl WindowAssigner for Sliding {
    /// The window that starts last; in a gap between windows, an empty one.
    fn window_of(&self, at: Timestamp) -> Window {
        match self.windows_at(at) {
            Some((_, last)) => self.window(last),
            None => Window::new(at, at),
        }
    }

    fn assign(&self, at: Timestamp, each: &mut impl FnMut(Window)) {
        if let Some((first, last)) = self.windows_at(at) {
            (first.0..=last.0).for_each(|number| each(self.window(WindowNumber(number))));
        }
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![("window", format!("sliding {} every {}", self.size, self.slide)), ("offset", self.offset.to_string())]
    }

    fn validate(&self) -> Result<(), WindowError> {
        if self.size <= Duration::ZERO {
            return Err(WindowError::Size { size: self.size });
        }
        if self.slide <= Duration::ZERO {
            return Err(WindowError::Slide { slide: self.slide });
        }
        Ok(())
    }
}

impl fmt::Display for Sliding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sliding windows of {} every {}", self.size, self.slide)?;
        if !self.offset.is_zero() {
            write!(f, ", offset {}", self.offset)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Sliding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The slices of sliding windows: time, cut wherever a window begins or ends. Gaps between windows are slices, too, whose
/// records are [in no window](Standing::Outside).
///
/// ```
/// use firesteel_window::{Sliding, Timestamp, WindowAssigner, minutes};
///
/// let slices = Sliding::of(minutes(5)).every(minutes(2)).slices();
/// let starts = [0, 1, 2, 3].map(|minute| slices.window_of(Timestamp::EPOCH + minutes(minute)).size());
/// assert_eq!(starts, [minutes(1); 4]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slices(Sliding);

impl WindowAssigner for Slices {
    #[inline]
    fn window_of(&self, at: Timestamp) -> Window {
        self.0.slice_of(at)
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        self.0.settings()
    }

    fn validate(&self) -> Result<(), WindowError> {
        self.0.validate()
    }
}

impl DisjointWindows for Slices {
    const HAS_PARTS: bool = true;

    /// A slice is late when all windows are closed that it is in, and partly so when the first of them is.
    fn standing(&self, slice: Window, watermark: Timestamp) -> Standing {
        let Some((first, last)) = self.0.windows_at(slice.start) else { return Standing::Outside };
        let is_closed = |number| self.0.window(number).is_closed_by(watermark);
        match (is_closed(first), is_closed(last)) {
            (false, _) => Standing::InTime,
            (true, false) => Standing::PartlyLate,
            (true, true) => Standing::Late,
        }
    }

    fn late_for(&self, at: Timestamp, watermark: Timestamp) -> (Window, Window, u64) {
        let Some((first, last)) = self.0.windows_at(at) else { return (self.window_of(at), self.window_of(at), 0) };
        let last = self.0.first_open(watermark).map_or(last, |open| last.min(WindowNumber(open.0 - 1)));
        (self.0.window(first), self.0.window(last), u64::try_from(last.0 - first.0 + 1).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::seconds;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(second)
    }

    fn windows_of(windows: Sliding, second: i64) -> Vec<(i64, i64)> {
        let mut found = vec![];
        windows.assign(at(second), &mut |window| found.push((window.start().as_secs(), window.end().as_secs())));
        found
    }

    #[test]
    fn an_instant_is_in_every_window_that_overlaps_there() {
        let windows = Sliding::of(seconds(10)).every(seconds(5));
        assert_eq!(windows_of(windows, 7), [(0, 10), (5, 15)]);
        assert_eq!(windows_of(windows, 10), [(5, 15), (10, 20)]);
        assert_eq!(windows_of(windows, -1), [(-10, 0), (-5, 5)]);
        assert_eq!(windows.window_of(at(7)).start(), at(5));
    }

    #[test]
    fn a_slide_that_does_not_divide_the_size_is_fine() {
        let windows = Sliding::of(seconds(5)).every(seconds(2));
        assert_eq!(windows_of(windows, 4), [(0, 5), (2, 7), (4, 9)]);
        assert_eq!(windows_of(windows, 5), [(2, 7), (4, 9)]);
    }

    #[test]
    fn a_gap_is_in_no_window() {
        let windows = Sliding::of(seconds(2)).every(seconds(5)).offset(seconds(-1));
        assert_eq!(windows_of(windows, 0), [(-1, 1)]);
        assert_eq!(windows_of(windows, 1), []);
        assert_eq!(windows_of(windows, 3), []);
        assert_eq!(windows_of(windows, 4), [(4, 6)]);
        let slices = windows.slices();
        let gap = slices.window_of(at(2));
        assert_eq!((gap.start(), gap.end()), (at(1), at(4)));
        assert_eq!(slices.standing(gap, at(100)), Standing::Outside);
        assert!(windows.window_of(at(2)).size().is_zero());
    }

    #[test]
    fn an_offset_may_have_any_sign_and_length() {
        for offset in [3, -2, 13, -1_000_002] {
            let windows = Sliding::of(seconds(10)).every(seconds(5)).offset(seconds(offset));
            assert_eq!(windows_of(windows, 7), [(-2, 8), (3, 13)], "offset {offset}");
        }
    }

    #[test]
    fn a_slice_stands_by_its_windows() {
        let slices = Sliding::of(seconds(10)).every(seconds(5)).slices();
        let slice = slices.window_of(at(7));
        assert_eq!((slice.start(), slice.end()), (at(5), at(10)));
        let standing = |watermark| slices.standing(slice, at(watermark));
        assert_eq!([9, 10, 14, 15].map(standing), {
            [Standing::InTime, Standing::PartlyLate, Standing::PartlyLate, Standing::Late]
        });
    }

    #[test]
    fn slices_are_cut_short_at_the_ends_of_the_range() {
        for windows in [
            Sliding::of(seconds(10)).every(seconds(3)),
            Sliding::of(Duration::MAX).every(Duration::MAX).offset(Duration::MIN),
            Sliding::of(seconds(1)).every(Duration::MAX),
        ] {
            let first = windows.slices().window_of(Timestamp::MIN);
            assert!(first.contains(Timestamp::MIN), "{windows}: {first}");
            let last = windows.slices().window_of(Timestamp::MAX);
            assert_eq!(last.end(), Timestamp::MAX, "{windows}");
        }
        assert_eq!(Sliding::of(seconds(10)).every(seconds(3)).first_open(Timestamp::MAX), None);
    }

    #[test]
    fn what_cannot_work_is_reported_and_never_panics() {
        let bad = Sliding::of(seconds(5)).every(seconds(0));
        assert_eq!(
            bad.validate().unwrap_err().to_string(),
            "FS-W005: a window cannot begin every 0s; give a time above zero, such as `.every(minutes(1))`"
        );
        assert!(bad.window_of(at(0)).contains(at(0)));
        let bad = Sliding::of(seconds(-5)).every(seconds(1));
        assert_eq!(bad.validate(), Err(WindowError::Size { size: seconds(-5) }));
        assert!(bad.window_of(at(0)).contains(at(0)));
    }

    #[test]
    fn is_described_in_words() {
        let windows = Sliding::of(Duration::hours(1)).every(Duration::minutes(5)).offset(Duration::minutes(1));
        assert_eq!(windows.to_string(), "sliding windows of 1h every 5m, offset 1m");
    }
}
