//! The first and the last value.

use std::borrow::Cow;

use super::{Aggregator, MaxBy, MinBy};

/// The value that came first; `None` where there are no values.
///
/// The order is that of arrival: where a key's values are in several partitions, that of the partitions. What happened first
/// is found by [`First::by`] whatever the order of arrival.
///
/// ```
/// use firesteel_window::{Aggregator, First};
///
/// let opening = First::by(|trade: &(u64, f64)| trade.0); // by its time
/// let mut acc = opening.create();
/// for trade in [(9, 101.5), (7, 100.0), (8, 102.0)] {
///     opening.add(&mut acc, trade);
/// }
/// assert_eq!(opening.finish(&acc), Some((7, 100.0)));
/// assert_eq!(First.finish(&Some((9, 101.5))), Some((9, 101.5)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct First;

/// The value that came last; `None` where there are no values.
///
/// The order is that of arrival: where a key's values are in several partitions, that of the partitions. What happened last
/// is found by [`Last::by`] whatever the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Last;

impl First {
    /// The value with the earliest time, or whatever `time` takes from it. Of several at that time, the smallest: see
    /// [`MinBy`].
    pub const fn by<In, K, F>(time: F) -> MinBy<F>
    where
        K: PartialOrd,
        F: Fn(&In) -> K,
    {
        MinBy::new(time)
    }
}

impl Last {
    /// The value with the latest time, or whatever `time` takes from it. Of several at that time, the smallest: see
    /// [`MaxBy`].
    pub const fn by<In, K, F>(time: F) -> MaxBy<F>
    where
        K: PartialOrd,
        F: Fn(&In) -> K,
    {
        MaxBy::new(time)
    }
}

macro_rules! end {
    ($name:ident, $kind:literal, |$earlier:ident, $later:ident| $kept:expr) => {
        impl<In: Clone> Aggregator<In> for $name {
            accumulates_its_result!(Option<In>);

            #[inline]
            fn add(&self, acc: &mut Option<In>, value: In) {
                self.merge(acc, Some(value));
            }

            #[inline]
            fn merge(&self, acc: &mut Option<In>, $later: Option<In>) {
                let $earlier = acc.take();
                *acc = $kept;
            }

            fn kind(&self) -> Cow<'static, str> {
                Cow::Borrowed($kind)
            }
        }
    };
}

end!(First, "first", |earlier, later| earlier.or(later));
end!(Last, "last", |earlier, later| later.or(earlier));

#[cfg(test)]
mod tests {
    use super::super::testing::run;
    use super::*;

    #[test]
    fn finds_what_came_first_and_last() {
        assert_eq!((run(&First, [3, 1, 2]), run(&Last, [3, 1, 2])), (Some(3), Some(2)));
        assert_eq!(run(&Last, Vec::<i32>::new()), None);
        let mut acc = Some(7);
        Last.merge(&mut acc, None);
        assert_eq!(acc, Some(7));
    }

    #[test]
    fn finds_what_happened_first_and_last_and_the_smallest_of_several() {
        let events = [(5, 'b'), (9, 'z'), (5, 'a'), (9, 'y')];
        assert_eq!(run(&First::by(|event: &(i32, char)| event.0), events), Some((5, 'a')));
        assert_eq!(run(&Last::by(|event: &(i32, char)| event.0), events), Some((9, 'y')));
    }
}
