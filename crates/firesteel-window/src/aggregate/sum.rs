//! Sums that never wrap around. Other aggregations of numbers build on the same [`Summand`].

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Aggregator, Wide};
use crate::time::Duration;

/// The sum of the values.
///
/// It never wraps around and does not depend on how the values were split:
///
/// | values | kept while adding | result |
/// |---|---|---|
/// | `i8`, `i16`, `i32` / `u8`, `u16`, `u32` | `i64` / `u64` | `i64` / `u64` |
/// | `i64`, `isize` / `u64`, `usize` | [`Wide`] of `i128` / `u128` | `i64` / `u64` |
/// | `i128` / `u128` | the same | the same |
/// | `f32`, `f64` | [`Compensated`] | `f64` |
/// | [`Duration`] | [`Wide`] of `i128` | [`Duration`] |
///
/// A sum that its result type cannot hold is an error: see below. What is kept while adding is wide enough for four billion
/// extreme values (18 quintillion for 64 bits), so that a sum that leaves the range and returns is still exact; only 128-bit
/// values and floating-point numbers have nothing wider: the former are an error as soon as they leave it, the latter stay
/// infinite.
///
/// ```
/// use firesteel_window::{Aggregator, Sum};
///
/// let mut acc = Aggregator::<i64>::create(&Sum);
/// for value in [i64::MAX, 1, -1, -7] {
///     Sum.add(&mut acc, value);
/// }
/// assert_eq!(Aggregator::<i64>::finish(&Sum, &acc), i64::MAX - 7);
/// ```
///
/// # Panics
///
/// When a result is beyond the range of its type. In a job that is an error that names the operator. Numbers of 128 bits, or
/// floating-point ones, have more room: `Sum.of(|bytes: u64| u128::from(bytes))`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum;

/// A type whose values [`Sum`] and [`Mean`](super::Mean) can take: all numbers of the language, and [`Duration`].
#[diagnostic::on_unimplemented(
    message = "values of type `{Self}` cannot be summed",
    note = "`Sum` and `Mean` take numbers and durations; `of` aggregates something taken from each value: \
            `Sum.of(|click: Click| click.bytes)`"
)]
pub trait Summand {
    /// The sum while values are being added.
    type Partial;
    /// The sum when it is asked for.
    type Total;
    /// The mean when it is asked for.
    type Average;

    /// The sum of no values.
    fn zero() -> Self::Partial;

    /// Adds this value to `sum`.
    fn add_to(self, sum: &mut Self::Partial);

    /// Adds the sum `other` to `sum`.
    fn merge(sum: &mut Self::Partial, other: Self::Partial);

    /// The result of a sum.
    fn total(sum: &Self::Partial) -> Self::Total;

    /// The mean of `count` values that have this sum; `count` is at least one.
    fn average(sum: &Self::Partial, count: u64) -> Self::Average;
}

/// Ends the task, or whoever else adds up: any number would be a wrong sum.
#[cold]
#[inline(never)]
fn beyond(range: &str) -> ! {
    panic!(
        "a sum is beyond the range of `{range}`: add up a wider type, such as by `Sum.of(|n| i128::from(n))` or `as f64`"
    )
}

macro_rules! whole_numbers {
    ($($number:ty: $partial:ty => $total:ty;)*) => {$(
        impl Summand for $number {
            type Partial = $partial;
            type Total = $total;
            type Average = f64;

            #[inline]
            fn zero() -> $partial {
                0
            }

            #[inline]
            fn add_to(self, sum: &mut $partial) {
                *sum = sum.checked_add(self as $partial).unwrap_or_else(|| beyond(stringify!($partial)));
            }

            #[inline]
            fn merge(sum: &mut $partial, other: $partial) {
                *sum = sum.checked_add(other).unwrap_or_else(|| beyond(stringify!($partial)));
            }

            #[inline]
            fn total(sum: &$partial) -> $total {
                *sum
            }

            #[inline]
            fn average(sum: &$partial, count: u64) -> f64 {
                *sum as f64 / count as f64
            }
        }
    )*};
}

