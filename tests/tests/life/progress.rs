//! What a job reports: a record for each batch, in order, and a summary that is their sum.

use std::fmt::Debug;
use std::sync::Arc;

use firesteel_connect_memory::{Collector, MemorySource};
use firesteel_core::{ManualClock, OnPanic};
use firesteel_streaming::{BatchLimits, BatchProgress, StreamingContext, Summary, Trigger};
use firesteel_testkit::{JobEvent, JobLog, TestJob};
use firesteel_window::{Timestamp, Tumbling, Watermark, millis, seconds};
use parking_lot::Mutex;
use tracing::field::{Field, Visit};

use crate::job;

/// A job that has something of everything: malformed, late and poisonous records, windows, two outputs.
fn everything(test: &TestJob) {
    let lines = |lines: &str| lines.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let numbers = test
        .script_in(2, [lines("1 2 x 3"), lines("13 40 y 7"), lines("2 99 41"), lines("4 50")])
        .try_map(|line| line.parse::<i64>())
        .map(|n| if n == 99 { panic!("too much") } else { n })
        .named("check");
    numbers.clone().write(Collector::new()).named("numbers");
    numbers
        .event_time(|n| Timestamp::from_secs(*n), Watermark::bounded(seconds(1)))
        .key_by(|_| 0u8)
        .window(Tumbling::of(seconds(10)))
        .count()
        .named("counts")
        .write(Collector::new());
}

fn run() -> Vec<BatchProgress> {
    let test = TestJob::builder().configure(|job| job.on_panic(OnPanic::DeadLetter)).build();
    everything(&test);
    let mut progress = test.run().unwrap();
    progress.push(test.finish().unwrap());
    progress
}

#[test]
fn a_batch_as_json_has_these_fields_and_values() {
    let progress = run();
    let golden = r#"{"job":"test","batch":2,"epoch":2,"ends_epoch":true,"time":"1970-01-01T00:00:02Z","inputs":[{"name":"a queue","rows":4,"splits":[{"split":"0","from":2,"to":4},{"split":"1","from":2,"to":4}],"left":0,"ends":false,"waits":0,"counts":{}}],"rows_in":4,"outputs":[{"name":"numbers","rows":3},{"name":"counts","rows":0}],"rows_out":3,"input_rows_per_second":0.0,"durations":{"admit_us":0,"process_us":0,"commit_us":0,"total_us":0},"watermark":"1970-01-01T00:00:06Z","watermarks":[{"id":5,"operator":"event_time","watermark":"1970-01-01T00:00:06Z","held_by":{"operator":"a queue/event_time","input":"a queue","split":"1","latest":"1970-01-01T00:00:07Z","since":"1970-01-01T00:00:02Z","silent_us":0,"reason":"slowest"},"idle":0,"waiting":[]}],"operators":[{"id":1,"operator":"read","rows_in":4,"rows_out":4,"late":0,"outside":0,"unmatched":0,"fired_early":0,"fired_late":0,"malformed":0,"dead_letters":0},{"id":2,"operator":"try_map","rows_in":4,"rows_out":3,"late":0,"outside":0,"unmatched":0,"fired_early":0,"fired_late":0,"malformed":1,"dead_letters":0},{"id":3,"operator":"check","rows_in":3,"rows_out":3,"late":0,"outside":0,"unmatched":0,"fired_early":0,"fired_late":0,"malformed":0,"dead_letters":0},{"id":4,"operator":"numbers","rows_in":3,"rows_out":3,"late":0,"outside":0,"unmatched":0,"fired_early":0,"fired_late":0,"malformed":0,"dead_letters":0},{"id":5,"operator":"event_time","rows_in":3,"rows_out":3,"late":0,"outside":0,"unmatched":0,"fired_early":0,"fired_late":0,"malformed":0,"dead_letters":0},{"id":6,"operator":"key_by","rows_in":3,"rows_out":3,"late":0,"outside":0,"unmatched":0,"fired_early":0,"fired_late":0,"malformed":0,"dead_letters":0},{"id":7,"operator":"counts","rows_in":3,"rows_out":0,"late":0,"outside":0,"unmatched":0,"fired_early":0,"fired_late":0,"malformed":0,"dead_letters":0},{"id":8,"operator":"write","rows_in":0,"rows_out":0,"late":0,"outside":0,"unmatched":0,"fired_early":0,"fired_late":0,"malformed":0,"dead_letters":0}],"states":[{"operator":"counts","keys":3,"updated":3,"removed":0,"timers":0,"memory_bytes":1512}],"tables":[],"timers_left":false,"windows":0,"fired_early":0,"fired_late":0,"late":0,"outside":0,"unmatched":0,"malformed":1,"malformed_sample":[{"by":"function","operator":"try_map at tests/tests/life/progress.rs:21","split":"1","position":2,"error":"invalid digit found in string","payload":null}],"dead_letters":[]}"#;
    assert_eq!(serde_json::to_string(&progress[1]).unwrap(), golden);
    let last = serde_json::to_value(&progress[4]).unwrap();
    assert!(last["watermark"].is_string(), "also the end of time can be written: {last}");
    assert_eq!((&last["windows"], &last["rows_in"]), (&2.into(), &0.into()));
    let third = serde_json::to_value(&progress[2]).unwrap();
    let letter = third["dead_letters"][0].as_str().unwrap();
    assert!(
        letter.contains("check (map at ") && letter.contains("split 1, offset 4") && letter.contains("too much"),
        "{letter}"
    );
}

