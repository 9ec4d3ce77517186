//! Sorting.

use std::cmp::Reverse;

use firesteel_core::ops::Order;
use firesteel_core::{Actions, Lineage, PairOps, RddOps};

use crate::common::context;

/// Numbers below `n`, each once, in no order.
fn shuffled(n: u64) -> impl Iterator<Item = u64> {
    (0..n).map(move |at| (at * 7919 + 13) % n)
}

#[test]
fn records_are_sorted_over_all_partitions() {
    for partitions in [1, 2, 7] {
        let numbers = context().parallelize_with(5, shuffled(10_000));
        let up = numbers.clone().sort_by_with(partitions, Order::Ascending, |n| *n).unwrap();
        assert_eq!((up.num_partitions(), up.collect().unwrap()), (partitions, (0..10_000).collect()));
        let down = numbers.sort_by_with(partitions, Order::Descending, |n| *n).unwrap();
        assert_eq!(down.collect().unwrap(), (0..10_000).rev().collect::<Vec<_>>());
    }
}

#[test]
fn partitions_are_about_equal_even_if_the_input_is_not() {
    let skewed = context().from_partitions(vec![shuffled(9_973).collect(), vec![], vec![20_000; 10]]);
    let sizes = skewed.sort_by_with(4, Order::Ascending, |n| *n).unwrap().glom().map(|part| part.len());
    for size in sizes.collect().unwrap() {
        assert!((1_200..3_800).contains(&size), "{size} of 2,500");
    }
}

#[test]
fn equal_records_keep_their_order() {
    let words = context().parallelize_with(3, ["bb", "a", "cc", "d", "ee", "f", "ggg"].map(str::to_owned));
    let up = words.clone().sort_by(|word| word.len()).unwrap();
    assert_eq!(up.collect().unwrap(), ["a", "d", "f", "bb", "cc", "ee", "ggg"]);
    let down = words.clone().sort_by_descending(|word| word.len()).unwrap();
    assert_eq!(down.collect().unwrap(), ["ggg", "bb", "cc", "ee", "a", "d", "f"]);
    let both = words.sort_by(|word| (word.len(), Reverse(word.clone()))).unwrap();
    assert_eq!(both.collect().unwrap(), ["f", "d", "a", "ee", "cc", "bb", "ggg"]);
}

#[test]
fn pairs_are_sorted_by_key() {
    let pairs = context().parallelize_with(4, shuffled(500).map(|n| (format!("{:03}", n % 100), n)));
    let up = pairs.clone().sort_by_key().unwrap();
    assert!(up.keys().collect().unwrap().is_sorted());
    let down = pairs.sort_by_key_with(3, Order::Descending).unwrap();
    let keys = down.clone().keys().collect().unwrap();
    assert!(keys.iter().rev().is_sorted() && keys.len() == 500);
    assert_eq!(down.num_partitions(), 3);
}

#[test]
fn few_distinct_keys_make_few_partitions() {
    let same = context().parallelize_with(4, [7; 1000]).sort_by_with(8, Order::Ascending, |n| *n).unwrap();
    assert!(same.num_partitions() <= 2);
    assert_eq!(same.count().unwrap(), 1000);
}

#[test]
fn the_same_input_is_cut_alike() {
    let parts = || {
        let numbers = context().parallelize_with(5, shuffled(5_000));
        numbers.sort_by_with(6, Order::Ascending, |n| *n).unwrap().glom().collect().unwrap()
    };
    assert_eq!(parts(), parts());
}
