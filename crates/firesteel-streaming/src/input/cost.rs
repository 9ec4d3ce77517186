//! What records were seen to cost, and into how many parts they are worth cutting.

use firesteel_window::Duration;

/// What takes less in all is not cut, as long as it has not been tried what that is worth.
const WHOLE: f64 = 32.0;

/// A part that takes less is not worth a thread that is awake.
const PART: f64 = 12.0;

/// What takes longer in all is cut without a doubt.
const CLEAR: f64 = 1_000.0;

/// Batches of which nothing is learned after the way has changed, and batches that are enough to know a way: an executor
/// that has had nothing to do for a while sleeps, and has to be woken.
const ENOUGH: u32 = 8;

/// The slower way has a trial once in this many batches.
const SELDOM: u32 = 1_024;

/// Where batches that are not cut are faster by less than this part, they are cut: two processors have more room.
const CLOSE: f64 = 0.9;

/// What something costs, learned from batch to batch.
///
/// How much work there is says what could be gained by a further thread. What it costs to hand work over, and to take up on
/// one processor what another has written, is not seen in it. So where a batch takes little time, both ways are
/// tried, and the one by which whole batches are faster is taken.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    /// Microseconds of work each; none as long as nothing is known, which is so for good where a clock stands still.
    each: Option<f64>,
    /// What batches take that are cut, and that are not.
    cut: Way,
    whole: Way,
    batches: u32,
    /// Whether this batch is not cut, if there is a doubt, and for how many batches that has been so.
    stays_whole: bool,
    since: u32,
}

/// What batches take.
#[derive(Debug, Clone, Copy, Default)]
struct Way {
    /// Microseconds for each record, from the beginning of a batch to its end.
    each: f64,
    batches: u32,
}

impl Way {
    fn learn(&mut self, now: f64) {
        // A batch may be held up by much that has nothing to do with the way; none is too fast.
        self.each = match self.batches {
            0 => now,
            _ if now > self.each => self.each + (now.min(2.0 * self.each) - self.each) / 8.0,
            _ => (self.each + now) / 2.0,
        };
        self.batches = self.batches.saturating_add(1);
    }

    fn known(self) -> Option<f64> {
        (self.batches >= ENOUGH).then_some(self.each)
    }
}

impl Cost {
    /// This many have taken so long.
    pub(crate) fn learn(&mut self, count: u64, time: Duration) {
        if count > 0 && time > Duration::ZERO {
            let each = time.as_micros() as f64 / count as f64;
            self.each = Some(self.each.map_or(each, |before| (before + each) / 2.0));
        }
    }

    /// A batch begins: whether it is cut, if there is a doubt.
    pub(crate) fn begin(&mut self) {
        self.batches = self.batches.wrapping_add(1);
        let is_trial = self.batches % SELDOM >= SELDOM - 2 * ENOUGH;
        let stays_whole = match (self.cut.known(), self.whole.known()) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(cut), Some(whole)) => (whole < CLOSE * cut) != is_trial,
        };
        let is_same = std::mem::replace(&mut self.stays_whole, stays_whole) == stays_whole;
        self.since = if is_same { self.since.saturating_add(1) } else { 0 };
    }

    /// A batch of this many has taken so long in all.
    pub(crate) fn ended(&mut self, count: u64, took: Duration, is_cut: bool) {
        let work = self.each.map_or(0.0, |each| each * count as f64);
        if self.since >= ENOUGH && (2.0 * PART..CLEAR).contains(&work) && took > Duration::ZERO {
            let way = if is_cut { &mut self.cut } else { &mut self.whole };
            way.learn(took.as_micros() as f64 / count as f64);
        }
    }

    /// Into how many parts this many are to be cut, `most` at most, where it is known what they cost.
    pub(crate) fn parts(self, count: u64, most: usize) -> Option<usize> {
        let work = self.each? * count as f64;
        let least = if self.whole.known().is_some() { 2.0 * PART } else { WHOLE };
        let stays_whole = work < least || (work < CLEAR && self.stays_whole);
        let parts = if stays_whole { 1 } else { (work / PART) as usize };
        Some(parts.clamp(1, most.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_slow_is_cut_and_what_is_fast_is_not() {
        let mut cost = Cost::default();
        assert_eq!(cost.parts(1_000_000, 8), None);
        cost.learn(1_000, Duration::ZERO);
        cost.learn(0, Duration::millis(1));
        assert_eq!(cost.parts(1_000_000, 8), None, "nothing follows from that");
        cost.learn(1_000, Duration::micros(10));
        let counts = [1_000, 3_000, 4_000, 6_000, 1_000_000];
        assert_eq!(counts.map(|count| cost.parts(count, 8)), [1, 1, 3, 5, 8].map(Some));
        cost.learn(10, Duration::millis(20));
        assert_eq!(cost.parts(10, 8), Some(8));
    }

    /// Batches of a thousand that take 100 µs of work, with what each takes where it is cut and where it is not; how many of the
    /// last thousand were cut.
    fn cuts(cut: i64, whole: i64) -> (Cost, usize) {
        let (mut cost, mut ways) = (Cost::default(), Vec::new());
        for batch in 0..4 * SELDOM {
            cost.learn(1_000, Duration::micros(100));
            cost.begin();
            let is_cut = cost.parts(1_000, 2) == Some(2);
            ways.push(is_cut);
            // The first of a job, and the first one after a while, take long.
            let slow = if batch < 4 || cost.since < 2 { 10 } else { 1 };
            cost.ended(1_000, Duration::micros(slow * if is_cut { cut } else { whole }), is_cut);
        }
        let last = &ways[3 * SELDOM as usize..];
        (cost, last.iter().filter(|is_cut| **is_cut).count())
    }

    #[test]
    fn short_batches_go_the_way_that_is_faster() {
        assert_eq!(cuts(60, 100).1, 1_024 - 16, "the other has a trial");
        assert_eq!(cuts(140, 100).1, 16);
        assert_eq!(cuts(100, 95).1, 1_024 - 16, "there is hardly a difference");
        assert_eq!(cuts(140, 100).0.parts(1_000_000, 8), Some(8), "a long one is cut");
    }

    #[test]
    fn a_batch_that_was_held_up_changes_little() {
        let (mut cost, _) = cuts(60, 100);
        for is_cut in [true, false] {
            cost.ended(1_000, Duration::secs(1), is_cut);
        }
        cost.begin();
        assert_eq!(cost.parts(1_000, 2), Some(2));
    }
}
