//! What cannot work is refused before the job starts, with the way out.

use std::ops::RangeInclusive;
use std::path::Path;

use firesteel_connect_memory::{Collector, QueueSource};
use firesteel_streaming::{Checkpoint, Error, Stream, Timed};
use firesteel_testkit::TestJob;
use firesteel_window::{Duration, Timestamp, Watermark, seconds};

fn events(test: &TestJob) -> Stream<(u8, i64), Timed> {
    let events = test.script([vec![(1_u8, 1_i64)]]);
    events.event_time(|event| Timestamp::from_secs(event.1), Watermark::bounded(seconds(1)))
}

fn refusal(program: impl FnOnce(&TestJob)) -> String {
    let test = TestJob::new();
    program(&test);
    test.batch().unwrap_err().to_string()
}

#[test]
fn an_interval_that_ends_before_it_begins() {
    let said = refusal(|test| {
        let joined = events(test).interval_join(events(test), seconds(5)..=seconds(-5));
        test.record(joined.inner(|left, right| left + right));
    });
    assert!(said.contains("interval_join") && said.contains("5s to -5s, ends before it begins"), "{said}");
}

#[test]
fn the_times_of_left_records_where_there_may_be_none() {
    let said = refusal(|test| {
        let joined = events(test).interval_join(events(test), seconds(-5)..=seconds(5)).at_left_time();
        test.record(joined.full_outer(|left, right| left.or(right).copied()));
    });
    assert!(said.contains("leave out `at_left_time`"), "{said}");
}

#[test]
fn spans_of_deduplication_that_are_none() {
    let within = |span: Duration| refusal(|test| _ = test.record(events(test).dedup_by(|event| event.0).within(span)));
    assert!(within(seconds(-1)).contains("cannot be negative"));
    let forgets =
        |span: Duration| refusal(|test| _ = test.record(events(test).dedup_by(|event| event.0).forget_after(span)));
    assert!(forgets(seconds(0)).contains("above zero"));
    let late = refusal(|test| {
        let late = test.context().side_output("late");
        test.record(events(test).dedup_by(|event| event.0).late_to(&late).forever());
        test.record(late.stream());
    });
    assert!(late.contains("leave out `late_to`"), "{late}");
}

/// Starts a job with a join over a checkpoint, and runs a batch.
fn start(
    folder: &Path,
    queue: &QueueSource<i64>,
    interval: RangeInclusive<Duration>,
    is_outer: bool,
) -> Result<(), Error> {
    let checkpoint = Checkpoint::in_folder(folder);
    let test = TestJob::builder().configure(|job| job.checkpoint(checkpoint)).build();
    let numbers = test.context().read(queue.clone()).named("numbers");
    let numbers = numbers.event_time(|at| Timestamp::from_secs(*at), Watermark::bounded(seconds(1))).key_by(|_| 0_u8);
    let join = numbers.clone().interval_join(numbers, interval);
    let joined = match is_outer {
        true => join.left_outer(|left, right| left + right.unwrap_or(&0)),
        false => join.inner(|left, right| left + right),
    };
    joined.named("join").write(Collector::new());
    test.batch().map(drop)
}

#[test]
fn another_interval_or_kind_than_that_of_what_is_stored() {
    let (folder, queue) = (tempfile::tempdir().unwrap(), QueueSource::new(1).keep_committed());
    queue.handle().push(vec![1]).unwrap();
    let interval = || seconds(-5)..=seconds(5);
    start(folder.path(), &queue, interval(), false).unwrap();
    start(folder.path(), &queue, interval(), false).unwrap();
    let said = start(folder.path(), &queue, seconds(-5)..=seconds(6), false).unwrap_err().to_string();
    assert!(said.contains("state:join: within = -5s to 6s, but -5s to 5s is stored"), "{said}");
    let said = start(folder.path(), &queue, interval(), true).unwrap_err().to_string();
    assert!(said.contains("interval_join/inner") && said.contains("interval_join/left_outer"), "{said}");
}
