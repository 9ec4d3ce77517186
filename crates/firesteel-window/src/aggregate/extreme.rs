//! The smallest and the largest value.

use std::borrow::Cow;

use super::Aggregator;

/// The smallest value, the first of several equal ones; `None` where there are no values.
///
/// For floating-point numbers, which have no total order, use [`Reduce`](super::Reduce) with `f64::min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Min;

/// The largest value, the first of several equal ones; `None` where there are no values.
///
/// For floating-point numbers, which have no total order, use [`Reduce`](super::Reduce) with `f64::max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Max;

macro_rules! extreme {
    ($name:ident, $better:tt, $kind:literal) => {
        impl<In: Ord + Clone> Aggregator<In> for $name {
            type Acc = Option<In>;
            type Out = Option<In>;

            #[inline]
            fn create(&self) -> Option<In> {
                None
            }

            #[inline]
            fn add(&self, acc: &mut Option<In>, value: In) {
                if acc.as_ref().is_none_or(|best| value $better *best) {
                    *acc = Some(value);
                }
            }

            #[inline]
            fn merge(&self, acc: &mut Option<In>, other: Option<In>) {
                if let Some(value) = other {
                    self.add(acc, value);
                }
            }

            #[inline]
            fn finish(&self, acc: &Option<In>) -> Option<In> {
                acc.clone()
            }

            #[inline]
            fn finish_owned(&self, acc: Option<In>) -> Option<In> {
                acc
            }

            fn kind(&self) -> Cow<'static, str> {
                Cow::Borrowed($kind)
            }
        }
    };
}

extreme!(Min, <, "min");
extreme!(Max, >, "max");

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
