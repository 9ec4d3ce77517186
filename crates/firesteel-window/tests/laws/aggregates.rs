//! Aggregations do not depend on how values are split.

use std::fmt::Debug;

use firesteel_window::{
    Aggregator, ApproxDistinct, ApproxQuantiles, BottomN, Combine, Count, Distinct, DistinctSet, Duration, First, Fold,
    Last, List, Max, MaxBy, Mean, Min, MinBy, Quantiles, Reduce, Stats, StdDev, Sum, TopN, Variance,
};
use proptest::prelude::*;
use proptest::sample::Index;

/// The law of [`Aggregator`]: cut the values anywhere, merge the parts in order, nothing changes.
fn holds<In, A>(aggregator: &A, values: &[In], cuts: &[Index]) -> Result<(), TestCaseError>
where
    In: Clone,
    A: Aggregator<In>,
    A::Out: PartialEq + Debug,
{
    let add_all = |values: &[In]| {
        let mut acc = aggregator.create();
        for value in values {
            aggregator.add(&mut acc, value.clone());
        }
        acc
    };
    let whole = aggregator.finish(&add_all(values));

    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(values.len() + 1)).collect();
    cuts.sort_unstable();
    cuts.push(values.len());
    let mut parts = Vec::new();
    let mut start = 0;
    for cut in cuts {
        parts.push(&values[start..cut]);
        start = cut;
    }

    let mut from_left = aggregator.create();
    for part in &parts {
        aggregator.merge(&mut from_left, add_all(part));
    }
    prop_assert_eq!(&aggregator.finish(&from_left), &whole);

    let mut from_right = aggregator.create();
    for part in parts.iter().rev() {
        let mut acc = add_all(part);
        aggregator.merge(&mut acc, from_right);
        from_right = acc;
    }
    prop_assert_eq!(&aggregator.finish(&from_right), &whole);
    prop_assert_eq!(aggregator.finish_owned(from_right), whole);
    Ok(())
}

fn values<T: Debug>(one: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(one, 0..40)
}

/// Numbers of all kinds: small ones that are often equal, both zeros, the ends, and what is no number.
fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-3..3_i8).prop_map(f64::from),
        any::<f64>(),
        prop::sample::select(vec![0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX]),
    ]
}

/// An aggregation with something made of its result, to compare.
struct Then<A, F>(A, F);

impl<In, A: Aggregator<In>, O, F: Fn(A::Out) -> O> Aggregator<In> for Then<A, F> {
    type Acc = A::Acc;
    type Out = O;

    fn create(&self) -> A::Acc {
        self.0.create()
    }

    fn add(&self, acc: &mut A::Acc, value: In) {
        self.0.add(acc, value);
    }

    fn merge(&self, acc: &mut A::Acc, other: A::Acc) {
        self.0.merge(acc, other);
    }

    fn finish(&self, acc: &A::Acc) -> O {
        self.1(self.0.finish(acc))
    }

    fn finish_owned(&self, acc: A::Acc) -> O {
        self.1(self.0.finish_owned(acc))
    }
}

fn fold<In: Clone, A: Aggregator<In>>(aggregator: &A, values: &[In]) -> A::Out {
    let mut acc = aggregator.create();
    values.iter().for_each(|value| aggregator.add(&mut acc, value.clone()));
    aggregator.finish_owned(acc)
}

fn cuts() -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 0..5)
}

