//! Which times of two sides go together.

use std::fmt;
use std::ops::RangeInclusive;

use firesteel_window::{Duration, Timestamp};

/// How much later than a left record its partners on the right happened: `least..=most`, both ends included. Either may be
/// negative.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interval {
    /// In microseconds, wide enough for every span and its negative.
    least: i128,
    most: i128,
}

impl Interval {
    pub(super) fn new(interval: &RangeInclusive<Duration>) -> Self {
        let micros = |span: &Duration| i128::from(span.as_micros());
        Self { least: micros(interval.start()), most: micros(interval.end()) }
    }

    /// Why it is none, if it is none.
    pub(super) fn refused(&self) -> Option<String> {
        (self.least > self.most).then(|| format!("its interval, {self}, ends before it begins: swap the two"))
    }

    /// The same seen from the right.
    pub(super) fn reversed(self) -> Self {
        Self { least: -self.most, most: -self.least }
    }

    /// When the partners of a record happened; `None` if all of that is outside of the range of times.
    pub(super) fn partners_of(self, at: Timestamp) -> Option<RangeInclusive<Timestamp>> {
        let at = i128::from(at.as_micros());
        let (first, last) = (at + self.least, at + self.most);
        let (min, max) = (i128::from(i64::MIN), i128::from(i64::MAX));
        if first > max || last < min {
            return None;
        }
        let time = |micros: i128| Timestamp::from_micros(micros.clamp(min, max) as i64);
        Some(time(first)..=time(last))
    }

    /// The last instant at which a partner of a record may happen.
    pub(super) fn last_of(self, at: Timestamp) -> Option<Timestamp> {
        self.partners_of(at).map(|partners| *partners.end())
    }

    /// Whether a partner may still come that is in time.
    pub(super) fn waits(self, at: Timestamp, watermark: Timestamp) -> bool {
        self.last_of(at).is_some_and(|last| last >= watermark)
    }

    /// Whether nothing that is in time can be a partner any more. At the end of time, nothing can.
    pub(super) fn is_over(self, at: Timestamp, watermark: Timestamp) -> bool {
        watermark == Timestamp::MAX || !self.waits(at, watermark)
    }

    /// When a record without a partner is known to have none: when its last partner might have happened, if that is after
    /// it.
    pub(super) fn known_alone(self, at: Timestamp) -> Timestamp {
        self.last_of(at).map_or(at, |last| last.max(at))
    }

    /// How far the watermark may be past a record while a partner of it may come.
    pub(super) fn waits_for(self) -> Duration {
        span(self.most.max(0))
    }
}

/// This many microseconds, as far as there is such a span.
fn span(micros: i128) -> Duration {
    Duration::micros(micros.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", span(self.least), span(self.most))
    }
}

#[cfg(test)]
mod tests {
    use firesteel_window::seconds;
    use proptest::prelude::*;

    use super::*;

    /// Times and spans from all over the range, its ends among them.
    fn micros() -> impl Strategy<Value = i64> {
        prop_oneof![-5..5_i64, Just(i64::MIN), Just(i64::MAX), (0..5_i64).prop_map(|n| i64::MIN + n), any::<i64>()]
    }

    proptest! {
        #[test]
        fn both_sides_see_the_same_partners(left in micros(), right in micros(), mut ends in [micros(), micros()]) {
            ends.sort_unstable();
            let [least, most] = ends.map(Duration::micros);
            let interval = Interval::new(&(least..=most));
            let apart = i128::from(right) - i128::from(left);
            let expected = (least.as_micros().into()..=most.as_micros().into()).contains(&apart);
            let [left, right] = [left, right].map(Timestamp::from_micros);
            let has = |interval: Interval, of, other| {
                interval.partners_of(of).is_some_and(|partners| partners.contains(&other))
            };
            prop_assert_eq!(has(interval, left, right), expected);
            prop_assert_eq!(has(interval.reversed(), right, left), expected);
        }

        #[test]
        fn who_is_over_has_no_partner_that_is_in_time(at in micros(), other in micros(), watermark in micros()) {
            let interval = Interval::new(&(Duration::micros(-3)..=Duration::micros(4)));
            let [at, other, watermark] = [at, other, watermark].map(Timestamp::from_micros);
            let is_partner = interval.partners_of(at).is_some_and(|partners| partners.contains(&other));
            if interval.is_over(at, watermark) && watermark < Timestamp::MAX {
                prop_assert!(!is_partner || other < watermark);
            }
        }
    }

    #[test]
    fn an_interval_to_one_side_has_no_partner_at_the_end_of_time() {
        let later = Interval::new(&(seconds(5)..=seconds(15)));
        assert_eq!(later.partners_of(Timestamp::MAX), None);
        assert!(!later.waits(Timestamp::MAX, Timestamp::MIN));
        assert_eq!(later.known_alone(Timestamp::MAX), Timestamp::MAX);
        assert_eq!(later.reversed().partners_of(Timestamp::MIN), None);
        assert_eq!(later.waits_for(), seconds(15));
        assert_eq!(later.reversed().waits_for(), Duration::ZERO);
    }
}
