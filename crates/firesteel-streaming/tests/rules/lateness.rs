//! An allowed lateness and a trigger may change; what is gone does not come back, and windows that fire once are others.

use std::path::Path;
use std::sync::Arc;

use firesteel_connect_memory::{Collector, LatestRows, QueueSource};
use firesteel_core::{Clock, ManualClock};
use firesteel_streaming::{ChangingWindows, JobRun, StreamingContext, Trigger, WindowKind, WindowedStream};
use firesteel_window::{Early, Session, Sliding, Timestamp, Tumbling, Watermark, hours, seconds};

use crate::{checkpoint, context};

type Event = (String, i64);

fn windowed<W: WindowKind<String>>(
    job: &StreamingContext,
    events: &QueueSource<Event>,
    windows: W,
) -> WindowedStream<String, Event, W> {
    job.read(events.clone())
        .named("events")
        .event_time(|event| Timestamp::from_secs(event.1), Watermark::bounded(seconds(0)))
        .named("by time")
        .key_by(|event| event.0.clone())
        .window(windows)
}

/// A program in a folder: what it has said, and how it is started.
struct Program<'a, W> {
    folder: &'a Path,
    events: QueueSource<Event>,
    windows: W,
    said: Collector<String>,
    newest: LatestRows<String, u64>,
}

impl<'a, W: WindowKind<String>> Program<'a, W> {
    fn new(folder: &'a Path, windows: W) -> Self {
        let events = QueueSource::new(1).keep_committed();
        Self { folder, events, windows, said: Collector::new(), newest: LatestRows::new() }
    }

    fn begin(&self, set: impl FnOnce(WindowedStream<String, Event, W>) -> ChangingWindows<String, Event, W>) -> JobRun {
        let job = context(checkpoint(self.folder, false));
        let changes = set(windowed(&job, &self.events, self.windows.clone())).count().named("counts");
        let say = |change: firesteel_window::Change<String, u64>| {
            let value = change.value.map_or("-".to_owned(), |value| value.to_string());
            format!("{} {}{}={value}", change.firing, change.key, change.window.start().as_secs())
        };
        changes.clone().changelog().map(say).write(self.said.clone()).named("said");
        changes.write(self.newest.clone()).named("newest");
        job.begin().unwrap()
    }

    /// Runs a batch of these events; what it says, and how many of them are late.
    fn batch(&self, run: &mut JobRun, events: &[(&str, i64)]) -> (Vec<String>, u64) {
        self.events.handle().push(events.iter().map(|(key, at)| ((*key).to_owned(), *at)).collect()).unwrap();
        let late = run.next_batch().unwrap().late;
        let mut said = self.said.take();
        said.sort();
        (said, late)
    }
}

fn said(rows: &[&str], late: u64) -> (Vec<String>, u64) {
    (rows.iter().map(ToString::to_string).collect(), late)
}

fn a_longer_allowance<W: WindowKind<String>>(windows: W) {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::new(folder.path(), windows);
    let mut run = program.begin(|windowed| windowed.allow_late(seconds(2)));
    assert_eq!(program.batch(&mut run, &[("a", 1), ("a", 2), ("z", 20)]), said(&["on time a0=2"], 0));
    drop(run);
    // The window is gone: taken for one that has nothing yet, it would become 1.
    for _ in 0..2 {
        let mut run = program.begin(|windowed| windowed.allow_late(seconds(1_000)));
        assert_eq!(program.batch(&mut run, &[("a", 3)]), said(&[], 1));
    }
    let mut run = program.begin(|windowed| windowed.allow_late(seconds(1_000)));
    assert_eq!(program.batch(&mut run, &[("a", 17)]), said(&["late a15=1"], 0), "what is not gone stays longer");
    assert_eq!(program.batch(&mut run, &[("z", 500)]).1, 0);
    drop(run);
    let mut run = program.begin(|windowed| windowed.allow_late(seconds(1_000)));
    assert_eq!(program.batch(&mut run, &[("a", 18)]), said(&["late a15=2"], 0));
    assert_eq!(program.batch(&mut run, &[("a", 3)]), said(&[], 1));
    assert_eq!(program.newest.rows().iter().map(|(_, _, count)| count).sum::<u64>(), 2 + 2 + 1);
}

#[test]
fn a_longer_allowance_brings_nothing_back() {
    a_longer_allowance(Tumbling::of(seconds(5)));
    a_longer_allowance(Sliding::of(seconds(5)).every(seconds(5)));
}

#[test]
fn a_shorter_allowance_lets_go_at_once_and_fires_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::new(folder.path(), Tumbling::of(seconds(5)));
    let mut run = program.begin(|windowed| windowed.allow_late(seconds(1_000)));
    assert_eq!(program.batch(&mut run, &[("a", 1), ("z", 20)]), said(&["on time a0=1"], 0));
    drop(run);
    let mut run = program.begin(|windowed| windowed.allow_late(seconds(2)));
    assert_eq!(program.batch(&mut run, &[("a", 2)]), said(&[], 1));
    assert_eq!(program.batch(&mut run, &[("a", 17)]), said(&["late a15=1"], 0));
    let progress = run.last_batch().unwrap();
    assert_eq!((program.said.take().as_slice(), progress.states[0].keys), (&["on time z20=1".to_owned()][..], 0));
}

