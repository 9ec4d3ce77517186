//! What cannot work is refused before the job starts, with the way out.

use firesteel_streaming::{Stream, Timed};
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
