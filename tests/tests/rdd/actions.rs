//! Actions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_core::{Actions, KeyMap, PairActions, RddOps};
use firesteel_window::{Count, List, Reduce, Sum};

use crate::common::{Log, context};

#[test]
fn the_first_records_are_found_without_computing_the_rest() {
    let (log, context) = Log::context();
    let numbers = context.range_with(100, 0..1000u32);
    assert_eq!(numbers.first().unwrap(), Some(0));
    assert_eq!(log.stages(), [1]);
    assert_eq!(numbers.take(15).unwrap(), (0..15).collect::<Vec<_>>());
    assert_eq!(log.stages(), [1, 4], "one partition holds ten; four more are tried");
    assert_eq!(numbers.clone().filter(|n| *n == 999).first().unwrap(), Some(999));
    assert_eq!(log.stages(), [1, 4, 16, 64, 15]);
    assert!(!numbers.is_empty().unwrap() && numbers.clone().filter(|_| false).is_empty().unwrap());
    assert_eq!(numbers.take(0).unwrap(), []);
    assert_eq!(numbers.take(2000).unwrap().len(), 1000);
}

#[test]
fn extremes_and_the_few_largest() {
    let words = context().parallelize_with(4, ["pear", "fig", "apple", "date", "kiwi", "plum"]);
    assert_eq!((words.min().unwrap(), words.max().unwrap()), (Some("apple"), Some("plum")));
    assert_eq!(words.max_by_key(|word| word.len()).unwrap(), Some("apple"));
    assert_eq!(words.min_by_key(|word| word.len()).unwrap(), Some("fig"));
    assert_eq!(words.take_ordered(2).unwrap(), ["apple", "date"]);
    assert_eq!(words.top(2).unwrap(), ["plum", "pear"]);
    let lengths = |word: &&str| word.len();
    assert_eq!(words.take_ordered_by_key(4, lengths).unwrap(), ["fig", "pear", "date", "kiwi"], "in order of arrival");
    assert_eq!(words.top_by_key(9, lengths).unwrap(), ["apple", "pear", "date", "kiwi", "plum", "fig"]);
    assert_eq!(words.top(0).unwrap(), [""; 0]);
    assert_eq!(words.filter(|_| false).max().unwrap(), None);
}

#[test]
fn the_few_smallest_of_many() {
    let numbers = context().range_with(5, 0..100_000u64).map(|n| (n * 7919 + 13) % 100_000);
    assert_eq!(numbers.take_ordered(1500).unwrap(), (0..1500).collect::<Vec<_>>());
    assert_eq!(numbers.top(3).unwrap(), [99_999, 99_998, 99_997]);
}

#[test]
fn folds_merge_in_partition_order() {
    let letters = context().parallelize_with(5, ('a'..='g').map(String::from));
    assert_eq!(letters.reduce(|a, b| a + &b).unwrap().unwrap(), "abcdefg");
    assert_eq!(
        letters.fold(String::new(), |all, letter| all.push_str(&letter), |a, b| a.push_str(&b)).unwrap(),
        "abcdefg"
    );
    let counted = letters.aggregate((Reduce::new(|a: String, b: String| a + &b), Count));
    assert_eq!(counted.unwrap(), (Some("abcdefg".to_owned()), 7));
    let none = letters.filter(|_| false);
    assert_eq!(none.reduce(|a, _| a).unwrap(), None);
    assert_eq!(none.fold("zero".to_owned(), |_, _| {}, |_, _| {}).unwrap(), "zero");
    assert_eq!(none.aggregate((Count, List)).unwrap(), (0, vec![]));
}

#[test]
fn a_tree_merges_in_order_and_in_tasks() {
    let (log, context) = Log::context();
    let numbers = context.range_with(100, 0..1000u32);
    let all = numbers.tree_aggregate(List, 2).unwrap();
    assert_eq!(all, (0..1000).collect::<Vec<_>>());
    assert_eq!(log.stages(), [100, 10], "ten tasks merge the results of a hundred");
    for depth in [0, 1, 5] {
        assert_eq!(numbers.tree_aggregate(Sum, depth).unwrap(), 499_500);
    }
    assert_eq!(numbers.filter(|_| false).tree_aggregate(Count, 2).unwrap(), 0);
}

#[test]
fn every_record_is_visited_once() {
    let sum = Arc::new(AtomicU64::new(0));
    let numbers = context().range_with(7, 0..1000u64);
    let seen = Arc::clone(&sum);
    numbers.for_each(move |n| _ = seen.fetch_add(n, Ordering::Relaxed)).unwrap();
    assert_eq!(sum.swap(0, Ordering::Relaxed), 499_500);
    let seen = Arc::clone(&sum);
    numbers.for_each_partition(move |records| _ = seen.fetch_add(records.sum(), Ordering::Relaxed)).unwrap();
    assert_eq!(sum.load(Ordering::Relaxed), 499_500);
}

#[test]
fn counts_by_value_and_by_key() {
    let words = context().parallelize_with(3, ["a", "b", "a", "c", "a"].map(str::to_owned));
    let expected: KeyMap<String, u64> =
        [("a", 3), ("b", 1), ("c", 1)].map(|(word, n)| (word.to_owned(), n)).into_iter().collect();
    assert_eq!(words.count_by_value().unwrap(), expected);
    let by_length = words.key_by(|word| word.len());
    assert_eq!(by_length.count_by_key().unwrap(), KeyMap::from_iter([(1, 5)]));
    assert_eq!(by_length.collect_as_map().unwrap()[&1], "a", "the last one stays");
}

