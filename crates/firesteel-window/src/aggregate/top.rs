//! The largest and the smallest few of the values.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::Aggregator;
use super::order::sealed::Compare;
use super::order::{By, Itself};

/// The `n` largest values, the largest first; all of them where there are fewer.
///
/// [`by`](Self::by) compares something taken from each value. Of values of equal rank, the smaller one comes first by the
/// order of the values themselves: which ones are among the `n` does not depend on the order in which they came, and so
/// neither on partitions nor on how many threads there are. Only values that are equal in all that their order looks at,
/// stay in the order in which they came.
///
/// What is not comparable even with itself, such as a floating-point number that is none, comes last and never takes the
/// place of one that is. For `0.0` and `-0.0`, which are equal, the first stays.
///
/// ```
/// use firesteel_window::{Aggregator, TopN};
///
/// let top = TopN::by(2, |(_, score): &(&str, f64)| *score);
/// let mut acc = top.create();
/// for scored in [("c", 7.5), ("a", f64::NAN), ("b", 7.5), ("d", 1.0), ("a", 7.5)] {
///     top.add(&mut acc, scored);
/// }
/// assert_eq!(top.finish(&acc), [("a", 7.5), ("b", 7.5)]);
/// ```
///
/// Kept are at most `n` values, in whatever parts they are aggregated: whoever is not among the `n` largest of a part is not
/// among those of the whole.
#[derive(Debug, Clone, Copy)]
pub struct TopN<O = Itself> {
    count: usize,
    order: O,
}

/// The `n` smallest values, the smallest first; all of them where there are fewer.
///
/// [`by`](Self::by) compares something taken from each value. Ties are as with [`TopN`], and what is not comparable even with
/// itself comes last here, too.
///
/// ```
/// use firesteel_window::{Aggregator, BottomN};
///
/// let slowest = BottomN::new(2);
/// let mut acc = slowest.create();
/// for speed in [61.5, f64::NAN, 12.0, 48.0] {
///     slowest.add(&mut acc, speed);
/// }
/// assert_eq!(slowest.finish(&acc), [12.0, 48.0]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct BottomN<O = Itself> {
    count: usize,
    order: O,
}

macro_rules! few {
    ($name:ident, $first:ident, $kind:literal) => {
        impl $name {
            /// This many of them.
            #[must_use]
            pub const fn new(count: usize) -> Self {
                Self { count, order: Itself }
            }
        }

        impl<F> $name<By<F>> {
            /// This many of them, compared by something taken from each.
            pub const fn by<In, K>(count: usize, key: F) -> Self
            where
                K: PartialOrd,
                F: Fn(&In) -> K,
            {
                Self { count, order: By(key) }
            }
        }

        impl<In, O> Aggregator<In> for $name<O>
        where
            In: Clone,
            O: Compare<In>,
        {
            accumulates_its_result!(Vec<In>);

            #[inline]
            fn add(&self, acc: &mut Vec<In>, value: In) {
                let follows = |kept: &In| self.order.$first(kept, &value) != Ordering::Greater;
                if acc.len() >= self.count && acc.last().is_none_or(follows) {
                    return;
                }
                let place = acc.partition_point(follows);
                acc.truncate(self.count - 1);
                acc.insert(place, value);
            }

            fn merge(&self, acc: &mut Vec<In>, mut other: Vec<In>) {
                if acc.is_empty() {
                    *acc = other;
                } else if other.len() == 1 {
                    other.into_iter().for_each(|value| self.add(acc, value));
                } else {
                    // Two runs, of which the first has the earlier values: stable, and in linear time.
                    acc.append(&mut other);
                    acc.sort_by(|a, b| self.order.$first(a, b));
                    acc.truncate(self.count);
                }
            }

            fn kind(&self) -> Cow<'static, str> {
                format!("{} {}{}", $kind, self.count, self.order.suffix()).into()
            }
        }
    };
}

few!(TopN, largest_first, "top");
few!(BottomN, smallest_first, "bottom");

#[cfg(test)]
mod tests {
    use super::super::testing::run;
    use super::*;

    #[test]
    fn finds_the_largest_and_the_smallest() {
        assert_eq!(run(&TopN::new(2), [3, 9, 1, 7]), [9, 7]);
        assert_eq!(run(&BottomN::new(2), [3, 9, 1, 7]), [1, 3]);
        assert_eq!(run(&TopN::new(5), [3, 9, 3]), [9, 3, 3]);
        assert!(run(&TopN::new(0), [3, 9]).is_empty());
        assert!(run(&TopN::new(3), Vec::<u8>::new()).is_empty());
    }

    #[test]
    fn ties_go_to_the_smaller_value_however_they_come() {
        let votes = [("eve", 3), ("bob", 3), ("ann", 3), ("dan", 4)];
        let (top, bottom) = (TopN::by(2, |vote: &(&str, i32)| vote.1), BottomN::by(2, |vote: &(&str, i32)| vote.1));
        for turn in 0..votes.len() {
            let mut votes = votes;
            votes.rotate_left(turn);
            assert_eq!(run(&top, votes), [("dan", 4), ("ann", 3)]);
            assert_eq!(run(&bottom, votes), [("ann", 3), ("bob", 3)]);
        }
    }

    #[test]
    fn what_is_no_number_takes_no_place() {
        assert_eq!(run(&TopN::new(2), [f64::NAN, f64::NAN, 1.0, f64::INFINITY, f64::NAN, 2.0]), [f64::INFINITY, 2.0]);
        assert_eq!(run(&BottomN::new(2), [f64::NAN, -f64::NAN, 1.0, f64::NEG_INFINITY]), [f64::NEG_INFINITY, 1.0]);
        let few = run(&TopN::new(3), [f64::NAN, 1.0]);
        assert!(few[0] == 1.0 && few[1].is_nan() && few.len() == 2);
    }

    #[test]
    fn what_is_no_number_takes_no_place_inside_of_a_tuple_either() {
        let pairs = [(f64::NAN, 9), (1.0, 0), (2.0, 7)];
        assert_eq!(run(&TopN::new(2), pairs), [(2.0, 7), (1.0, 0)]);
        assert_eq!(run(&TopN::by(1, |pair: &(f64, i32)| (pair.0, pair.1)), pairs), [(2.0, 7)]);
        assert_eq!(run(&BottomN::by(1, |pair: &(f64, i32)| Some(pair.0)), pairs), [(1.0, 0)]);
    }

    #[test]
    fn parts_are_never_cut_before_they_are_complete() {
        let top = TopN::new(3);
        let mut acc = top.start(5);
        for part in [vec![9, 8, 7], vec![], vec![10], vec![8, 6]] {
            top.merge(&mut acc, part);
        }
        assert_eq!(acc, [10, 9, 8]);
    }

    #[test]
    fn says_how_many() {
        assert_eq!(Aggregator::<i32>::kind(&TopN::new(10)), "top 10");
        assert_eq!(Aggregator::<i32>::kind(&BottomN::by(3, |n: &i32| -n)), "bottom 3 by");
    }
}
