//! Persisted RDDs.

use firesteel_budget::{Memory, Part};
use firesteel_core::{
    Accumulator, Actions, Context, DiskOnly, Lineage, MemoryAndDisk, MemoryOnly, PairOps, RddOps, Rows, Settings,
    StorageLevel,
};
use firesteel_scheduler::Scheduler;

use crate::common::{Log, context};

fn with_storage(bytes: u64, temporary: &std::path::Path) -> Context {
    let mut settings = Settings::default();
    settings.memory = settings.memory.storage(bytes);
    settings.temporary = Some(temporary.to_owned());
    Scheduler::builder().threads(2).build().unwrap().context(settings)
}

#[test]
fn what_is_kept_is_told_and_given_back() {
    let memory = Memory::default();
    let mut settings = Settings::default();
    settings.memory = memory.clone();
    let context = Scheduler::builder().threads(2).build().unwrap().context(settings);
    let numbers = context.parallelize_with(2, 0..1_000u64).cache();
    numbers.count().unwrap();
    let used = memory.part(Part::Storage).used();
    assert!((8_000..20_000).contains(&used), "a thousand numbers of eight bytes: {used}");
    numbers.unpersist();
    assert_eq!(memory.used(), 0);
}

fn files(folder: &std::path::Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn records_are_computed_once() {
    let folder = tempfile::tempdir().unwrap();
    let context = with_storage(1 << 20, folder.path());
    let computed = Accumulator::<u64>::default();
    let count = computed.clone();
    let squares = context.range_with(4, 0..100u64).inspect(move |_| count.add(1)).map(|n| n * n);
    let expected = squares.collect().unwrap();
    let levels = [
        squares.clone().persist(MemoryOnly).boxed(),
        squares.clone().cache().boxed(),
        squares.clone().persist(MemoryAndDisk).boxed(),
        squares.clone().persist(DiskOnly).boxed(),
    ];
    for persisted in levels {
        computed.take();
        assert!(!persisted.is_materialized());
        for _ in 0..3 {
            assert_eq!(persisted.collect().unwrap(), expected);
        }
        assert_eq!(computed.value(), 100, "{}", persisted.to_debug_string());
        assert!(persisted.is_materialized() && persisted.to_debug_string().contains("[stored]"));
    }
    assert_eq!(files(folder.path()), 0, "what is dropped is removed");
}

/// The rows of operators are counted when their records are dropped, which has to be part of computing them.
#[test]
fn what_is_computed_again_is_not_counted_again() {
    fn check<L: StorageLevel<u64> + std::fmt::Debug>(level: L, storage: u64, temporary: &std::path::Path) {
        let rows = Rows::default();
        let numbers = with_storage(storage, temporary).parallelize_with(2, 0..30_000u64).boxed().counted(&rows, 0);
        let numbers = numbers.persist(level);
        for time in 0..3 {
            assert_eq!(numbers.count().unwrap(), 30_000);
            assert_eq!(rows.value(), [30_000], "{level:?} with {storage} bytes, time {time}");
            // Others compute the partitions again, and so do those to come.
            numbers.unpersist();
        }
        assert_eq!(numbers.take(10).unwrap().len(), 10);
        assert_eq!(rows.value(), [30_000]);
    }
    let folder = tempfile::tempdir().unwrap();
    for storage in [1 << 20, 1_000] {
        check(MemoryOnly, storage, folder.path());
        check(MemoryAndDisk, storage, folder.path());
        check(DiskOnly, storage, folder.path());
    }
}

#[test]
fn stages_below_a_persisted_rdd_are_skipped() {
    let (log, context) = Log::context();
    let sums = context.parallelize_with(3, (0..30u32).map(|n| (n % 5, n))).reduce_by_key_with(2, |a, b| a + b).cache();
    sums.count().unwrap();
    assert_eq!(log.stages(), [3, 2]);
    sums.clone().map(|(_, sum)| sum).collect().unwrap();
    assert_eq!(log.stages(), [2]);
    assert_eq!(sums.partitioner(), sums.clone().filter(|_| true).partitioner());
    sums.unpersist();
    assert!(!sums.is_materialized() && sums.kept_partitions() == 0);
    sums.count().unwrap();
    assert_eq!((log.stages(), sums.kept_partitions()), (vec![2], 0), "it keeps nothing any more");
}

#[test]
fn only_computed_partitions_are_kept() {
    let numbers = context().range_with(10, 0..100u32).cache();
    numbers.first().unwrap();
    assert_eq!((numbers.kept_partitions(), numbers.is_materialized()), (1, false));
    assert_eq!(numbers.count().unwrap(), 100);
    assert_eq!(numbers.kept_partitions(), 10);
}

#[test]
fn the_least_recently_used_rdd_makes_room() {
    let folder = tempfile::tempdir().unwrap();
    // Each takes 8,000 bytes: two fit.
    let context = with_storage(20_000, folder.path());
    let numbers = |from: u64| context.range_with(4, from..from + 1000);
    let (first, second, third) = (numbers(0).cache(), numbers(1).cache(), numbers(2).cache());
    first.count().unwrap();
    second.count().unwrap();
    assert_eq!((first.kept_partitions(), second.kept_partitions()), (4, 4));
    first.count().unwrap();
    third.count().unwrap();
    assert_eq!((first.kept_partitions(), third.kept_partitions()), (4, 4));
    assert!(second.kept_partitions() < 4);
    assert_eq!(second.sum().unwrap(), (1..1001).sum());

    let spilling = numbers(3).persist(MemoryAndDisk);
    assert_eq!(spilling.sum().unwrap(), (3..1003).sum());
    for rdd in [&first, &third] {
        rdd.unpersist();
    }
    let others = [numbers(6).cache(), numbers(7).cache(), numbers(8).cache()];
    others.iter().for_each(|rdd| assert_eq!(rdd.count().unwrap(), 1000));
    assert_eq!(spilling.kept_partitions(), 4, "it moved to disk");
    assert!(files(folder.path()) > 0);
    assert_eq!(spilling.sum().unwrap(), (3..1003).sum());
    drop(spilling);
    assert_eq!(files(folder.path()), 0);
}

#[test]
fn what_does_not_fit_is_computed_again_or_goes_to_disk() {
    let folder = tempfile::tempdir().unwrap();
    let context = with_storage(10_000, folder.path());
    let words = context.range_with(2, 0..2000u32).map(|n| format!("word {n}"));
    let expected = words.collect().unwrap();
    let in_memory = words.clone().persist(MemoryOnly);
    let on_disk = words.clone().persist(MemoryAndDisk);
    for _ in 0..2 {
        assert_eq!(in_memory.collect().unwrap(), expected);
        assert_eq!(on_disk.collect().unwrap(), expected);
    }
    assert_eq!((in_memory.kept_partitions(), on_disk.kept_partitions()), (0, 2));
    assert_eq!(on_disk.is_materialized(), files(folder.path()) > 0);
}

#[test]
fn a_failed_attempt_keeps_nothing() {
    use std::sync::atomic::{AtomicBool, Ordering};
    static FAILED: AtomicBool = AtomicBool::new(false);
    let computed = Accumulator::<u64>::default();
    let count = computed.clone();
    let numbers = context().range_with(1, 0..10u32).inspect(move |_| count.add(1)).cache();
    // The first attempt fails after the persisted RDD: had it kept its records, the second would not count them.
    let failing = numbers.inspect(|n| assert!(*n != 5 || FAILED.swap(true, Ordering::Relaxed)));
    assert_eq!(failing.count().unwrap(), 10);
    assert_eq!(computed.value(), 10);
}

#[test]
fn a_lost_partition_is_computed_again_from_its_shuffle() {
    let folder = tempfile::tempdir().unwrap();
    let context = with_storage(1_000, folder.path());
    let sums = context.parallelize_with(3, (0..30u64).map(|n| (n % 5, n))).reduce_by_key_with(2, |a, b| a + b);
    let kept = sums.cache();
    let expected = kept.collect().unwrap();
    assert!(kept.is_materialized());
    let other = context.range_with(1, 0..120u64).cache();
    other.count().unwrap();
    assert!(!kept.is_materialized(), "the other needs the room");
    assert_eq!(kept.collect().unwrap(), expected);
}
