//! Lineages of thousands of RDDs.

use firesteel_core::ops::BoxRdd;
use firesteel_core::{Actions, Context, PairOps, RddOps};

/// Each union is asked for each partition: what it does then must not depend on how many there are before it.
#[test]
fn thousands_of_unions_in_a_row_and_at_once() {
    let context = firesteel_scheduler::local(2).expect("threads are left");
    let one = |n: u32| context.range_with(1, n..n + 1);
    let mut row = one(0).boxed();
    for n in 1..2_000 {
        row = row.union(one(n)).boxed();
    }
    assert_eq!(row.collect().unwrap(), (0..2_000).collect::<Vec<_>>());

    // Some of them without a record.
    let several = |n: u32| context.parallelize_with(n as usize % 3, (0..n % 3).map(|k| 3 * n + k).collect::<Vec<_>>());
    let due: Vec<u32> = (0..20_000).flat_map(|n| (0..n % 3).map(move |k| 3 * n + k)).collect();
    let all = context.union((0..20_000).map(|n| several(n).boxed()).collect());
    assert_eq!(all.collect().unwrap(), due);
}

/// A program's loop over RDDs, on a thread with little stack.
fn looped(rounds: u32, step: fn(BoxRdd<u32>, &Context) -> BoxRdd<u32>) -> Result<Vec<u32>, String> {
    let run = move || {
        let context = firesteel_scheduler::local(2).expect("threads are left");
        let first = context.range_with(1, 0..1u32).boxed();
        let last = (0..rounds).fold(first, |rdd, _| step(rdd, &context));
        last.collect().map_err(|error| error.to_string())
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(run);
    thread.expect("a thread").join().expect("it ends as others do")
}

#[test]
fn a_lineage_of_thousands_is_run_and_a_longer_one_is_refused_with_the_way_out() {
    type Step = fn(BoxRdd<u32>, &Context) -> BoxRdd<u32>;
    let steps: [Step; 4] = [
        |rdd, _| rdd.map(|n| n + 1).boxed(),
        |rdd, _| rdd.flat_map(|n| [n + 1]).filter(|n| *n > 0).boxed(),
        |rdd, context| rdd.union(context.range_with(1, 0..1u32)).boxed(),
        |rdd, _| rdd.repartition(1).boxed(),
    ];
    for (number, step) in steps.into_iter().enumerate() {
        let done = looped(1_900, step);
        let due = [vec![1_900], vec![1_900], vec![0; 1_901], vec![0]];
        assert_eq!(done.as_ref(), Ok(&due[number]), "{number}");
        let refused = looped(100_000, step).expect_err("it is too long");
        assert!(refused.contains("Context::union") && refused.contains("checkpoint"), "{refused}");
        assert!(refused.contains("long.rs:"), "the operator that was one too many: {refused}");
    }
}

/// A job that is run where the stack of another one is deepest.
#[test]
fn jobs_within_tasks_have_their_own_stack() {
    fn long(of: BoxRdd<u32>) -> BoxRdd<u32> {
        (0..3_900).fold(of, |rdd, _| rdd.map(|n| n + 1).boxed())
    }
    let context = firesteel_scheduler::local(2).expect("threads are left");
    let one = || context.range_with(1, 0..1u32).boxed();
    let mut rdd = long(one());
    let mut due = 3_900;
    for _ in 0..4 {
        let inner = rdd.clone();
        rdd = long(one().map(move |n| n + inner.collect().expect("it is run")[0]).boxed());
        due += 3_900;
    }
    assert_eq!(rdd.collect().unwrap(), [due]);
    assert_eq!(rdd.collect().unwrap(), [due], "once more, with what is known of it");
}

/// Both sides of what takes two.
#[test]
fn long_lineages_meet() {
    let context = firesteel_scheduler::local(2).expect("threads are left");
    let long = |rounds: u32| {
        let one = context.range_with(1, 0..1u32).boxed();
        (0..rounds).fold(one, |rdd, _| rdd.flat_map(|n| [n + 1]).boxed())
    };
    let zipped = long(1_900).zip(long(1_900)).unwrap();
    assert_eq!(zipped.collect().unwrap(), [(1_900, 1_900)]);
    assert_eq!(long(1_900).cartesian(long(1_900)).collect().unwrap(), [(1_900, 1_900)]);
    let keyed = |rounds| long(rounds).map(|n| (n, n));
    assert_eq!(keyed(1_900).cogroup(keyed(1_900)).count().unwrap(), 1);
    assert!(
        long(5_000)
            .zip(long(1))
            .and_then(|zipped| zipped.count())
            .is_err_and(|error| error.to_string().contains("checkpoint"))
    );
}

/// The loop of an iterative program, which writes what it has now and then.
#[test]
fn a_checkpoint_now_and_then_makes_any_number_of_rounds_possible() {
    let context = firesteel_scheduler::local(2).expect("threads are left");
    let folder = tempfile::tempdir().unwrap();
    let mut rdd = context.range_with(1, 0..3u32).boxed();
    for round in 1..=20_000_u32 {
        rdd = rdd.map(|n| n + 1).boxed();
        if round % 500 == 0 {
            // As programs do it: kept, used, and then written.
            let kept = rdd.persist(firesteel_core::MemoryOnly);
            assert_eq!(kept.count().unwrap(), 3);
            rdd = kept.checkpoint(folder.path().join(round.to_string())).unwrap().boxed();
        }
    }
    assert_eq!(rdd.collect().unwrap(), [20_000, 20_001, 20_002]);
}
