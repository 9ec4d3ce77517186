//! User code that fails: who is blamed, and what becomes of the record.

use firesteel_core::{Actions, Context, JobOptions, OnPanic, PairOps, Rdd, RddOps};

use crate::common::context;

/// The error of an action, as text.
fn error<T: std::fmt::Debug>(outcome: firesteel_core::Result<T>) -> String {
    outcome.unwrap_err().to_string()
}

fn check(n: &u32) {
    assert!(*n != 4321, "4321 is bad");
}

#[test]
fn every_operator_is_blamed_by_name() {
    let numbers = || context().range_with(4, 0..10_000u32);
    let pairs = || numbers().map(|n| (n % 7, n));
    let errors = [
        ("map", error(numbers().map(|n| check(&n)).count())),
        (
            "filter",
            error(
                numbers()
                    .filter(|n| {
                        n == &{
                            check(n);
                            *n
                        }
                    })
                    .count(),
            ),
        ),
        (
            "flat_map",
            error(
                numbers()
                    .flat_map(|n| {
                        check(&n);
                        [n]
                    })
                    .count(),
            ),
        ),
        ("inspect", error(numbers().inspect(check).count())),
        ("key_by", error(numbers().key_by(check).count())),
        ("map_partitions", error(numbers().map_partitions(|all| Box::new(all.inspect(check))).count())),
        ("map_values", error(pairs().map_values(|n| check(&n)).count())),
        (
            "flat_map_values",
            error(
                pairs()
                    .flat_map_values(|n| {
                        check(&n);
                        [n]
                    })
                    .count(),
            ),
        ),
        (
            "group_by",
            error(
                numbers()
                    .group_by(|n| {
                        check(n);
                        *n
                    })
                    .count(),
            ),
        ),
        (
            "sort_by",
            error(
                numbers()
                    .sort_by(|n| {
                        check(n);
                        *n
                    })
                    .and_then(|sorted| sorted.count()),
            ),
        ),
        (
            "reduce_by_key",
            error(
                pairs()
                    .reduce_by_key(|a, n| {
                        check(&n);
                        a + n
                    })
                    .count(),
            ),
        ),
        (
            "fold_by_key",
            error(
                pairs()
                    .fold_by_key(
                        0,
                        |sum, n| {
                            check(&n);
                            *sum += n;
                        },
                        |a, b| *a += b,
                    )
                    .count(),
            ),
        ),
        ("for_each", error(numbers().for_each(|n| check(&n)))),
        (
            "reduce",
            error(numbers().reduce(|a, n| {
                check(&n);
                a
            })),
        ),
    ];
    for (operator, text) in errors {
        assert!(text.contains(&format!("operator {operator} at ")), "{operator}: {text}");
        assert!(text.contains("partition 1, offset 1821: 4321 is bad"), "{operator}: {text}");
    }
}

#[test]
fn after_a_shuffle_the_offset_counts_the_records_read() {
    let sums = context().range_with(4, 0..10_000u32).map(|n| (n, n)).sort_by_key().unwrap();
    let text = error(sums.map(|(_, n)| check(&n)).count());
    assert!(text.contains("operator map at ") && text.contains(", offset ") && text.contains("4321 is bad"), "{text}");
}

fn forgiving() -> Context {
    context().with_options(JobOptions { on_panic: OnPanic::DeadLetter, ..JobOptions::default() })
}

/// Collects, and returns the positions of the records that were set aside as well.
fn survivors<R: Rdd>(rdd: &R) -> (Vec<R::Item>, Vec<Option<u64>>) {
    let (parts, dead) = rdd
        .node()
        .context()
        .run_some(rdd, 0..rdd.num_partitions(), |rdd, split, task| {
            let mut records = Vec::new();
            task.drain(rdd.compute(split, task), |record| records.push(record));
            records
        })
        .unwrap();
    (parts.into_iter().flatten().collect(), dead.into_iter().map(|letter| letter.0.position).collect())
}

