//! What a batch's progress tells of what is left to read and of what was refused.

use std::sync::Arc;

use firesteel_connect_file::TextFiles;
use firesteel_connect_memory::{Collector, MemorySource, QueueSource};
use firesteel_core::OnPanic;
use firesteel_state::{Declaration, StateError, Timers};
use firesteel_streaming::{
    BatchLimits, BatchProgress, KeyedProcess, ProcessContext, StreamingContext, StreamingListener, Trigger,
};
use firesteel_window::{Duration, Timestamp, Tumbling, Watermark};
use parking_lot::Mutex;

/// Keeps the progress of all batches.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<BatchProgress>>>);

impl StreamingListener for Heard {
    fn on_batch(&self, progress: &BatchProgress) {
        self.0.lock().push(progress.clone());
    }
}

/// A job whose batches take two records, with what is heard of it.
fn job() -> (StreamingContext, Heard) {
    let heard = Heard::default();
    let limits = BatchLimits::default().records(2);
    let job = StreamingContext::builder("job").threads(1).limits(limits).listener(heard.clone()).build();
    (job.expect("the executors start"), heard)
}

/// What is left of the only input after each batch, and whether the run ends with it.
fn left(heard: &Heard) -> Vec<(Option<u64>, bool)> {
    heard.0.lock().iter().map(|progress| (progress.inputs[0].left, progress.inputs[0].ends)).collect()
}

#[test]
fn what_is_left_of_an_input_is_told_and_whether_the_run_ends_with_it() {
    let (ending, heard) = job();
    ending.read(MemorySource::new(vec![1, 2, 3, 4, 5])).write(Collector::new());
    ending.run(Trigger::AsSoonAsPossible).expect("the job runs to its end");
    assert_eq!(left(&heard), [(Some(3), true), (Some(1), true), (Some(0), true)]);

    let (open, heard) = job();
    let source = QueueSource::new(1);
    source.handle().push(vec![1, 2, 3]).expect("the queue is open");
    open.read(source).write(Collector::new());
    let mut run = open.begin().expect("the job starts");
    for _ in 0..2 {
        run.next_batch().expect("the batch is done");
    }
    assert_eq!(left(&heard), [(Some(1), false), (Some(0), false)], "more may come");
}

#[test]
fn a_followed_file_ends_where_the_trigger_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("numbers");
    std::fs::write(&path, "1\n2\n3\n").expect("a file");
    let (job, heard) = job();
    job.read(TextFiles::new(&path).follow()).write(Collector::new());
    job.run(Trigger::AvailableNow).expect("the job runs to its end");
    assert_eq!(left(&heard), [(Some(2), true), (Some(0), true)], "in bytes, which are the positions of files");
}

#[test]
fn an_input_whose_end_nobody_knows_has_nothing_known_to_be_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("numbers.gz");
    // Three times "1\n", as gzip.
    let packed = [
        0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0x03, 0x01, 0x06, 0x00, 0xf9, 0xff, b'1', b'\n', b'1', b'\n', b'1', b'\n',
        0xb4, 0x99, 0xdc, 0x57, 0x06, 0, 0, 0,
    ];
    std::fs::write(&path, packed).expect("a file");
    let (job, heard) = job();
    job.read(TextFiles::new(&path)).write(Collector::new());
    job.run(Trigger::AsSoonAsPossible).expect("the job runs to its end");
    assert_eq!(left(&heard).first(), Some(&(None, true)), "{:?}", left(&heard));
}

#[test]
fn the_first_refused_records_of_a_batch_are_kept_and_no_more() {
    let heard = Heard::default();
    let job = StreamingContext::builder("job").threads(2).listener(heard.clone()).build().expect("the executors start");
    let lines: Vec<String> =
        (0..100_000).map(|line| if line % 10 == 9 { format!("x{line}") } else { "1".to_owned() }).collect();
    job.read(MemorySource::new(lines))
        .try_map(|line| line.parse::<u32>().map_err(|error| format!("{line}: {error}")))
        .write(Collector::new());
    job.run(Trigger::AvailableNow).expect("the job runs to its end");
    let heard = heard.0.lock();
    let kept: Vec<_> = heard[0].malformed_sample.iter().map(|refused| refused.error.split(':').next()).collect();
    assert_eq!(kept, [Some("x9"), Some("x19"), Some("x29")], "in the order of the partitions, whoever ends first");
    assert_eq!(heard[0].malformed, 10_000);
    assert!(heard[0].malformed_sample.iter().all(|refused| refused.split.is_some()), "each knows its split");
}

