//! Rates over the last seconds, not over the last batch.

use std::collections::VecDeque;

use firesteel_window::Duration;

/// What is older has no part in a rate.
const SPAN: Duration = Duration::secs(10);

/// How far a job had come at some moments.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    marks: VecDeque<Mark>,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Duration,
    /// Records read since the start.
    rows: u64,
    /// The share of all there is to read, where it is known.
    share: Option<f64>,
}

impl Rates {
    /// Takes note of how far the job has come. The first call says when it began.
    pub(crate) fn mark(&mut self, at: Duration, rows: u64, share: Option<f64>) {
        self.marks.push_back(Mark { at, rows, share });
        // One that is older stays, to count from.
        while self.marks.get(1).is_some_and(|second| at.saturating_sub(second.at) >= SPAN) {
            self.marks.pop_front();
        }
    }

    /// The mark to count from, and the last one.
    fn ends(&self, now: Duration) -> Option<(Mark, Mark)> {
        let last = *self.marks.back()?;
        let first = self.marks.iter().rev().find(|mark| now.saturating_sub(mark.at) >= SPAN).or(self.marks.front())?;
        Some((*first, last))
    }

    /// Records per second; nothing where no time has passed.
    pub(crate) fn rows_per_second(&self, now: Duration) -> Option<f64> {
        let (first, last) = self.ends(now)?;
        let seconds = now.saturating_sub(first.at).as_secs_f64();
        (seconds > 0.0).then(|| (last.rows - first.rows) as f64 / seconds)
    }

    /// The time until everything is read, at the present rate.
    pub(crate) fn time_left(&self, now: Duration) -> Option<Duration> {
        let (first, last) = self.ends(now)?;
        let share = last.share?;
        let done = share - first.share.unwrap_or(0.0);
        let seconds = (1.0 - share) / done * now.saturating_sub(first.at).as_secs_f64();
        // Nothing was done, or all of it: neither tells a time.
        (done > 0.0 && share < 1.0).then(|| Duration::micros((seconds * 1e6) as i64))
    }
}

#[cfg(test)]
mod tests {
    use firesteel_window::Duration;

    use super::Rates;

    fn secs(seconds: u32) -> Duration {
        Duration::secs(seconds.into())
    }

    #[test]
    fn a_rate_is_that_of_the_last_seconds() {
        let mut rates = Rates::default();
        assert_eq!(rates.rows_per_second(secs(0)), None);
        rates.mark(secs(0), 0, None);
        assert_eq!(rates.rows_per_second(secs(0)), None, "no time has passed");
        rates.mark(secs(2), 100, None);
        assert_eq!(rates.rows_per_second(secs(2)), Some(50.0));
        assert_eq!(rates.rows_per_second(secs(4)), Some(25.0), "it falls while nothing comes");
        for second in 3..30 {
            rates.mark(secs(second), u64::from(100 + (second - 2) * 10), None);
        }
        assert_eq!(rates.rows_per_second(secs(29)), Some(10.0), "the burst at the start is forgotten");
        assert_eq!(rates.rows_per_second(secs(60)), Some(0.0));
        assert!(rates.marks.len() < 13, "{}", rates.marks.len());
    }

    #[test]
    fn a_batch_that_takes_longer_than_the_window_is_not_counted_as_if_it_took_less() {
        let mut rates = Rates::default();
        rates.mark(secs(0), 0, None);
        rates.mark(secs(40), 400, None);
        assert_eq!(rates.rows_per_second(secs(40)), Some(10.0));
    }

    #[test]
    fn the_time_left_is_known_where_the_end_is() {
        let mut rates = Rates::default();
        rates.mark(secs(0), 0, None);
        rates.mark(secs(5), 1, Some(0.25));
        assert_eq!(rates.time_left(secs(5)), Some(secs(15)));
        rates.mark(secs(6), 1, Some(0.25));
        rates.mark(secs(10), 1, Some(1.0));
        assert_eq!(rates.time_left(secs(10)), None, "all is read");
        let mut unknown = Rates::default();
        unknown.mark(secs(0), 0, None);
        unknown.mark(secs(5), 1, None);
        assert_eq!(unknown.time_left(secs(5)), None);
    }
}
