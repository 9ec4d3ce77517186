//! The suites are suites: each catches the connector that breaks its rule, and names the rule.
#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, mpsc};

use firesteel_connect::{
    BlockReader, Blocks, Buffered, Choose, ConnectError, Discovery, Epoch, Guarantee, Payload, PositionUnit, ReadRange,
    Receiver, Replay, Result, Sink, Source, SourceReader, Split, SplitId, Store, Wake, WriteTask, conformance,
};
use firesteel_window::{Timestamp, millis};

/// The number of the rule that `suite` finds broken.
fn broken(suite: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(suite)).expect_err("the suite finds nothing wrong");
    let text = panic.downcast::<String>().expect("a suite panics with a text");
    let number = text.strip_prefix("rule ").and_then(|text| text.split(' ').next());
    number.unwrap_or_else(|| panic!("a failure without a rule: {text}")).to_owned()
}

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

    fn discover(&self, _now: Timestamp) -> Result<Discovery> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let name = if self.fault == Fault::RenamesSplits { call.to_string() } else { "0".into() };
        let blocks = self.blocks.lock().unwrap();
        let split = Split {
            id: SplitId::new(name),
            first: blocks.first(),
            available: Some(blocks.end()),
            unit: PositionUnit::Records,
            divisible: true,
            finished: true,
        };
        Ok(Discovery { splits: vec![split], complete: true })
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
        Ok(FaultyReader { reader, fault: self.fault, from: range.from, repeat })
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
    ];
    for (fault, rule) in cases {
        assert_eq!(broken(|| suite(fault)), rule, "{fault:?}");
    }
}

/// What a source does wrong with records that it cannot decode.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Undecoded {
    Told,
    AsAFailure,
    WithoutPayload,
    CutPayload,
    AtAnotherPlace,
    StaysBeforeIt,
    SkipsTheNext,
    BlockDropsWhatCameBefore,
    InSilence,
}

