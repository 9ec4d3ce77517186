//! What users of Spark's DStreams rely on, as tables: cases 1 to 4 of Spark's own suites, restated.
//!
//! Every case runs on one thread in partition order, in other orders, on several threads, and with other numbers of
//! partitions after a shuffle: what comes out is the same.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use firesteel_core::{Lineage, PairOps, RddOps};
use firesteel_streaming::{Stream, StreamingContext};
use firesteel_testkit::{TestBuilder, TestJob};

/// Runs `case` under every way of running tasks.
fn everywhere(case: impl Fn(TestJob)) {
    let ways: [fn(TestBuilder) -> TestBuilder; 5] = [
        |test| test,
        |test| test.seed(1).partitions(1),
        |test| test.seed(2).partitions(3),
        |test| test.threads(2),
        |test| test.threads(3).partitions(5),
    ];
    for way in ways {
        case(way(TestJob::builder()).build());
    }
}

/// `1..4 | 5..8 | 9..12` in two partitions.
fn twelve(test: &TestJob) -> Stream<i64> {
    test.script_in(2, [vec![1, 2, 3, 4], vec![5, 6, 7, 8], vec![9, 10, 11, 12]])
}

/// A batch for each word of letters; `-` is the empty string.
fn letters(batches: [&str; 3]) -> Vec<Vec<String>> {
    let batch = |batch: &str| batch.split_whitespace().map(|word| word.replace('-', "")).collect();
    batches.into_iter().map(batch).collect()
}

mod case_1_stateless_operators {
    use super::*;

    #[test]
    fn map() {
        everywhere(|test| {
            let strings = test.record(twelve(&test).map(|n| n.to_string()));
            test.run().unwrap();
            assert_eq!(strings.batches(), [["1", "2", "3", "4"], ["5", "6", "7", "8"], ["9", "10", "11", "12"]]);
        });
    }

    #[test]
    fn flat_map() {
        everywhere(|test| {
            let numbers = test.record(twelve(&test).flat_map(|n| [n, 2 * n]));
            test.run().unwrap();
            let expected = [[1, 2, 2, 4, 3, 6, 4, 8], [5, 10, 6, 12, 7, 14, 8, 16], [9, 18, 10, 20, 11, 22, 12, 24]];
            assert_eq!(numbers.batches(), expected);
        });
    }

    #[test]
    fn filter() {
        everywhere(|test| {
            let even = test.record(twelve(&test).filter(|n| n % 2 == 0));
            test.run().unwrap();
            assert_eq!(even.batches(), [[2, 4], [6, 8], [10, 12]]);
        });
    }

    #[test]
    fn glom() {
        everywhere(|test| {
            let parts = test.record(twelve(&test).glom());
            test.run().unwrap();
            assert_eq!(parts.batches(), [[[1, 2], [3, 4]], [[5, 6], [7, 8]], [[9, 10], [11, 12]]]);
        });
    }

    #[test]
    fn map_partitions() {
        everywhere(|test| {
            let sums = twelve(&test).map_partitions(|numbers| Box::new(std::iter::once(numbers.sum::<i64>())));
            let sums = test.record(sums);
            test.run().unwrap();
            assert_eq!(sums.batches(), [[3, 7], [11, 15], [19, 23]]);
        });
    }

    #[test]
    fn reduce() {
        everywhere(|test| {
            let sums = test.record(twelve(&test).reduce(|a, b| a + b));
            test.run().unwrap();
            assert_eq!(sums.batches(), [[10], [26], [42]]);
        });
    }

    #[test]
    fn repartition() {
        for (from, to) in [(2, 5), (5, 2)] {
            everywhere(|test| {
                let batches = [(1..=100).collect(), (101..=200).collect(), (201..=300).collect::<Vec<i64>>()];
                let parts = test.record(test.script_in(from, batches.clone()).repartition(to).glom());
                test.run().unwrap();
                for (parts, expected) in parts.batches().into_iter().zip(batches) {
                    assert_eq!(parts.len(), to);
                    let mut numbers: Vec<_> = parts.into_iter().flatten().collect();
                    numbers.sort_unstable();
                    assert_eq!(numbers, expected);
                }
            });
        }
    }

    #[test]
    fn count_has_a_row_for_an_empty_batch() {
        everywhere(|test| {
            let counts = test.script([vec![], vec![1], vec![1, 2], vec![1, 2, 3], vec![1, 2, 3, 4]]).count();
            let counts = test.record(counts);
            test.run().unwrap();
            assert_eq!(counts.batches(), [[0], [1], [2], [3], [4]]);
        });
    }

    #[test]
    fn count_by_value() {
        everywhere(|test| {
            let counts = test.script([vec![1], vec![1, 1, 1], vec![1, 2], vec![1, 1, 2, 2]]).count_by_value();
            let counts = test.record(counts);
            test.run().unwrap();
            assert_eq!(counts.sorted(), [vec![(1, 1)], vec![(1, 3)], vec![(1, 1), (2, 1)], vec![(1, 2), (2, 2)]]);
        });
    }
}