#[test]
fn a_dead_letter_costs_one_record() {
    let numbers = forgiving().range_with(4, 0..10_000u32);
    let (kept, dead) = survivors(&numbers.map(|n| {
        check(&n);
        n
    }));
    assert_eq!((kept.len(), dead), (9_999, vec![Some(1821)]));
}

#[test]
fn dead_letters_pass_through_every_kind_of_operator() {
    let numbers = || forgiving().range_with(4, 0..1000u32).inspect(|n| assert!(n % 100 != 50, "bad"));
    let all: Vec<usize> = vec![
        survivors(&numbers().glom().flat_map(|part| part)).0.len(),
        survivors(&numbers().map_partitions(|part| Box::new(part))).0.len(),
        survivors(&numbers().coalesce(1)).0.len(),
        survivors(&numbers().union(numbers()).coalesce(3)).0.len() / 2,
        survivors(&numbers().repartition(3)).0.len(),
        survivors(&numbers().cache()).0.len(),
        survivors(&numbers().map(|n| (n, n)).group_by_key()).0.len(),
        survivors(&numbers().map(|n| (n, n)).join(forgiving().range(0..1000u32).map(|n| (n, n)))).0.len(),
        survivors(&numbers().sort_by(|n| *n).unwrap()).0.len(),
        survivors(&numbers().zip_with_index().unwrap()).0.len(),
        survivors(&numbers().cartesian(forgiving().range_with(1, 0..1u32))).0.len(),
        survivors(&numbers().boxed()).0.len(),
        survivors(&numbers().distinct()).0.len(),
    ];
    assert_eq!(all, [990; 13]);
}

#[test]
fn one_record_may_become_several_dead_letters() {
    let twice = forgiving().range_with(1, 0..10u32).flat_map(|n| [n, n, n]).inspect(|n| assert!(*n != 4));
    let (kept, dead) = survivors(&twice);
    assert_eq!((kept.len(), dead), (27, vec![Some(4); 3]));
}

#[test]
fn an_iterator_that_panics_forever_is_given_up() {
    let stuck = forgiving().generate(1, |_| {
        Ok::<_, std::io::Error>(std::iter::repeat_with(|| -> Result<u32, std::io::Error> { panic!("stuck") }))
    });
    let text = error(stuck.count());
    assert!(text.contains("operator generate at ") && text.contains("stuck"), "{text}");
}

#[test]
fn a_panic_about_many_records_is_not_taken_for_one_about_one() {
    let pairs = || forgiving().range_with(2, 0..1000u32).map(|n| (n % 10, n));
    let fail = |a: u32, b: u32| if b == 777 { panic!("no sum") } else { a + b };
    let placed = pairs().partition_by(2);
    let sorted = pairs().sort_by_with(1, firesteel_core::ops::Order::Ascending, |pair| pair.1);
    let failures = [
        error(pairs().reduce_by_key(fail).coalesce(1).count()),
        error(placed.clone().reduce_by_key(fail).coalesce(1).count()),
        error(placed.clone().reduce_by_key(fail).union(placed.clone()).count()),
        error(placed.clone().reduce_by_key(fail).glom().count()),
        error(placed.context().union(vec![placed.clone().reduce_by_key(fail); 2]).count()),
        error(pairs().map_partitions(|_| -> firesteel_core::Records<'_, u32> { panic!("no sum") }).coalesce(1).count()),
    ];
    for text in failures {
        assert!(text.contains("no sum") && text.contains("operator "), "{text}");
    }
    assert_eq!(sorted.unwrap().coalesce(1).count().unwrap(), 1000);
}

#[test]
fn zip_sets_both_partners_aside() {
    let numbers = forgiving().range_with(2, 0..10u32);
    let left = numbers.clone().inspect(|n| assert!(*n != 3));
    let right = numbers.inspect(|n| assert!(*n != 7)).map(|n| n * 10);
    let (kept, dead) = survivors(&left.zip(right).unwrap());
    assert_eq!(kept, [0, 1, 2, 4, 5, 6, 8, 9].map(|n| (n, n * 10)));
    assert_eq!(dead.len(), 2);
}
