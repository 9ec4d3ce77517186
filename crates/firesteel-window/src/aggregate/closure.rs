//! Aggregations made of functions: [`Fold`], [`Reduce`], [`Combine`] and [`Of`].

use std::borrow::Cow;

use super::Aggregator;

/// An aggregation made of a zero and two functions, in place: Spark's `aggregate` and `aggregate_by_key`.
///
/// `add` takes one value into the accumulator, `merge` another accumulator. The law of [`Aggregator`] is up to the two
/// functions; `merge` with a fresh copy of the zero must change nothing.
///
/// ```
/// use firesteel_window::{Aggregator, Fold};
///
/// let words = Fold::new(
///     Vec::new(),
///     |seen: &mut Vec<String>, word: &str| seen.push(word.to_uppercase()),
///     |seen, more| seen.extend(more),
/// );
/// let mut acc = words.create();
/// words.add(&mut acc, "spark");
/// words.merge(&mut acc, vec!["FLINK".to_owned()]);
/// assert_eq!(words.finish(&acc), ["SPARK", "FLINK"]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Fold<Z, F, M> {
    zero: Z,
    add: F,
    merge: M,
}

impl<Z, F, M> Fold<Z, F, M> {
    /// An aggregation that starts each accumulator with a clone of `zero`.
    pub const fn new<In>(zero: Z, add: F, merge: M) -> Self
    where
        Z: Clone,
        F: Fn(&mut Z, In),
        M: Fn(&mut Z, Z),
    {
        Self { zero, add, merge }
    }
}

impl<In, Z, F, M> Aggregator<In> for Fold<Z, F, M>
where
    Z: Clone,
    F: Fn(&mut Z, In),
    M: Fn(&mut Z, Z),
{
    type Acc = Z;
    type Out = Z;

    #[inline]
    fn create(&self) -> Z {
        self.zero.clone()
    }

    #[inline]
    fn add(&self, acc: &mut Z, value: In) {
        (self.add)(acc, value);
    }

    #[inline]
    fn merge(&self, acc: &mut Z, other: Z) {
        (self.merge)(acc, other);
    }

    #[inline]
    fn finish(&self, acc: &Z) -> Z {
        acc.clone()
    }

    #[inline]
    fn finish_owned(&self, acc: Z) -> Z {
        acc
    }

    fn kind(&self) -> Cow<'static, str> {
        Cow::Borrowed("fold")
    }
}

/// An aggregation by one associative function: Spark's `reduce_by_key`. `None` where there are no values.
///
/// Associative means `f(f(a, b), c) == f(a, f(b, c))`. The function need not be commutative: values keep their order.
///
/// ```
/// use firesteel_window::{Aggregator, Reduce};
///
/// let hottest = Reduce::new(f64::max);
/// let mut acc = hottest.create();
/// for degrees in [21.5, 30.25, 28.0] {
///     hottest.add(&mut acc, degrees);
/// }
/// assert_eq!(hottest.finish(&acc), Some(30.25));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Reduce<F>(F);

impl<F> Reduce<F> {
    /// An aggregation by `combine`, which is given the earlier value first.
    pub const fn new<In>(combine: F) -> Self
    where
        F: Fn(In, In) -> In,
    {
        Self(combine)
    }
}

impl<In, F> Aggregator<In> for Reduce<F>
where
    In: Clone,
    F: Fn(In, In) -> In,
{
    accumulates_its_result!(Option<In>);

    #[inline]
    fn add(&self, acc: &mut Option<In>, value: In) {
        *acc = Some(match acc.take() {
            Some(earlier) => (self.0)(earlier, value),
            None => value,
        });
    }

    #[inline]
    fn merge(&self, acc: &mut Option<In>, other: Option<In>) {
        if let Some(value) = other {
            self.add(acc, value);
        }
    }

    fn kind(&self) -> Cow<'static, str> {
        Cow::Borrowed("reduce")
    }
}

/// An aggregation made of three functions that take and return accumulators: Spark's `combine_by_key`. `None` where
/// there are no values.
///
/// `create` makes an accumulator of a first value, `add` takes a further one in, `merge` unites two accumulators, of
/// which the second has the later values. The law of [`Aggregator`] is up to them.
///
/// ```
/// use firesteel_window::{Aggregator, Combine};
///
/// let span = Combine::new(|n: i32| (n, n), |(first, _), n| (first, n), |(first, _), (_, last)| (first, last));
/// let mut acc = span.create();
/// for n in [4, 2, 5] {
///     span.add(&mut acc, n);
/// }
/// assert_eq!(span.finish(&acc), Some((4, 5)));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Combine<C, F, M> {
    create: C,
    add: F,
    merge: M,
}

