//! The smallest and the largest value.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::Aggregator;
use super::order::sealed::Compare;
use super::order::{By, is_ranked};

/// The smallest value, the first of several equal ones; `None` where there are no values.
///
/// What is not comparable even with itself, such as a floating-point number that is none, is the result only where there is
/// nothing else. [`MinBy`] compares something taken from each value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Min;

/// The largest value, the first of several equal ones; `None` where there are no values.
///
/// What is not comparable even with itself, such as a floating-point number that is none, is the result only where there is
/// nothing else. [`MaxBy`] compares something taken from each value.
///
/// ```
/// use firesteel_window::{Aggregator, Max};
///
/// let mut acc = Max.create();
/// for degrees in [21.5, f64::NAN, 30.25] {
///     Max.add(&mut acc, degrees);
/// }
/// assert_eq!(Max.finish(&acc), Some(30.25));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Max;

/// The value of which something is the smallest: SQL's `min_by`, also known as arg-min. `None` where there are no values.
///
/// Ties and what is no number are as with [`BottomN`](super::BottomN).
///
/// ```
/// use firesteel_window::{Aggregator, MinBy};
///
/// let cheapest = MinBy::new(|offer: &(&str, u32)| offer.1);
/// let mut acc = cheapest.create();
/// for offer in [("tea", 3), ("cocoa", 2), ("coffee", 2)] {
///     cheapest.add(&mut acc, offer);
/// }
/// assert_eq!(cheapest.finish(&acc), Some(("cocoa", 2)));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct MinBy<F>(By<F>);

/// The value of which something is the largest: SQL's `max_by`, also known as arg-max. `None` where there are no values.
///
/// Ties and what is no number are as with [`TopN`](super::TopN).
#[derive(Debug, Clone, Copy)]
pub struct MaxBy<F>(By<F>);

macro_rules! extreme {
    ($name:ident, $by:ident, $better:tt, $first:ident, $kind:literal) => {
        impl<In: PartialOrd + Clone> Aggregator<In> for $name {
            accumulates_its_result!(Option<In>);

            #[inline]
            fn add(&self, acc: &mut Option<In>, value: In) {
                let is_better = |best: &In| match (is_ranked(&value), is_ranked(best)) {
                    (true, true) => value $better *best,
                    (is_ranked, was_ranked) => is_ranked & !was_ranked,
                };
                if acc.as_ref().is_none_or(is_better) {
                    *acc = Some(value);
                }
            }

            #[inline]
            fn merge(&self, acc: &mut Option<In>, other: Option<In>) {
                if let Some(value) = other {
                    self.add(acc, value);
                }
            }

            fn kind(&self) -> Cow<'static, str> {
                Cow::Borrowed($kind)
            }
        }

        impl<F> $by<F> {
            /// Compared by this.
            pub const fn new<In, K>(key: F) -> Self
            where
                K: PartialOrd,
                F: Fn(&In) -> K,
            {
                Self(By(key))
            }
        }

        impl<In, F> Aggregator<In> for $by<F>
        where
            In: Clone,
            By<F>: Compare<In>,
        {
            accumulates_its_result!(Option<In>);

            #[inline]
            fn add(&self, acc: &mut Option<In>, value: In) {
                if acc.as_ref().is_none_or(|best| self.0.$first(best, &value) == Ordering::Greater) {
                    *acc = Some(value);
                }
            }

            #[inline]
            fn merge(&self, acc: &mut Option<In>, other: Option<In>) {
                if let Some(value) = other {
                    self.add(acc, value);
                }
            }

            fn kind(&self) -> Cow<'static, str> {
                Cow::Borrowed(concat!($kind, " by"))
            }
        }
    };
}

extreme!(Min, MinBy, <, smallest_first, "min");
extreme!(Max, MaxBy, >, largest_first, "max");

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::super::testing::run;
    use super::*;

    #[test]
    fn finds_the_ends() {
        assert_eq!(run(&Min, [3, 1, 2]), Some(1));
        assert_eq!(run(&Max, ["b", "c", "a"]), Some("c"));
        assert_eq!(run(&Min, Vec::<i32>::new()), None);
    }

    #[test]
    fn what_is_no_number_does_not_stick() {
        for numbers in [[f64::NAN, 1.0, 2.0], [1.0, f64::NAN, 2.0], [2.0, 1.0, f64::NAN]] {
            assert_eq!((run(&Min, numbers), run(&Max, numbers)), (Some(1.0), Some(2.0)));
            assert_eq!(run(&MaxBy::new(|n: &f64| *n), numbers), Some(2.0));
        }
        assert!(run(&Max, [f64::NAN; 2]).unwrap().is_nan());
        assert_eq!(run(&Max, [f64::NEG_INFINITY, f64::INFINITY]), Some(f64::INFINITY));
    }

    #[test]
    fn finds_what_has_the_ends_and_ties_go_to_the_smaller_value() {
        let bids = [(3, "c"), (9, "b"), (9, "a"), (3, "d")];
        for turn in 0..bids.len() {
            let mut bids = bids;
            bids.rotate_left(turn);
            assert_eq!(run(&MaxBy::new(|bid: &(i32, &str)| bid.0), bids), Some((9, "a")));
            assert_eq!(run(&MinBy::new(|bid: &(i32, &str)| bid.0), bids), Some((3, "c")));
        }
        assert_eq!(run(&MinBy::new(|n: &i32| *n), []), None);
    }

    #[derive(Clone, Debug)]
    struct Ranked(u32, &'static str);

    impl Ord for Ranked {
        fn cmp(&self, other: &Self) -> Ordering {
            self.0.cmp(&other.0)
        }
    }

    impl PartialOrd for Ranked {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl PartialEq for Ranked {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }

    impl Eq for Ranked {}

    #[test]
    fn of_equal_values_the_first_stays() {
        let ties = [Ranked(1, "first"), Ranked(1, "second")];
        assert_eq!(run(&Min, ties.clone()).unwrap().1, "first");
        assert_eq!(run(&Max, ties.clone()).unwrap().1, "first");
        let [first, second] = ties.map(Some);
        let mut acc = first;
        Max.merge(&mut acc, second);
        assert_eq!(acc.unwrap().1, "first");
    }
}
