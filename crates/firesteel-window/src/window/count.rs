//! Windows by count: a number of values, whenever they happened.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::aggregate::Aggregator;
use crate::error::WindowError;

/// Windows that hold a number of a key's values: the first hundred, the next hundred, and so on. They know no time.
///
/// With [`every`](Self::every) they overlap: `CountWindow::of(100).every(10)` has a result with each tenth value, of the last
/// hundred, or of all where there are fewer.
///
/// A window is complete with its last value, and has no result before: what the last, incomplete one holds stays with
/// whoever keeps the windows. [`Counted`] gathers them.
///
/// ```
/// use firesteel_window::{CountWindow, Counted, Sum};
///
/// let windows = CountWindow::of(3).every(2);
/// let mut of_ann = Counted::new();
/// let sums: Vec<i64> = (1..=7_i32).filter_map(|n| of_ann.add(windows, &Sum, n)).collect();
/// assert_eq!(sums, [1 + 2, 2 + 3 + 4, 4 + 5 + 6]); // 7 waits for another one
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CountWindow {
    size: u64,
    slide: u64,
}

impl CountWindow {
    /// Windows of this many values, one after the other.
    ///
    /// None at all is reported by [`validate`](Self::validate), which a job calls before it starts.
    #[must_use]
    pub const fn of(size: u64) -> Self {
        Self { size, slide: size }
    }

    /// A result every this many values, which are as many as the windows hold, or fewer.
    #[must_use]
    pub const fn every(self, slide: u64) -> Self {
        Self { slide, ..self }
    }

    /// What they are set to, as names with values: what stored windows are compared with, and what people read.
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![("window", format!("count {}", self.size)), ("slide", self.slide.to_string())]
    }

    /// Whether they can work as declared.
    ///
    /// # Errors
    /// When they hold nothing, begin with no values, or leave out values in between.
    pub const fn validate(&self) -> Result<(), WindowError> {
        let Self { size, slide } = *self;
        if size == 0 || slide == 0 || slide > size { Err(WindowError::Count { size, slide }) } else { Ok(()) }
    }

    /// How many values go into one accumulator: no window begins or ends within it.
    const fn slice(self) -> u64 {
        let (mut a, mut b) = (self.size, self.slide);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        if a == 0 { 1 } else { a }
    }
}

impl fmt::Display for CountWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.size == self.slide {
            write!(f, "windows of {} values", self.size)
        } else {
            write!(f, "windows of {} values every {}", self.size, self.slide)
        }
    }
}

impl fmt::Debug for CountWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the [count windows](CountWindow) of one key have gathered.
///
/// Values are aggregated in slices, the greatest common divisor of size and slide long, which windows share. A result merges
/// two accumulators, whatever the overlap, and keeping the slices costs two merges each: they are kept as two stacks, of
/// which the older one has what its slices and all later ones of it make. How values are grouped follows from their number
/// alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted<A> {
    /// How many values there were, since nothing was held.
    seen: u64,
    /// The slice that values go into.
    open: Option<A>,
    /// Of the older slices, what each makes with those after it; the oldest last.
    older: Vec<A>,
    /// The newer slices, in their order, and what they make.
    newer: Vec<A>,
    of_newer: Option<A>,
}

impl<A> Counted<A> {
    /// Of a key without values.
    #[must_use]
    pub const fn new() -> Self {
        Self { seen: 0, open: None, older: Vec::new(), newer: Vec::new(), of_newer: None }
    }

    /// Whether nothing is held: the last value has completed a window, and no other window has begun.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.seen == 0
    }
}

