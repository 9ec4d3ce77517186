//! How many values become one result, in parts and in any grouping.
//!
//! An [`Aggregator`] describes an aggregation apart from where its intermediate results are kept: they may lie in a
//! task, in a pane, in a store, or be sent to another process, and are combined as they meet. The shape
//! is that of Algebird's and Beam's aggregators, and of Spark's typed `Aggregator`.
//!
//! There is one family of them for all: what aggregates an RDD or its keys, the records of a window, all that a stream
//! has yielded so far, or what tasks add to an accumulator, takes any of these; tuples take several at once.
//!
//! | what | aggregators |
//! |---|---|
//! | how many, how much | [`Count`], [`Sum`], [`Mean`] |
//! | how they spread | [`Variance`], [`StdDev`], [`Stats`] for all of it; [`Quantiles`], [`ApproxQuantiles`] |
//! | the ends | [`Min`], [`Max`], [`MinBy`], [`MaxBy`], [`TopN`], [`BottomN`], [`First`], [`Last`] |
//! | what differs | [`Distinct`], [`DistinctSet`], [`ApproxDistinct`] |
//! | all of them | [`List`] |
//! | of functions | [`Reduce`], [`Fold`], [`Combine`] |
//!
//! ```
//! use firesteel_window::{Aggregator, Count, Max, Mean};
//!
//! let summary = (Count, Mean, Max);
//! let mut acc = summary.create();
//! for size in [200_u32, 404, 302] {
//!     summary.add(&mut acc, size);
//! }
//! assert_eq!(summary.finish(&acc), (3, Some(302.0), Some(404)));
//! ```
//!
//! What an aggregator does not do: see keys, windows or time, or forget values again. An aggregation that can be
//! undone value by value (for sliding windows) is another thing.

/// What aggregators have in common whose accumulator is their result.
macro_rules! accumulates_its_result {
    ($result:ty) => {
        type Acc = $result;
        type Out = $result;

        #[inline]
        fn create(&self) -> $result {
            <$result>::default()
        }

        #[inline]
        fn finish(&self, acc: &$result) -> $result {
            acc.clone()
        }

        #[inline]
        fn finish_owned(&self, acc: $result) -> $result {
            acc
        }
    };
}

mod approx_distinct;
mod approx_quantiles;
mod closure;
mod distinct;
mod ends;
mod extreme;
mod list;
mod mean;
mod moments;
mod numeric;
mod order;
mod quantiles;
mod spread;
mod sum;
mod top;
mod tuple;
mod wide;

use std::borrow::Cow;

pub use approx_distinct::{ApproxDistinct, Hashes};
pub use approx_quantiles::{ApproxQuantiles, Sizes};
pub use closure::{Combine, Fold, Of, Reduce};
pub use distinct::{Distinct, DistinctSet};
pub use ends::{First, Last};
pub use extreme::{Max, MaxBy, Min, MinBy};
pub use list::List;
pub use mean::{Mean, MeanParts};
pub use moments::Moments;
pub use numeric::Numeric;
pub use order::{By, Itself};
pub use quantiles::Quantiles;
pub use spread::{Stats, StdDev, Variance};
pub use sum::{Compensated, Sum, Summand};
pub use top::{BottomN, TopN};
pub use wide::Wide;

/// An aggregation of values of type `In`.
///
/// # Law
///
/// Cutting a run of values anywhere, adding each part to an accumulator of its own and merging these in order gives the
/// same result as adding all values to one accumulator. Merging need not be commutative: whoever merges keeps the
/// order of the values.
///
/// The engine relies on it for combining values before they are sent to where their key lives.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not aggregate values of type `{In}`",
    label = "no aggregator of `{In}`",
    note = "`Count` and `List` take any values, `Sum` and `Mean` numbers and durations, `Min` and `Max` what is `PartialOrd`",
    note = "functions are made an aggregator by `Reduce::new`, `Fold::new` or `Combine::new`; \
            `of` aggregates something taken from each value: `Sum.of(|click: Click| click.bytes)`"
)]
pub trait Aggregator<In> {
    /// What is kept between two values.
    type Acc;
    /// What comes out.
    type Out;

