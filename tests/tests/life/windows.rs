//! Windows whose tasks fail: an attempt that fails leaves no trace, and what is to blame is named.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use firesteel_connect_memory::{Collector, MemorySource};
use firesteel_core::Blame;
use firesteel_streaming::{BatchLimits, BatchProgress, Error, Summary, Trigger, WindowResult};
use firesteel_testkit::{JobLog, TestJob};
use firesteel_window::{Timestamp, Tumbling, Watermark, seconds};
use parking_lot::Mutex;

use crate::{job, sorted};

/// Panics at the first attempt of each thing it is asked about.
#[derive(Clone, Default)]
struct Clumsy {
    dropped: Arc<Mutex<BTreeSet<String>>>,
}

impl Clumsy {
    fn handle(&self, what: impl ToString) {
        let what = what.to_string();
        let first = self.dropped.lock().insert(what.clone());
        assert!(!first, "dropped {what}");
    }
}

/// Numbers 0 to 999, seconds of event time, some of them out of order and a few of them late.
fn numbers() -> Vec<i64> {
    (0..1_000).map(|n| if n % 37 == 36 { n - 200 } else { n ^ 3 }).collect()
}

fn rows(results: &Collector<(u8, i64, u64)>) -> Vec<(u8, i64, u64)> {
    sorted(results.records())
}

/// What the job yields, per batch in numbers, and all its rows.
fn run(
    threads: usize,
    before: impl Fn(i64) -> i64 + Send + Sync + 'static,
    after: impl Fn(&WindowResult<u8, u64>) + Send + Sync + 'static,
) -> (Vec<[u64; 4]>, Vec<(u8, i64, u64)>) {
    let (log, results) = (JobLog::new(), Collector::new());
    let limits = BatchLimits::default().records(100);
    let job = job(threads).partitions(3).limits(limits).listener(log.clone()).build().unwrap();
    job.read(MemorySource::new(numbers()))
        .map(before)
        .event_time(|at| Timestamp::from_secs(*at), Watermark::bounded(seconds(5)))
        .key_by(|at| u8::try_from(at.rem_euclid(7)).unwrap())
        .window(Tumbling::of(seconds(60)))
        .count()
        .inspect(after)
        .map(|row| (row.key, row.window.start().as_secs(), row.value))
        .write(results.clone());
    job.run(Trigger::AvailableNow).unwrap();
    let of = |batch: &BatchProgress| [batch.rows_in, batch.rows_out, batch.late, batch.windows];
    (log.batches().iter().map(of).collect(), rows(&results))
}

#[test]
fn an_operator_after_a_window_that_panics_at_its_first_attempt_changes_nothing() {
    let expected = run(1, |n| n, |_| ());
    assert!(expected.0.iter().map(|batch| batch[2]).sum::<u64>() > 10, "some are late");
    for threads in [1, 3] {
        // Each window once for some key: the tasks that fire it fail one after the other over the run.
        for key in 0..7 {
            let clumsy = Clumsy::default();
            let after = move |row: &WindowResult<u8, u64>| {
                if row.key == key {
                    clumsy.handle(row.window.start().as_secs());
                }
            };
            assert_eq!(run(threads, |n| n, after), expected);
        }
    }
}

#[test]
fn an_operator_before_a_window_that_panics_at_its_first_attempt_changes_nothing() {
    let expected = run(1, |n| n, |_| ());
    for threads in [1, 3] {
        let clumsy = Clumsy::default();
        let before = move |n: i64| {
            if n % 111 == 0 {
                clumsy.handle(n);
            }
            n
        };
        assert_eq!(run(threads, before, |_| ()), expected);
    }
}

#[test]
fn a_sink_after_a_window_that_fails_at_its_first_attempt_changes_nothing() {
    use firesteel_connect::Class;
    use firesteel_testkit::faults::{FaultySink, SinkAt};
    let run = |times: u32| {
        let results = Collector::new();
        let (sink, faults) = FaultySink::new(results.clone());
        faults.fail_later(SinkAt::Write, 2, times, Class::Retryable);
        let job = job(2).partitions(2).limits(BatchLimits::default().records(50)).build().unwrap();
        job.read(MemorySource::new(numbers()))
            .event_time(|at| Timestamp::from_secs(*at), Watermark::bounded(seconds(5)))
            .key_by(|_| 0u8)
            .window(Tumbling::of(seconds(60)))
            .sum()
            .write(sink);
        let Summary { late, windows, rows_out, .. } = job.run_to_summary(Trigger::AvailableNow).unwrap();
        (late, windows, rows_out, results.records())
    };
    let expected = run(0);
    assert_eq!(run(1), expected);
    assert_eq!(run(3), expected);
}