whole_numbers! {
    i8: i64 => i64;
    i16: i64 => i64;
    i32: i64 => i64;
    i128: i128 => i128;
    u8: u64 => u64;
    u16: u64 => u64;
    u32: u64 => u64;
    u128: u128 => u128;
}

macro_rules! numbers_of_64_bits {
    ($($number:ty: $wide:ty => $total:ty;)*) => {$(
        impl Summand for $number {
            type Partial = Wide<$wide>;
            type Total = $total;
            type Average = f64;

            #[inline]
            fn zero() -> Wide<$wide> {
                Wide::default()
            }

            #[inline]
            fn add_to(self, sum: &mut Wide<$wide>) {
                *sum = sum.get().saturating_add(self as $wide).into();
            }

            #[inline]
            fn merge(sum: &mut Wide<$wide>, other: Wide<$wide>) {
                *sum = sum.get().saturating_add(other.get()).into();
            }

            #[inline]
            fn total(sum: &Wide<$wide>) -> $total {
                <$total>::try_from(sum.get()).unwrap_or_else(|_| beyond(stringify!($total)))
            }

            #[inline]
            fn average(sum: &Wide<$wide>, count: u64) -> f64 {
                sum.get() as f64 / count as f64
            }
        }
    )*};
}

numbers_of_64_bits! {
    i64: i128 => i64;
    isize: i128 => i64;
    u64: u128 => u64;
    usize: u128 => u64;
}

/// A sum and what rounding has cut off from it (Knuth's TwoSum).
#[inline]
pub(super) fn exact_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let added = sum - a;
    (sum, (a - (sum - added)) + (b - added))
}

/// A sum of floating-point numbers that remembers what rounding has cut off.
///
/// Each addition's error is computed exactly (Knuth's TwoSum) and added up beside the sum, as Neumaier proposed (1974).
/// The result is as good as if computed in twice the precision, so that splitting and merging hardly shows: without
/// this, a million times 0.1 already differs in the tenth digit. Infinities, NaN and sums that leave the range of `f64`
/// on their way give what plain addition gives.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Compensated {
    sum: f64,
    error: f64,
}

impl Compensated {
    /// Adds one number.
    #[inline]
    pub fn add(&mut self, value: f64) {
        let (sum, error) = exact_sum(self.sum, value);
        self.sum = sum;
        self.error += error;
    }

    /// Adds another sum.
    #[inline]
    pub fn merge(&mut self, other: Self) {
        self.add(other.sum);
        self.error += other.error;
    }

    /// The sum, rounded once.
    #[must_use]
    #[inline]
    pub fn value(&self) -> f64 {
        if self.sum.is_finite() {
            self.sum + self.error
        } else {
            // The error of an infinite sum is not a number.
            self.sum
        }
    }
}

macro_rules! floating_point_numbers {
    ($($number:ty)*) => {$(
        impl Summand for $number {
            type Partial = Compensated;
            type Total = f64;
            type Average = f64;

            #[inline]
            fn zero() -> Compensated {
                Compensated::default()
            }

            #[inline]
            fn add_to(self, sum: &mut Compensated) {
                sum.add(f64::from(self));
            }

            #[inline]
            fn merge(sum: &mut Compensated, other: Compensated) {
                sum.merge(other);
            }

            #[inline]
            fn total(sum: &Compensated) -> f64 {
                sum.value()
            }

            #[inline]
            fn average(sum: &Compensated, count: u64) -> f64 {
                sum.value() / count as f64
            }
        }
    )*};
}

floating_point_numbers!(f32 f64);

impl Summand for Duration {
    type Partial = Wide<i128>;
    type Total = Duration;
    type Average = Duration;

    #[inline]
    fn zero() -> Wide<i128> {
        Wide::default()
    }

    #[inline]
    fn add_to(self, sum: &mut Wide<i128>) {
        self.as_micros().add_to(sum);
    }

    #[inline]
    fn merge(sum: &mut Wide<i128>, other: Wide<i128>) {
        i64::merge(sum, other);
    }

    #[inline]
    fn total(sum: &Wide<i128>) -> Duration {
        Duration::micros(i64::try_from(sum.get()).unwrap_or_else(|_| beyond("Duration")))
    }

