//! Values that differ, all of them kept.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Aggregator;

/// How many different values there are, exactly.
///
/// Every one of them is kept: where they are very many, [`ApproxDistinct`](super::ApproxDistinct) takes a few KiB.
/// Floating-point numbers have no total order; `of` counts their bits: `Distinct.of(|degrees: f64| degrees.to_bits())`.
///
/// ```
/// use firesteel_window::{Aggregator, Distinct};
///
/// let mut acc = Distinct.create();
/// for user in ["ann", "bob", "ann"] {
///     Distinct.add(&mut acc, user);
/// }
/// assert_eq!(Distinct.finish(&acc), 2);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Distinct;

/// The different values, in their order.
///
/// Of values that their order calls equal, the first stays.
///
/// ```
/// use firesteel_window::{Aggregator, DistinctSet};
///
/// let mut acc = DistinctSet.create();
/// for port in [443, 22, 443] {
///     DistinctSet.add(&mut acc, port);
/// }
/// assert!(DistinctSet.finish(&acc).into_iter().eq([22, 443]));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DistinctSet;

/// Takes one set into another, without going over the larger one.
fn unite<In: Ord>(acc: &mut BTreeSet<In>, mut other: BTreeSet<In>) {
    if acc.len() >= other.len() {
        // What is there stays.
        return acc.extend(other);
    }
    for value in std::mem::take(acc) {
        other.replace(value);
    }
    *acc = other;
}

macro_rules! set {
    ($name:ident, $out:ty, $kind:literal, |$set:ident| $result:expr, $owned:expr) => {
        impl<In: Ord + Clone> Aggregator<In> for $name {
            type Acc = BTreeSet<In>;
            type Out = $out;

            #[inline]
            fn create(&self) -> BTreeSet<In> {
                BTreeSet::new()
            }

            #[inline]
            fn add(&self, acc: &mut BTreeSet<In>, value: In) {
                acc.insert(value);
            }

            fn merge(&self, acc: &mut BTreeSet<In>, other: BTreeSet<In>) {
                unite(acc, other);
            }

            #[inline]
            fn finish(&self, $set: &BTreeSet<In>) -> $out {
                $result
            }

            #[inline]
            fn finish_owned(&self, $set: BTreeSet<In>) -> $out {
                $owned
            }

            fn kind(&self) -> Cow<'static, str> {
                Cow::Borrowed($kind)
            }
        }
    };
}

set!(Distinct, u64, "distinct", |set| set.len() as u64, set.len() as u64);
set!(DistinctSet, BTreeSet<In>, "distinct set", |set| set.clone(), set);

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::super::testing::run;
    use super::*;

    #[test]
    fn counts_what_differs() {
        assert_eq!(run(&Distinct, [3, 1, 3, 3]), 2);
        assert_eq!(run(&Distinct, Vec::<i32>::new()), 0);
        assert_eq!(run(&Distinct.of(|number: f64| number.to_bits()), [0.5, f64::NAN, f64::NAN]), 2);
        assert!(run(&DistinctSet, ["b", "a", "b"]).into_iter().eq(["a", "b"]));
    }

    /// Equal by the first part.
    #[derive(Debug, Clone)]
    struct Labeled(i32, &'static str);

    impl Ord for Labeled {
        fn cmp(&self, other: &Self) -> Ordering {
            self.0.cmp(&other.0)
        }
    }

    impl PartialOrd for Labeled {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl PartialEq for Labeled {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }

    impl Eq for Labeled {}

    #[test]
    fn of_equal_values_the_first_stays_however_large_the_parts_are() {
        let labels = |set: BTreeSet<Labeled>| set.into_iter().map(|value| value.1).collect::<Vec<_>>();
        assert_eq!(labels(run(&DistinctSet, [Labeled(1, "first"), Labeled(1, "second")])), ["first"]);
        for more in [&[][..], &[2, 3]] {
            for before in [&[][..], &[4, 5, 6]] {
                let part = |label, numbers: &[i32]| {
                    let mut part = DistinctSet.start(Labeled(1, label));
                    numbers.iter().for_each(|number| DistinctSet.add(&mut part, Labeled(*number, "")));
                    part
                };
                let mut acc = part("first", before);
                DistinctSet.merge(&mut acc, part("second", more));
                assert_eq!(labels(acc)[0], "first");
            }
        }
    }
}