    /// An accumulator that has seen no value.
    fn create(&self) -> Self::Acc;

    /// Takes one value in. Called once per record.
    fn add(&self, acc: &mut Self::Acc, value: In);

    /// Takes in what another accumulator has seen, as if its values came after those of `acc`.
    fn merge(&self, acc: &mut Self::Acc, other: Self::Acc);

    /// The result so far. The accumulator stays usable, so that a result can be given early and improved later.
    fn finish(&self, acc: &Self::Acc) -> Self::Out;

    /// An accumulator that has seen one value.
    #[inline]
    fn start(&self, value: In) -> Self::Acc {
        let mut acc = self.create();
        self.add(&mut acc, value);
        acc
    }

    /// The result of an accumulator that is not needed any more. To be overridden where that saves a copy.
    #[inline]
    fn finish_owned(&self, acc: Self::Acc) -> Self::Out {
        self.finish(&acc)
    }

    /// What kind of aggregation it is, for people and for whoever compares it with what is stored: `min` is not `max`,
    /// though their accumulators have the same type. Two aggregations with different results have different kinds,
    /// closures aside, which nothing can tell apart.
    fn kind(&self) -> Cow<'static, str> {
        Cow::Borrowed("custom")
    }

    /// The same aggregation of something taken from each value.
    ///
    /// ```
    /// use firesteel_window::{Aggregator, Count, Sum};
    ///
    /// struct Click { bytes: u64 }
    ///
    /// let traffic = (Count, Sum.of(|click: &Click| click.bytes));
    /// let mut acc = traffic.create();
    /// for click in &[Click { bytes: 10 }, Click { bytes: 32 }] {
    ///     traffic.add(&mut acc, click);
    /// }
    /// assert_eq!(traffic.finish(&acc), (2, 42));
    /// ```
    fn of<T, F>(self, select: F) -> Of<F, Self>
    where
        Self: Sized,
        F: Fn(T) -> In,
    {
        Of::new(select, self)
    }
}

/// The number of values.
///
/// The count is a `u64`: at 100 million values a second it lasts 5,800 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count;

impl<In> Aggregator<In> for Count {
    type Acc = u64;
    type Out = u64;

    #[inline]
    fn create(&self) -> u64 {
        0
    }

    #[inline]
    fn add(&self, acc: &mut u64, _: In) {
        *acc += 1;
    }

    #[inline]
    fn merge(&self, acc: &mut u64, other: u64) {
        *acc += other;
    }

    #[inline]
    fn finish(&self, acc: &u64) -> u64 {
        *acc
    }

    fn kind(&self) -> Cow<'static, str> {
        Cow::Borrowed("count")
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::Aggregator;

    /// The result over all `values`, added one by one.
    pub(crate) fn run<In, A: Aggregator<In>>(aggregator: &A, values: impl IntoIterator<Item = In>) -> A::Out {
        let mut acc = aggregator.create();
        for value in values {
            aggregator.add(&mut acc, value);
        }
        aggregator.finish(&acc)
    }
}

#[cfg(test)]
mod tests {
    use super::testing::run;
    use super::*;

    #[test]
    fn counts_whatever_comes() {
        assert_eq!(run(&Count, ["a", "b"]), 2);
        assert_eq!(run(&Count, Vec::<String>::new()), 0);
    }

    #[test]
    fn a_result_can_be_given_early_and_improved_later() {
        let mut acc = Aggregator::<i32>::create(&Sum);
        Sum.add(&mut acc, 1);
        assert_eq!(Aggregator::<i32>::finish(&Sum, &acc), 1);
        Sum.add(&mut acc, 2);
        assert_eq!(Aggregator::<i32>::finish(&Sum, &acc), 3);
    }
}
