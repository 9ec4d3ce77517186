//! Sessions in which each record has a gap of its own.

use firesteel_streaming::{Checkpoint, StreamingContext, Trigger};
use firesteel_testkit::TestJob;
use firesteel_window::{Duration, Session, Timestamp, Watermark, seconds};

#[test]
fn a_gap_below_zero_is_an_error_of_the_function() {
    let test = TestJob::new();
    let events = test.script([vec![(1_u8, 5_i64), (1, -3)]]);
    let events = events.event_time(|event| Timestamp::from_secs(event.1), Watermark::bounded(seconds(0)));
    let sessions = events.sessions_by(|at| Duration::secs(*at)).count();
    drop(test.record(sessions.named("visits")));
    let error = test.run().unwrap_err();
    let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
    let told: Vec<String> = causes.map(ToString::to_string).collect();
    let told = told.join(": ");
    assert!(told.contains("visits") && told.contains("cannot end after a gap of -3s: give zero or more"), "{told}");
}

#[test]
fn sessions_of_a_fixed_gap_are_not_taken_for_those_of_each_record() {
    let folder = tempfile::tempdir().unwrap();
    let run = |by_record: bool| {
        let job = StreamingContext::builder("visits").checkpoint(Checkpoint::in_folder(folder.path())).build().unwrap();
        let events = job.read(firesteel_connect_memory::MemorySource::new(vec![(1_u8, 5_i64)])).named("events");
        let events = events.event_time(|event| Timestamp::from_secs(event.1), Watermark::bounded(seconds(0)));
        let sessions = if by_record {
            events.sessions_by(|at| Duration::secs(*at)).count()
        } else {
            events.window(Session::gap(seconds(5))).count()
        };
        sessions.named("sessions").write(firesteel_connect_memory::Collector::new());
        job.run(Trigger::AvailableNow)
    };
    run(false).unwrap();
    let refused = run(true).unwrap_err().to_string();
    assert!(refused.contains("sessions") && refused.contains("by record"), "{refused}");
}