/// What went through each operator in all batches: its name, records in and out, late, malformed and set aside.
fn through(heard: &Heard) -> Vec<(String, [u64; 5])> {
    let mut through: Vec<(String, [u64; 5])> = Vec::new();
    for progress in heard.0.lock().iter() {
        assert!(progress.operators.is_sorted_by_key(|operator| operator.id), "they stand in the order of the program");
        for (at, operator) in progress.operators.iter().enumerate() {
            if through.len() == at {
                through.push((operator.operator.to_string(), [0; 5]));
            }
            let counts =
                [operator.rows_in, operator.rows_out, operator.late, operator.malformed, operator.dead_letters];
            through[at].1.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
    }
    through
}

fn is(name: &str, counts: [u64; 5]) -> (String, [u64; 5]) {
    (name.to_owned(), counts)
}

#[test]
fn each_operator_tells_what_went_through_it() {
    let heard = Heard::default();
    let limits = BatchLimits::default().records(5);
    let job = StreamingContext::builder("job").threads(2).limits(limits).listener(heard.clone()).build();
    let job = job.expect("the executors start");
    // The fourth is no number, and the last comes when its window is closed.
    let lines = ["1", "3", "12", "x", "25", "31", "44", "2"].map(str::to_owned).to_vec();
    let numbers = job.read(MemorySource::new(lines)).named("lines").try_map(|line| line.parse::<i64>());
    numbers
        .filter(|n| *n != 3)
        .named("no-three")
        .event_time(|n| Timestamp::from_secs(*n), Watermark::bounded(Duration::ZERO))
        .flat_map(|n| [(n % 2, n), (7, n)])
        .window(Tumbling::of(Duration::secs(10)))
        .count()
        .map(|counted| counted.value)
        .write(Collector::new());
    job.run(Trigger::AvailableNow).expect("the job runs to its end");
    let expected = [
        is("lines", [8, 8, 0, 0, 0]),
        is("try_map", [8, 7, 0, 1, 0]),
        is("no-three", [7, 6, 0, 0, 0]),
        is("event_time", [6, 6, 0, 0, 0]),
        is("flat_map", [6, 12, 0, 0, 0]),
        is("window", [12, 10, 2, 0, 0]),
        is("map", [10, 10, 0, 0, 0]),
        is("write", [10, 10, 0, 0, 0]),
    ];
    assert_eq!(through(&heard), expected);
}

#[test]
fn what_several_consumers_share_counts_once_and_failed_attempts_do_not() {
    let heard = Heard::default();
    let job = StreamingContext::builder("job").threads(2).listener(heard.clone()).on_panic(OnPanic::DeadLetter).build();
    let job = job.expect("the executors start");
    let shared = job.read(MemorySource::new((0..5_000u64).collect::<Vec<_>>())).map(|n| {
        assert!(n != 4_321, "this one not");
        n
    });
    let even = shared.clone().filter(|n| n % 2 == 0);
    even.union(shared.clone().filter(|n| n % 5 == 0)).write(Collector::new());
    shared.key_by(|n| n % 10).running_count().write(Collector::new());
    job.run(Trigger::AvailableNow).expect("the job runs to its end");
    let expected = [
        is("read", [5_000, 5_000, 0, 0, 0]),
        is("map", [5_000, 4_999, 0, 0, 1]),
        is("filter", [4_999, 2_500, 0, 0, 0]),
        is("filter", [4_999, 1_000, 0, 0, 0]),
        is("union", [3_500, 3_500, 0, 0, 0]),
        is("write", [3_500, 3_500, 0, 0, 0]),
        is("key_by", [4_999, 4_999, 0, 0, 0]),
        is("running_count", [4_999, 10, 0, 0, 0]),
        is("write", [10, 10, 0, 0, 0]),
    ];
    assert_eq!(through(&heard), expected);
}

/// Sets a timer for each record, far from now.
struct Reminders;

impl KeyedProcess for Reminders {
    type Key = u8;
    type In = i64;
    type Out = ();
    type State = Timers;

    fn declare(&self, states: &mut Declaration<u8>) -> Timers {
        states.processing_timers("reminders")
    }

    fn on_record(&self, timers: &Timers, at: i64, ctx: &mut ProcessContext<'_, Self>) -> Result<(), StateError> {
        timers.register(ctx, Timestamp::from_secs(10_000_000_000 + at)).map(drop)
    }
}

#[test]
fn timers_that_are_set_are_counted() {
    let (job, heard) = job();
    let moments = MemorySource::new(vec![(1, 5), (2, 5), (1, 7), (1, 5)]);
    job.read(moments).process(Reminders).write(Collector::new());
    job.run(Trigger::AvailableNow).expect("the job runs to its end");
    let timers: Vec<_> = heard.0.lock().iter().map(|progress| progress.states[0].timers).collect();
    assert_eq!(timers, [2, 3]);
}