impl<A: Clone> Counted<A> {
    /// Takes a value in; returns the accumulator of the window that it completes, if it does.
    pub fn take<In>(
        &mut self,
        windows: CountWindow,
        aggregator: &impl Aggregator<In, Acc = A>,
        value: In,
    ) -> Option<A> {
        match &mut self.open {
            Some(acc) => aggregator.add(acc, value),
            None => self.open = Some(aggregator.start(value)),
        }
        self.seen += 1;
        let slice = windows.slice();
        if !self.seen.is_multiple_of(slice) {
            return None;
        }
        let closed = self.open.take()?;
        if slice == windows.size {
            // Nothing overlaps.
            self.seen = 0;
            return Some(closed);
        }
        let merge = |acc: &mut A, later: &A| aggregator.merge(acc, later.clone());
        match &mut self.of_newer {
            Some(acc) => merge(acc, &closed),
            None => self.of_newer = Some(closed.clone()),
        }
        self.newer.push(closed);
        if !self.seen.is_multiple_of(windows.slide) {
            return None;
        }
        let mut window = self.older.last().or(self.of_newer.as_ref())?.clone();
        if let (false, Some(newer)) = (self.older.is_empty(), &self.of_newer) {
            merge(&mut window, newer);
        }
        // Those that the next window does not have.
        let kept = windows.size.saturating_sub(windows.slide) / slice;
        while (self.older.len() + self.newer.len()) as u64 > kept {
            if self.older.is_empty() {
                while let Some(mut acc) = self.newer.pop() {
                    if let Some(later) = self.older.last() {
                        merge(&mut acc, later);
                    }
                    self.older.push(acc);
                }
                self.of_newer = None;
            }
            self.older.pop();
        }
        Some(window)
    }

    /// Takes a value in; returns the result of the window that it completes, if it does.
    #[inline]
    pub fn add<In, G>(&mut self, windows: CountWindow, aggregator: &G, value: In) -> Option<G::Out>
    where
        G: Aggregator<In, Acc = A>,
    {
        Some(aggregator.finish_owned(self.take(windows, aggregator, value)?))
    }
}

impl<A> Default for Counted<A> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::aggregate::{Fold, List};

    fn lists(windows: CountWindow, count: u32) -> Vec<Vec<u32>> {
        let mut counted = Counted::new();
        (1..=count).filter_map(|n| counted.add(windows, &List, n)).collect()
    }

    #[test]
    fn windows_follow_one_another() {
        assert_eq!(lists(CountWindow::of(3), 8), [[1, 2, 3], [4, 5, 6]]);
        assert_eq!(lists(CountWindow::of(1), 3), [[1], [2], [3]]);
    }

    #[test]
    fn windows_overlap_and_the_first_ones_have_what_there_is() {
        let windows = CountWindow::of(5).every(2);
        let expected = [vec![1, 2], vec![1, 2, 3, 4], vec![2, 3, 4, 5, 6], vec![4, 5, 6, 7, 8]];
        assert_eq!(lists(windows, 9), expected);
    }

    #[test]
    fn nothing_is_held_after_a_window_that_no_other_overlaps() {
        let mut counted = Counted::new();
        assert!(counted.is_empty());
        assert_eq!(counted.add(CountWindow::of(2), &List, 1), None);
        assert!(!counted.is_empty());
        assert_eq!(counted.add(CountWindow::of(2), &List, 2), Some(vec![1, 2]));
        assert_eq!(counted, Counted::new());
    }

    #[test]
    fn what_a_window_costs_does_not_depend_on_how_many_overlap() {
        let merges = Cell::new(0);
        let sum = Fold::new(
            0_u64,
            |sum: &mut u64, n: u64| *sum += n,
            |sum, more| {
                merges.set(merges.get() + 1);
                *sum += more;
            },
        );
        let mut counted = Counted::new();
        let last = (1..=10_000).filter_map(|n| counted.add(CountWindow::of(1_000).every(1), &sum, n)).last();
        assert_eq!(last, Some((9_001..=10_000).sum()));
        assert!(merges.get() < 3 * 10_000, "{}", merges.get());
    }

    #[test]
    fn what_cannot_work_is_reported() {
        for (size, slide) in [(0, 0), (3, 0), (3, 4)] {
            let windows = CountWindow::of(size).every(slide);
            assert_eq!(windows.validate(), Err(WindowError::Count { size, slide }));
            // And does not stand still, divide by zero or grow forever.
            let mut counted = Counted::new();
            (0..10).for_each(|n| drop(counted.add(windows, &List, n)));
        }
        assert_eq!(CountWindow::of(3).every(3).validate(), Ok(()));
        let error = WindowError::Count { size: 3, slide: 4 }.to_string();
        assert_eq!(
            error,
            "FS-W013: a window of 3 values cannot come every 4; give a number of values, such as 100, and at most as many \
             for `every`"
        );
    }
}
