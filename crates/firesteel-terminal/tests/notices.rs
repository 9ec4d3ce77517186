//! What is told of records that are left out, on virtual time.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::io::{self, Write};
use std::sync::Arc;

use firesteel_connect_memory::{Collector, MemorySource, QueueSource};
use firesteel_core::{ManualClock, OnPanic};
use firesteel_streaming::{JobRun, StreamingContext, Trigger};
use firesteel_terminal::Notices;
use firesteel_window::{Timestamp, Tumbling, Watermark, seconds};
use parking_lot::Mutex;

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    /// The text since the last call.
    fn text(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock())).unwrap()
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

/// A job over a queue of texts, on a clock that is moved by hand.
struct Job {
    run: JobRun,
    paper: Paper,
    clock: Arc<ManualClock>,
    queue: firesteel_connect_memory::QueueHandle<&'static str>,
}

impl Job {
    fn new() -> Self {
        let (paper, clock, source) = (Paper::default(), Arc::new(ManualClock::new()), QueueSource::new(1));
        let queue = source.handle();
        let job = StreamingContext::builder("job")
            .clock(Arc::clone(&clock) as _)
            .threads(1)
            .on_panic(OnPanic::DeadLetter)
            .listener(Notices::lines(paper.clone()).clock(Arc::clone(&clock) as _))
            .build()
            .unwrap();
        job.read(source)
            .named("queue")
            .try_map(|text: &str| text.parse::<i64>())
            .map(|second| if second == 13 { panic!("unlucky") } else { second })
            .event_time(|second| Timestamp::from_secs(*second), Watermark::bounded(seconds(0)))
            .key_by(|_| ())
            .window(Tumbling::of(seconds(10)))
            .count()
            .write(Collector::new());
        Self { run: job.begin().unwrap(), paper, clock, queue }
    }

    /// What is told of a batch of these records, this many seconds after the last.
    fn batch(&mut self, passed: i64, records: &[&'static str]) -> String {
        self.clock.advance(seconds(passed));
        self.queue.push(records.to_vec()).unwrap();
        self.run.next_batch().unwrap();
        self.paper.text()
    }
}

#[test]
fn refused_records_are_told_with_examples_and_then_in_numbers() {
    let mut job = Job::new();
    assert_eq!(job.batch(0, &["1"]), "");
    let first = job.batch(0, &["a", "2", "b", "c", "d"]);
    let lines: Vec<_> = first.lines().collect();
    assert_eq!(lines[0], "job: batch 2: 4 records were refused and left out, of 5 read:");
    assert_eq!(lines.len(), 1 + 3, "{first}");
    assert!(lines[1].contains("try_map at ") && lines[1].ends_with(": invalid digit found in string"), "{first}");
    assert_eq!(job.batch(1, &["x"; 100]), "", "nobody reads so fast");
    let later = job.batch(9, &["", "y"]);
    let lines: Vec<_> = later.lines().collect();
    assert_eq!(lines[0], "job: 102 more records were refused, 106 in all, such as:");
    assert_eq!(lines.len(), 1 + 1, "{later}");
    assert!(lines[1].ends_with("cannot parse integer from empty string"), "{later}");
    assert_eq!(job.batch(19, &["x"]), "", "the pauses grow");
    assert!(job.batch(1, &["x"]).starts_with("job: 2 more records were refused, 108 in all"), "they end");
}

#[test]
fn positions_are_followed_after_the_first_refusal_and_only_there() {
    let mut job = Job::new();
    job.queue.push(vec!["1", "a"]).unwrap();
    let first = job.run.next_batch().unwrap().malformed_sample;
    assert_eq!((first.len(), first[0].position), (1, None), "nobody knew that something would be refused");
    job.queue.push(vec!["2", "3", "b"]).unwrap();
    let second = job.run.next_batch().unwrap().malformed_sample;
    assert_eq!(second[0].position, Some(4));
    job.queue.push(vec!["c"]).unwrap();
    let third = job.run.next_batch().unwrap().malformed_sample;
    assert_eq!((third[0].error.as_str(), third[0].position), ("invalid digit found in string", None));
}

#[test]
fn late_records_and_those_that_panic_are_told() {
    let mut job = Job::new();
    assert_eq!(job.batch(0, &["25"]), "");
    let late = job.batch(0, &["1", "2"]);
    assert!(late.starts_with("job: batch 2: 2 records were too late for a window, and left out there"), "{late}");
    assert_eq!(late.lines().count(), 1, "{late}");
    let panicked = job.batch(0, &["13", "30"]);
    let lines: Vec<_> = panicked.lines().collect();
    assert_eq!(lines[0], "job: batch 3: user code panicked on 1 record, which was set aside:");
    assert!(lines[1].contains("map at ") && lines[1].ends_with(": unlucky"), "{panicked}");
    assert_eq!(lines.len(), 2, "{panicked}");
}

#[test]
fn a_job_in_which_nothing_gets_through_is_told_of_at_its_end() {
    let paper = Paper::default();
    let job = StreamingContext::builder("job").listener(Notices::lines(paper.clone())).build().unwrap();
    let evil = "\u{1b}[2J\n".repeat(1_000);
    job.read(MemorySource::new(vec![(); 10_000]))
        .try_map(move |()| Err::<u8, String>(evil.clone()))
        .write(Collector::new());
    job.run(Trigger::AvailableNow).unwrap();
    let text = paper.text();
    assert!(text.contains("10,000 records were refused and left out, of 10,000 read"), "{text}");
    assert!(
        text.ends_with("no record got through: does the function that is given to try_map fit the data?\n"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}') && text.lines().count() <= 5 && text.len() < 2_000, "{text}");
}