    /// Rounded towards zero.
    #[inline]
    fn average(sum: &Wide<i128>, count: u64) -> Duration {
        // A mean is within the range of its values.
        Duration::micros(i64::total(&Wide::from(sum.get() / i128::from(count))))
    }
}

impl<In: Summand> Aggregator<In> for Sum {
    type Acc = In::Partial;
    type Out = In::Total;

    #[inline]
    fn create(&self) -> In::Partial {
        In::zero()
    }

    #[inline]
    fn add(&self, acc: &mut In::Partial, value: In) {
        value.add_to(acc);
    }

    #[inline]
    fn merge(&self, acc: &mut In::Partial, other: In::Partial) {
        In::merge(acc, other);
    }

    #[inline]
    fn finish(&self, acc: &In::Partial) -> In::Total {
        In::total(acc)
    }

    fn kind(&self) -> Cow<'static, str> {
        Cow::Borrowed("sum")
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::run;
    use super::*;
    use crate::time::{days, seconds};

    #[test]
    fn whole_numbers_are_widened() {
        assert_eq!(run(&Sum, [200_u8; 3]), 600_u64);
        assert_eq!(run(&Sum, [i32::MAX; 3]), 3 * i64::from(i32::MAX));
        assert_eq!(run(&Sum, [3_usize, 4]), 7_u64);
    }

    #[test]
    fn a_sum_may_leave_the_range_of_its_type_and_return() {
        assert_eq!(run(&Sum, [i64::MIN, i64::MIN, i64::MAX, i64::MAX]), -2);
        assert_eq!(run(&Sum, [isize::MAX, isize::MAX, isize::MIN]), isize::MAX as i64 - 1);
        assert_eq!(run(&Sum, [Duration::MAX, days(1), days(-1)]), Duration::MAX);
        assert_eq!(run(&Sum, [i64::MAX, 0]), i64::MAX);
        assert_eq!(run(&Sum, [u64::MAX, 0]), u64::MAX);
    }

    #[test]
    fn a_sum_beyond_the_range_of_its_type_is_an_error_that_says_the_way_out() {
        fn told<T>(sum: impl FnOnce() -> T + std::panic::UnwindSafe) -> String {
            let told = std::panic::catch_unwind(sum).err().unwrap();
            told.downcast_ref::<String>().unwrap().clone()
        }
        let message = told(|| run(&Sum, [i64::MAX, 1]));
        assert!(message.starts_with("a sum is beyond the range of `i64`: add up a wider type"), "{message}");
        assert!(told(|| run(&Sum, [i64::MIN, -1])).contains("`i64`"));
        assert!(told(|| run(&Sum, [u64::MAX, 1])).contains("`u64`"));
        assert!(told(|| run(&Sum, [usize::MAX, 1])).contains("`u64`"));
        assert!(told(|| run(&Sum, [i128::MAX, 1])).contains("`i128`"));
        assert!(told(|| run(&Sum, [Duration::MAX, days(1)])).contains("`Duration`"));
        let mut acc = i64::MAX - 1;
        assert!(told(move || Aggregator::<i32>::merge(&Sum, &mut acc, 2)).contains("`i64`"));
    }

    #[test]
    fn floating_point_sums_keep_what_rounding_cuts_off() {
        assert_eq!(run(&Sum, [1e16, 1.0, -1e16]), 1.0);
        assert_eq!(run(&Sum, [0.1; 10]), 1.0);
        assert_eq!(run(&Sum, [0.5_f32, 0.25]), 0.75_f64);
    }

    #[test]
    fn floating_point_sums_beyond_the_range_are_as_usual() {
        assert_eq!(run(&Sum, [f64::MAX, f64::MAX]), f64::INFINITY);
        assert_eq!(run(&Sum, [1.0, f64::NEG_INFINITY, 2.0]), f64::NEG_INFINITY);
        assert!(run(&Sum, [f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert!(run(&Sum, [1.0, f64::NAN, 1.0]).is_nan());
    }

    #[test]
    fn durations_add_up() {
        assert_eq!(run(&Sum, [seconds(3), seconds(4)]), seconds(7));
    }
}