#[test]
fn windows_of_windows_are_as_indifferent_to_attempts_that_fail() {
    let run = |threads: usize, clumsy: Option<Clumsy>| {
        let results = Collector::new();
        let job = job(threads).partitions(2).limits(BatchLimits::default().records(40)).build().unwrap();
        let middle = clumsy.clone();
        job.read(MemorySource::new(numbers()))
            .event_time(|at| Timestamp::from_secs(*at), Watermark::bounded(seconds(5)))
            .key_by(|at| at.rem_euclid(7))
            .window(Tumbling::of(seconds(20)))
            .count()
            .inspect(move |row| {
                if let Some(clumsy) = middle.as_ref().filter(|_| row.key == 3) {
                    clumsy.handle(format!("first {}", row.window.start()));
                }
            })
            .event_time(|row| row.window.start(), Watermark::bounded(seconds(0)))
            .key_by(|row| row.key % 2)
            .map_values(|row| row.value)
            .window(Tumbling::of(seconds(100)))
            .sum()
            .inspect(move |row| {
                if let Some(clumsy) = clumsy.as_ref().filter(|_| row.key == 1) {
                    clumsy.handle(format!("second {}", row.window.start()));
                }
            })
            .map(|row| (row.window.start().as_secs(), row.key, row.value))
            .write(results.clone());
        let Summary { late, windows, rows_out, .. } = job.run_to_summary(Trigger::AvailableNow).unwrap();
        (sorted(results.records()), late, windows, rows_out)
    };
    let expected = run(1, None);
    assert!(expected.0.len() >= 20);
    for threads in [1, 3] {
        assert_eq!(run(threads, Some(Clumsy::default())), expected);
    }
}

/// The culprit of a batch that failed.
fn blame(error: &Error) -> &Blame {
    match error {
        Error::Batch { source: firesteel_core::Error::TaskFailed { blame, .. }, .. } => blame,
        _ => panic!("{error:?}"),
    }
}

#[test]
fn user_functions_of_a_window_that_panic_are_named_with_operator_and_offset() {
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&attempts);
    let run = |at: usize| {
        let job = job(1).build().unwrap();
        let results = Collector::new();
        let counted = Arc::clone(&counted);
        let panics = move |place: usize, number: i64| {
            if place == at && number == 4_321 {
                counted.fetch_add(1, Ordering::SeqCst);
                panic!("no luck");
            }
        };
        let [time, key, value, add, finish] = std::array::from_fn(|_| panics.clone());
        job.read(MemorySource::new((0..10_000i64).collect::<Vec<_>>()))
            .event_time(
                move |n| {
                    time(0, *n);
                    Timestamp::from_secs(*n)
                },
                Watermark::bounded(seconds(0)),
            )
            .named("clock")
            .key_by(move |n| {
                key(1, *n);
                0u8
            })
            .named("key")
            .map_values(move |n| {
                value(2, n);
                n
            })
            .named("value")
            .window(Tumbling::of(seconds(100)))
            .fold(
                0i64,
                move |sum, n| {
                    add(3, n);
                    *sum += n
                },
                |sum, more| *sum += more,
            )
            .named("windows")
            .map(move |row| {
                if row.window.start().as_secs() == 4_300 {
                    finish(4, 4_321);
                }
                row
            })
            .named("after")
            .write(results.clone());
        let error = job.run(Trigger::AvailableNow).unwrap_err();
        assert!(results.records().is_empty());
        error
    };
    for (at, name, position) in [
        (0, "clock", Some(4_321)),
        (1, "key", Some(4_321)),
        (2, "value", Some(4_321)),
        (3, "windows", Some(4_321)),
        (4, "after", None),
    ] {
        let error = run(at);
        let blame = blame(&error);
        assert_eq!(blame.operator.as_ref().map(|operator| operator.name().to_owned()).as_deref(), Some(name));
        if position.is_some() {
            assert_eq!((blame.position, blame.origin.as_deref()), (position, Some("0")), "{error:?}");
        }
        assert_eq!(blame.cause, "no luck");
    }
    assert_eq!(attempts.load(Ordering::SeqCst), 5 * 4, "each was tried four times");
}

#[test]
fn functions_that_merge_and_finish_are_named_too() {
    let error = |merge: bool| {
        let test = TestJob::builder().partitions(1).build();
        let numbers = test.script_in(2, [vec![1i64, 2], vec![30, 31]]);
        let windows = numbers
            .event_time(|at| Timestamp::from_secs(*at), Watermark::bounded(seconds(0)))
            .key_by(|_| 0u8)
            .window(Tumbling::of(seconds(10)));
        let results = windows.fold(
            0i64,
            |sum, n| *sum += n,
            move |sum, more| {
                assert!(!merge, "cannot merge");
                *sum += more;
            },
        );
        let results = results.named("windows");
        let results = results.map(move |row| if merge { row } else { panic!("cannot finish") }).named("finish");
        let _results = test.record(results);
        test.run().unwrap_err()
    };
    for (merge, name, cause) in [(true, "windows", "cannot merge"), (false, "finish", "cannot finish")] {
        let error = error(merge);
        let blame = blame(&error);
        assert_eq!(blame.operator.as_ref().map(|operator| operator.name()), Some(name), "{error:?}");
        assert_eq!(blame.cause, cause);
    }
}
