//! What a batch's progress tells of what is left to read and of what was refused.

use std::sync::Arc;

use firesteel_connect_file::TextFiles;
use firesteel_connect_memory::{Collector, MemorySource, QueueSource};
use firesteel_streaming::{BatchLimits, BatchProgress, StreamingContext, StreamingListener, Trigger};
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
