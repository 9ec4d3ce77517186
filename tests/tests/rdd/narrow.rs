//! Operators that leave records in their partitions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use firesteel_core::ops::BoxRdd;
use firesteel_core::{Actions, Lineage, PairOps, RddOps};

use crate::common::context;

#[test]
fn map_filter_and_flat_map_are_those_of_iterators() {
    let numbers = context().parallelize_with(3, 0..10);
    assert_eq!(numbers.clone().map(|n| n * n).collect().unwrap(), (0..10).map(|n| n * n).collect::<Vec<_>>());
    assert_eq!(numbers.clone().filter(|n| n % 3 == 0).collect().unwrap(), [0, 3, 6, 9]);
    assert_eq!(numbers.flat_map(|n| (0..n % 3).map(move |_| n)).collect().unwrap(), [1, 2, 2, 4, 5, 5, 7, 8, 8]);
}

#[test]
fn whole_partitions_pass_through_a_function() {
    let numbers = context().parallelize_with(3, 1..=7);
    let sums = numbers.clone().map_partitions(|numbers| Box::new(std::iter::once(numbers.sum::<i32>())));
    assert_eq!(sums.collect().unwrap(), [3, 7, 18]);
    let placed = numbers.map_partitions_with_index(|part, numbers| Box::new(numbers.map(move |n| (part, n))));
    assert_eq!(placed.collect().unwrap(), [(0, 1), (0, 2), (1, 3), (1, 4), (2, 5), (2, 6), (2, 7)]);
}

#[test]
fn map_partitions_pulls_records_as_they_are_needed() {
    let pulled = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&pulled);
    let numbers = context().range_with(1, 0..1_000_000u32).inspect(move |_| _ = count.fetch_add(1, Ordering::Relaxed));
    let first = numbers.map_partitions(|numbers| Box::new(numbers.take(3)));
    assert_eq!(first.collect().unwrap(), [0, 1, 2]);
    assert_eq!(pulled.load(Ordering::Relaxed), 3);
}

#[test]
fn glom_makes_a_record_of_each_partition() {
    let gloms = context().parallelize_with(3, 1..=5).glom();
    assert_eq!(gloms.collect().unwrap(), [vec![1], vec![2, 3], vec![4, 5]]);
    let empty = context().parallelize_with(2, Vec::<u8>::new()).glom();
    assert_eq!(empty.collect().unwrap(), [[], []]);
}

#[test]
fn union_puts_partitions_after_each_other() {
    let context = context();
    let (first, second) = (context.parallelize_with(2, 1..=3), context.parallelize_with(3, 4..=6).map(|n| n));
    let both = first.clone().union(second);
    assert_eq!((both.num_partitions(), both.collect().unwrap()), (5, vec![1, 2, 3, 4, 5, 6]));
    let all = context.union(vec![first.clone(), first.clone(), first]);
    assert_eq!((all.num_partitions(), all.collect().unwrap()), (6, vec![1, 2, 3, 1, 2, 3, 1, 2, 3]));
    assert_eq!(context.union(Vec::<BoxRdd<u8>>::new()).collect().unwrap(), []);
}

#[test]
fn union_takes_rdds_of_different_types_in_boxes() {
    let context = context();
    let numbers = context.range_with(2, 0..4u32);
    let all =
        vec![numbers.clone().boxed(), numbers.clone().map(|n| n + 10).boxed(), numbers.filter(|n| *n > 2).boxed()];
    assert_eq!(context.union(all).collect().unwrap(), [0, 1, 2, 3, 10, 11, 12, 13, 3]);
}

#[test]
fn zip_pairs_what_is_at_the_same_place() {
    let numbers = context().parallelize_with(3, 0..7);
    let squares = numbers.clone().map(|n| n * n);
    let zipped = numbers.zip(squares).unwrap();
    assert_eq!(zipped.collect().unwrap(), (0..7).map(|n| (n, n * n)).collect::<Vec<_>>());
}

#[test]
fn zip_refuses_what_does_not_fit() {
    let context = context();
    let error = context.parallelize_with(2, 0..4).zip(context.parallelize_with(3, 0..4)).err().unwrap().to_string();
    assert!(error.starts_with("FS-R005: zip at ") && error.contains("2 partitions, the other 3"), "{error}");

    let (long, short) = (context.parallelize_with(2, 0..4), context.parallelize_with(2, 0..4).filter(|n| *n != 3));
    let error = long.zip(short).unwrap().collect().unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains("partition 1 of the second side has fewer records"), "{text}");
}

#[test]
fn records_are_numbered_through_all_partitions() {
    for partitions in [1, 4, 9] {
        let letters = context().parallelize_with(partitions, 'a'..='g').zip_with_index().unwrap();
        assert_eq!(letters.collect().unwrap(), ('a'..='g').zip(0..).collect::<Vec<_>>());
    }
    let uneven = context().from_partitions(vec![vec!["a"], vec![], vec!["b", "c"]]).zip_with_index().unwrap();
    assert_eq!(uneven.collect().unwrap(), [("a", 0), ("b", 1), ("c", 2)]);
}

