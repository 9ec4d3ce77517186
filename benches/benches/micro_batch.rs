//! What a micro-batch of 100 records costs: W1a in batches so small that the engine's own work is all there is.
//!
//! A batch has two stages: filter, map, event time and partial counts; then the counts meet the open windows and what is
//! due goes to a sink. It runs on two executors, of which a batch so small keeps one busy. The hand-written side does
//! the same to the same events in a loop. Beside criterion's report, one JSON line per side goes to
//! `target/bench/results.jsonl`.

use std::fs::OpenOptions;
use std::hint::black_box;
use std::io::Write as _;
use std::path::PathBuf;

use criterion::{BenchmarkId, Criterion};
use firesteel_benches::ad_events::{AdEvent, AdEvents, COUNTED_KIND, Campaigns, DELAY, WINDOW, window_start};
use firesteel_benches::hasher::Counts;
use firesteel_connect::{
    Discovery, Epoch, Guarantee, PositionUnit, ReadRange, Replay, Result, Sink, Source, SourceReader, Split, SplitId,
    WriteTask,
};
use firesteel_streaming::{BatchLimits, JobRun, StreamingContext, WindowResult};
use firesteel_window::{Duration, Timestamp, Tumbling, Watermark};

const RECORDS: usize = 100;
const EVENTS: usize = 1_000_000;

/// Events without end: the same ones lap after lap, each lap later.
#[derive(Clone, Copy)]
struct Laps(&'static AdEvents);

impl Laps {
    #[inline]
    fn event(&self, position: u64) -> AdEvent {
        let (lap, at) = (position / EVENTS as u64, position % EVENTS as u64);
        let event = self.0.events[at as usize];
        AdEvent { ts: event.ts + lap as i64 * 30 * WINDOW, ..event }
    }
}

impl Source for Laps {
    type Item = AdEvent;
    type Reader = LapsReader;

    fn describe(&self) -> String {
        "ad events without end".to_owned()
    }
    fn replay(&self) -> Replay {
        Replay::Always
    }
    fn discover(&self, _: Timestamp) -> Result<Discovery> {
        let (id, available) = (SplitId::new("laps"), Some(u64::MAX / 2));
        let split = Split::new(id, PositionUnit::Records).available(available).divisible(true);
        Ok(Discovery::all([split]))
    }
    fn open(&self, range: &ReadRange) -> Result<LapsReader> {
        Ok(LapsReader { laps: *self, next: range.from, to: range.to.unwrap_or(range.from) })
    }
}

struct LapsReader {
    laps: Laps,
    next: u64,
    to: u64,
}

impl SourceReader for LapsReader {
    type Item = AdEvent;

    fn next_record(&mut self) -> Result<Option<AdEvent>> {
        if self.next == self.to {
            return Ok(None);
        }
        self.next += 1;
        Ok(Some(self.laps.event(self.next - 1)))
    }
    fn position(&self) -> u64 {
        self.next
    }
    fn at_end(&self) -> bool {
        false
    }
}

/// A sink that counts what was counted.
struct Counted;

impl Sink<WindowResult<u32, u64>> for Counted {
    type Pending = u64;

    fn describe(&self) -> String {
        "a counter".to_owned()
    }
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }
    fn write(&self, _: WriteTask, records: impl Iterator<Item = WindowResult<u32, u64>>) -> Result<u64> {
        Ok(records.map(|row| row.value).sum())
    }
    fn commit(&self, _: Epoch, pending: &mut Vec<u64>) -> Result<()> {
        black_box(pending.drain(..).sum::<u64>());
        Ok(())
    }
}

fn firesteel(data: &'static AdEvents) -> JobRun {
    let limits = BatchLimits::default().records(RECORDS as u64);
    let job = StreamingContext::builder("micro-batch").threads(2).limits(limits).build().expect("the executors start");
    job.read(Laps(data))
        .filter(|event| event.kind == COUNTED_KIND)
        .map(|event| (data.campaigns[event.ad as usize], event.ts))
        .event_time(|event| Timestamp::from_micros(event.1), Watermark::bounded(Duration::micros(DELAY)))
        .key_by(|event| event.0)
        .window(Tumbling::of(Duration::micros(WINDOW)))
        .count()
        .write(Counted);
    job.begin().expect("the job starts")
}

/// The loop: open windows with their counts, and the largest event time.
struct HandWritten {
    laps: Laps,
    next: u64,
    open: Vec<(i64, Counts)>,
    latest: i64,
}

impl HandWritten {
    fn batch(&mut self) -> u64 {
        for position in self.next..self.next + RECORDS as u64 {
            let event = self.laps.event(position);
            self.latest = self.latest.max(event.ts);
            if event.kind == COUNTED_KIND {
                let (campaign, start) = (self.laps.0.campaigns[event.ad as usize], window_start(event.ts));
                let at = self.open.iter().position(|(of, _)| *of == start).unwrap_or_else(|| {
                    self.open.push((start, Counts::default()));
                    self.open.len() - 1
                });
                *self.open[at].1.entry(campaign).or_insert(0) += 1;
            }
        }
        self.next += RECORDS as u64;
        let watermark = self.latest - DELAY;
        let mut emitted = 0;
        self.open.retain(|(start, counts)| {
            let due = start + WINDOW <= watermark;
            if due {
                emitted += counts.values().sum::<u64>();
            }
            !due
        });
        emitted
    }
}

fn main() {
    let data: &'static AdEvents = Box::leak(Box::new(AdEvents::generate(EVENTS, Campaigns::Hundred, 1)));
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("micro-batch");
    let mut run = firesteel(data);
    group.bench_function(BenchmarkId::new("firesteel", RECORDS), |bencher| {
        bencher.iter(|| run.next_batch().expect("a batch runs").rows_in);
    });
    let mut hand = HandWritten { laps: Laps(data), next: 0, open: Vec::new(), latest: i64::MIN };
    group.bench_function(BenchmarkId::new("hand-written", RECORDS), |bencher| bencher.iter(|| hand.batch()));
    group.finish();
    criterion.final_summary();

    // Every record of every batch went through, and none was late.
    let summary = run.summary();
    let correct = summary.rows_in == summary.batches * RECORDS as u64 && summary.late == 0;
    assert!(correct, "{summary:?}");
    for side in ["firesteel", "hand-written"] {
        if let Err(error) = note(side, correct) {
            eprintln!("no line for {side} in results.jsonl: {error}");
        }
    }
}

/// Appends criterion's median for a side to the results.
fn note(side: &str, correct: bool) -> std::io::Result<()> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")), PathBuf::from);
    let estimates = target.join(format!("criterion/micro-batch/{side}/{RECORDS}/new/estimates.json"));
    let estimates: serde_json::Value = serde_json::from_slice(&std::fs::read(estimates)?)?;
    let nanoseconds = estimates["median"]["point_estimate"].as_f64().unwrap_or(f64::NAN);
    let line = serde_json::json!({
        "workload": "micro-batch", "side": side, "threads": 2, "batch": RECORDS,
        "value": nanoseconds / 1e3, "unit": "us/batch", "correct": correct,
    });
    std::fs::create_dir_all(target.join("bench"))?;
    let mut file = OpenOptions::new().create(true).append(true).open(target.join("bench/results.jsonl"))?;
    writeln!(file, "{line}")
}
