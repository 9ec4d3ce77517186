//! Operators that bring the values of a key together.

use firesteel_core::ops::SliceRdd;
use firesteel_core::{Actions, CustomPartitioner, HashPartitioner, Lineage, PairActions, PairOps, Placement, RddOps};
use firesteel_window::{List, Sum};

use crate::common::{context, sorted};

/// Numbers 0 to 99 under their last digits, in seven partitions.
fn digits() -> SliceRdd<(u32, u64)> {
    context().parallelize_with(7, (0..100u64).map(|n| ((n % 10) as u32, n)))
}

/// The sums of [`digits`].
fn sums() -> Vec<(u32, u64)> {
    (0..10).map(|digit| (digit, 450 + 10 * u64::from(digit))).collect()
}

#[test]
fn all_ways_to_sum_agree() {
    let ways = [
        digits().reduce_by_key(|a, b| a + b).boxed(),
        digits().reduce_by_key_with(3, |a, b| a + b).boxed(),
        digits().fold_by_key(0, |sum, n| *sum += n, |a, b| *a += b).boxed(),
        digits().fold_by_key_with(3, 0, |sum, n| *sum += n, |a, b| *a += b).boxed(),
        digits().aggregate_by_key(Sum).boxed(),
        digits().aggregate_by_key_with(3, Sum).boxed(),
        digits().combine_by_key(|n| n, |sum, n| sum + n, |a, b| a + b).boxed(),
        digits().combine_by_key_with(3, |n| n, |sum, n| sum + n, |a, b| a + b).boxed(),
        digits().group_by_key().map_values(|group| group.iter().sum()).boxed(),
        digits().group_by_key_with(3).map_values(|group| group.iter().sum()).boxed(),
    ];
    for way in ways {
        assert_eq!(sorted(way.collect().unwrap()), sums(), "{}", way.to_debug_string());
    }
}

#[test]
fn combining_keeps_the_order_of_values() {
    let letters = context().parallelize_with(5, ('a'..='z').map(|letter| (u32::from(letter) % 2, letter.to_string())));
    let words = sorted(letters.clone().reduce_by_key(|a, b| a + &b).collect().unwrap());
    assert_eq!(words, [(0, "bdfhjlnprtvxz".to_owned()), (1, "acegikmoqsuwy".to_owned())]);
    let groups = sorted(letters.group_by_key().map_values(|group| group.concat()).collect().unwrap());
    assert_eq!(groups, words);
}

#[test]
fn keys_come_in_the_order_in_which_they_first_came() {
    let words = context().parallelize_with(3, ["b", "a", "c", "a", "b", "d"].map(|word| (word.to_owned(), 1)));
    let counts = words.reduce_by_key_with(1, |a, b| a + b).keys();
    assert_eq!(counts.collect().unwrap(), ["b", "a", "c", "d"]);
}

#[test]
fn a_zero_starts_every_partition_of_a_key() {
    let pairs = context().parallelize_with(4, [('a', 1), ('a', 2), ('a', 3), ('b', 4)]);
    let folded = pairs.clone().fold_by_key(100, |sum, n| *sum += n, |a, b| *a += b);
    assert_eq!(sorted(folded.collect().unwrap()), [('a', 306), ('b', 104)]);
    let lists = pairs.aggregate_by_key(List);
    assert_eq!(sorted(lists.collect().unwrap()), [('a', vec![1, 2, 3]), ('b', vec![4])]);
}

#[test]
fn keys_are_placed_where_the_partitioner_says() {
    let by_digit = CustomPartitioner::new(5, |digit: &u32| *digit as usize / 2);
    let placement = Placement::from(by_digit);
    let parts = digits().partition_by(placement.clone()).keys().distinct_in_each();
    assert_eq!(parts, [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]);
    let reduced = digits().reduce_by_key_with(placement, |a, b| a + b).keys().distinct_in_each();
    assert_eq!(reduced, parts);
    let hashed = HashPartitioner::new(4);
    for (part, keys) in digits().partition_by(hashed).keys().distinct_in_each().iter().enumerate() {
        assert!(keys.iter().all(|key| Placement::<u32>::from(hashed).of(key) == part));
    }
}

trait DistinctInEach {
    fn distinct_in_each(self) -> Vec<Vec<u32>>;
}

impl<R: firesteel_core::Rdd<Item = u32>> DistinctInEach for R {
    fn distinct_in_each(self) -> Vec<Vec<u32>> {
        let parts = self.glom().collect().unwrap().into_iter();
        let distinct = parts.map(|keys| {
            let mut keys = sorted(keys);
            keys.dedup();
            keys
        });
        distinct.collect()
    }
}

#[test]
fn partition_by_keeps_the_order_of_a_key_s_values() {
    let placed = digits().partition_by(3);
    assert_eq!(placed.lookup(&7).unwrap(), (0..10).map(|tens| tens * 10 + 7).collect::<Vec<_>>());
    assert_eq!(placed.count().unwrap(), 100);
}

#[test]
fn a_partitioner_that_leads_nowhere_fails_with_a_message() {
    struct Broken;
    impl firesteel_core::Partitioner<u32> for Broken {
        fn num_partitions(&self) -> usize {
            2
        }
        fn partition(&self, key: &u32, _: u64) -> usize {
            (*key as usize).min(2)
        }
        fn id(&self) -> firesteel_core::PartitionerId {
            firesteel_core::PartitionerId::unique(2)
        }
    }
    let error = digits().partition_by(std::sync::Arc::new(Broken)).count().unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains("returned partition 2, but there are 2"), "{text}");
    assert!(text.contains("operator partition_by at "), "{text}");
}

#[test]
fn nothing_in_nothing_out() {
    let none = context().parallelize_with(3, Vec::<(u32, u32)>::new());
    assert_eq!(none.clone().reduce_by_key(|a, b| a + b).collect().unwrap(), []);
    assert_eq!(none.clone().group_by_key().collect().unwrap(), []);
    assert_eq!(none.clone().join(none.clone()).collect().unwrap(), []);
    assert_eq!(none.clone().sort_by_key().unwrap().collect().unwrap(), []);
    assert_eq!(none.clone().partition_by(4).num_partitions(), 4);
    let no_partitions = context().from_partitions(Vec::<Vec<(u32, u32)>>::new());
    assert_eq!(no_partitions.clone().reduce_by_key(|a, b| a + b).collect().unwrap(), []);
    assert_eq!(no_partitions.clone().sort_by_key().unwrap().collect().unwrap(), []);
    assert_eq!(no_partitions.repartition(2).collect().unwrap(), []);
}
