//! Progress as plain lines, on virtual time.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::io::{self, Write};
use std::sync::Arc;

use firesteel_connect_memory::{Collector, MemorySource, QueueSource};
use firesteel_core::ManualClock;
use firesteel_streaming::{BatchLimits, Checkpoint, JobRun, StreamingContext, Trigger};
use firesteel_terminal::TerminalProgress;
use firesteel_window::{Timestamp, Tumbling, Watermark, millis, seconds};
use parking_lot::Mutex;

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    /// The lines since the last call.
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock())).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A job that counts seconds in windows of ten, on a clock that stands still unless it is moved.
fn counting(paper: &Paper, clock: &Arc<ManualClock>, source: QueueSource<&'static str>) -> StreamingContext {
    let builder = StreamingContext::builder("ticks").clock(Arc::clone(clock) as _).threads(1);
    let progress = TerminalProgress::lines(paper.clone()).clock(Arc::clone(clock) as _);
    let job = builder.listener(progress).build().unwrap();
    job.read(source)
        .named("queue")
        .try_map(|text| text.parse::<i64>())
        .event_time(|second| Timestamp::from_secs(*second), Watermark::bounded(seconds(0)))
        .key_by(|_| ())
        .window(Tumbling::of(seconds(10)))
        .count()
        .write(Collector::new());
    job
}

#[test]
fn lines_come_once_in_five_seconds_and_only_with_news() {
    let (paper, clock) = (Paper::default(), Arc::new(ManualClock::new()));
    let source = QueueSource::new(1).one_at_a_time();
    let queue = source.handle();
    let mut job = counting(&paper, &clock, source).begin().unwrap();
    let batch = |job: &mut JobRun, passed: i64, records: &[&'static str]| {
        clock.advance(millis(passed));
        queue.push(records.to_vec()).unwrap();
        job.next_batch().unwrap();
        paper.lines()
    };
    let start = paper.lines();
    assert_eq!(start.len(), 2, "{start:?}");
    assert!(start[0].starts_with("ticks: reads ") && start[0].ends_with("; writes a collector in memory"), "{start:?}");
    assert!(start[1].starts_with("ticks: guarantee at-most-once: source queue cannot be read again"), "{start:?}");

    let none: [&str; 0] = [];
    assert_eq!(batch(&mut job, 0, &[]), none, "nothing has happened");
    assert_eq!(batch(&mut job, 0, &["1", "2"]), none, "it has just started");
    assert_eq!(batch(&mut job, 4_999, &["3", "oops"]), none, "five seconds have not passed");
    assert_eq!(
        batch(&mut job, 1, &["14"]),
        ["ticks: batch 4, 5 read (1.0/s), 1 written, 1 keys, watermark 1970-01-01T00:00:14Z, 1 malformed"]
    );
    assert_eq!(batch(&mut job, 5_000, &[]), none, "nothing has happened since");
    assert_eq!(
        batch(&mut job, 5_000, &["5"]),
        ["ticks: batch 6, 6 read (0.1/s), 1 written, 1 keys, watermark 1970-01-01T00:00:14Z, 1 malformed, 1 late"],
        "the rate is that of the last ten seconds"
    );
    job.last_batch().unwrap();
    assert_eq!(paper.lines(), none, "the last line is not old: the summary tells the rest",);
}

#[test]
fn where_the_end_is_known_the_share_and_the_time_left_are_told() {
    let (paper, clock) = (Paper::default(), Arc::new(ManualClock::new()));
    let progress = TerminalProgress::lines(paper.clone()).clock(Arc::clone(&clock) as _);
    let job = StreamingContext::builder("known")
        .clock(Arc::clone(&clock) as _)
        .limits(BatchLimits::default().records(10))
        .listener(progress)
        .build()
        .unwrap();
    job.read(MemorySource::new((0..40).collect::<Vec<u32>>())).write(Collector::new());
    let mut job = job.begin().unwrap();
    paper.lines();
    let mut batch = || {
        clock.advance(seconds(5));
        job.next_batch().unwrap();
        paper.lines()
    };
    assert_eq!(batch(), ["known: 25 %, 15 s left, batch 1, 10 read (2.0/s), 10 written"]);
    assert_eq!(batch(), ["known: 50 %, 10 s left, batch 2, 20 read (2.0/s), 20 written"]);
    assert_eq!(batch(), ["known: 75 %, 5 s left, batch 3, 30 read (2.0/s), 30 written"]);
    assert_eq!(batch(), ["known: batch 4, 40 read (2.0/s), 40 written"]);
}

#[test]
fn programs_can_read_progress_as_json() {
    let paper = Paper::default();
    let job = StreamingContext::builder("json").listener(TerminalProgress::json(paper.clone())).build().unwrap();
    job.read(MemorySource::new(vec!["1", "x"])).named("numbers").try_map(str::parse::<u8>).write(Collector::new());
    job.run(Trigger::AvailableNow).unwrap();
    let lines: Vec<serde_json::Value> =
        paper.lines().iter().map(|line| serde_json::from_str(line).expect("a line is an object")).collect();
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["start", "batch", "end"]);
    assert_eq!(lines[0]["inputs"][0][0], "numbers");
    assert_eq!((&lines[1]["rows_in"], &lines[1]["rows_out"]), (&2.into(), &1.into()));
    assert_eq!(lines[1]["malformed_sample"][0]["error"], "invalid digit found in string");
    assert_eq!((&lines[2]["malformed"], &lines[2]["error"]), (&1.into(), &serde_json::Value::Null));
}

