//! Sources that fail: for a passing reason, and for good.

use firesteel_connect::{Class, ConnectError};
use firesteel_connect_memory::{Collector, MemorySource};
use firesteel_streaming::{BatchLimits, Error, Summary, Trigger};
use firesteel_testkit::faults::{At, FaultySource, SourceFaults};
use firesteel_window::{Timestamp, Tumbling, Watermark, seconds};

use crate::{job, sorted};

/// What a job with every kind of count yields: sums per window, malformed records, late ones, and the run in numbers.
#[derive(Debug, PartialEq)]
struct Outcome {
    sums: Vec<(i64, u64)>,
    malformed: Vec<(Option<u64>, String)>,
    late: Vec<u64>,
    numbers: [u64; 5],
}

/// Sums the numbers of each ten; one in 50 is malformed, one in 70 comes far too late.
fn run(threads: usize, faulty: impl FnOnce(&SourceFaults)) -> Outcome {
    let lines: Vec<String> = (0..2_000u64)
        .map(|n| match n {
            n if n % 50 == 7 => format!("{n}?"),
            n if n % 70 == 69 => format!("{}", n % 10),
            n => n.to_string(),
        })
        .collect();
    let (source, faults) = FaultySource::new(MemorySource::new(lines));
    faulty(&faults);
    let job = job(threads).partitions(2).limits(BatchLimits::default().records(300)).build().unwrap();
    let (results, malformed, late) = (Collector::new(), Collector::new(), Collector::new());
    let (errors, late_ones) = (job.side_output("malformed"), job.side_output("late"));
    job.read(source)
        .try_map_to(&errors, |line| line.parse::<u64>())
        .event_time(|n| Timestamp::from_secs(*n as i64), Watermark::bounded(seconds(5)))
        .key_by(|_| 0u8)
        .window(Tumbling::of(seconds(10)))
        .late_to(&late_ones)
        .sum()
        .map(|row| (row.window.start().as_secs(), row.value))
        .write(results.clone());
    errors.stream().map(|error| (error.position, error.error)).write(malformed.clone());
    late_ones.stream().map(|late| late.record.1).write(late.clone());
    let Summary { rows_in, rows_out, malformed: refused, late: too_late, windows, .. } =
        job.run_to_summary(Trigger::AvailableNow).unwrap();
    Outcome {
        sums: sorted(results.records()),
        malformed: malformed.records(),
        late: sorted(late.records()),
        numbers: [rows_in, rows_out, refused, too_late, windows],
    }
}

#[test]
fn a_source_that_fails_and_then_works_loses_and_doubles_nothing() {
    for threads in [1, 2] {
        let expected = run(threads, |_| ());
        assert_eq!(expected.numbers[0], 2_000);
        assert_eq!((expected.malformed.len(), expected.numbers[2]), (40, 40));
        assert!(expected.late.len() > 10 && expected.late.len() as u64 == expected.numbers[3], "{expected:?}");
        assert_eq!(run(threads, |faults| faults.fail(At::Discover, 1, Class::Retryable)), expected);
        assert_eq!(run(threads, |faults| faults.fail_later(At::Discover, 3, 1, Class::Retryable)), expected);
        assert_eq!(run(threads, |faults| faults.fail(At::Open, 3, Class::Retryable)), expected);
        assert_eq!(run(threads, |faults| faults.fail_later(At::Open, 4, 2, Class::Retryable)), expected);
        for record in [0, 1, 150, 299] {
            assert_eq!(run(threads, |faults| faults.fail(At::Record(record), 3, Class::Retryable)), expected);
            assert_eq!(run(threads, |faults| faults.fail_later(At::Record(record), 2, 1, Class::Retryable)), expected);
        }
        assert_eq!(run(threads, |faults| faults.fail(At::Committed, 100, Class::Fatal)), expected);
    }
}

/// The error of a job whose source fails there.
fn fails(at: At, times: u32, class: Class) -> (Error, Vec<u32>, SourceFaults) {
    let (source, faults) = FaultySource::new(MemorySource::new((0..10u32).collect::<Vec<_>>()));
    faults.fail_later(at, 1, times, class);
    let (job, results) = (job(1).limits(BatchLimits::default().records(4)).build().unwrap(), Collector::new());
    job.read(source).named("clicks").write(results.clone());
    (job.run(Trigger::AvailableNow).unwrap_err(), results.records(), faults)
}

/// The connector's error among the causes.
fn connector(error: &Error) -> Option<&ConnectError> {
    let mut causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    causes.find_map(|error| error.downcast_ref())
}

#[test]
fn a_fatal_error_of_a_source_is_not_retried_and_names_the_source() {
    for at in [At::Discover, At::Open, At::Record(2)] {
        let (error, results, faults) = fails(at, 1, Class::Fatal);
        assert_eq!(connector(&error).map(ConnectError::class), Some(Class::Fatal), "{error:?}");
        let text = format!("{error:?}");
        assert!(text.contains("clicks"), "{at:?}: the source is named in {text}");
        assert_eq!(results, [0, 1, 2, 3], "what was committed before stays, and nothing else");
        assert_eq!(faults.stops(), 1);
        if at == At::Discover {
            assert!(matches!(&error, Error::Source { name, .. } if name == "clicks"), "{text}");
        } else {
            assert!(matches!(&error, Error::Batch { batch: 2, .. }), "{text}");
            assert!(text.contains("split 0"), "{text}");
        }
    }
}

#[test]
fn an_open_that_keeps_failing_ends_the_job_after_four_attempts() {
    let (error, results, faults) = fails(At::Open, 1_000, Class::Retryable);
    let Error::Batch { source: firesteel_core::Error::TaskFailed { attempts: 4, .. }, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!((results, faults.opens()), (vec![0, 1, 2, 3], 5));
}

#[test]
fn a_record_that_cannot_be_read_is_named_by_split_and_position() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.log"), b"good\n\xff\xfe\nnever read\n").unwrap();
    let (job, results) = (job(1).build().unwrap(), Collector::new());
    job.read(firesteel_connect_file::TextFiles::new(folder.path())).named("logs").write(results.clone());
    let error = job.run(Trigger::AvailableNow).unwrap_err();
    let text = format!("{error:?}");
    for part in ["logs", "a.log", "byte 5 (line 2)", "UTF-8"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert!(results.records().is_empty());
}