#[test]
fn cartesian_pairs_everything_with_everything() {
    let context = context();
    let pairs = context.parallelize_with(2, [1, 2, 3]).cartesian(context.parallelize_with(2, ["x", "y"]));
    assert_eq!(pairs.num_partitions(), 4);
    let mut collected = pairs.collect().unwrap();
    collected.sort_unstable();
    assert_eq!(collected, [(1, "x"), (1, "y"), (2, "x"), (2, "y"), (3, "x"), (3, "y")]);
    assert_eq!(context.parallelize([1]).cartesian(context.parallelize(Vec::<u8>::new())).count().unwrap(), 0);
}

#[test]
fn cartesian_after_shuffles_reads_them_as_often_as_it_needs() {
    let context = context();
    let sums = context.parallelize_with(3, (0..60u32).map(|n| (n % 6, n))).reduce_by_key(|a, b| a + b);
    let pairs = sums.clone().cartesian(sums.repartition(3));
    assert_eq!(pairs.filter(|(a, b)| a == b).count().unwrap(), 6);
}

#[test]
fn coalesce_joins_neighbors() {
    let ten = context().parallelize_with(10, 0..20);
    let three = ten.clone().coalesce(3).glom().collect().unwrap();
    assert_eq!(three, [(0..6).collect::<Vec<_>>(), (6..12).collect(), (12..20).collect()]);
    assert_eq!(ten.clone().coalesce(0).num_partitions(), 1);
    assert_eq!(ten.coalesce(50).num_partitions(), 10, "it makes no partitions");
}

#[test]
fn repartition_spreads_evenly_and_always_alike() {
    let skewed = context().from_partitions(vec![(0..1000).collect(), vec![], vec![1000, 1001]]);
    let spread = skewed.clone().repartition(4).glom();
    let parts = spread.collect().unwrap();
    assert!(
        parts.iter().all(|part| part.len().abs_diff(250) <= 1),
        "{:?}",
        parts.iter().map(Vec::len).collect::<Vec<_>>()
    );
    assert_eq!(parts, skewed.repartition(4).glom().collect().unwrap());
    let mut all: Vec<i32> = parts.into_iter().flatten().collect();
    all.sort_unstable();
    assert_eq!(all, (0..1002).collect::<Vec<_>>());
}

#[test]
fn ranges_are_cut_evenly_and_take_no_memory() {
    let context = context();
    assert_eq!(context.range_with(3, -4..3i64).glom().collect().unwrap(), [vec![-4, -3], vec![-2, -1], vec![0, 1, 2]]);
    assert_eq!(context.range_with(4, 5..5u32).count().unwrap(), 0);
    #[allow(clippy::reversed_empty_ranges, reason = "a range that ends before it begins is empty")]
    let backwards = context.range_with(4, 5..2u32);
    assert_eq!(backwards.count().unwrap(), 0);
    let huge = context.range_with(8, 0..u64::MAX);
    assert_eq!(huge.take(2).unwrap(), [0, 1]);
    assert_eq!(context.range_with(2, i64::MIN..i64::MAX).first().unwrap(), Some(i64::MIN));
}

#[test]
fn boxed_rdds_are_the_rdds_they_hold() {
    let pairs = context().parallelize_with(2, (0..10u32).map(|n| (n % 3, n))).reduce_by_key_with(3, |a, b| a + b);
    let boxed = pairs.clone().boxed();
    assert_eq!((boxed.partitioner(), boxed.num_partitions()), (pairs.partitioner(), 3));
    assert_eq!(boxed.to_debug_string(), pairs.to_debug_string());
    assert_eq!(boxed.clone().boxed().collect().unwrap(), pairs.collect().unwrap());
    let sum = boxed.reduce_by_key(|a, _| a).flat_map(|(_, sum)| [sum, sum]).boxed().reduce(|a, b| a + b).unwrap();
    assert_eq!(sum, Some(90));
}

#[test]
fn generated_records_are_made_in_the_task() {
    let context = context();
    let made = context.generate(3, |part| Ok::<_, std::io::Error>((0..part).map(move |n| Ok(part * 10 + n))));
    assert_eq!(made.collect().unwrap(), [10, 20, 21]);
    let broken = context.generate(2, |part| match part {
        0 => Ok(vec![Ok(1), Err(std::io::Error::other("the tape tore"))]),
        _ => Ok(vec![]),
    });
    let text = format!("{:?}", broken.count().unwrap_err());
    assert!(text.contains("the tape tore") && text.contains("4 times"), "{text}");
}

#[test]
fn keys_and_values_come_apart() {
    let pairs = context().parallelize_with(2, ["a", "bb"]).key_by(|text| text.len());
    assert_eq!(pairs.clone().keys().collect().unwrap(), [1, 2]);
    assert_eq!(pairs.clone().values().collect().unwrap(), ["a", "bb"]);
    assert_eq!(pairs.clone().map_values(str::to_uppercase).collect().unwrap()[1], (2, "BB".to_owned()));
    assert_eq!(
        pairs.flat_map_values(|text| text.chars().collect::<Vec<_>>()).collect().unwrap(),
        [(1, 'a'), (2, 'b'), (2, 'b')]
    );
}
