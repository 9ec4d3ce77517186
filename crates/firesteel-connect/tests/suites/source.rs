//! Sources that break a rule.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use firesteel_connect::{
    BlockReader, Blocks, Choose, ConnectError, Discovery, PositionUnit, ReadRange, Replay, Result, Source,
    SourceContext, SourceReader, Split, SplitId, conformance,
};
use firesteel_window::Timestamp;

use crate::broken;

/// What a source does wrong.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fault {
    None,
    DropsLast,
    RenamesSplits,
    ForgetsAfterFirstRead,
    DoublesAtCuts,
    IgnoresLimit,
    StandsStill,
    BlockSkips,
    BlockReadsAhead,
    ChoosesAll,
    ReadsAndCannotChoose,
    SilentAfterEnd,
    SilentOnUnknownSplit,
    ForgetsTooMuch,
    HandedBackAtTheStart,
    HandedBackOneFurther,
    HandedBackWithOldLimits,
    BeginsElsewhere,
}

struct Faulty {
    blocks: Mutex<Blocks<u32>>,
    fault: Fault,
    calls: AtomicU32,
}

impl Faulty {
    fn new(fault: Fault) -> Self {
        let mut blocks = Blocks::new();
        blocks.push((0..7).collect::<Vec<_>>());
        blocks.push((7..if fault == Fault::DropsLast { 9 } else { 10 }).collect::<Vec<_>>());
        Self { blocks: Mutex::new(blocks), fault, calls: AtomicU32::new(0) }
    }
}

struct FaultyReader {
    reader: BlockReader<u32>,
    limit: Option<u64>,
    fault: Fault,
    from: u64,
    repeat: bool,
}

impl Source for Faulty {
    type Item = u32;
    type Reader = FaultyReader;

    fn describe(&self) -> String {
        "numbers".into()
    }

    fn replay(&self) -> Replay {
        Replay::Always
    }

    fn start(&self, context: &SourceContext) -> Result<()> {
        if let Some(resumed) = context.resumed().first().filter(|_| self.fault == Fault::BeginsElsewhere) {
            self.blocks.lock().unwrap().trim(resumed.position + 1);
        }
        Ok(())
    }

    fn discover(&self, _now: Timestamp) -> Result<Discovery> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let name = if self.fault == Fault::RenamesSplits { call.to_string() } else { "0".into() };
        let blocks = self.blocks.lock().unwrap();
        let split = Split::new(SplitId::new(name), PositionUnit::Records)
            .starting_at(blocks.first())
            .available(blocks.end())
            .divisible(true)
            .finished(true);
        Ok(Discovery::all([split]).complete(true))
    }

    fn open(&self, range: &ReadRange) -> Result<FaultyReader> {
        let named = range.split.as_str() == "0" || self.fault == Fault::RenamesSplits;
        if !named && self.fault != Fault::SilentOnUnknownSplit {
            return Err(ConnectError::unknown_split("numbers", &range.split));
        }
        let mut blocks = self.blocks.lock().unwrap();
        let mut range = range.clone();
        if self.fault == Fault::SilentAfterEnd {
            range.from = range.from.min(blocks.end());
            range.to = range.to.map(|to| to.min(blocks.end()));
        }
        if self.fault == Fault::IgnoresLimit {
            range.max_records = None;
        }
        let reader = blocks.read(&range)?;
        if self.fault == Fault::ForgetsAfterFirstRead {
            blocks.trim(1);
        }
        let repeat = self.fault == Fault::DoublesAtCuts && range.to.is_some() && range.from == 3;
        Ok(FaultyReader { reader, limit: range.max_records, fault: self.fault, from: range.from, repeat })
    }

    fn reopen(&self, reader: FaultyReader, range: &ReadRange) -> Result<FaultyReader> {
        let range = range.clone();
        self.open(&match self.fault {
            Fault::HandedBackAtTheStart => ReadRange::starting_at(range.split, 0).max_records(range.max_records),
            Fault::HandedBackOneFurther => {
                let further = ReadRange::starting_at(range.split, range.from + 1);
                further.max_records(range.max_records).max_bytes(range.max_bytes)
            }
            Fault::HandedBackWithOldLimits => range.max_records(reader.limit),
            _ => range,
        })
    }

    fn committed(&self, positions: &[(SplitId, u64)]) -> Result<()> {
        let more = u64::from(self.fault == Fault::ForgetsTooMuch);
        self.blocks.lock().unwrap().trim(positions[0].1 + more);
        Ok(())
    }
}

impl SourceReader for FaultyReader {
    type Item = u32;

    fn next_record(&mut self) -> Result<Option<u32>> {
        if std::mem::take(&mut self.repeat) {
            return Ok(Some(2));
        }
        self.reader.next_record()
    }

    fn position(&self) -> u64 {
        if self.fault == Fault::StandsStill { self.from } else { self.reader.position() }
    }

