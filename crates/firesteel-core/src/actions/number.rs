//! Numbers that actions can sum up.

use crate::actions::aggregate::folded;
use crate::error::{Error, Result};
use crate::operator::Operator;
use crate::rdd::Rdd;

/// A number: what [`Actions::sum`](crate::Actions::sum) and the statistics take.
pub trait Number: Copy + Send + Sync + 'static {
    /// Zero.
    const ZERO: Self;
    /// The sum, if the type can hold it.
    fn plus(self, other: Self) -> Option<Self>;
    /// The nearest `f64`.
    fn to_f64(self) -> f64;
}

macro_rules! whole {
    ($($type:ty),*) => {
        $(impl Number for $type {
            const ZERO: Self = 0;
            fn plus(self, other: Self) -> Option<Self> {
                self.checked_add(other)
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
            const ZERO: Self = 0.0;
            fn plus(self, other: Self) -> Option<Self> {
                Some(self + other)
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
    let plus = |sum: Option<R::Item>, number: Option<R::Item>| sum.zip(number).and_then(|(sum, n)| sum.plus(n));
    let sum = folded(rdd, operator.clone(), || Some(R::Item::ZERO), move |sum, n| plus(sum, Some(n)), plus)?;
    sum.ok_or_else(|| Error::Argument {
        operator: operator.to_string(),
        reason: format!(
            "the sum exceeds what a {} can hold: map to a wider type first",
            std::any::type_name::<R::Item>()
        ),
    })
}