mod case_2_keyed_operators {
    use super::*;

    /// `a,a,b | "","" | ∅`, each with a 1.
    fn ones(test: &TestJob) -> Stream<(String, i32)> {
        test.script(letters(["a a b", "- -", ""])).map(|letter| (letter, 1))
    }

    fn rows<V: Clone>(rows: &[(&str, V)]) -> Vec<(String, V)> {
        rows.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
    }

    #[test]
    fn group_by_key() {
        everywhere(|test| {
            let groups = test.record(ones(&test).group_by_key());
            test.run().unwrap();
            assert_eq!(
                groups.sorted(),
                [rows(&[("a", vec![1, 1]), ("b", vec![1])]), rows(&[("", vec![1, 1])]), vec![]]
            );
        });
    }

    #[test]
    fn reduce_by_key_then_map_values() {
        everywhere(|test| {
            let sums = ones(&test).reduce_by_key(|a, b| a + b);
            let more = test.record(sums.clone().map_values(|sum| sum + 10));
            let sums = test.record(sums);
            test.run().unwrap();
            assert_eq!(sums.sorted(), [rows(&[("a", 2), ("b", 1)]), rows(&[("", 2)]), vec![]]);
            assert_eq!(more.sorted(), [rows(&[("a", 12), ("b", 11)]), rows(&[("", 12)]), vec![]]);
        });
    }

    #[test]
    fn reduce_by_key_then_flat_map_values() {
        everywhere(|test| {
            let both = ones(&test).reduce_by_key(|a, b| a + b).flat_map_values(|sum| [sum, sum + 10]);
            let both = test.record(both);
            test.run().unwrap();
            let first = rows(&[("a", 2), ("a", 12), ("b", 1), ("b", 11)]);
            assert_eq!(both.sorted(), [first, rows(&[("", 2), ("", 12)]), vec![]]);
        });
    }

    #[test]
    fn combine_by_key_is_the_general_form() {
        everywhere(|test| {
            let means = ones(&test).combine_by_key(
                |value| (value, 1),
                |(sum, count), value| (sum + value, count + 1),
                |(sum, count), (more, others)| (sum + more, count + others),
            );
            let means = test.record(means);
            test.run().unwrap();
            assert_eq!(means.sorted(), [rows(&[("a", (2, 2)), ("b", (1, 1))]), rows(&[("", (2, 2))]), vec![]]);
        });
    }
}

mod case_3_union_and_transform {
    use super::*;

    fn input(test: &TestJob) -> Stream<i64> {
        test.script_in(2, [vec![1, 2, 3, 4], vec![101, 102, 103, 104], vec![201, 202, 203, 204]])
    }

    fn runs(length: i64) -> Vec<Vec<i64>> {
        [1, 101, 201].map(|first| (first..first + length).collect()).to_vec()
    }

    #[test]
    fn union_of_two() {
        everywhere(|test| {
            let input = input(&test);
            let both = test.record(input.clone().union(input.map(|n| n + 4)));
            test.run().unwrap();
            assert_eq!(both.sorted(), runs(8));
        });
    }

    #[test]
    fn union_of_three() {
        everywhere(|test| {
            let input = input(&test);
            let (second, third) = (input.clone().map(|n| n + 4), input.clone().map(|n| n + 8));
            let all = test.record(input.union(second).union(third));
            test.run().unwrap();
            assert_eq!(all.sorted(), runs(12));
        });
    }

    #[test]
    fn transform_with_of_three() {
        everywhere(|test| {
            let input = input(&test);
            let (second, third) = (input.clone().map(|n| n + 4), input.clone().map(|n| n + 8));
            let all = input
                .transform_with(second, |a, b, _| Ok::<_, firesteel_core::Error>(a.union(b)))
                .transform_with(third, |a, b, _| Ok::<_, firesteel_core::Error>(a.union(b)));
            let all = test.record(all);
            test.run().unwrap();
            assert_eq!(all.sorted(), runs(12));
        });
    }

    /// Where Spark's `transform` returns null, or an input has no RDD, ours returns an error: either ends the run.
    #[test]
    fn no_rdd_ends_the_run() {
        let sad = |n: i64| {
            move |rdd: _, batch: &firesteel_streaming::Batch| {
                if batch.id() == 2 { Err(format!("no RDD of {n}")) } else { Ok::<_, String>(rdd) }
            }
        };
        let test = TestJob::new();
        let _alone = test.record(input(&test).transform(sad(1)));
        test.batch().unwrap();
        let error = test.batch().unwrap_err();
        assert!(error.to_string().contains("no RDD of 1") && error.to_string().contains("batch 2"), "{error}");

        let test = TestJob::new();
        let input = input(&test);
        let _union = test.record(input.clone().union(input.transform(sad(2))));
        test.batch().unwrap();
        assert!(test.batch().unwrap_err().to_string().contains("no RDD of 2"));
    }