    fn at_end(&self) -> bool {
        self.reader.at_end()
    }

    fn is_reusable(&self) -> bool {
        true
    }

    fn read_block(&mut self, most: usize, block: &mut Vec<u32>) -> Result<bool> {
        let more = self.reader.read_block(most, block)?;
        match self.fault {
            Fault::BlockSkips => block.retain(|record| *record != 4),
            // It reads ahead: the position is that of a record it has not handed out.
            Fault::BlockReadsAhead => drop(self.reader.next_record()?),
            _ => {}
        }
        Ok(more)
    }

    fn read_chosen(&mut self, most: usize, choose: &mut Choose<'_, u32>, block: &mut Vec<u32>) -> Result<Option<bool>> {
        match self.fault {
            Fault::ChoosesAll => self.reader.read_block(most, block).map(Some),
            Fault::ReadsAndCannotChoose => self.reader.next_record().map(|_| None),
            _ => self.reader.read_chosen(most, choose, block),
        }
    }
}

#[test]
fn the_source_suite_finds_each_fault() {
    let suite = |fault| conformance::source(|| Faulty::new(fault), &[(0..10).collect()]);
    suite(Fault::None);
    let cases = [
        (Fault::DropsLast, "S1"),
        (Fault::RenamesSplits, "S2"),
        (Fault::ForgetsAfterFirstRead, "S3"),
        (Fault::DoublesAtCuts, "S4"),
        (Fault::IgnoresLimit, "S5"),
        (Fault::StandsStill, "S6"),
        (Fault::BlockSkips, "S7"),
        (Fault::BlockReadsAhead, "S7"),
        (Fault::ChoosesAll, "S7"),
        (Fault::ReadsAndCannotChoose, "S7"),
        (Fault::SilentAfterEnd, "S8"),
        (Fault::SilentOnUnknownSplit, "S8"),
        (Fault::ForgetsTooMuch, "S10"),
        (Fault::HandedBackAtTheStart, "S14"),
        (Fault::HandedBackOneFurther, "S14"),
        (Fault::HandedBackWithOldLimits, "S14"),
    ];
    for (fault, rule) in cases {
        assert_eq!(broken(|| suite(fault)), rule, "{fault:?}");
    }
}

#[test]
fn a_source_that_begins_elsewhere_than_the_job_stood_is_found() {
    let suite = |fault| conformance::source_resumes(|| Faulty::new(fault), &[(0..10).collect()]);
    suite(Fault::None);
    assert_eq!(broken(|| suite(Fault::BeginsElsewhere)), "S15");
}

/// Splits that come one after the other, told of as differences.
struct Growing {
    calls: AtomicU32,
    fault: GrowingFault,
}

/// What a source does wrong that tells of differences.
#[derive(Clone, Copy, PartialEq, Debug)]
enum GrowingFault {
    None,
    NamesNotAllAtFirst,
    ForgetsASplit,
    SaysThatOneIsGone,
}

impl Source for Growing {
    type Item = u32;
    type Reader = BlockReader<u32>;

    fn describe(&self) -> String {
        "numbers".into()
    }

    fn replay(&self) -> Replay {
        Replay::Always
    }

    fn discover(&self, _now: Timestamp) -> Result<Discovery> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let split = |n: u32| Split::new(SplitId::new(n.to_string()), PositionUnit::Records).available(1).finished(true);
        let found = match (call, self.fault) {
            (0, GrowingFault::NamesNotAllAtFirst) => Discovery::changes([split(0)], []),
            (0, _) => Discovery::changes([split(0), split(1)], []),
            (1, GrowingFault::ForgetsASplit) => Discovery::all([split(0)]),
            (1, GrowingFault::SaysThatOneIsGone) => Discovery::changes([], [SplitId::new("1")]),
            _ => Discovery::changes([], []),
        };
        Ok(found.complete(true))
    }

    fn open(&self, range: &ReadRange) -> Result<BlockReader<u32>> {
        let number = range.split.as_str().parse::<u32>().ok().filter(|number| *number < 2);
        let number = number.ok_or_else(|| ConnectError::unknown_split("numbers", &range.split))?;
        let mut blocks = Blocks::new();
        blocks.push(vec![number]);
        blocks.read(range)
    }
}

#[test]
fn differences_add_up_to_what_there_is() {
    let suite = |fault| conformance::source(|| Growing { calls: AtomicU32::new(0), fault }, &[vec![0], vec![1]]);
    suite(GrowingFault::None);
    assert_eq!(broken(|| suite(GrowingFault::NamesNotAllAtFirst)), "S1");
    assert_eq!(broken(|| suite(GrowingFault::ForgetsASplit)), "S2");
    assert_eq!(broken(|| suite(GrowingFault::SaysThatOneIsGone)), "S2");
}
