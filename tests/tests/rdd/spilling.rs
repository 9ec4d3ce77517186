//! Shuffles and sorts that exceed the memory budget.

use std::path::Path;

use firesteel_budget::mib;
use firesteel_core::ops::Order;
use firesteel_core::{Actions, Context, PairOps, RddOps};
use firesteel_scheduler::Scheduler;

use crate::common::{Log, context, tiny_budget};

/// Some hundred thousand pairs, a few MiB, with keys that repeat.
fn pairs(context: &Context) -> impl firesteel_core::Rdd<Item = (String, u64)> + use<> {
    context.range_with(3, 0..90_000u64).map(|n| (format!("key {}", n * 7919 % 30_011), n))
}

/// Runs a program with and without enough memory, and compares.
fn same<T: PartialEq + std::fmt::Debug>(run: impl Fn(&Context) -> Vec<T>) {
    let folder = tempfile::tempdir().unwrap();
    let expected = run(&context());
    // On the calling thread: once the job is done, nobody holds a file any more.
    let scheduler = Scheduler::builder().deterministic(0).build().unwrap();
    let spilled = run(&scheduler.context(tiny_budget(folder.path())));
    assert_eq!(spilled.len(), expected.len());
    assert!(spilled == expected, "the records differ or come in another order");
    assert_eq!(files(folder.path()), 0, "spill files are removed");
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn reduce_by_key() {
    same(|context| pairs(context).reduce_by_key_with(2, u64::wrapping_add).collect().unwrap());
}

#[test]
fn combining_strings_keeps_their_order() {
    same(|context| {
        let texts = pairs(context).map(|(key, n)| (key.len() as u32, n.to_string()));
        let texts = texts.fold_by_key_with(2, String::new(), |all, n| all.push_str(&n), |a, b| a.push_str(&b));
        texts.collect().unwrap()
    });
}

#[test]
fn group_by_key() {
    same(|context| pairs(context).group_by_key_with(2).collect().unwrap());
}

#[test]
fn sort_by() {
    same(|context| {
        pairs(context).sort_by_with(2, Order::Descending, |(key, _)| key.clone()).unwrap().collect().unwrap()
    });
    same(|context| pairs(context).sort_by_key_with(1, Order::Ascending).unwrap().collect().unwrap());
}

#[test]
fn joins() {
    same(|context| {
        let few = pairs(context).filter(|(_, n)| n % 3 == 0);
        pairs(context).full_outer_join_with(2, few).collect().unwrap()
    });
}

#[test]
fn repartition_and_distinct() {
    same(|context| pairs(context).repartition(2).collect().unwrap());
    same(|context| pairs(context).keys().distinct_with(2).collect().unwrap());
    same(|context| pairs(context).partition_by(2).collect().unwrap());
}

#[test]
fn placed_rdds_are_combined_on_disk_too() {
    same(|context| {
        pairs(context).partition_by(2).map_values(|n| vec![n]).reduce_by_key(|a, b| [a, b].concat()).collect().unwrap()
    });
}

#[test]
fn many_runs_are_merged_in_stages() {
    // Some eighty MiB in one partition: more runs than are merged at once.
    same(|context| {
        let pad = "x".repeat(2000);
        let words = context.range_with(1, 0..40_000u64).map(move |n| (n * 7919 % 40_009, pad.clone()));
        let sorted = words.sort_by_with(1, Order::Ascending, |(n, _)| *n).unwrap();
        sorted.map(|(n, pad)| (n, pad.len())).collect().unwrap()
    });
}

#[test]
fn what_is_spilled_shows_in_the_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let (log, scheduler) = Log::scheduler();
    let context = scheduler.context(tiny_budget(folder.path()));
    pairs(&context).group_by_key().count().unwrap();
    assert!(log.bytes_spilled() > 100_000, "{}", log.bytes_spilled());
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    for run in [
        |context: &Context| pairs(context).reduce_by_key(|a, b| a + b).count(),
        |context: &Context| pairs(context).sort_by_key().and_then(|sorted| sorted.count()),
    ] {
        let scheduler = Scheduler::builder().threads(2).build().unwrap();
        let error = run(&scheduler.context(tiny_budget(&gone))).unwrap_err().to_string();
        assert!(error.contains("FS-R004: cannot create a spill file in") && error.contains("gone"), "{error}");
        assert!(error.contains("operator "), "{error}");
    }
}

#[test]
fn what_other_tasks_use_does_not_show_in_the_output() {
    let folder = tempfile::tempdir().unwrap();
    let program = |context: &Context| {
        let sums = pairs(context).reduce_by_key_with(3, u64::wrapping_add);
        let joined = sums.clone().join(pairs(context).map_values(|n| n % 7)).repartition(4);
        joined.sort_by_with(3, Order::Ascending, |(key, _)| key.len()).unwrap().collect().unwrap()
    };
    let expected = program(&context());
    for megabytes in [0, 2, 8] {
        let mut settings = tiny_budget(folder.path());
        settings.memory = settings.memory.shuffle(mib(megabytes));
        let context = Scheduler::builder().threads(3).build().unwrap().context(settings);
        assert!(program(&context) == expected, "with {megabytes} MiB the records differ or come in another order");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_place_that_takes_no_file_is_an_error_and_nothing_hangs() {
    let scheduler = Scheduler::builder().threads(2).build().unwrap();
    // Nobody, not even the superuser, can create a file in there.
    let context = scheduler.context(tiny_budget(Path::new("/proc/self")));
    let error = pairs(&context).group_by_key().count().unwrap_err().to_string();
    assert!(error.contains("FS-R004") && error.contains("/proc/self"), "{error}");
}
