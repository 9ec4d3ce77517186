//! What the suites do not ask: batches of a queue, rates over time, what a collector shows.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use firesteel_connect::{
    ConnectError, Epoch, ReadRange, Replay, Sink, Source, SourceContext, SourceReader, SplitId, Wake, WriteTask,
};
use firesteel_connect_memory::{Collector, MemorySource, QueueSource, RateSource};
use firesteel_window::{Timestamp, seconds};

const NOW: Timestamp = Timestamp::from_secs(0);

fn available<S: Source>(source: &S, now: Timestamp) -> Vec<u64> {
    source.discover(now).unwrap().splits.iter().map(|split| split.available.unwrap()).collect()
}

fn read<S: Source>(source: &S, split: &str, from: u64, to: u64) -> Result<Vec<S::Item>, ConnectError> {
    let mut records = vec![];
    source.open(&ReadRange::exact(SplitId::new(split), from, to))?.for_each(|record| records.push(record))?;
    Ok(records)
}

#[test]
fn a_queue_shows_one_batch_after_another() {
    let queue = QueueSource::new(2).one_at_a_time();
    let (handle, wakes) = (queue.handle(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&wakes);
    let wake = Wake::new(move || _ = count.fetch_add(1, Ordering::SeqCst));
    queue.start(&SourceContext::default().with_wake(wake)).unwrap();
    for batch in [vec![1, 2, 3, 4], vec![], vec![5, 6]] {
        handle.push(batch).unwrap();
    }
    handle.close();
    assert_eq!(wakes.swap(0, Ordering::SeqCst), 4);

    assert_eq!(available(&queue, NOW), [2, 2]);
    assert_eq!(available(&queue, NOW), [2, 2], "nobody has taken it yet");
    assert_eq!(read(&queue, "0", 0, 2).unwrap(), [1, 2]);
    assert_eq!(available(&queue, NOW), [2, 2], "half of it is not taken");
    assert_eq!(read(&queue, "1", 0, 2).unwrap(), [3, 4]);
    assert_eq!(wakes.load(Ordering::SeqCst), 0);
    assert_eq!(available(&queue, NOW), [2, 2], "the empty batch");
    assert_eq!(wakes.load(Ordering::SeqCst), 1, "and the word that there is more");
    let last = queue.discover(NOW).unwrap().splits;
    assert_eq!((last[0].available, last[1].available, last[0].finished), (Some(3), Some(3), true));
}

#[test]
fn a_batch_of_a_queue_also_counts_as_taken_when_it_is_committed_or_read_without_an_end() {
    let queue = QueueSource::new(1).one_at_a_time();
    for n in 0..3 {
        queue.handle().push(vec![n; 2]).unwrap();
    }
    assert_eq!(available(&queue, NOW), [2]);
    queue.committed(&[(SplitId::new("0"), 2)]).unwrap();
    assert_eq!(available(&queue, NOW), [4]);
    let open = ReadRange::starting_at(SplitId::new("0"), 2);
    let mut records = vec![];
    queue.open(&open).unwrap().for_each(|record| records.push(record)).unwrap();
    assert_eq!(records, [1, 1], "the batch that is shown and no other");
    assert_eq!(available(&queue, NOW), [6]);
}

#[test]
fn a_restarted_job_resumes_with_a_clone_of_the_queue() {
    let queue = QueueSource::new(1).one_at_a_time();
    for n in 0..3 {
        queue.handle().push(vec![n]).unwrap();
    }
    let first = queue.clone();
    assert_eq!(available(&first, NOW), [1]);
    assert_eq!(read(&first, "0", 0, 1).unwrap(), [0]);
    first.committed(&[(SplitId::new("0"), 1)]).unwrap();
    assert_eq!(available(&first, NOW), [2]);
    assert_eq!(read(&first, "0", 1, 2).unwrap(), [1]);
    drop(first);
    // The second batch was read but not committed.
    queue.start(&SourceContext::default()).unwrap();
    assert_eq!(available(&queue, NOW), [2]);
    assert_eq!(read(&queue, "0", 1, 2).unwrap(), [1]);
    assert!(matches!(read(&queue, "0", 0, 1), Err(ConnectError::Lost { position: 0, .. })));
}

#[test]
fn a_closed_queue_takes_nothing() {
    let queue = QueueSource::new(1);
    queue.handle().close();
    let error = queue.handle().push(vec![1]).unwrap_err();
    assert!(error.to_string().contains("closed"), "{error}");
    assert_eq!(available(&queue, NOW), [0]);
}

#[test]
fn a_rate_follows_the_clock_it_is_given_and_never_goes_back() {
    let source = RateSource::new(100);
    source.start(&SourceContext::default()).unwrap();
    let start = Timestamp::from_secs(1_000);
    assert_eq!(source.replay(), Replay::WhileRunning);
    assert_eq!(available(&source, start), [0]);
    assert_eq!(available(&source, start + seconds(2)), [200]);
    assert_eq!(available(&source, start), [200]);
    assert_eq!(read(&source, "0", 100, 101).unwrap()[0].timestamp, start + seconds(1));
    assert!(matches!(read(&source, "0", 0, 201), Err(ConnectError::Lost { position: 201, .. })));
    assert!(!source.discover(start).unwrap().splits[0].finished);
}

#[test]
fn a_rate_ramps_up_and_ends_at_its_limit() {
    let start = Timestamp::from_secs(0);
    let source = RateSource::new(100).ramp_up(seconds(4)).starting_at(start).limit(250);
    source.start(&SourceContext::default()).unwrap();
    assert_eq!(source.replay(), Replay::Always);
    assert_eq!([1, 2, 4, 5].map(|at| available(&source, start + seconds(at))[0]), [13, 50, 200, 250]);
    assert!(source.discover(start).unwrap().splits[0].finished);
}

#[test]
fn rates_without_sense_are_refused_at_the_start() {
    let refused = [
        (RateSource::new(0), "records per second"),
        (RateSource::new(2_000_000_000), "records per second"),
        (RateSource::new(1).partitions(0), "partitions"),
        (RateSource::new(1).ramp_up(seconds(-1)), "ramp-up"),
    ];
    for (source, name) in refused {
        match source.start(&SourceContext::default()) {
            Err(ConnectError::Setting { setting, .. }) => assert_eq!(setting, name),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn an_unwinding_loop_over_a_slice_leaves_the_position_after_the_record_at_fault() {
    let source = MemorySource::new((0..1_000).collect::<Vec<u32>>());
    let mut reader = source.open(&ReadRange::exact(SplitId::new("0"), 10, 900)).unwrap();
    let torn = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        reader.for_each(|n| {
            if n == 500 {
                std::panic::resume_unwind(Box::new(()))
            }
        })
    }));
    assert!(torn.is_err());
    assert_eq!((reader.position(), reader.last_position()), (501, 500));
    assert_eq!(reader.next_record().unwrap(), Some(501));
}

#[test]
fn a_collector_shows_epochs_and_gives_its_records_away() {
    let results = Collector::new();
    let task = |epoch| WriteTask::new(epoch, 0);
    for (epoch, records) in [(Epoch(1), vec![1, 2]), (Epoch(3), vec![]), (Epoch(4), vec![3])] {
        let pending = results.write(task(epoch), records.into_iter()).unwrap();
        results.commit(epoch, &mut vec![pending]).unwrap();
    }
    assert_eq!(results.batches(), [(Epoch(1), vec![1, 2]), (Epoch(3), vec![]), (Epoch(4), vec![3])]);
    assert_eq!(results.take(), [1, 2, 3]);
    assert!(results.records().is_empty());
    assert_eq!(results.last_committed().unwrap().map(|mark| mark.epoch), Some(Epoch(4)));
}
