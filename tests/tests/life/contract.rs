//! What the engine promises to sources: what it tells them of commits and restarts, what it makes of differences, and which
//! readers it hands back.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_connect::{
    BlockReader, Blocks, Class, ConnectError, Discovery, PositionUnit, ReadRange, Replay, Result, Resumed, Source,
    SourceContext, Split, SplitId,
};
use firesteel_connect_file::TextFiles;
use firesteel_connect_memory::{Collector, MemorySource, QueueSource};
use firesteel_streaming::{BatchLimits, BatchProgress, Checkpoint, StreamingListener, Trigger};
use firesteel_testkit::faults::{At, FaultySource};
use firesteel_window::{Timestamp, seconds};
use parking_lot::Mutex;

use crate::job;

fn at(split: &str, position: u64) -> (SplitId, u64) {
    (SplitId::new(split), position)
}

#[test]
fn a_source_is_told_of_what_has_moved_and_again_of_what_it_could_not_note() {
    let queue = QueueSource::new(2);
    let handle = queue.handle();
    let (source, faults) = FaultySource::new(queue);
    let job = job(1).build().unwrap();
    job.read(source).write(Collector::new());
    let mut run = job.begin().unwrap();
    handle.push_partitions(vec![vec![1], vec![2, 3]]).unwrap();
    run.next_batch().unwrap();
    run.next_batch().unwrap();
    faults.fail(At::Committed, 1, Class::Fatal);
    handle.push_partitions(vec![vec![4], vec![]]).unwrap();
    run.next_batch().unwrap();
    handle.push_partitions(vec![vec![], vec![5]]).unwrap();
    run.next_batch().unwrap();
    run.next_batch().unwrap();
    let expected = [vec![at("0", 1), at("1", 2)], vec![], vec![at("0", 2)], vec![at("0", 2), at("1", 3)], vec![]];
    assert_eq!(faults.told(), expected);
}

#[test]
fn a_source_learns_where_the_job_resumes_and_is_told_of_it_at_the_next_commit() {
    let folder = tempfile::tempdir().unwrap();
    let queue = QueueSource::new(2).keep_committed();
    let handle = queue.handle();
    let mut runs = Vec::new();
    for part in [vec![vec![1], vec![2, 3]], vec![vec![], vec![4]]] {
        let (source, faults) = FaultySource::new(queue.clone());
        handle.push_partitions(part).unwrap();
        let job = job(1).checkpoint(Checkpoint::in_folder(folder.path()).interval(seconds(0))).build().unwrap();
        job.read(source).named("numbers").write(Collector::new());
        job.run(Trigger::AvailableNow).unwrap();
        runs.push((faults.resumed(), faults.told()));
    }
    assert_eq!(runs[0], (vec![], vec![vec![at("0", 1), at("1", 2)]]));
    let resumed = vec![Resumed::at(SplitId::new("0"), 1), Resumed::at(SplitId::new("1"), 2)];
    assert_eq!(runs[1], (resumed, vec![vec![at("0", 1), at("1", 3)]]));
}

/// A folder of one compressed file of a thousand lines.
fn zipped() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(folder.path().join("a.gz")).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::default());
    (0..1_000).for_each(|n| writeln!(encoder, "{n}").unwrap());
    encoder.finish().unwrap();
    folder
}

