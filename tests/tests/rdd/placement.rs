//! What is already where it is needed does not move.

use firesteel_core::ops::Order;
use firesteel_core::{
    Actions, CustomPartitioner, Dependency, HashPartitioner, Lineage, PairActions, PairOps, Placement, RddOps,
};

use crate::common::{Log, sorted};

/// How many shuffles an RDD reads directly or through narrow dependencies.
fn shuffles(rdd: &dyn Lineage) -> usize {
    let mut count = 0;
    rdd.dependencies(&mut |dependency| match dependency {
        Dependency::Narrow(parent) => count += shuffles(parent),
        Dependency::Shuffle(_) => count += 1,
    });
    count
}

#[test]
fn operators_over_placed_rdds_are_narrow() {
    let (log, context) = Log::context();
    let pairs = context.parallelize_with(3, (0..30u32).map(|n| (n % 10, n)));
    let placed = pairs.clone().partition_by(4);
    placed.count().unwrap();
    log.stages();
    let narrow = [
        placed.clone().reduce_by_key(|a, b| a + b).map(|_| ()).boxed(),
        placed.clone().reduce_by_key_with(4, |a, b| a + b).map(|_| ()).boxed(),
        placed.clone().group_by_key().map(|_| ()).boxed(),
        placed
            .clone()
            .map_values(|n| n + 1)
            .filter(|_| true)
            .fold_by_key(0, |sum, n| *sum += n, |a, b| *a += b)
            .map(|_| ())
            .boxed(),
        placed.clone().join(placed.clone()).map(|_| ()).boxed(),
        placed.clone().full_outer_join(placed.clone().reduce_by_key(|a, _| a)).map(|_| ()).boxed(),
        placed.clone().cogroup3(placed.clone(), placed.clone()).map(|_| ()).boxed(),
        placed.clone().subtract_by_key(placed.clone()).map(|_| ()).boxed(),
        placed.clone().partition_by(HashPartitioner::new(4)).map(|_| ()).boxed(),
        placed.clone().union(placed.clone()).group_by_key().map(|_| ()).boxed(),
    ];
    for rdd in narrow {
        rdd.count().unwrap();
        assert_eq!(log.stages(), [4], "{}", rdd.to_debug_string());
    }
    placed.clone().reduce_by_key_with(5, |a, b| a + b).count().unwrap();
    assert_eq!(log.stages(), [4, 5], "placed in another way, it moves");
    placed.clone().map(|pair| pair).reduce_by_key_with(4, |a, b| a + b).count().unwrap();
    assert_eq!(log.stages(), [4, 4], "map may have changed the keys");
}

#[test]
fn narrow_and_shuffled_results_agree() {
    let (_, context) = Log::context();
    let left = context.parallelize_with(3, (0..60u32).map(|n| (n % 7, n)));
    let right = context.parallelize_with(2, (0..20u32).map(|n| (n % 9, n * 100)));
    let (placed, other) = (left.clone().partition_by(4), right.clone().partition_by(4));
    let moved = sorted(left.clone().full_outer_join_with(4, right.clone()).collect().unwrap());
    assert_eq!(sorted(placed.clone().full_outer_join(other.clone()).collect().unwrap()), moved);
    assert_eq!(sorted(placed.clone().full_outer_join(right).collect().unwrap()), moved);
    assert_eq!(sorted(left.clone().full_outer_join(other).collect().unwrap()), moved);
    let sums = sorted(left.reduce_by_key(|a, b| a + b).collect().unwrap());
    assert_eq!(sorted(placed.reduce_by_key(|a, b| a + b).collect().unwrap()), sums);
}