#[test]
fn sums_do_not_overflow_in_silence() {
    let numbers = context().range_with(3, 0..1000u32);
    assert_eq!(numbers.sum().unwrap(), 499_500);
    assert_eq!(numbers.clone().map(|n| f64::from(n) / 2.0).sum().unwrap(), 249_750.0);
    let error = numbers.map(|_| 200u8).sum().unwrap_err().to_string();
    assert!(error.contains("sum at ") && error.contains("a u8 can hold"), "{error}");
    assert_eq!(context().parallelize(Vec::<i64>::new()).sum().unwrap(), 0);
}

#[test]
fn how_records_are_split_shows_in_no_sum_and_in_no_statistics() {
    let numbers: Vec<f64> = (0..10_000).map(|n| f64::from(n * n % 997) / 10.0).collect();
    let small = [100i8, 100, -100, -100, 7, 120];
    let of = |partitions| {
        let numbers = context().parallelize_with(partitions, numbers.clone());
        let stats = numbers.stats().unwrap();
        let small = context().parallelize_with(partitions, small).sum().unwrap();
        (numbers.sum().unwrap(), stats.sum(), stats.mean(), stats.variance(), small)
    };
    let whole = of(1);
    assert_eq!(whole.4, 127, "it leaves the range of its type and returns");
    for partitions in [2, 3, 6, 100] {
        assert_eq!(of(partitions), whole, "{partitions} partitions");
    }
}

#[test]
fn statistics_in_one_pass() {
    let numbers = context().range_with(4, 0..100i64).map(|n| n - 50);
    let stats = numbers.stats().unwrap();
    assert_eq!((stats.count(), stats.mean(), stats.min(), stats.max()), (100, Some(-0.5), Some(-50.0), Some(49.0)));
    assert!((numbers.variance().unwrap().unwrap() - 833.25).abs() < 1e-9);
    assert!((numbers.stdev().unwrap().unwrap() - 833.25f64.sqrt()).abs() < 1e-9);
    assert!((stats.sample_variance().unwrap() - 833.25 * 100.0 / 99.0).abs() < 1e-9);
    assert_eq!(numbers.filter(|_| false).mean().unwrap(), None);
}

#[test]
fn histograms_as_spark_draws_them() {
    let numbers = context().range_with(4, 1..51i32);
    let even = numbers.histogram(2).unwrap();
    assert_eq!((even.edges, even.counts), (vec![1.0, 25.5, 50.0], vec![25, 25]));
    let given = numbers.histogram_between(&[0.0, 25.0, 50.0]).unwrap();
    assert_eq!(given.counts, [24, 26]);
    let beyond = numbers.histogram_between(&[10.0, 20.0, 30.0]).unwrap();
    assert_eq!(beyond.counts, [10, 11], "the last bucket includes its upper edge, what is beyond counts nowhere");
    let point = context().parallelize([3, 3, 3]).histogram(10).unwrap();
    assert_eq!((point.edges, point.counts), (vec![3.0, 3.0], vec![3]));
    let wide = context().parallelize([f64::MIN, 0.0, f64::MAX]).histogram(2).unwrap();
    assert_eq!((wide.edges, wide.counts), (vec![f64::MIN, 0.0, f64::MAX], vec![1, 2]));
}

#[test]
fn a_histogram_needs_a_range() {
    let none = context().parallelize(Vec::<f64>::new());
    assert!(none.histogram(3).is_err() && context().parallelize([1]).histogram(0).is_err());
    for odd in [f64::NAN, f64::INFINITY] {
        let odd = context().parallelize_with(2, [1.0, odd, 3.0]);
        assert!(odd.histogram(3).unwrap_err().to_string().contains("filter first"));
        assert_eq!(odd.histogram_between(&[0.0, 5.0]).unwrap().counts, [2]);
    }
    for edges in [&[][..], &[1.0], &[2.0, 1.0], &[1.0, 1.0, 2.0], &[0.0, f64::NAN]] {
        assert!(none.histogram_between(edges).is_err(), "{edges:?}");
    }
}

#[test]
fn distinct_records_are_counted_about_right() {
    let numbers = context().range_with(4, 0..60_000u64).map(|n| format!("user-{}", n % 20_000));
    let count = numbers.count_approx_distinct(0.01).unwrap();
    assert!(count.abs_diff(20_000) < 600, "{count}");
    assert_eq!(count, numbers.coalesce(1).count_approx_distinct(0.01).unwrap(), "the same however it is cut");
    for error in [0.0, 0.5, f64::NAN] {
        assert!(context().parallelize([1]).count_approx_distinct(error).is_err());
    }
}

#[test]
fn a_local_iterator_computes_one_partition_at_a_time() {
    let (log, context) = Log::context();
    let mut numbers = context.range_with(4, 0..8u32).to_local_iter();
    assert_eq!(log.stages(), []);
    assert_eq!(numbers.next().unwrap().unwrap(), 0);
    assert_eq!(log.stages(), [1]);
    assert_eq!(numbers.map(Result::unwrap).collect::<Vec<_>>(), (1..8).collect::<Vec<_>>());
    assert_eq!(log.stages(), [1, 1, 1]);
    let broken = context.range_with(4, 0..4u32).map(|n| assert!(n < 2)).to_local_iter();
    let outcome: Vec<bool> = broken.map(|record| record.is_ok()).collect();
    assert_eq!(outcome, [true, true, false]);
}

#[test]
fn a_panic_on_the_way_to_the_caller_is_an_error() {
    let numbers = context().parallelize_with(2, [200u8, 100]);
    let error = numbers.reduce(|a, b| a.checked_add(b).expect("they fit")).unwrap_err().to_string();
    assert!(error.starts_with("FS-R001") && error.contains("reduce at ") && error.contains("they fit"), "{error}");
}
