//! A source that fails on demand.

use std::sync::Arc;

use firesteel_connect::{
    Class, Discovery, Place, Pool, ReadRange, Replay, Result, Resumed, Source, SourceContext, SourceReader, SplitId,
    SplitNote,
};
use firesteel_window::Timestamp;
use parking_lot::{Condvar, Mutex};

use super::Planned;
use crate::{Gate, PATIENCE};

/// Where a source fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum At {
    /// When it is started.
    Start,
    /// When it is asked what is there.
    Discover,
    /// When a range is opened.
    Open,
    /// Before the record of this index within a range is handed out.
    Record(u64),
    /// When it is asked what the checkpoint is to keep.
    Notes,
    /// When it is told of a commit.
    Committed,
    /// When it is stopped. It cannot fail there, but [hang](SourceFaults::hang).
    Stop,
}

/// A source that passes everything on to another one, unless it is to fail.
pub struct FaultySource<S> {
    source: S,
    faults: SourceFaults,
}

/// Decides where a [`FaultySource`] fails, and tells what was asked of it. A clone belongs to the same source.
#[derive(Clone)]
pub struct SourceFaults {
    planned: Planned<At>,
    counts: Arc<(Mutex<Counts>, Condvar)>,
}

#[derive(Default)]
struct Counts {
    starts: u64,
    discoveries: u64,
    opens: u64,
    reopens: u64,
    records: u64,
    stops: u64,
    told: Vec<Vec<(SplitId, u64)>>,
    resumed: Vec<Resumed>,
}

impl<S: Source> FaultySource<S> {
    /// The source, and what makes it fail.
    pub fn new(source: S) -> (Self, SourceFaults) {
        let faults = SourceFaults { planned: Planned::new(), counts: Arc::default() };
        (Self { source, faults: faults.clone() }, faults)
    }
}

impl SourceFaults {
    /// Fails this many times there, with an error of that class.
    pub fn fail(&self, at: At, times: u32, class: Class) {
        self.fail_later(at, 0, times, class);
    }

    /// Lets this many calls there pass, then fails this many times.
    pub fn fail_later(&self, at: At, after: u32, times: u32, class: Class) {
        self.planned.add(at, after, times, class);
    }

    /// Lets this many calls there pass; the next one does not return before the gate is open, and then does what it was to.
    pub fn hang(&self, at: At, after: u32, gate: &Gate) {
        self.planned.hang(at, after, gate);
    }

    /// How often the source was started.
    #[must_use]
    pub fn starts(&self) -> u64 {
        self.counts.0.lock().starts
    }

    /// How often it was asked what is there.
    #[must_use]
    pub fn discoveries(&self) -> u64 {
        self.counts.0.lock().discoveries
    }

    /// Waits until it has been asked so often what is there, and returns how often it was.
    ///
    /// # Panics
    /// When that takes longer than 30 seconds.
    pub fn wait_for_discoveries(&self, count: u64) -> u64 {
        let (counts, changed) = &*self.counts;
        let mut counts = counts.lock();
        let waited = changed.wait_while_for(&mut counts, |counts| counts.discoveries < count, PATIENCE);
        assert!(!waited.timed_out(), "{} of {count} looks have come", counts.discoveries);
        counts.discoveries
    }

    /// How often a range was opened.
    #[must_use]
    pub fn opens(&self) -> u64 {
        self.counts.0.lock().opens
    }

    /// How often a reader was handed back for a range.
    #[must_use]
    pub fn reopens(&self) -> u64 {
        self.counts.0.lock().reopens
    }

    /// What it was told of commits, call by call; also what it did not take in.
    #[must_use]
    pub fn told(&self) -> Vec<Vec<(SplitId, u64)>> {
        self.counts.0.lock().told.clone()
    }

    /// Where the job stood when it was started last.
    #[must_use]
    pub fn resumed(&self) -> Vec<Resumed> {
        self.counts.0.lock().resumed.clone()
    }

    /// How many records were handed out, those of repetitions included.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.counts.0.lock().records
    }

    /// How often it was stopped.
    #[must_use]
    pub fn stops(&self) -> u64 {
        self.counts.0.lock().stops
    }

    fn count(&self, what: impl FnOnce(&mut Counts) -> &mut u64) {
        *what(&mut self.counts.0.lock()) += 1;
        self.counts.1.notify_all();
    }
}

impl<S: Source> Source for FaultySource<S> {
    type Item = S::Item;
    type Reader = FaultyReader<S::Reader>;

    fn describe(&self) -> String {
        self.source.describe()
    }

    fn replay(&self) -> Replay {
        self.source.replay()
    }

    fn forgets(&self) -> bool {
        self.source.forgets()
    }

    fn would_read(&self, place: &Place) -> bool {
        self.source.would_read(place)
    }

    fn buffer_within(&self, pool: &Pool) {
        self.source.buffer_within(pool);
    }

    fn start(&self, context: &SourceContext) -> Result<()> {
        self.faults.count(|counts| &mut counts.starts);
        self.faults.counts.0.lock().resumed = context.resumed().to_vec();
        self.faults.planned.strike(&At::Start)?;
        self.source.start(context)
    }

    fn discover(&self, now: Timestamp) -> Result<Discovery> {
        self.faults.count(|counts| &mut counts.discoveries);
        self.faults.planned.strike(&At::Discover)?;
        self.source.discover(now)
    }

    fn open(&self, range: &ReadRange) -> Result<Self::Reader> {
        self.faults.count(|counts| &mut counts.opens);
        self.faults.planned.strike(&At::Open)?;
        Ok(FaultyReader { reader: self.source.open(range)?, faults: self.faults.clone(), next: 0 })
    }

    fn reopen(&self, reader: Self::Reader, range: &ReadRange) -> Result<Self::Reader> {
        self.faults.count(|counts| &mut counts.reopens);
        self.faults.planned.strike(&At::Open)?;
        Ok(FaultyReader { reader: self.source.reopen(reader.reader, range)?, faults: self.faults.clone(), next: 0 })
    }

    fn notes(&self, moved: &[(SplitId, u64)]) -> Result<Vec<(SplitId, SplitNote)>> {
        self.faults.planned.strike(&At::Notes)?;
        self.source.notes(moved)
    }

    fn committed(&self, positions: &[(SplitId, u64)]) -> Result<()> {
        self.faults.counts.0.lock().told.push(positions.to_vec());
        self.faults.planned.strike(&At::Committed)?;
        self.source.committed(positions)
    }

    fn stop(&self) {
        self.faults.count(|counts| &mut counts.stops);
        // Nobody would hear of an error.
        _ = self.faults.planned.strike(&At::Stop);
        self.source.stop();
    }
}

/// The reader of a [`FaultySource`].
pub struct FaultyReader<R> {
    reader: R,
    faults: SourceFaults,
    next: u64,
}

impl<R: SourceReader> SourceReader for FaultyReader<R> {
    type Item = R::Item;

    fn next_record(&mut self) -> Result<Option<R::Item>> {
        self.faults.planned.strike(&At::Record(self.next))?;
        let record = self.reader.next_record()?;
        if record.is_some() {
            self.next += 1;
            self.faults.count(|counts| &mut counts.records);
        }
        Ok(record)
    }

    fn position(&self) -> u64 {
        self.reader.position()
    }

    fn last_position(&self) -> u64 {
        self.reader.last_position()
    }

    fn at_end(&self) -> bool {
        self.reader.at_end()
    }

    fn is_reusable(&self) -> bool {
        self.reader.is_reusable()
    }
}
