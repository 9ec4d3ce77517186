//! Speculation: a second attempt for a task that takes much longer than its siblings.

use firesteel_window::Duration;

/// When a task that runs is taken for a straggler and a second attempt of it begins on another executor. The first of
/// the two to succeed counts; the other is told to stop.
///
/// The rule is Spark's. A stage with keyed state in it is never run twice at the same time, whatever this says; a stage
/// whose records go elsewhere by themselves, through [`for_each`](firesteel_core::Actions) and its kin, is: leave
/// speculation off if that hurts. With speculation on, the records of a
/// [`single_use`](firesteel_core::JobOptions::single_use) job are cloned rather than moved, so that both attempts find
/// them.
///
/// ```
/// use firesteel_scheduler::{Scheduler, Speculation};
/// use firesteel_window::seconds;
/// let speculation = Speculation::default().multiplier(2.0).at_least(seconds(1));
/// let scheduler = Scheduler::builder().threads(2).speculation(speculation).build()?;
/// # Ok::<(), firesteel_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Speculation {
    quantile: f64,
    multiplier: f64,
    at_least: Duration,
    pub(crate) interval: Duration,
}

impl Default for Speculation {
    fn default() -> Self {
        let tenth = Duration::millis(100);
        Self { quantile: 0.75, multiplier: 1.5, at_least: tenth, interval: tenth }
    }
}

impl Speculation {
    /// The fraction of a stage's tasks, 0 to 1, that must have succeeded before stragglers are looked for; 0.75 by
    /// default.
    #[must_use]
    pub fn quantile(self, quantile: f64) -> Self {
        Self { quantile: if quantile.is_finite() { quantile.clamp(0.0, 1.0) } else { 1.0 }, ..self }
    }

    /// How many times the median of its finished siblings a straggler takes; 1.5 by default, at least 1.
    #[must_use]
    pub fn multiplier(self, multiplier: f64) -> Self {
        Self { multiplier: if multiplier.is_finite() { multiplier.max(1.0) } else { f64::MAX }, ..self }
    }

    /// What a straggler takes at least; 100 ms by default.
    #[must_use]
    pub fn at_least(self, at_least: Duration) -> Self {
        Self { at_least, ..self }
    }

    /// How often an idle executor looks for stragglers, in real time; every 100 ms by default.
    #[must_use]
    pub fn interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// How long a task of a stage may take before it is a straggler: `None` as long as too few of its `tasks` have
    /// succeeded. `durations` are those of the ones that have, in any order.
    pub(crate) fn limit(&self, tasks: usize, durations: &mut [Duration]) -> Option<Duration> {
        let enough = ((self.quantile * tasks as f64) as usize).max(1);
        if durations.len() < enough {
            return None;
        }
        let middle = durations.len() / 2;
        let (_, median, _) = durations.select_nth_unstable(middle);
        let limit = median.as_micros() as f64 * self.multiplier;
        // A conversion from a number that is too large gives the largest there is.
        Some(Duration::micros(limit as i64).max(self.at_least))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straggler_takes_half_as_long_again_as_the_median() {
        let rule = Speculation::default();
        let millis = |values: &[i64]| values.iter().map(|value| Duration::millis(*value)).collect::<Vec<_>>();
        assert_eq!(rule.limit(8, &mut millis(&[400; 5])), None);
        assert_eq!(rule.limit(8, &mut millis(&[900, 300, 400, 200, 100, 800])), Some(Duration::millis(600)));
        assert_eq!(rule.limit(8, &mut millis(&[1; 7])), Some(Duration::millis(100)));
        assert_eq!(rule.limit(1, &mut millis(&[])), None);
    }

    #[test]
    fn senseless_numbers_do_no_harm() {
        let rule = Speculation::default().quantile(f64::NAN).multiplier(f64::INFINITY);
        assert_eq!(rule.limit(2, &mut [Duration::secs(1)]), None);
        assert_eq!(rule.limit(2, &mut [Duration::secs(1); 2]), Some(Duration::MAX));
    }
}
