//! Results do not depend on the number of threads.

use firesteel_core::ops::{BoxRdd, Order};
use firesteel_core::{Actions, Context, PairOps, RddOps};
use proptest::prelude::*;

use crate::common::with_threads;

/// A step of a random program over pairs of numbers.
#[derive(Debug, Clone)]
enum Step {
    Map(u32),
    Filter(u32),
    Expand,
    Reduce(usize),
    Group(usize),
    Sort(usize),
    Repartition(usize),
    Coalesce(usize),
    Sample(u64),
    Distinct,
    JoinItself(usize),
    UnionItself,
    Number,
    PartitionBy(usize),
    Cache,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1..20u32).prop_map(Step::Map),
        (2..5u32).prop_map(Step::Filter),
        Just(Step::Expand),
        (1..6usize).prop_map(Step::Reduce),
        (1..6usize).prop_map(Step::Group),
        (1..6usize).prop_map(Step::Sort),
        (1..6usize).prop_map(Step::Repartition),
        (1..6usize).prop_map(Step::Coalesce),
        any::<u64>().prop_map(Step::Sample),
        Just(Step::Distinct),
        (1..6usize).prop_map(Step::JoinItself),
        Just(Step::UnionItself),
        Just(Step::Number),
        (1..6usize).prop_map(Step::PartitionBy),
        Just(Step::Cache),
    ];
    proptest::collection::vec(step, 1..6)
}

type Pairs = BoxRdd<(u32, u32)>;

fn apply(pairs: Pairs, step: &Step) -> Pairs {
    match *step {
        Step::Map(by) => pairs.map(move |(key, value)| ((key + value) % by, value)).boxed(),
        Step::Filter(by) => pairs.filter(move |(key, value)| (key ^ value) % by != 0).boxed(),
        Step::Expand => {
            pairs.flat_map(|(key, value)| (0..value % 3).map(move |n| (key, value.wrapping_add(n)))).boxed()
        }
        // Associative, but not commutative: the order of values shows.
        Step::Reduce(into) => pairs.reduce_by_key_with(into, |first, _| first).boxed(),
        Step::Group(into) => {
            let mix = |values: Vec<u32>| values.iter().fold(0u32, |mixed, n| mixed.wrapping_mul(31).wrapping_add(*n));
            pairs.group_by_key_with(into).map_values(mix).boxed()
        }
        Step::Sort(into) => pairs.sort_by_with(into, Order::Descending, |(key, _)| *key).unwrap().boxed(),
        Step::Repartition(into) => pairs.repartition(into).boxed(),
        Step::Coalesce(into) => pairs.coalesce(into).boxed(),
        Step::Sample(seed) => pairs.sample(0.7, seed).unwrap().boxed(),
        Step::Distinct => pairs.distinct_with(3).boxed(),
        Step::JoinItself(into) => {
            let firsts = pairs.clone().reduce_by_key_with(into, |first, _| first);
            pairs.join_with(into, firsts).map(|(key, (a, b))| (key, a.wrapping_add(b))).boxed()
        }
        Step::UnionItself => pairs.clone().union(pairs).boxed(),
        Step::Number => pairs.zip_with_index().unwrap().map(|((key, value), n)| (key, value ^ n as u32)).boxed(),
        Step::PartitionBy(into) => pairs.partition_by(into).boxed(),
        Step::Cache => pairs.cache().boxed(),
    }
}

fn run(context: &Context, records: &[(u32, u32)], steps: &[Step]) -> Vec<Vec<(u32, u32)>> {
    let start = context.parallelize_with(4, records.to_vec()).boxed();
    let result = steps.iter().fold(start, apply);
    result.glom().collect().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_program_yields_the_same_at_any_number_of_threads(
        records in proptest::collection::vec((0..12u32, any::<u32>()), 0..200),
        steps in steps(),
    ) {
        let alone = run(&with_threads(1), &records, &steps);
        for threads in [2, 3] {
            prop_assert_eq!(&run(&with_threads(threads), &records, &steps), &alone);
        }
    }
}
