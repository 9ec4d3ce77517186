//! Numbered records at a steady rate.

mod schedule;

use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_connect::{
    ConnectError, Discovery, PositionUnit, ReadRange, Replay, Result, Source, SourceContext, SourceReader, Split,
    SplitId,
};
use firesteel_window::{Duration, Timestamp};
use parking_lot::Mutex;
use schedule::Schedule;

/// What a [`RateSource`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RateRecord {
    /// When the record was due.
    pub timestamp: Timestamp,
    /// Its number, counting from 0 over all partitions.
    pub value: u64,
}

/// Makes this many records per second, numbered and evenly spread over time, as Spark's `rate` source does.
///
/// The clock is the engine's: a record exists once the processing time has passed its timestamp. Record `v` is in
/// partition `v % partitions`, and its timestamp depends on nothing but `v`, the rate and the start. Nothing is
/// stored, so a range can be read as often as one likes; across restarts too, where the start is
/// [given](Self::starting_at).
///
/// ```
/// use firesteel_connect::{Source, SourceContext};
/// use firesteel_connect_memory::RateSource;
/// use firesteel_window::{Timestamp, seconds};
///
/// let source = RateSource::new(10).partitions(2).starting_at(Timestamp::from_secs(100));
/// source.start(&SourceContext::default())?;
/// let splits = source.discover(Timestamp::from_secs(100) + seconds(3))?.splits;
/// assert_eq!(splits.iter().map(|split| split.available).collect::<Vec<_>>(), [Some(15), Some(15)]);
/// # Ok::<(), firesteel_connect::ConnectError>(())
/// ```
///
/// It wakes nobody: the engine sees new records when it looks.
#[derive(Debug)]
pub struct RateSource {
    records_per_second: u64,
    ramp_up: Duration,
    partitions: u64,
    limit: Option<u64>,
    fixed_start: Option<Timestamp>,
    start: Mutex<Option<Timestamp>>,
    /// How many records were due at the latest look.
    due: AtomicU64,
}

/// Records per second that a source makes at most.
const FASTEST: u64 = 1_000_000_000;
/// Longer ramps would leave the range of exact arithmetic.
const LONGEST_RAMP: Duration = Duration::days(100);

impl RateSource {
    /// This many records per second, 1 to 1,000,000,000, from the engine's first look on, without end.
    #[must_use]
    pub fn new(records_per_second: u64) -> Self {
        Self {
            records_per_second,
            ramp_up: Duration::ZERO,
            partitions: 1,
            limit: None,
            fixed_start: None,
            start: Mutex::new(None),
            due: AtomicU64::new(0),
        }
    }

    /// How many partitions the records are dealt out to; 1 by default.
    #[must_use]
    pub fn partitions(mut self, partitions: usize) -> Self {
        self.partitions = partitions as u64;
        self
    }

    /// How long the rate grows steadily from nothing before it is the full one; at most 100 days.
    #[must_use]
    pub fn ramp_up(mut self, span: Duration) -> Self {
        self.ramp_up = span;
        self
    }

    /// Where the first record's timestamp lies. Makes the records the same in every run.
    #[must_use]
    pub fn starting_at(mut self, start: Timestamp) -> Self {
        self.fixed_start = Some(start);
        self
    }

    /// Ends after this many records.
    #[must_use]
    pub fn limit(mut self, records: u64) -> Self {
        self.limit = Some(records);
        self
    }

    fn schedule(&self) -> Schedule {
        Schedule { per_second: self.records_per_second, ramp: self.ramp_up.as_micros().unsigned_abs() }
    }

    /// How many of the first `due` records are in the partition.
    fn share(&self, due: u64, partition: u64) -> u64 {
        due.saturating_sub(partition).div_ceil(self.partitions)
    }
}

impl Source for RateSource {
    type Item = RateRecord;
    type Reader = RateReader;

    fn describe(&self) -> String {
        format!("{} records per second", self.records_per_second)
    }

    fn replay(&self) -> Replay {
        if self.fixed_start.is_some() { Replay::Always } else { Replay::WhileRunning }
    }

    fn start(&self, _: &SourceContext) -> Result<()> {
        let (setting, reason) = if !(1..=FASTEST).contains(&self.records_per_second) {
            ("records per second", format!("{} is not within 1 and {FASTEST}", self.records_per_second))
        } else if self.partitions == 0 {
            ("partitions", "there must be one at least".into())
        } else if self.ramp_up.is_negative() || self.ramp_up > LONGEST_RAMP {
            ("ramp-up", format!("{} is not within 0 and 100 days", self.ramp_up))
        } else {
            return Ok(());
        };
        Err(ConnectError::Setting { connector: "RateSource", setting, reason })
    }

    fn discover(&self, now: Timestamp) -> Result<Discovery> {
        let start = *self.start.lock().get_or_insert(self.fixed_start.unwrap_or(now));
        let elapsed = u64::try_from(now.since(start).as_micros()).unwrap_or(0);
        let due = self.schedule().due(elapsed).min(self.limit.unwrap_or(u64::MAX));
        // A clock that is set back takes no record away.
        let due = self.due.fetch_max(due, Ordering::SeqCst).max(due);
        let split = |partition: u64| {
            Split::new(SplitId::new(partition.to_string()), PositionUnit::Records)
                .available(self.share(due, partition))
                .divisible(true)
                .finished(self.limit.is_some_and(|limit| due >= limit))
        };
        Ok(Discovery::all((0..self.partitions).map(split)).complete(true))
    }

    fn open(&self, range: &ReadRange) -> Result<RateReader> {
        let partition = range.split.as_str().parse::<u64>().ok().filter(|partition| *partition < self.partitions);
        let (Some(partition), Some(start)) = (partition, *self.start.lock()) else {
            return Err(ConnectError::unknown_split(&self.describe(), &range.split));
        };
        let available = self.share(self.due.load(Ordering::SeqCst), partition);
        let to = range.to.unwrap_or(available);
        if range.from > available || to > available {
            return Err(ConnectError::Lost {
                place: format!("{}, partition {partition}", self.describe()),
                position: if range.from > available { range.from } else { to },
                reason: format!("only {available} records are due yet; start without the old positions"),
            });
        }
        let size = size_of::<RateRecord>() as u64;
        let by_bytes = range.max_bytes.map_or(u64::MAX, |bytes| bytes.div_ceil(size).max(1));
        let most = range.max_records.unwrap_or(u64::MAX).min(by_bytes);
        Ok(RateReader {
            schedule: self.schedule(),
            start,
            partition,
            partitions: self.partitions,
            position: range.from,
            stop: to.min(range.from.saturating_add(most)),
            available,
        })
    }
}

/// Makes the records of a range.
#[derive(Debug)]
pub struct RateReader {
    schedule: Schedule,
    start: Timestamp,
    partition: u64,
    partitions: u64,
    position: u64,
    stop: u64,
    available: u64,
}

impl SourceReader for RateReader {
    type Item = RateRecord;

    #[inline]
    fn next_record(&mut self) -> Result<Option<RateRecord>> {
        if self.position >= self.stop {
            return Ok(None);
        }
        let value = self.position * self.partitions + self.partition;
        self.position += 1;
        let after = Duration::micros(i64::try_from(self.schedule.time(value)).unwrap_or(i64::MAX));
        Ok(Some(RateRecord { timestamp: self.start.saturating_add(after), value }))
    }

    fn position(&self) -> u64 {
        self.position
    }

    fn at_end(&self) -> bool {
        self.position >= self.available
    }
}