impl<C, F, M> Combine<C, F, M> {
    /// An aggregation by these functions.
    pub const fn new<In, Acc>(create: C, add: F, merge: M) -> Self
    where
        C: Fn(In) -> Acc,
        F: Fn(Acc, In) -> Acc,
        M: Fn(Acc, Acc) -> Acc,
    {
        Self { create, add, merge }
    }
}

impl<In, Acc, C, F, M> Aggregator<In> for Combine<C, F, M>
where
    Acc: Clone,
    C: Fn(In) -> Acc,
    F: Fn(Acc, In) -> Acc,
    M: Fn(Acc, Acc) -> Acc,
{
    accumulates_its_result!(Option<Acc>);

    #[inline]
    fn add(&self, acc: &mut Option<Acc>, value: In) {
        *acc = Some(match acc.take() {
            Some(earlier) => (self.add)(earlier, value),
            None => (self.create)(value),
        });
    }

    #[inline]
    fn merge(&self, acc: &mut Option<Acc>, other: Option<Acc>) {
        *acc = match (acc.take(), other) {
            (Some(earlier), Some(later)) => Some((self.merge)(earlier, later)),
            (one, other) => one.or(other),
        };
    }

    fn kind(&self) -> Cow<'static, str> {
        Cow::Borrowed("combine")
    }
}

/// An aggregation of something taken from each value. Made by [`Aggregator::of`].
#[derive(Debug, Clone, Copy)]
pub struct Of<F, A> {
    select: F,
    aggregator: A,
}

impl<F, A> Of<F, A> {
    pub(super) const fn new(select: F, aggregator: A) -> Self {
        Self { select, aggregator }
    }
}

impl<T, In, F, A> Aggregator<T> for Of<F, A>
where
    F: Fn(T) -> In,
    A: Aggregator<In>,
{
    type Acc = A::Acc;
    type Out = A::Out;

    #[inline]
    fn create(&self) -> A::Acc {
        self.aggregator.create()
    }

    #[inline]
    fn add(&self, acc: &mut A::Acc, value: T) {
        self.aggregator.add(acc, (self.select)(value));
    }

    #[inline]
    fn merge(&self, acc: &mut A::Acc, other: A::Acc) {
        self.aggregator.merge(acc, other);
    }

    #[inline]
    fn finish(&self, acc: &A::Acc) -> A::Out {
        self.aggregator.finish(acc)
    }

    #[inline]
    fn finish_owned(&self, acc: A::Acc) -> A::Out {
        self.aggregator.finish_owned(acc)
    }

    fn kind(&self) -> Cow<'static, str> {
        self.aggregator.kind()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::run;
    use super::super::{Max, Sum};
    use super::*;

    #[test]
    fn reduce_keeps_the_order_of_values() {
        let join = Reduce::new(|a: String, b: String| a + &b);
        let letters = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(run(&join, letters), Some("abc".to_owned()));
        assert_eq!(run(&join, Vec::new()), None);
    }

    #[test]
    fn combine_makes_the_first_value_the_start_and_keeps_the_order() {
        let joined = Combine::new(|n: u32| n.to_string(), |all, n| format!("{all},{n}"), |a, b| format!("{a};{b}"));
        assert_eq!(run(&joined, [1, 2, 3]), Some("1,2,3".to_owned()));
        assert_eq!(run(&joined, []), None);
        let mut acc = joined.start(1);
        joined.merge(&mut acc, joined.create());
        joined.merge(&mut acc, joined.start(2));
        assert_eq!(joined.finish_owned(acc), Some("1;2".to_owned()));
        let mut none = joined.create();
        joined.merge(&mut none, joined.start(3));
        assert_eq!(none, Some("3".to_owned()));
    }

    #[test]
    fn fold_starts_from_its_zero_each_time() {
        let count = Fold::new(0, |n: &mut u32, _: char| *n += 1, |n, m| *n += m);
        assert_eq!(run(&count, "ab".chars()), 2);
        assert_eq!(run(&count, "abc".chars()), 3);
    }

    #[test]
    fn of_selects_what_is_aggregated() {
        let longest = Max.of(|word: &str| word.len());
        assert_eq!(run(&longest, ["on", "three"]), Some(5));
        let total = Sum.of(|(_, n): (&str, u32)| n);
        assert_eq!(run(&total, [("a", 2), ("b", 3)]), 5);
    }
}
