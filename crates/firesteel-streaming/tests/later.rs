//! Splits that cannot be read for some time: what was read of them counts, and the rest is read when it can be.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;

use firesteel_connect::{
    BlockReader, Blocks, ConnectError, Discovery, PositionUnit, ReadRange, Replay, Result, Source, SourceReader, Split,
    SplitId,
};
use firesteel_connect_memory::Collector;
use firesteel_streaming::{BatchLimits, Error, StreamingContext, Trigger};
use firesteel_window::Timestamp;

/// What is in the way of reading a split: from which position on, and how many more attempts find it there.
type InTheWay = Arc<Mutex<BTreeMap<&'static str, (u64, u32)>>>;

/// Two splits of numbers.
struct Numbers {
    splits: [(&'static str, Blocks<u64>); 2],
    in_the_way: InTheWay,
    is_divisible: bool,
    knows_end: bool,
    /// Whether what comes after that position can be read.
    only_there: bool,
    /// What it has passed over, if it does.
    passed: Option<Arc<Mutex<Vec<(u64, u64)>>>>,
}

impl Numbers {
    fn new(in_the_way: &InTheWay, is_divisible: bool, knows_end: bool) -> Self {
        let numbers = |range: std::ops::Range<u64>| {
            let mut blocks = Blocks::new();
            blocks.push(range.collect::<Vec<_>>());
            blocks
        };
        let splits = [("a", numbers(0..60_000)), ("b", numbers(60_000..100_000))];
        Self { splits, in_the_way: Arc::clone(in_the_way), is_divisible, knows_end, only_there: false, passed: None }
    }
}

struct Reader {
    reader: BlockReader<u64>,
    stop: Option<u64>,
    split: SplitId,
}

impl SourceReader for Reader {
    type Item = u64;

    fn next_record(&mut self) -> Result<Option<u64>> {
        if self.stop == Some(self.reader.position()) {
            return Err(later(&self.split, self.reader.position()));
        }
        self.reader.next_record()
    }
    fn position(&self) -> u64 {
        self.reader.position()
    }
    fn at_end(&self) -> bool {
        self.reader.at_end()
    }
}

fn later(split: &SplitId, position: u64) -> ConnectError {
    ConnectError::Later { place: split.to_string(), position, reason: "something is in the way".into() }
}

impl Source for Numbers {
    type Item = u64;
    type Reader = Reader;

    fn describe(&self) -> String {
        "numbers".into()
    }
    fn replay(&self) -> Replay {
        Replay::Always
    }
    fn discover(&self, _: Timestamp) -> Result<Discovery> {
        // How many ranges a batch has, and how often each is opened, is the engine's affair.
        if self.is_divisible && !self.only_there {
            let mut in_the_way = self.in_the_way.lock().unwrap();
            in_the_way.values_mut().for_each(|(_, attempts)| *attempts = attempts.saturating_sub(1));
        }
        let splits = self.splits.iter().map(|(name, blocks)| {
            let end = self.knows_end.then(|| blocks.end());
            Split::new(SplitId::new(*name), PositionUnit::Records)
                .available(end)
                .divisible(self.is_divisible)
                .finished(true)
        });
        Ok(Discovery::all(splits.collect::<Vec<_>>()).complete(true))
    }
    fn pass_over(&self, stretch: &ReadRange) -> Result<bool> {
        let Some(passed) = &self.passed else { return Ok(false) };
        passed.lock().unwrap().push((stretch.from, stretch.to.unwrap()));
        Ok(true)
    }
    fn open(&self, range: &ReadRange) -> Result<Reader> {
        let (name, blocks) = self.splits.iter().find(|(name, _)| *name == range.split.as_str()).unwrap();
        let mut in_the_way = self.in_the_way.lock().unwrap();
        let mut stop = None;
        if let Some((position, attempts)) = in_the_way.get_mut(name).filter(|(_, attempts)| *attempts > 0)
            && range.to.is_none_or(|to| to > range.from && to > *position)
            && !(self.only_there && range.from > *position)
        {
            *attempts -= u32::from(!self.is_divisible || self.only_there);
            if range.from >= *position {
                return Err(later(&range.split, range.from));
            }
            stop = Some(*position);
        }
        Ok(Reader { reader: blocks.read(range)?, stop, split: range.split.clone() })
    }
}

fn run(in_the_way: &InTheWay, is_divisible: bool, knows_end: bool, limits: BatchLimits) -> (Vec<u64>, Option<Error>) {
    run_over(Numbers::new(in_the_way, is_divisible, knows_end), limits)
}

fn run_over(numbers: Numbers, limits: BatchLimits) -> (Vec<u64>, Option<Error>) {
    let job = StreamingContext::builder("later").threads(2).limits(limits).build().unwrap();
    let (results, doubled) = (Collector::new(), Collector::new());
    let numbers = job.read(numbers);
    numbers.clone().map(|number| number).write(results.clone());
    numbers.map(|number| 2 * number).write(doubled.clone());
    let error = job.run(Trigger::AvailableNow).err();
    let (mut numbers, mut doubled) = (results.records(), doubled.records());
    numbers.sort_unstable();
    doubled.sort_unstable();
    assert!(numbers.iter().map(|number| 2 * number).eq(doubled), "all outputs see the same");
    (numbers, error)
}

#[test]
fn what_is_in_the_way_for_a_while_loses_and_doubles_nothing() {
    let all: Vec<u64> = (0..100_000).collect();
    for (is_divisible, knows_end) in [(false, true), (false, false), (true, true)] {
        for limits in
            [BatchLimits::default(), BatchLimits::default().records(7_001), BatchLimits::default().bytes(10_000)]
        {
            for position in [0, 1, 5_000, 59_999] {
                // A large range is cut for parallel tasks: then all of it has to be in the way.
                let position = if is_divisible { 0 } else { position };
                let in_the_way: InTheWay = Arc::new(Mutex::new([("a", (position, 4))].into()));
                let (numbers, error) = run(&in_the_way, is_divisible, knows_end, limits);
                let case = format!("{is_divisible}, {knows_end}, {limits:?}, from {position} on");
                assert!(error.is_none(), "{case}: {error:?}");
                assert!(numbers == all, "{case}: {} numbers", numbers.len());
            }
        }
    }
}

#[test]
fn what_was_read_after_a_stretch_that_cannot_be_read_ends_the_job() {
    let in_the_way: InTheWay = Arc::new(Mutex::new([("a", (0, u32::MAX))].into()));
    let numbers = Numbers { only_there: true, ..Numbers::new(&in_the_way, true, true) };
    let (numbers, error) = run_over(numbers, BatchLimits::default());
    let error = format!("{:?}", error.unwrap());
    assert!(
        numbers.is_empty() && error.contains("cannot be left for later") && error.contains("position 0"),
        "{error}"
    );
}

#[test]
fn what_can_be_read_at_the_next_attempt_is_not_missed() {
    for position in [0, 1, 5_000, 29_999] {
        let in_the_way: InTheWay = Arc::new(Mutex::new([("a", (position, 2))].into()));
        let numbers = Numbers { only_there: true, ..Numbers::new(&in_the_way, true, true) };
        let (numbers, error) = run_over(numbers, BatchLimits::default());
        assert!(error.is_none() && numbers == (0..100_000).collect::<Vec<_>>(), "{position}: {error:?}");
    }
}

#[test]
fn a_source_may_pass_over_a_stretch_that_cannot_be_read_while_what_comes_after_it_is() {
    for position in [0, 1, 5_000, 29_999] {
        let (in_the_way, passed) = (Arc::new(Mutex::new([("a", (position, u32::MAX))].into())), Arc::default());
        let numbers = Numbers::new(&in_the_way, true, true);
        let numbers = Numbers { only_there: true, passed: Some(Arc::clone(&passed)), ..numbers };
        let (numbers, error) = run_over(numbers, BatchLimits::default());
        assert!(error.is_none(), "{error:?}");
        let passed = passed.lock().unwrap().clone();
        assert_eq!(passed, [(position, 30_000)], "the rest of the first of two ranges, once");
        let expected: Vec<u64> = (0..position).chain(30_000..100_000).collect();
        assert!(numbers == expected, "{position}: {} numbers", numbers.len());
    }
}
