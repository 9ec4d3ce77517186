//! Numbers that actions can sum up.

use firesteel_window::aggregate::Compensated;

use crate::actions::aggregate::folded;
use crate::error::{Error, Result};
use crate::operator::Operator;
use crate::rdd::Rdd;

/// A number: what [`Actions::sum`](crate::Actions::sum) and the statistics take.
pub trait Number: Copy + Send + Sync + 'static {
    /// What a sum is kept in. It leaves the range of the type on its way and returns, so that how the records were split
    /// does not show.
    type Sum: Default + Send + 'static;
    /// Adds this number to a sum.
    fn add_to(self, sum: &mut Self::Sum);
    /// Adds another sum to a sum.
    fn merge(sum: &mut Self::Sum, other: Self::Sum);
    /// The sum, if the type can hold it.
    fn total(sum: &Self::Sum) -> Option<Self>;
    /// The nearest `f64`.
    fn to_f64(self) -> f64;
}

/// A sum of whole numbers of up to 128 bits. Its 192 bits hold as many of them as there can be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exact {
    low: u128,
    high: i64,
}

impl Exact {
    fn add(&mut self, low: u128, high: i64) {
        let (sum, carry) = self.low.overflowing_add(low);
        self.low = sum;
        self.high += high + i64::from(carry);
    }
}

macro_rules! whole {
    ($($type:ty),*) => {
        $(impl Number for $type {
            type Sum = Exact;
            #[allow(clippy::cast_lossless, clippy::cast_sign_loss, unused_comparisons, reason = "as it is for some types")]
            #[inline]
            fn add_to(self, sum: &mut Exact) {
                sum.add(self as u128, if self < 0 { -1 } else { 0 });
            }
            fn merge(sum: &mut Exact, other: Exact) {
                sum.add(other.low, other.high);
            }
            fn total(sum: &Exact) -> Option<Self> {
                match sum.high {
                    0 => sum.low.try_into().ok(),
                    -1 => i128::try_from(!sum.low).ok().and_then(|below| (!below).try_into().ok()),
                    _ => None,
                }
            }
            #[allow(clippy::cast_lossless, reason = "lossless for some of the types only")]
            fn to_f64(self) -> f64 {
                self as f64
            }
        })*
    };
}

macro_rules! floating {
    ($($type:ty),*) => {
        $(impl Number for $type {
            type Sum = Compensated;
            #[inline]
            fn add_to(self, sum: &mut Compensated) {
                sum.add(f64::from(self));
            }
            fn merge(sum: &mut Compensated, other: Compensated) {
                sum.merge(other);
            }
            #[allow(clippy::cast_possible_truncation, reason = "rounded to the type of the numbers")]
            fn total(sum: &Compensated) -> Option<Self> {
                Some(sum.value() as $type)
            }
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
        })*
    };
}

whole!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);
floating!(f32, f64);

pub(super) fn sum<R: Rdd<Item: Number>>(rdd: &R, operator: Operator) -> Result<R::Item> {
    type SumOf<R> = <<R as Rdd>::Item as Number>::Sum;
    let add = |mut sum: SumOf<R>, number: R::Item| {
        number.add_to(&mut sum);
        sum
    };
    let merge = |mut sum: SumOf<R>, other: SumOf<R>| {
        R::Item::merge(&mut sum, other);
        sum
    };
    let sum = folded(rdd, operator.clone(), SumOf::<R>::default, add, merge)?;
    R::Item::total(&sum).ok_or_else(|| Error::Argument {
        operator: operator.to_string(),
        reason: format!(
            "the sum exceeds what a {} can hold: map to a wider type first",
            std::any::type_name::<R::Item>()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total<N: Number>(numbers: impl IntoIterator<Item = N>) -> Option<N> {
        let mut sum = N::Sum::default();
        numbers.into_iter().for_each(|number| number.add_to(&mut sum));
        N::total(&sum)
    }

    #[test]
    fn a_sum_that_leaves_the_range_and_returns_is_exact() {
        assert_eq!(total([100i8, 100, -100, -128, 1]), Some(-27));
        assert_eq!(total([i8::MIN, -1, 1]), Some(i8::MIN));
        assert_eq!(total([i128::MAX, i128::MAX, i128::MIN, i128::MIN]), Some(-2));
        assert_eq!(total([i128::MIN, i128::MAX]), Some(-1));
        assert_eq!(total([u128::MAX, 0]), Some(u128::MAX));
        assert_eq!(total([usize::MAX]), Some(usize::MAX));
    }

    #[test]
    fn a_sum_beyond_the_range_is_none() {
        assert_eq!((total([i8::MAX, 1]), total([i8::MIN, -1]), total([u8::MAX, 1])), (None, None, None));
        assert_eq!((total([i128::MAX, 1]), total([i128::MIN, -1]), total([u128::MAX, 1])), (None, None, None));
    }
}