#[test]
fn who_holds_a_watermark_back_is_told() {
    let json = Paper::default();
    let job = StreamingContext::builder("held").listener(TerminalProgress::json(json.clone())).build().unwrap();
    // Of odd numbers, none is let through.
    let numbers = job.read(MemorySource::new(vec![1_i64, 3])).named("numbers").filter(|number| number % 2 == 0);
    let times = numbers.event_time(|number| Timestamp::from_secs(*number), Watermark::bounded(seconds(0)));
    times.named("times").write(Collector::new());
    job.run(Trigger::AvailableNow).unwrap();
    let batch: serde_json::Value = serde_json::from_str(&json.lines()[1]).unwrap();
    let (of, held) = (&batch["watermarks"][0], &batch["watermarks"][0]["held_by"]);
    assert_eq!((&of["operator"], &of["watermark"]), (&"times".into(), &serde_json::Value::Null));
    assert_eq!((&held["input"], &held["reason"]), (&"numbers".into(), &"nothing_passes".into()), "{batch}");
}

#[test]
fn rows_of_an_epoch_that_was_not_committed_are_told_apart() {
    let (folder, paper) = (tempfile::tempdir().unwrap(), Paper::default());
    let job = StreamingContext::builder("cut")
        .threads(1)
        .checkpoint(Checkpoint::in_folder(folder.path()).interval(seconds(3600)))
        .limits(BatchLimits::default().records(2))
        .listener(TerminalProgress::lines(paper.clone()))
        .build()
        .unwrap();
    let results = Collector::new();
    let fragile = |n: i32| if n == 3 { panic!("no such number") } else { n };
    job.read(MemorySource::new(vec![1, 2, 3])).map(fragile).write(results.clone());
    let error = job.run(Trigger::AvailableNow).unwrap_err();
    assert!(error.to_string().contains("batch 2 failed"), "{error}");
    assert_eq!(results.records(), [0; 0], "the first batch's epoch has not ended");
    let lines = paper.lines();
    let told = |name: &str| lines.iter().find_map(|line| line.trim().strip_prefix(name)).map(str::trim);
    assert_eq!((told("rows written"), told("uncommitted")), (Some("0"), Some("2")), "{lines:#?}");
}

#[test]
fn the_summary_stands_in_columns() {
    let (paper, clock) = (Paper::default(), Arc::new(ManualClock::new()));
    let source = QueueSource::new(1);
    let queue = source.handle();
    queue.push(["1", "2", "x", "14"].repeat(300)).unwrap();
    queue.close();
    counting(&paper, &clock, source).run(Trigger::AvailableNow).unwrap();
    let lines = paper.lines();
    let summary = lines.iter().position(|line| line == "ticks: done").expect("a summary is printed");
    let expected = [
        "  records read  1,200",
        "  malformed       300",
        "  late              0",
        "  windows           2",
        "  rows written      2",
        "  dead letters      0",
        "  batches           2",
        "  elapsed        0 µs",
        "  records/s       0.0",
    ];
    assert_eq!(lines[summary + 1..], expected);
}

#[test]
fn a_failed_job_says_so_in_its_summary() {
    let (paper, clock) = (Paper::default(), Arc::new(ManualClock::new()));
    let source = QueueSource::new(1);
    let queue = source.handle();
    queue.push(vec![1]).unwrap();
    queue.close();
    let builder = StreamingContext::builder("broken").clock(clock as _).threads(1);
    let job = builder.listener(TerminalProgress::lines(paper.clone())).build().unwrap();
    job.read(source).map(|_: i32| -> i32 { panic!("no such thing") }).write(Collector::new());
    job.run(Trigger::AvailableNow).unwrap_err();
    assert!(paper.lines().contains(&"broken: failed".to_owned()));
}

#[test]
fn a_closed_standard_error_does_not_stop_the_job() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let source = QueueSource::new(1);
    let queue = source.handle();
    queue.push(vec![1, 2]).unwrap();
    queue.close();
    let results = Collector::new();
    let job = StreamingContext::builder("unheard").listener(TerminalProgress::lines(Closed)).build().unwrap();
    job.read(source).write(results.clone());
    job.run(Trigger::AvailableNow).unwrap();
    assert_eq!(results.records(), [1, 2]);
}

#[test]
fn a_job_with_a_checkpoint_says_where_it_begins() {
    let folder = tempfile::tempdir().unwrap();
    let source = QueueSource::new(1).keep_committed();
    source.handle().push(vec![1]).unwrap();
    let start = || {
        let paper = Paper::default();
        let job = StreamingContext::builder("totals")
            .threads(1)
            .checkpoint(folder.path())
            .listener(TerminalProgress::lines(paper.clone()))
            .build()
            .unwrap();
        job.read(source.clone()).named("numbers").write(Collector::new());
        job.run(firesteel_streaming::Trigger::AvailableNow).unwrap();
        paper.lines()[2].clone()
    };
    let folder = folder.path().display();
    assert_eq!(start(), format!("totals: begins a checkpoint in {folder}"));
    assert_eq!(start(), format!("totals: resumes after epoch 1, from the checkpoint in {folder}"));
}