proptest! {
    #[test]
    fn whole_numbers(values in values(any::<i64>()), cuts in cuts()) {
        holds(&Count, &values, &cuts)?;
        holds(&Sum.of(|n: i64| i128::from(n)), &values, &cuts)?;
        holds(&Min, &values, &cuts)?;
        holds(&Max, &values, &cuts)?;
        holds(&Mean, &values, &cuts)?;
        holds(&(Count, Sum.of(|n: i64| n >> 6)), &values, &cuts)?;
        holds(&(Min, Max, (Mean, Count)), &values, &cuts)?;
        holds(&Sum.of(|n: i64| n as u8), &values, &cuts)?;
    }

    #[test]
    fn the_exact_sum_or_none(values in values(prop_oneof![any::<i64>(), -9..9_i64])) {
        let mut acc = Aggregator::<i64>::create(&Sum);
        for value in &values {
            Sum.add(&mut acc, *value);
        }
        let exact: i128 = values.iter().map(|n| i128::from(*n)).sum();
        if let Ok(exact) = i64::try_from(exact) {
            prop_assert_eq!(Aggregator::<i64>::finish(&Sum, &acc), exact);
        }
    }

    #[test]
    fn durations(values in values(any::<i64>().prop_map(Duration::micros)), cuts in cuts()) {
        holds(&Sum.of(|span: Duration| Duration::micros(span.as_micros() >> 6)), &values, &cuts)?;
        holds(&Mean, &values, &cuts)?;
        holds(&Max, &values, &cuts)?;
    }

    /// Sums of magnitudes that differ less than the compensation reaches do not depend on where they are cut.
    #[test]
    fn floating_point(values in values(-1e6..1e6_f64), cuts in cuts()) {
        holds(&Sum, &values, &cuts)?;
        holds(&Mean, &values, &cuts)?;
        holds(&Reduce::new(f64::min), &values, &cuts)?;
    }

    /// The spread, too; and what is kept of parts is what is kept of the whole.
    #[test]
    fn spread(values in values(-1e6..1e6_f64), cuts in cuts()) {
        holds(&Variance::sample(), &values, &cuts)?;
        holds(&StdDev::population(), &values, &cuts)?;
        holds(&Stats.of(|number: f64| number as i32), &values, &cuts)?;
    }

    /// What is not a number included, compared by its bits.
    #[test]
    fn the_order_of_floating_point_numbers(values in values(any_number()), cuts in cuts()) {
        let bits = |number: f64| if number.is_nan() { f64::NAN.to_bits() } else { number.to_bits() };
        let all = |numbers: Vec<f64>| numbers.into_iter().map(bits).collect::<Vec<_>>();
        let one = |number: Option<f64>| number.map(bits);
        holds(&Then(Min, one), &values, &cuts)?;
        holds(&Then(Max, one), &values, &cuts)?;
        for count in [0, 1, 3, 100] {
            holds(&Then(TopN::new(count), all), &values, &cuts)?;
            holds(&Then(BottomN::by(count, |number: &f64| -number), all), &values, &cuts)?;
        }
        let three = |found: Option<[f64; 3]>| found.map(|found| found.map(bits));
        holds(&Then(Quantiles::new([0.0, 0.5, 0.99]), three), &values, &cuts)?;
        holds(&Then(ApproxQuantiles::new([0.0, 0.5, 0.99]), three), &values, &cuts)?;
    }

    #[test]
    fn what_is_found_among_values(values in values((0..6_u8, 0..4_i16)), cuts in cuts()) {
        holds(&TopN::new(3), &values, &cuts)?;
        holds(&TopN::by(3, |value: &(u8, i16)| value.1), &values, &cuts)?;
        holds(&BottomN::by(4, |value: &(u8, i16)| value.1), &values, &cuts)?;
        holds(&MinBy::new(|value: &(u8, i16)| value.1), &values, &cuts)?;
        holds(&MaxBy::new(|value: &(u8, i16)| value.1), &values, &cuts)?;
        holds(&(First, Last), &values, &cuts)?;
        holds(&(First::by(|value: &(u8, i16)| value.1), Last::by(|value: &(u8, i16)| value.1)), &values, &cuts)?;
        holds(&(Distinct, DistinctSet), &values, &cuts)?;
        holds(&ApproxDistinct::within(0.065), &values, &cuts)?;
        holds(&ApproxDistinct::new(), &values, &cuts)?;
    }

    /// In whatever order they come: so partitions and threads do not show.
    #[test]
    fn what_does_not_depend_on_the_order_of_values(
        (values, shuffled) in values((0..9_u8, 0..4_i16)).prop_flat_map(|values| (Just(values.clone()), Just(values).prop_shuffle())),
    ) {
        type Pair = (u8, i16);
        fn same<A: Aggregator<Pair, Out: PartialEq + Debug>>(a: &A, values: &[Pair], others: &[Pair]) -> Result<(), TestCaseError> {
            let run = |values: &[Pair]| {
                let mut acc = a.create();
                values.iter().for_each(|value| a.add(&mut acc, *value));
                a.finish_owned(acc)
            };
            prop_assert_eq!(run(values), run(others));
            Ok(())
        }
        same(&TopN::by(3, |value: &Pair| value.1), &values, &shuffled)?;
        same(&BottomN::by(3, |value: &Pair| value.1), &values, &shuffled)?;
        same(&(MinBy::new(|value: &Pair| value.1), MaxBy::new(|value: &Pair| value.1)), &values, &shuffled)?;
        same(&(First::by(|value: &Pair| value.1), Last::by(|value: &Pair| value.1)), &values, &shuffled)?;
        same(&(Distinct, DistinctSet, ApproxDistinct::within(0.065)), &values, &shuffled)?;
        same(&Quantiles::new([0.3, 0.5]), &values, &shuffled)?;
        same(&ApproxQuantiles::new([0.3, 0.5]).of(|value: Pair| value.1), &values, &shuffled)?;
        same(&Stats.of(|value: Pair| value.1), &values, &shuffled)?;
    }

    /// The quantiles of sizes are those of all values, but for what is said.
    #[test]
    fn quantiles_of_sizes_are_near(values in values(prop_oneof![-1e3..1e3_f64, any::<f64>().prop_filter("a number", |n| !n.is_nan())])) {
        let shares = [0.0, 0.05, 0.5, 0.95, 1.0];
        let run = |found: Option<[f64; 5]>| found.unwrap_or_default();
        let exact = run(fold(&Quantiles::new(shares), &values));
        let found = run(fold(&ApproxQuantiles::new(shares), &values));
        for (exact, found) in exact.into_iter().zip(found) {
            prop_assert!(exact == found || (exact - found).abs() <= exact.abs() * 0.01 + f64::MIN_POSITIVE, "{exact} {found}");
        }
    }

    #[test]
    fn functions_that_keep_order(values in values("[a-z]{0,3}"), cuts in cuts()) {
        holds(&Reduce::new(|a: String, b: String| a + "," + &b), &values, &cuts)?;
        let list = Fold::new(
            Vec::new(),
            |list: &mut Vec<String>, word: String| list.push(word),
            |list, more| list.extend(more),
        );
        holds(&list, &values, &cuts)?;
        holds(&List, &values, &cuts)?;
        holds(&(List, Count, ()), &values, &cuts)?;
        holds(&Combine::new(|word: String| word, |all, word: String| all + &word, |a, b| a + &b), &values, &cuts)?;
    }
}