#[test]
fn only_the_parent_that_is_elsewhere_moves() {
    let (_, context) = Log::context();
    let pairs = context.parallelize_with(3, (0..30u32).map(|n| (n % 10, n)));
    let placed = pairs.clone().partition_by(6).cache();
    placed.count().unwrap();
    let joined = placed.clone().join(pairs.clone());
    assert_eq!((joined.num_partitions(), joined.partitioner()), (6, placed.partitioner()));
    assert_eq!(shuffles(&joined), 2, "one after the cache, one for the other side");
    let elsewhere = placed.clone().join_with(5, pairs.clone());
    assert_eq!(shuffles(&elsewhere), 2);
    let sorted = pairs.clone().sort_by_key_with(3, Order::Ascending).unwrap();
    assert_eq!(sorted.clone().join(pairs).partitioner(), sorted.partitioner(), "ranges are as good as hashes");
}

#[test]
fn custom_partitioners_are_alike_if_they_are_the_same() {
    let (_, context) = Log::context();
    let pairs = context.parallelize_with(3, (0..30u32).map(|n| (n % 10, n)));
    let evens = || Placement::from(CustomPartitioner::new(2, |key: &u32| *key as usize));
    let placement = evens();
    let placed = pairs.clone().partition_by(placement.clone());
    assert_eq!(shuffles(&placed.clone().reduce_by_key_with(placement, |a, b| a + b)), 1);
    let other = placed.reduce_by_key_with(evens(), |a, b| a + b);
    assert!(matches!(first_dependency(&other), Kind::Shuffle), "equal functions cannot be told");
}

enum Kind {
    Narrow,
    Shuffle,
}

fn first_dependency(rdd: &dyn Lineage) -> Kind {
    let mut kind = Kind::Narrow;
    rdd.dependencies(&mut |dependency| {
        if matches!(dependency, Dependency::Shuffle(_)) {
            kind = Kind::Shuffle;
        }
    });
    kind
}

#[test]
fn a_small_partitioner_does_not_throttle_a_large_join() {
    let (_, context) = Log::context();
    let context = context.with_parallelism(8);
    let small = context.parallelize_with(1, (0..5u32).map(|n| (n, n))).partition_by(1);
    let large = context.parallelize_with(40, (0..100u32).map(|n| (n % 5, n)));
    assert_eq!(small.join(large).num_partitions(), 8);
}

#[test]
fn lookup_computes_one_partition() {
    let (log, context) = Log::context();
    let pairs = context.parallelize_with(3, (0..100u32).map(|n| (n % 10, n)));
    let expected: Vec<u32> = (0..100).filter(|n| n % 10 == 4).collect();
    assert_eq!(pairs.lookup(&4).unwrap(), expected);
    assert_eq!(log.stages(), [3]);
    for placed in [pairs.clone().partition_by(5).boxed(), pairs.sort_by_key_with(5, Order::Descending).unwrap().boxed()]
    {
        placed.count().unwrap();
        log.stages();
        assert_eq!(placed.lookup(&4).unwrap(), expected);
        assert_eq!(log.stages(), [1]);
        assert_eq!(placed.lookup(&11).unwrap(), []);
    }
}

#[test]
fn a_filter_by_range_skips_partitions() {
    let (log, context) = Log::context();
    let pairs = context.parallelize_with(3, (0..1000u32).rev().map(|n| (n, n)));
    for order in [Order::Ascending, Order::Descending] {
        let ranges = pairs.clone().sort_by_key_with(10, order).unwrap();
        ranges.count().unwrap();
        log.stages();
        let few = ranges.clone().map_values(|n| n + 1).filter_by_range(200, 299);
        assert!(few.num_partitions() <= 3, "{}", few.num_partitions());
        assert_eq!(few.count().unwrap(), 100);
        assert!(log.stages()[0] <= 3);
        assert_eq!(sorted(few.keys().collect().unwrap()), (200..300).collect::<Vec<_>>());
        assert_eq!(ranges.clone().filter_by_range(5, 4).num_partitions(), 0);
        assert_eq!(ranges.filter_by_range(5000, 6000).count().unwrap(), 0);
    }
    let hashed = pairs.partition_by(4).filter_by_range(10, 12);
    assert_eq!((hashed.num_partitions(), hashed.count().unwrap()), (4, 3));
    assert!(hashed.partitioner().is_some());
}