    #[test]
    fn transform_sees_every_rdd_operator() {
        let test = TestJob::new();
        let sorted = input(&test).transform(|rdd, _| rdd.sort_by_descending(|n| *n));
        let sorted = test.record(sorted);
        test.run().unwrap();
        assert_eq!(sorted.batches()[0], [4, 3, 2, 1]);
    }
}

mod case_4_joins_within_a_batch {
    use super::*;

    type Side<V> = Stream<(String, V)>;

    /// Left `a,b | a,"" | "" | ∅` with 1; right `a,b | b,"" | ∅ | ""` with x.
    fn sides(test: &TestJob) -> (Side<u8>, Side<char>) {
        let batch = |words: &str| words.split_whitespace().map(|word| word.replace('-', "")).collect::<Vec<_>>();
        let left = test.script(["a b", "a -", "-", ""].map(batch)).map(|key| (key, 1));
        let right = test.script(["a b", "b -", "", "-"].map(batch)).map(|key| (key, 'x'));
        (left, right)
    }

    /// The rows of each batch as text: `a(1,x)`, with `-` for a side that has none.
    fn text<V, W>(
        batches: Vec<Vec<(String, (V, W))>>,
        first: impl Fn(V) -> String,
        second: impl Fn(W) -> String,
    ) -> Vec<String> {
        let row = |(key, (v, w)): (String, (V, W))| format!("{key}({},{})", first(v), second(w));
        batches
            .into_iter()
            .map(|rows| {
                let mut rows: Vec<_> = rows.into_iter().map(row).collect();
                rows.sort();
                rows.join(" ")
            })
            .collect()
    }

    fn plain<T: ToString>(value: T) -> String {
        value.to_string()
    }

    fn maybe<T: ToString>(value: Option<T>) -> String {
        value.map_or("-".to_owned(), |value| value.to_string())
    }

    #[test]
    fn inner() {
        everywhere(|test| {
            let (left, right) = sides(&test);
            let joined = test.record(left.join(right));
            test.run().unwrap();
            assert_eq!(text(joined.batches(), plain, plain), ["a(1,x) b(1,x)", "(1,x)", "", ""]);
        });
    }

    #[test]
    fn inner_by_transform_with() {
        everywhere(|test| {
            let (left, right) = sides(&test);
            let joined = left.transform_with(right, |a, b, _| Ok::<_, firesteel_core::Error>(a.join(b)));
            let joined = test.record(joined);
            test.run().unwrap();
            assert_eq!(text(joined.batches(), plain, plain), ["a(1,x) b(1,x)", "(1,x)", "", ""]);
        });
    }

    #[test]
    fn left_outer() {
        everywhere(|test| {
            let (left, right) = sides(&test);
            let joined = test.record(left.left_outer_join(right));
            test.run().unwrap();
            assert_eq!(text(joined.batches(), plain, maybe), ["a(1,x) b(1,x)", "(1,x) a(1,-)", "(1,-)", ""]);
        });
    }

    #[test]
    fn right_outer() {
        everywhere(|test| {
            let (left, right) = sides(&test);
            let joined = test.record(left.right_outer_join(right));
            test.run().unwrap();
            assert_eq!(text(joined.batches(), maybe, plain), ["a(1,x) b(1,x)", "(1,x) b(-,x)", "", "(-,x)"]);
        });
    }

    #[test]
    fn full_outer() {
        everywhere(|test| {
            let (left, right) = sides(&test);
            let joined = test.record(left.full_outer_join(right));
            test.run().unwrap();
            let expected = ["a(1,x) b(1,x)", "(1,x) a(1,-) b(-,x)", "(1,-)", "(-,x)"];
            assert_eq!(text(joined.batches(), maybe, maybe), expected);
        });
    }

    #[test]
    fn cogroup() {
        everywhere(|test| {
            let batch = |words: &str| words.split_whitespace().map(|word| word.replace('-', "")).collect::<Vec<_>>();
            let left = test.script(["a a b", "a -", "-", ""].map(batch)).map(|key| (key, 1));
            let right = test.script(["a a b", "b -", "", ""].map(batch)).map(|key| (key, 'x'));
            let groups = test.record(left.cogroup(right));
            test.run().unwrap();
            let first = |ones: Vec<i32>| format!("{ones:?}");
            let second = |xs: Vec<char>| xs.into_iter().collect::<String>();
            let expected = ["a([1, 1],xx) b([1],x)", "([1],x) a([1],) b([],x)", "([1],)", ""];
            assert_eq!(text(groups.batches(), first, second), expected);
        });
    }
}

/// A context can be named, shared and left alone: nothing runs before the job does.
#[test]
fn building_a_job_runs_nothing() {
    let job = StreamingContext::builder("built").threads(1).build().unwrap();
    let touched = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = std::sync::Arc::clone(&touched);
    let rdd = job.rdds().parallelize([1, 2, 3]).inspect(move |_| seen.store(true, std::sync::atomic::Ordering::SeqCst));
    assert_eq!(rdd.num_partitions(), 1);
    assert!(!touched.load(std::sync::atomic::Ordering::SeqCst));
}