/// Digits that are read as numbers; anything else cannot be decoded.
struct Digits(&'static [u8], Undecoded);

struct DigitReader {
    text: &'static [u8],
    at: usize,
    fault: Undecoded,
}

impl Source for Digits {
    type Item = u32;
    type Reader = DigitReader;

    fn describe(&self) -> String {
        "digits".into()
    }
    fn replay(&self) -> Replay {
        Replay::Always
    }
    fn discover(&self, _: Timestamp) -> Result<Discovery> {
        let (id, available) = (SplitId::new("0"), Some(self.0.len() as u64));
        let split = Split { id, first: 0, available, unit: PositionUnit::Records, divisible: true, finished: true };
        Ok(Discovery { splits: vec![split], complete: true })
    }
    fn open(&self, range: &ReadRange) -> Result<DigitReader> {
        Ok(DigitReader { text: self.0, at: range.from as usize, fault: self.1 })
    }
}

impl SourceReader for DigitReader {
    type Item = u32;

    fn next_record(&mut self) -> Result<Option<u32>> {
        let Some(&byte) = self.text.get(self.at) else { return Ok(None) };
        let position = self.at as u64 + u64::from(self.fault == Undecoded::AtAnotherPlace);
        self.at += 1;
        if byte.is_ascii_digit() {
            return Ok(Some(u32::from(byte - b'0')));
        }
        match self.fault {
            Undecoded::InSilence => return self.next_record(),
            Undecoded::AsAFailure => return Err(ConnectError::unknown_split("digits", &SplitId::new("0"))),
            Undecoded::StaysBeforeIt => self.at -= 1,
            Undecoded::SkipsTheNext => self.at += 1,
            _ => {}
        }
        let bytes = if self.fault == Undecoded::CutPayload { &[][..] } else { &[byte][..] };
        let payload = (self.fault != Undecoded::WithoutPayload).then(|| Box::new(Payload::of(bytes)));
        Err(ConnectError::Malformed { place: "digits".into(), position, reason: "no digit".into(), payload })
    }
    fn position(&self) -> u64 {
        self.at as u64
    }
    fn at_end(&self) -> bool {
        self.at == self.text.len()
    }
    fn read_block(&mut self, most: usize, block: &mut Vec<u32>) -> Result<bool> {
        for _ in 0..most {
            match self.next_record() {
                Ok(Some(record)) => block.push(record),
                Ok(None) => return Ok(false),
                Err(error) => {
                    if self.fault == Undecoded::BlockDropsWhatCameBefore {
                        block.clear();
                    }
                    return Err(error);
                }
            }
        }
        Ok(true)
    }
}

#[test]
fn the_suite_for_records_that_cannot_be_decoded_finds_each_fault() {
    let expected = b"12x3yz4".iter().map(|byte| match byte {
        b'0'..=b'9' => Ok(u32::from(byte - b'0')),
        other => Err(vec![*other]),
    });
    let expected: Vec<_> = expected.collect();
    let suite = |fault| conformance::undecodable(|| Digits(b"12x3yz4", fault), &expected);
    suite(Undecoded::Told);
    let cases = [
        (Undecoded::AsAFailure, "S12"),
        (Undecoded::WithoutPayload, "S12"),
        (Undecoded::CutPayload, "S12"),
        (Undecoded::AtAnotherPlace, "S12"),
        (Undecoded::StaysBeforeIt, "S12"),
        (Undecoded::SkipsTheNext, "S12"),
        (Undecoded::BlockDropsWhatCameBefore, "S13"),
        (Undecoded::InSilence, "S13"),
    ];
    for (fault, rule) in cases {
        assert_eq!(broken(|| suite(fault)), rule, "{fault:?}");
    }
}

/// Stores numbers, perhaps fewer, or others than expected.
struct Numbers(Vec<u32>);

impl Receiver for Numbers {
    type Item = u32;

    fn describe(&self) -> String {
        "numbers".into()
    }

    fn receive(&mut self, store: &Store<u32>) -> Result<()> {
        // When stopped, there is nothing left to do either.
        let _ = store.push_all(self.0.iter().copied());
        Ok(())
    }
}

#[test]
fn the_receiver_suite_finds_lost_and_doubled_records() {
    let suite = |records: &[u32]| conformance::receiver(|| Numbers(records.to_vec()), &[1, 2]);
    suite(&[1, 2]);
    for records in [&[1][..], &[2, 1], &[1, 2, 2]] {
        assert_eq!(broken(|| suite(records)), "R1", "{records:?}");
    }
}

/// Waits for a word that comes only after the suite has given it up.
struct Deaf(mpsc::Receiver<()>);

impl Receiver for Deaf {
    type Item = u32;

    fn describe(&self) -> String {
        "a deaf one".into()
    }

    fn receive(&mut self, _: &Store<u32>) -> Result<()> {
        let _ = self.0.recv();
        Ok(())
    }
}

#[test]
fn a_receiver_that_does_not_listen_does_not_hold_up_the_end_of_the_job() {
    let (release, released) = mpsc::channel();
    let source = Buffered::new(Deaf(released)).stop_within(millis(10));
    source.start(Wake::silent()).unwrap();
    source.stop();
    drop(release);
}

/// What a sink does wrong.
#[derive(Clone, Copy, PartialEq, Debug)]
enum SinkFault {
    None,
    VisibleEarly,
    Reversed,
    CommitsTwice,
    KeepsAborted,
    Silent,
    KeepsFailedAttempts,
    SkipsEmpty,
    ForgetsOnRestart,
    ShowsTheNext,
}

/// A place that survives its sink.
#[derive(Clone, Default)]
struct Place(std::sync::Arc<Mutex<(Vec<u32>, Option<Epoch>)>>);

struct FaultySink {
    place: Place,
    /// Records of epochs after the one that is to be committed.
    ahead: Mutex<Vec<u32>>,
    fault: SinkFault,
}

impl Sink<u32> for FaultySink {
    type Pending = Vec<u32>;

    fn describe(&self) -> String {
        "a list".into()
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn write(&self, task: WriteTask, records: impl Iterator<Item = u32>) -> Result<Vec<u32>> {
        let mut pending = vec![];
        for record in records {
            pending.push(record);
            let early = match self.fault {
                SinkFault::VisibleEarly => task.attempt == 0,
                SinkFault::KeepsFailedAttempts => task.attempt == 1 && self.place.0.lock().unwrap().1.is_none(),
                _ => false,
            };
            if early {
                self.place.0.lock().unwrap().0.push(record);
            }
            let last = self.place.0.lock().unwrap().1.unwrap_or_default();
            if self.fault == SinkFault::ShowsTheNext && task.epoch.0 > last.0 + 1 {
                self.ahead.lock().unwrap().push(record);
            }
        }
        Ok(pending)
    }

    fn commit(&self, epoch: Epoch, pending: &mut Vec<Vec<u32>>) -> Result<()> {
        let mut place = self.place.0.lock().unwrap();
        if place.1 >= Some(epoch) && self.fault != SinkFault::CommitsTwice {
            return Ok(());
        }
        if !(self.fault == SinkFault::SkipsEmpty && pending.is_empty()) {
            place.1 = place.1.max(Some(epoch));
        }
        let mut records = std::mem::take(pending).concat();
        if self.fault == SinkFault::Reversed {
            records.reverse();
        }
        place.0.extend(records);
        place.0.append(&mut self.ahead.lock().unwrap());
        Ok(())
    }

    fn abort(&self, _: Epoch, pending: Vec<Vec<u32>>) -> Result<()> {
        if self.fault == SinkFault::KeepsAborted {
            self.place.0.lock().unwrap().0.extend(pending.concat());
        }
        Ok(())
    }

    fn last_committed(&self) -> Result<Option<Epoch>> {
        Ok(if self.fault == SinkFault::Silent { None } else { self.place.0.lock().unwrap().1 })
    }
}

#[test]
fn the_sink_suite_finds_each_fault() {
    let suite = |fault| {
        let make = || FaultySink { place: Place::default(), ahead: Mutex::default(), fault };
        let visible = |sink: &FaultySink| sink.place.0.lock().unwrap().0.clone();
        let reopen = |sink: FaultySink| {
            let place = if fault == SinkFault::ForgetsOnRestart { Place::default() } else { sink.place };
            FaultySink { place, ahead: Mutex::default(), fault }
        };
        conformance::sink(make, visible, |n| n);
        conformance::sink_restarts(make, reopen, visible, |n| n);
    };
    suite(SinkFault::None);
    let cases = [
        (SinkFault::VisibleEarly, "K2"),
        (SinkFault::Reversed, "K3"),
        (SinkFault::CommitsTwice, "K4"),
        (SinkFault::KeepsAborted, "K5"),
        (SinkFault::Silent, "K6"),
        (SinkFault::KeepsFailedAttempts, "K7"),
        (SinkFault::SkipsEmpty, "K8"),
        (SinkFault::ForgetsOnRestart, "K10"),
        (SinkFault::ShowsTheNext, "K11"),
    ];
    for (fault, rule) in cases {
        assert_eq!(broken(|| suite(fault)), rule, "{fault:?}");
    }
}
