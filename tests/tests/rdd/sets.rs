//! Operators on RDDs as sets.

use firesteel_core::{Actions, Lineage, Rdd, RddOps};

use crate::common::{context, sorted};

fn collect<R: Rdd<Item: Ord>>(rdd: &R) -> Vec<R::Item> {
    sorted(rdd.collect().unwrap())
}

#[test]
fn distinct_keeps_one_of_each() {
    let words = context().parallelize_with(3, ["a", "b", "a", "c", "b", "a"].map(str::to_owned));
    assert_eq!(collect(&words.clone().distinct()), ["a", "b", "c"]);
    let into = words.distinct_with(5);
    assert_eq!((into.num_partitions(), into.count().unwrap()), (5, 3));
}

#[test]
fn intersection_is_in_both_and_once() {
    let context = context();
    let (first, second) = (context.parallelize([1, 2, 2, 3, 3]), context.parallelize([2, 3, 3, 4]));
    assert_eq!(collect(&first.clone().intersection(second.clone())), [2, 3]);
    assert_eq!(collect(&first.intersection_with(7, second.filter(|n| *n > 9))), []);
}

#[test]
fn subtract_keeps_duplicates_of_what_is_left() {
    let context = context();
    let (first, second) = (context.parallelize([1, 1, 2, 3, 1]), context.parallelize([2, 2, 5]));
    assert_eq!(collect(&first.clone().subtract(second.clone())), [1, 1, 1, 3]);
    assert_eq!(collect(&second.subtract_with(1, first)), [5]);
}

#[test]
fn groups_keep_the_order_of_their_records() {
    let numbers = context().parallelize_with(4, 0..20u32);
    let groups = sorted(numbers.clone().group_by(|n| n % 3).collect().unwrap());
    let expected: Vec<(u32, Vec<u32>)> =
        (0..3).map(|rest| (rest, (0..20).filter(|n| n % 3 == rest).collect())).collect();
    assert_eq!(groups, expected);
    assert_eq!(numbers.group_by_with(9, |n| n % 3).num_partitions(), 9);
}