#[test]
fn sessions_that_are_gone_stay_so() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::new(folder.path(), Session::gap(seconds(5)));
    let mut run = program.begin(|windowed| windowed.allow_late(seconds(2)));
    assert_eq!(program.batch(&mut run, &[("a", 1), ("a", 2), ("z", 20)]), said(&["on time a1=2"], 0));
    drop(run);
    for _ in 0..2 {
        let mut run = program.begin(|windowed| windowed.allow_late(seconds(1_000)));
        assert_eq!(program.batch(&mut run, &[("a", 3)]), said(&[], 1));
    }
}

#[test]
fn a_trigger_may_be_another_or_none() {
    fn check<W: WindowKind<String>>(windows: W, key: &str, first: &str) {
        let folder = tempfile::tempdir().unwrap();
        let program = Program::new(folder.path(), windows);
        let mut run = program.begin(|windowed| windowed.trigger(Early::every(hours(1_000_000))));
        assert_eq!(program.batch(&mut run, &[("a", 1)]), said(&[], 0));
        drop(run);
        let mut run = program.begin(|windowed| windowed.trigger(Early::every_records(2)));
        assert_eq!(program.batch(&mut run, &[("a", 2)]), said(&[&format!("early {first}=2")], 0));
        drop(run);
        let mut run = program.begin(|windowed| windowed.trigger(Early::every(hours(1_000_000))));
        assert_eq!(program.batch(&mut run, &[("a", 3)]), said(&[], 0));
        drop(run);
        let mut run = program.begin(|windowed| windowed.allow_late(seconds(0)));
        assert_eq!(program.batch(&mut run, &[("a", 4)]), said(&[], 0));
        let progress = run.last_batch().unwrap();
        let mut told = program.said.take();
        // Of a session, what was told early of its former bounds is withdrawn.
        told.retain(|row| !row.ends_with('-'));
        assert_eq!(told, [format!("on time {key}=4")]);
        assert_eq!((progress.states[0].keys, progress.states[0].timers), (0, 0));
    }
    check(Tumbling::of(seconds(50)), "a0", "a0");
    check(Session::gap(seconds(50)), "a1", "a1");
}

#[test]
fn windows_that_fire_once_and_those_that_fire_again_are_others() {
    let folder = tempfile::tempdir().unwrap();
    let events: QueueSource<Event> = QueueSource::new(1).keep_committed();
    let job = context(checkpoint(folder.path(), false));
    windowed(&job, &events, Tumbling::of(seconds(5))).count().named("counts").write(Collector::new());
    job.begin().unwrap().next_batch().unwrap();
    drop(job);
    let job = context(checkpoint(folder.path(), false));
    let changes = windowed(&job, &events, Tumbling::of(seconds(5))).allow_late(seconds(2)).count().named("counts");
    changes.changelog().write(Collector::new());
    let refused = job.run(Trigger::AvailableNow).unwrap_err().to_string();
    assert!(refused.contains("window/changing count"), "{refused}");
}

#[test]
fn what_cannot_work_is_refused() {
    let refused = |set: fn(WindowedStream<String, Event, Tumbling>) -> ChangingWindows<String, Event, Tumbling>| {
        let job = StreamingContext::builder("bad").threads(1).build().unwrap();
        let windowed = windowed(&job, &QueueSource::new(1), Tumbling::of(seconds(5)));
        set(windowed).count().changelog().write(Collector::new());
        job.explain().unwrap_err().to_string()
    };
    assert!(refused(|windowed| windowed.allow_late(seconds(-1))).contains("FS-W008"));
    assert!(refused(|windowed| windowed.trigger(Early::every(seconds(0)))).contains("FS-W009"));
    assert!(refused(|windowed| windowed.trigger(Early::every_records(0))).contains("FS-W009"));
    let job = StreamingContext::builder("bad").threads(1).build().unwrap();
    let sessions = windowed(&job, &QueueSource::new(1), Session::gap(seconds(5))).allow_late(seconds(-1));
    sessions.count().changelog().write(Collector::new());
    assert!(job.explain().unwrap_err().to_string().contains("FS-W008"));
}

/// A tick makes a batch run though nothing has come, in a job that starts after it as in one that keeps running.
#[test]
fn a_tick_needs_no_records() {
    let folder = tempfile::tempdir().unwrap();
    let events: QueueSource<Event> = QueueSource::new(1).keep_committed();
    let said = Collector::new();
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_secs(1)));
    let run = || {
        let job = StreamingContext::builder("ticks")
            .threads(1)
            .clock(Arc::clone(&clock) as Arc<dyn Clock>)
            .checkpoint(checkpoint(folder.path(), false))
            .build()
            .unwrap();
        let windows = windowed(&job, &events, Tumbling::of(seconds(100))).trigger(Early::every(seconds(10)));
        windows.count().named("counts").changelog().map(|change| change.value).write(said.clone()).named("said");
        job.run_to_summary(Trigger::AvailableNow).unwrap().batches
    };
    events.handle().push(vec![("a".to_owned(), 1)]).unwrap();
    assert_eq!((run(), said.take()), (1, vec![]));
    clock.advance(seconds(8));
    assert!(run() <= 1, "a job that starts looks what is due");
    assert_eq!(said.take(), []);
    clock.advance(seconds(1));
    assert_eq!((run(), said.take()), (1, vec![Some(1)]));
}
