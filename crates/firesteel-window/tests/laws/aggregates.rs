//! Aggregations do not depend on how values are split.

use std::fmt::Debug;

use firesteel_window::{Aggregator, Combine, Count, Duration, Fold, List, Max, Mean, Min, Reduce, Sum};
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

fn cuts() -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 0..5)
}

proptest! {
    #[test]
    fn whole_numbers(values in values(any::<i64>()), cuts in cuts()) {
        holds(&Count, &values, &cuts)?;
        holds(&Sum, &values, &cuts)?;
        holds(&Min, &values, &cuts)?;
        holds(&Max, &values, &cuts)?;
        holds(&Mean, &values, &cuts)?;
        holds(&(Count, Sum), &values, &cuts)?;
        holds(&(Min, Max, (Mean, Count)), &values, &cuts)?;
        holds(&Sum.of(|n: i64| n as u8), &values, &cuts)?;
    }

    #[test]
    fn the_exact_sum_limited_to_its_type(values in values(any::<i64>())) {
        let mut acc = Aggregator::<i64>::create(&Sum);
        for value in &values {
            Sum.add(&mut acc, *value);
        }
        let exact: i128 = values.iter().map(|n| i128::from(*n)).sum();
        let limited = exact.clamp(i64::MIN.into(), i64::MAX.into());
        prop_assert_eq!(i128::from(Aggregator::<i64>::finish(&Sum, &acc)), limited);
    }

    #[test]
    fn durations(values in values(any::<i64>().prop_map(Duration::micros)), cuts in cuts()) {
        holds(&Sum, &values, &cuts)?;
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
