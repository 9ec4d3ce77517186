//! Joins and cogroups.

use std::fmt::Debug;

use firesteel_core::{Actions, Context, PairActions, PairOps, Rdd, RddOps};

use crate::common::{context, sorted};

type Pairs = firesteel_core::ops::SliceRdd<(u32, char)>;

fn sides(context: &Context) -> (Pairs, Pairs) {
    let left = context.parallelize_with(3, [(1, 'a'), (2, 'b'), (1, 'c'), (3, 'd')]);
    let right = context.parallelize_with(2, [(1, 'x'), (3, 'y'), (1, 'z'), (4, 'w')]);
    (left, right)
}

fn collect<R: Rdd<Item: Ord + Debug>>(rdd: R) -> Vec<R::Item> {
    sorted(rdd.collect().unwrap())
}

#[test]
fn an_inner_join_has_the_keys_of_both() {
    let (left, right) = sides(&context());
    let expected = [(1, ('a', 'x')), (1, ('a', 'z')), (1, ('c', 'x')), (1, ('c', 'z')), (3, ('d', 'y'))];
    assert_eq!(collect(left.clone().join(right.clone())), expected);
    assert_eq!(collect(left.join_with(5, right)), expected);
}

#[test]
fn outer_joins_keep_the_keys_of_their_side() {
    let (left, right) = sides(&context());
    let (b, w) = ((2, ('b', None)), (4, (None, 'w')));
    let left_outer = collect(left.clone().left_outer_join(right.clone()));
    assert_eq!((left_outer.len(), left_outer.contains(&b)), (6, true), "{left_outer:?}");
    let right_outer = collect(left.clone().right_outer_join(right.clone()));
    assert_eq!((right_outer.len(), right_outer.contains(&w)), (6, true), "{right_outer:?}");
    let full = collect(left.clone().full_outer_join(right.clone()));
    assert_eq!(full.len(), 7);
    assert!(full.contains(&(2, (Some('b'), None))) && full.contains(&(4, (None, Some('w')))), "{full:?}");
    assert_eq!(collect(left.clone().left_outer_join_with(3, right.clone())), left_outer);
    assert_eq!(collect(left.clone().right_outer_join_with(3, right.clone())), right_outer);
    assert_eq!(collect(left.full_outer_join_with(3, right)), full);
}

#[test]
fn pairs_of_a_key_come_in_order() {
    let context = context();
    let left = context.parallelize_with(4, (0..8).map(|n| ('k', n)));
    let right = context.parallelize_with(2, (10..13).map(|n| ('k', n)));
    let joined = left.join_with(1, right).values().collect().unwrap();
    let expected: Vec<_> = (0..8).flat_map(|a| (10..13).map(move |b| (a, b))).collect();
    assert_eq!(joined, expected);
}

#[test]
fn cogroups_hold_all_values_of_each_side() {
    let (left, right) = sides(&context());
    let two = collect(left.clone().cogroup(right.clone()));
    let expected = [
        (1, (vec!['a', 'c'], vec!['x', 'z'])),
        (2, (vec!['b'], vec![])),
        (3, (vec!['d'], vec!['y'])),
        (4, (vec![], vec!['w'])),
    ];
    assert_eq!(two, expected);
    assert_eq!(collect(left.clone().cogroup_with(1, right.clone())), expected);
    let three = collect(left.clone().cogroup3(right.clone(), left.clone()));
    assert_eq!(three[0], (1, (vec!['a', 'c'], vec!['x', 'z'], vec!['a', 'c'])));
    assert_eq!(three.len(), 4);
    assert_eq!(collect(left.clone().cogroup3_with(9, right, left)), three);
}

#[test]
fn keys_can_be_taken_away() {
    let (left, right) = sides(&context());
    assert_eq!(collect(left.clone().subtract_by_key(right.clone())), [(2, 'b')]);
    assert_eq!(collect(right.clone().subtract_by_key_with(6, left)), [(4, 'w')]);
    let nothing = right.context().parallelize(Vec::<(u32, f64)>::new());
    assert_eq!(collect(right.subtract_by_key(nothing)).len(), 4);
}

#[test]
fn a_join_with_a_broadcast_table_needs_no_shuffle() {
    let (left, right) = sides(&context());
    let table = left.context().broadcast(right.collect_as_map().unwrap());
    let joined = left.flat_map(move |(key, value)| table.get(&key).map(|other| (key, (value, *other))));
    assert_eq!(collect(joined), [(1, ('a', 'z')), (1, ('c', 'z')), (3, ('d', 'y'))]);
}
