//! When which record is due, in exact integers.

/// A rate that grows from nothing to `per_second` within `ramp` microseconds and stays there.
///
/// With `V(t)` the number of records that the rate amounts to `t` microseconds after the start, record `v` is due at
/// the latest `t` with `V(t) <= v`, and `ceil(V(t))` records lie before `t`. `V` is `rate * t² / (2 * ramp)` during
/// the ramp and `rate * (t - ramp / 2)` after it. With at most 10⁹ records per second and ramps of at most 100 days
/// no product leaves 128 bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    pub(super) per_second: u64,
    pub(super) ramp: u64,
}

/// Twice the microseconds of a second: `V` is computed in halves because of the ramp's `ramp / 2`.
const HALVES: u64 = 2_000_000;

impl Schedule {
    /// How many records lie before `elapsed` microseconds.
    pub(super) fn due(self, elapsed: u64) -> u64 {
        let (rate, ramp, elapsed) = (u128::from(self.per_second), u128::from(self.ramp), u128::from(elapsed));
        let due = if elapsed < ramp {
            (rate * elapsed * elapsed).div_ceil(ramp * u128::from(HALVES))
        } else {
            (rate * (2 * elapsed - ramp)).div_ceil(u128::from(HALVES))
        };
        u64::try_from(due).unwrap_or(u64::MAX)
    }

    /// How many microseconds after the start the record is due.
    #[inline]
    pub(super) fn time(self, value: u64) -> u64 {
        // Nearly all numbers that occur are small enough for the fast division.
        if self.ramp == 0 && value <= u64::MAX / HALVES {
            return value * (HALVES / 2) / self.per_second;
        }
        self.wide_time(value)
    }

    fn wide_time(self, value: u64) -> u64 {
        let (rate, ramp) = (u128::from(self.per_second), u128::from(self.ramp));
        let halves = u128::from(value) * u128::from(HALVES);
        let time = if halves < rate * ramp { (halves * ramp / rate).isqrt() } else { (halves / rate + ramp) / 2 };
        u64::try_from(time).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Schedule;

    #[test]
    fn a_second_holds_the_rate_and_a_ramp_half_of_it() {
        let steady = Schedule { per_second: 10, ramp: 0 };
        assert_eq!([0, 1, 100_000, 999_999, 1_000_000, 1_000_001].map(|t| steady.due(t)), [0, 1, 1, 10, 10, 11]);
        assert_eq!([0, 1, 9, 10].map(|v| steady.time(v)), [0, 100_000, 900_000, 1_000_000]);
        let ramped = Schedule { per_second: 10, ramp: 2_000_000 };
        assert_eq!([1_000_000, 2_000_000, 3_000_000].map(|t| ramped.due(t)), [3, 10, 20]);
    }

    proptest! {
        #[test]
        fn times_and_counts_agree(
            per_second in 1..=1_000_000_000u64,
            ramp in prop_oneof![Just(0), 1..100_000_000u64, Just(100 * 86_400 * 1_000_000)],
            value in prop_oneof![0..10_000u64, any::<u64>().prop_map(|v| v >> 8)],
        ) {
            let schedule = Schedule { per_second, ramp };
            let time = schedule.time(value);
            prop_assert!(schedule.due(time) <= value, "not due before its time");
            prop_assert!(schedule.due(time + 1) > value, "due after its time");
            prop_assert!(time <= schedule.time(value + 1), "in order");
        }
    }
}
