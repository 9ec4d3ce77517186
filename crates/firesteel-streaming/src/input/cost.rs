//! What records were seen to cost, and into how many parts they are worth cutting.

use firesteel_window::Duration;

/// What takes less in all is not cut: it runs on one thread anyway.
const WHOLE: f64 = 32.0;

/// A part that takes less is not worth a thread that is awake.
const PART: f64 = 12.0;

/// What something costs, learned from batch to batch.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    /// Microseconds each; none as long as nothing is known, which is so for good where a clock stands still.
    each: Option<f64>,
}

impl Cost {
    /// This many have taken so long.
    pub(crate) fn learn(&mut self, count: u64, time: Duration) {
        if count > 0 && time > Duration::ZERO {
            let each = time.as_micros() as f64 / count as f64;
            self.each = Some(self.each.map_or(each, |before| (before + each) / 2.0));
        }
    }

    /// Into how many parts this many are to be cut, `most` at most, where it is known what they cost.
    pub(crate) fn parts(self, count: u64, most: usize) -> Option<usize> {
        let time = self.each? * count as f64;
        let parts = if time < WHOLE { 1 } else { (time / PART) as usize };
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
}
