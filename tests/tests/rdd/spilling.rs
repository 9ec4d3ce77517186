//! Shuffles and sorts that exceed the memory budget.

use std::path::Path;

use firesteel_core::ops::Order;
use firesteel_core::{Actions, Context, PairOps, RddOps, Settings};
use firesteel_scheduler::Scheduler;

use crate::common::{Log, context, tiny_budget};

/// Some hundred thousand pairs, a few MiB, with keys that repeat.
fn pairs(context: &Context) -> impl firesteel_core::Rdd<Item = (String, u64)> + use<> {
    context.range_into(3, 0..120_000u64).map(|n| (format!("key {}", n * 7919 % 30_011), n))
}

/// Runs a program with and without enough memory, and compares.
fn same<T: PartialEq + std::fmt::Debug>(run: impl Fn(&Context) -> Vec<T>) {
    let folder = tempfile::tempdir().unwrap();
    let expected = run(&context());
    let spilled = run(&tiny_budget(folder.path()));
    assert_eq!(spilled.len(), expected.len());
    assert!(spilled == expected, "the records differ or come in another order");
    assert_eq!(files(folder.path()), 0, "spill files are removed");
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn reduce_by_key() {
    same(|context| pairs(context).reduce_by_key_into(2, u64::wrapping_add).collect().unwrap());
}

#[test]
fn combining_strings_keeps_their_order() {
    same(|context| {
        let texts = pairs(context).map(|(key, n)| (key.len() as u32, n.to_string()));
        let texts = texts.aggregate_by_key_into(2, String::new(), |all, n| all + &n, |a, b| a + &b);
        texts.collect().unwrap()
    });
}

#[test]
fn group_by_key() {
    same(|context| pairs(context).group_by_key_into(2).collect().unwrap());
}

#[test]
fn sort_by() {
    same(|context| {
        pairs(context).sort_by_into(2, Order::Descending, |(key, _)| key.clone()).unwrap().collect().unwrap()
    });
    same(|context| pairs(context).sort_by_key_into(1, Order::Ascending).unwrap().collect().unwrap());
}

#[test]
fn joins() {
    same(|context| {
        let few = pairs(context).filter(|(_, n)| n % 3 == 0);
        pairs(context).full_outer_join_into(2, few).collect().unwrap()
    });
}

#[test]
fn repartition_and_distinct() {
    same(|context| pairs(context).repartition(2).collect().unwrap());
    same(|context| pairs(context).keys().distinct().collect().unwrap());
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
    // About a hundred MiB of strings in one partition: more runs than are merged at once.
    same(|context| {
        let words = context.range_into(1, 0..100_000u64).map(|n| format!("{:0>1000}", n * 7919 % 100_003));
        let sorted = words.sort_by_into(1, Order::Ascending, |word| word.clone()).unwrap();
        sorted.map(|word| word.trim_start_matches('0').to_owned()).collect().unwrap()
    });
}

#[test]
fn what_is_spilled_shows_in_the_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let (log, scheduler) = Log::scheduler();
    let mut settings = Settings::default();
    settings.shuffle_memory = 0;
    settings.temporary = Some(folder.path().to_owned());
    let context = scheduler.context(settings);
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
        let error = run(&tiny_budget(&gone)).unwrap_err().to_string();
        assert!(error.contains("FS-R004: cannot create a spill file in") && error.contains("gone"), "{error}");
        assert!(error.contains("operator "), "{error}");
    }
}

#[test]
fn a_full_disk_is_an_error_and_nothing_hangs() {
    // Nothing can be written into /dev/full's file system; Linux only.
    let full = Path::new("/sys");
    if !full.exists() || std::fs::write(full.join("probe"), "x").is_ok() {
        return;
    }
    let mut settings = Settings::default();
    settings.shuffle_memory = 0;
    settings.temporary = Some(full.to_owned());
    let context = Scheduler::builder().threads(2).build().unwrap().context(settings);
    let error = pairs(&context).group_by_key().count().unwrap_err().to_string();
    assert!(error.contains("FS-R004") && error.contains("/sys"), "{error}");
}
