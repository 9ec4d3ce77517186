//! W1 and W2 as Firesteel jobs, written as a user would write them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_connect::{
    ConnectError, Discovery, Epoch, Guarantee, PositionUnit, ReadRange, Replay, Result, Sink, Source, SourceReader,
    Split, SplitId, WriteTask,
};
use firesteel_connect_memory::MemorySource;
use firesteel_streaming::{BatchLimits, StreamingContext, Trigger, WindowResult};
use firesteel_window::{Duration, Timestamp, Tumbling, Watermark};

use crate::ad_events::{AdEvents, COUNTED_KIND, DELAY, WINDOW};
use crate::keys::{Key, OwnedKey};
use crate::measured::{Measured, Outcome};
use crate::stopwatch::Stopwatch;
use crate::text_records::{Lines, Sale, TextRecords};
use crate::workload::Setting;

/// Runs W1.
#[must_use]
pub fn run_windows<K: OwnedKey>(data: &'static AdEvents<K>, setting: Setting) -> Measured {
    let events = Arc::clone(&data.events);
    let watch = Stopwatch::start();
    let check = Check::default();
    let job = context(setting);
    job.read(MemorySource::new(events))
        .filter(|event| event.kind == COUNTED_KIND)
        .map(|event| (event.ad, event.ts))
        .event_time(|event| Timestamp::from_micros(event.1), Watermark::bounded(Duration::micros(DELAY)))
        .key_by(|event| data.campaign(event.0))
        .window(Tumbling::of(Duration::micros(WINDOW)))
        .count()
        .write(check.clone());
    let summary = job.run_to_summary(Trigger::AvailableNow).expect("the job runs");
    assert_eq!(summary.late, 0, "no event is later than the watermark allows");
    Measured { events: data.events.len(), seconds: watch.seconds(), outcome: check.outcome() }
}

/// Runs W2.
#[must_use]
pub fn run_records(data: &'static TextRecords, setting: Setting) -> Measured {
    let watch = Stopwatch::start();
    let check = Check::default();
    let job = context(setting);
    job.read(Records(data)).flat_map(Sale::parse).filter(Sale::is_kept).map(|sale| sale.value()).write(check.clone());
    job.run(Trigger::AvailableNow).expect("the job runs");
    Measured { events: data.len(), seconds: watch.seconds(), outcome: check.outcome() }
}

fn context(setting: Setting) -> StreamingContext {
    let limits = BatchLimits::default().records(setting.batch as u64);
    StreamingContext::builder("bench").threads(setting.threads).limits(limits).build().expect("the executors start")
}

/// A sink that adds up what it gets.
#[derive(Clone, Default)]
struct Check(Arc<(AtomicU64, AtomicU64)>);

impl Check {
    fn outcome(&self) -> Outcome {
        Outcome { rows: self.0.0.load(Ordering::Relaxed), checksum: self.0.1.load(Ordering::Relaxed) }
    }
}

/// A result row as the checksum counts it.
trait Row {
    fn add_to(self, outcome: &mut Outcome);
}

impl<K: Key> Row for WindowResult<K, u64> {
    fn add_to(self, outcome: &mut Outcome) {
        outcome.add_window(&self.key, self.window.start().as_micros(), self.value);
    }
}

impl Row for u64 {
    #[inline]
    fn add_to(self, outcome: &mut Outcome) {
        outcome.add_value(self);
    }
}

impl<T: Row + Send + 'static> Sink<T> for Check {
    type Pending = Outcome;

    fn describe(&self) -> String {
        "a checksum".to_owned()
    }
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }
    fn write(&self, _: WriteTask, records: impl Iterator<Item = T>) -> Result<Outcome> {
        Ok(records.fold(Outcome::default(), |mut outcome, row| {
            row.add_to(&mut outcome);
            outcome
        }))
    }
    fn commit(&self, _: Epoch, pending: &mut Vec<Outcome>) -> Result<()> {
        for Outcome { rows, checksum } in pending.drain(..) {
            self.0.0.fetch_add(rows, Ordering::Relaxed);
            self.0.1.fetch_add(checksum, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The records of W2 as a source: lines that borrow from the buffer, found by their newlines.
struct Records(&'static TextRecords);

impl Source for Records {
    type Item = &'static [u8];
    type Reader = RecordReader;

    fn describe(&self) -> String {
        "text records in memory".to_owned()
    }
    fn replay(&self) -> Replay {
        Replay::Always
    }
    fn discover(&self, _: Timestamp) -> Result<Discovery> {
        let (id, available) = (SplitId::new("records"), Some(self.0.len() as u64));
        let split = Split::new(id, PositionUnit::Records).available(available).divisible(true).finished(true);
        Ok(Discovery::all([split]).complete(true))
    }
    fn open(&self, range: &ReadRange) -> Result<RecordReader> {
        let end = range.to.ok_or_else(|| ConnectError::Setting {
            connector: "text records",
            setting: "range",
            reason: "its end must be known".to_owned(),
        })?;
        let lines = self.0.lines(range.from as usize..end as usize);
        Ok(RecordReader { lines, next: range.from, end })
    }
}

struct RecordReader {
    lines: Lines<'static>,
    next: u64,
    end: u64,
}

impl SourceReader for RecordReader {
    type Item = &'static [u8];

    #[inline]
    fn next_record(&mut self) -> Result<Option<&'static [u8]>> {
        let line = self.lines.next();
        self.next += u64::from(line.is_some());
        Ok(line)
    }
    fn position(&self) -> u64 {
        self.next
    }
    fn at_end(&self) -> bool {
        self.next == self.end
    }
}
