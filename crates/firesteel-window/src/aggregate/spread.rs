//! Variance and standard deviation.

use std::borrow::Cow;

use super::{Aggregator, Moments, Numeric};

/// Count, sum, mean, variance and standard deviation at once: [`Moments`].
///
/// ```
/// use firesteel_window::{Aggregator, Stats};
///
/// let mut acc = Aggregator::<i32>::create(&Stats);
/// for celsius in [18, 22, 20] {
///     Stats.add(&mut acc, celsius);
/// }
/// let stats = Aggregator::<i32>::finish(&Stats, &acc);
/// assert_eq!((stats.count(), stats.mean(), stats.sample_std_dev()), (3, Some(20.0), Some(2.0)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats;

/// The variance of the values; `None` where there are too few.
///
/// A mean far from 0 costs no digits, and neither the order of the values nor their parts show: see [`Moments`]. One value
/// that is not a number makes it not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variance(Of);

/// The standard deviation of the values, the square root of their [`Variance`]; `None` where there are too few.
///
/// ```
/// use firesteel_window::{Aggregator, StdDev};
///
/// let spread = StdDev::population();
/// let mut acc = Aggregator::<f64>::create(&spread);
/// for value in [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0] {
///     spread.add(&mut acc, value);
/// }
/// assert_eq!(Aggregator::<f64>::finish(&spread, &acc), Some(2.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StdDev(Of);

/// Of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Population,
    Sample,
}

macro_rules! moments {
    ($name:ty, $out:ty, |$self:ident, $moments:ident| $result:expr, $kind:expr) => {
        impl<In: Numeric> Aggregator<In> for $name {
            type Acc = Moments;
            type Out = $out;

            #[inline]
            fn create(&self) -> Moments {
                Moments::default()
            }

            #[inline]
            fn add(&self, acc: &mut Moments, value: In) {
                acc.add(value.number());
            }

            #[inline]
            fn merge(&self, acc: &mut Moments, other: Moments) {
                acc.merge(other);
            }

            fn finish(&$self, $moments: &Moments) -> $out {
                $result
            }

            fn kind(&$self) -> Cow<'static, str> {
                $kind.into()
            }
        }
    };
}

macro_rules! spread {
    ($name:ident, $of_all:ident, $of_sample:ident, $kind:literal) => {
        impl $name {
            /// Where the values are all that there are; `None` where there are none.
            #[must_use]
            pub const fn population() -> Self {
                Self(Of::Population)
            }

            /// Of what the values are a sample of; `None` where there are fewer than two.
            #[must_use]
            pub const fn sample() -> Self {
                Self(Of::Sample)
            }
        }

        moments!(
            $name,
            Option<f64>,
            |self, moments| match self.0 {
                Of::Population => moments.$of_all(),
                Of::Sample => moments.$of_sample(),
            },
            match self.0 {
                Of::Population => concat!($kind, " of population"),
                Of::Sample => concat!($kind, " of sample"),
            }
        );
    };
}

moments!(Stats, Moments, |self, moments| *moments, "stats");
spread!(Variance, variance, sample_variance, "variance");
spread!(StdDev, std_dev, sample_std_dev, "standard deviation");

#[cfg(test)]
mod tests {
    use super::super::testing::run;
    use super::*;

    #[test]
    fn population_and_sample_are_told_apart() {
        let numbers = [4, 7, 13, 16];
        assert_eq!(run(&Variance::population(), numbers), Some(22.5));
        assert_eq!(run(&Variance::sample(), numbers), Some(30.0));
        assert_eq!(run(&StdDev::population(), [1_u8, 3]), Some(1.0));
        assert_eq!(run(&StdDev::sample(), [5.0]), None);
        assert_eq!(run(&StdDev::population(), Vec::<f32>::new()), None);
        assert_ne!(Aggregator::<u8>::kind(&StdDev::sample()), Aggregator::<u8>::kind(&StdDev::population()));
    }

    #[test]
    fn a_mean_far_from_0_costs_no_digits() {
        assert_eq!(run(&StdDev::sample(), [1e15 + 4.0, 1e15 + 7.0, 1e15 + 13.0, 1e15 + 16.0]), Some(30_f64.sqrt()));
    }
}