#[test]
fn the_reader_of_a_file_that_can_only_be_read_from_its_start_is_handed_back_from_batch_to_batch() {
    let folder = zipped();
    let (source, faults) = FaultySource::new(TextFiles::new(folder.path()));
    let (job, out) = (job(2).limits(BatchLimits::default().records(50)).build().unwrap(), Collector::new());
    job.read(source).write(out.clone());
    job.run(Trigger::AvailableNow).unwrap();
    assert_eq!(out.records(), (0..1_000).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!((faults.opens(), faults.reopens()), (1, 20), "the last one finds the end");
}

#[test]
fn after_a_failure_the_range_is_read_by_a_new_reader_and_what_comes_next_by_that_one() {
    let folder = zipped();
    let (source, faults) = FaultySource::new(TextFiles::new(folder.path()));
    let (job, out) = (job(2).limits(BatchLimits::default().records(100)).build().unwrap(), Collector::new());
    job.read(source).write(out.clone());
    faults.fail_later(At::Record(30), 3, 1, Class::Retryable);
    job.run(Trigger::AvailableNow).unwrap();
    assert_eq!(out.records(), (0..1_000).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!((faults.opens(), faults.reopens()), (2, 10));
}

/// Readers of memory have nothing to keep: nothing is kept of them.
#[test]
fn a_reader_that_holds_nothing_is_not_kept() {
    let (source, faults) = FaultySource::new(MemorySource::new((0..1_000).collect::<Vec<u32>>()));
    let job = job(1).limits(BatchLimits::default().records(50)).build().unwrap();
    job.read(source).write(Collector::new());
    job.run(Trigger::AvailableNow).unwrap();
    assert_eq!((faults.opens(), faults.reopens()), (20, 0));
}

/// Splits of ten numbers each that come, grow, end and go, one after the other; told of as differences, after the first answer.
struct Changing {
    looks: AtomicU64,
    splits: u64,
    /// The look at which it cannot say what there is.
    fails: u64,
    told: Mutex<BTreeMap<SplitId, Split>>,
}

impl Changing {
    /// What there is at a look.
    fn at(&self, look: u64) -> BTreeMap<SplitId, Split> {
        let of = |number: u64| {
            let age = look.checked_sub(number)?;
            let split = Split::new(SplitId::new(format!("{number:06}")), PositionUnit::Records);
            // It is gone some time after it has ended.
            (age < 50).then(|| split.available((age + 1).min(10)).divisible(true).finished(age >= 10))
        };
        let there = (0..self.splits).filter_map(of);
        there.map(|split| (split.id.clone(), split)).collect()
    }
}

impl Source for Changing {
    type Item = u64;
    type Reader = BlockReader<u64>;

    fn describe(&self) -> String {
        "changing splits".into()
    }
    fn replay(&self) -> Replay {
        Replay::Always
    }
    fn discover(&self, _: Timestamp) -> Result<Discovery> {
        let look = self.looks.fetch_add(1, Ordering::SeqCst);
        if look == self.fails {
            let source = "it is busy".into();
            return Err(ConnectError::Other { context: "looking".into(), class: Class::Retryable, source });
        }
        let there = self.at(look);
        let mut told = self.told.lock();
        let changed = there.values().filter(|split| told.get(&split.id) != Some(*split)).cloned();
        let gone = told.keys().filter(|id| !there.contains_key(id)).cloned();
        let found = Discovery::changes(changed, gone).complete(look > self.splits);
        *told = there;
        Ok(found)
    }
    fn open(&self, range: &ReadRange) -> Result<BlockReader<u64>> {
        let number: u64 = range.split.as_str().parse().unwrap();
        let mut blocks = Blocks::new();
        blocks.push((number * 10..number * 10 + 10).collect::<Vec<_>>());
        blocks.read(range)
    }
}

struct Ranges(Arc<AtomicU64>);

impl StreamingListener for Ranges {
    fn on_batch(&self, progress: &BatchProgress) {
        let splits = progress.inputs.iter().map(|input| input.splits.len() as u64);
        self.0.fetch_add(splits.sum(), Ordering::SeqCst);
    }
}

#[test]
fn splits_told_of_as_differences_are_read_once_each_as_they_come_grow_end_and_go() {
    let splits = 300;
    let source = Changing { looks: AtomicU64::new(0), splits, fails: 17, told: Mutex::default() };
    let ranges = Arc::new(AtomicU64::new(0));
    let job = job(2).listener(Ranges(Arc::clone(&ranges))).build().unwrap();
    let out = Collector::new();
    job.read(source).write(out.clone());
    job.run(Trigger::AsSoonAsPossible).unwrap();
    let mut found = out.records();
    found.sort_unstable();
    assert_eq!(found, (0..splits * 10).collect::<Vec<_>>());
    assert!(ranges.load(Ordering::SeqCst) <= splits * 10, "a split that has not changed is not read");
}

#[test]
fn thousands_of_splits_that_have_been_read_cost_a_batch_nothing() {
    let splits: Vec<Vec<u32>> = (0..30_000).map(|n| vec![n]).collect();
    let queue = QueueSource::new(1);
    let handle = queue.handle();
    let (job, out) = (job(2).limits(BatchLimits::default().records(1_000_000)).build().unwrap(), Collector::new());
    job.read(queue).write(out.clone());
    handle.push_partitions(splits).unwrap();
    let mut run = job.begin().unwrap();
    let progress = run.next_batch().unwrap();
    assert_eq!((progress.rows_in, progress.inputs[0].splits.len()), (30_000, 30_000));
    for n in 0..10 {
        handle.push_partitions(vec![vec![n]]).unwrap();
        let progress = run.next_batch().unwrap();
        assert_eq!((progress.rows_in, progress.inputs[0].splits.len()), (1, 1));
    }
    assert_eq!(out.records().len(), 30_010);
}

#[test]
fn a_split_that_is_gone_and_comes_back_is_another_one() {
    struct Returning(AtomicU64);
    impl Source for Returning {
        type Item = u64;
        type Reader = BlockReader<u64>;
        fn describe(&self) -> String {
            "a split that comes back".into()
        }
        fn replay(&self) -> Replay {
            Replay::Always
        }
        fn start(&self, context: &SourceContext) -> Result<()> {
            assert_eq!((context.job(), context.name()), ("job", "a split that comes back"));
            Ok(())
        }
        fn discover(&self, _: Timestamp) -> Result<Discovery> {
            let split = Split::new(SplitId::new("a"), PositionUnit::Records).available(2).finished(true);
            Ok(match self.0.fetch_add(1, Ordering::SeqCst) {
                0 => Discovery::changes([split], []),
                2 => Discovery::changes([], [SplitId::new("a")]),
                4 => Discovery::changes([split], []).complete(true),
                _ => Discovery::changes([], []),
            })
        }
        fn open(&self, range: &ReadRange) -> Result<BlockReader<u64>> {
            let mut blocks = Blocks::new();
            blocks.push(vec![1, 2]);
            blocks.read(range)
        }
    }
    let (job, out) = (job(1).build().unwrap(), Collector::new());
    job.read(Returning(AtomicU64::new(0))).write(out.clone());
    let mut run = job.begin().unwrap();
    let rows: Vec<u64> = (0..6).map(|_| run.next_batch().unwrap().rows_in).collect();
    assert_eq!(rows, [2, 0, 0, 0, 2, 0]);
    assert_eq!(out.records(), [1, 2, 1, 2]);
}