#[test]
fn the_summary_is_the_sum_of_the_batches() {
    let test = TestJob::builder().configure(|job| job.on_panic(OnPanic::DeadLetter)).build();
    everything(&test);
    let mut progress = test.run().unwrap();
    progress.push(test.finish().unwrap());
    let Summary { batches, rows_in, rows_out, malformed, windows, late, dead_letters, elapsed_us, .. } =
        test.summary().unwrap();
    let sum = |of: fn(&BatchProgress) -> u64| progress.iter().map(of).sum::<u64>();
    assert_eq!(batches, 5);
    assert_eq!(rows_in, sum(|batch| batch.rows_in));
    assert_eq!(rows_out, sum(|batch| batch.rows_out));
    assert_eq!(malformed, sum(|batch| batch.malformed));
    assert_eq!(windows, sum(|batch| batch.windows));
    assert_eq!(late, sum(|batch| batch.late));
    assert_eq!(dead_letters, sum(|batch| batch.dead_letters.len() as u64));
    assert_eq!((rows_in, malformed, late, dead_letters, windows), (13, 2, 1, 1, 4));
    assert_eq!(elapsed_us, 4_000_000, "from the first batch on");
    assert_eq!(rows_out, sum(|batch| batch.outputs.iter().map(|output| output.rows).sum()));
}

#[test]
fn a_listener_hears_of_the_start_then_of_each_batch_then_of_the_end() {
    let (log, results) = (JobLog::new(), Collector::new());
    let clock = ManualClock::new();
    let ticking = clock.clone();
    let builder = job(1).clock(Arc::new(clock)).limits(BatchLimits::default().records(2)).listener(log.clone());
    let second = JobLog::new();
    let job = builder.listener(second.clone()).build().unwrap();
    job.read(MemorySource::new(vec![1, 2, 3]))
        .named("numbers")
        .inspect(move |_| ticking.advance(millis(250)))
        .write(results);
    job.run(Trigger::AvailableNow).unwrap();
    let events = log.events();
    let [JobEvent::Started(info), JobEvent::Batch(one), JobEvent::Batch(two), JobEvent::Ended(summary, None)] =
        &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((&*info.job, &*info.inputs[0].0, &*info.outputs[0].0), ("job", "numbers", "a collector in memory"));
    assert_eq!((one.batch, one.epoch.0, two.batch, two.epoch.0), (1, 1, 2, 2));
    assert_eq!((one.durations.process_us, one.durations.total_us), (500_000, 500_000));
    assert!((one.input_rows_per_second - 4.0).abs() < 1e-9);
    assert_eq!((summary.batches, summary.rows_in, summary.elapsed_us), (2, 3, 750_000));
    assert!((summary.rows_per_second() - 4.0).abs() < 1e-9);
    assert_eq!(format!("{:?}", second.events()), format!("{events:?}"), "every listener hears the same");
}

/// Writes down events of the engine.
#[derive(Clone, Default)]
struct Trace {
    events: Arc<Mutex<Vec<String>>>,
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        use std::fmt::Write;
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl tracing::Subscriber for Trace {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("firesteel_streaming")
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields(event.metadata().level().to_string());
        event.record(&mut fields);
        self.events.lock().push(fields.0);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn the_start_with_its_guarantee_and_each_batch_are_traced() {
    // For all threads: what is traced in one thread only may be missed, if another comes by the same place first.
    let trace = Trace::default();
    tracing::subscriber::set_global_default(trace.clone()).unwrap();
    let limits = BatchLimits::default().records(2);
    let job = StreamingContext::builder("traced").threads(1).limits(limits).build().unwrap();
    job.read(MemorySource::new(vec![1, 2, 3])).write(Collector::new());
    job.run(Trigger::AvailableNow).unwrap();
    let events: Vec<_> = trace.events.lock().iter().filter(|event| event.contains("job=traced")).cloned().collect();
    let [start, one, two] = &events[..] else { panic!("{events:?}") };
    assert!(start.starts_with("INFO") && start.contains("guarantee=at-least-once"), "{start}");
    for (event, batch, rows) in [(one, 1, 2), (two, 2, 1)] {
        assert!(event.starts_with("DEBUG") && event.contains("a batch is committed"), "{event}");
        assert!(event.contains(&format!("batch={batch} rows_in={rows} rows_out={rows}")), "{event}");
    }
}
