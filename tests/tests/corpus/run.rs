//! Runs the cases.

use std::fs;
use std::path::Path;

use firesteel_connect_memory::{Collector, LatestRows, QueueSource};
use firesteel_streaming::{BatchProgress, Changes, SideOutput, WindowKind, WindowResult, WindowedStream};
use firesteel_testkit::TestJob;
use firesteel_window::{Change, Duration, Early, Firing, Latest, Timestamp, Watermark, Window};

use crate::case::{Aggregate, Case, Event, Row, Step, Windows, parse};
use crate::ways::{Lives, Way};

/// Where the corpus is, in the repository.
pub(crate) const CORPUS: &str = "tests/corpus";

/// Checks the cases of a file of the corpus, with a backend also with little memory for state: this many bytes.
pub(crate) fn check_file(repository: &str, file: &str, ways: &[Way], little: u64) {
    let path = Path::new(repository).join(CORPUS).join(file);
    let cases = parse(&fs::read_to_string(&path).unwrap()).unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut ways: Vec<Way> = ways.iter().map(Way::with_one_input).collect();
    let little: Vec<Way> = ways.iter().filter(|way| way.has_backend()).map(|way| way.with_memory(little)).collect();
    ways.extend(little);
    let faults: Vec<String> = cases.iter().filter_map(|case| check(file, case, &ways).err()).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(!cases.is_empty());
}

/// Checks a case in some ways.
pub(crate) fn check(file: &str, case: &Case, ways: &[Way]) -> Result<(), String> {
    ways.iter()
        .try_for_each(|way| run(case, way).map_err(|fault| format!("{file}, {:?}, {}: {fault}", case.name, way.name)))
}

/// What the program has written.
#[derive(Clone, Default)]
struct Outputs {
    rows: Collector<Row>,
    late: Collector<Event>,
    /// Of windows that may fire more than once: those on time, and the newest of each.
    on_time: Collector<Row>,
    newest: LatestRows<String, Vec<i64>>,
}

/// Runs a case batch by batch, with the restarts of the way.
fn run(case: &Case, way: &Way) -> Result<(), String> {
    let (queue, outputs, mut lives) = (QueueSource::new(1).keep_committed(), Outputs::default(), Lives::of(way));
    let mut begin = |second| lives.begin(second, 1, |test| program(case, test, &queue, &outputs));
    let (mut test, mut second) = (begin(0), 0);
    let nothing = Step { events: vec![], out: vec![], late: vec![], outside: 0 };
    let mut newest = Latest::new();
    for (number, step) in (1..).zip(&case.steps) {
        if number > 1 && way.restarts() {
            drop(test);
            test = begin(second);
        }
        queue.handle().push(step.events.clone()).unwrap();
        second += 1;
        let progress = test.batch().map_err(|error| format!("step {number} fails: {error}"))?;
        compare(&format!("step {number}"), &progress, step, (&outputs, &mut newest), case)?;
    }
    if let Some(end) = &case.end {
        if way.restarts() {
            drop(test);
            test = begin(second);
        }
        let progress = test.finish().map_err(|error| format!("the end fails: {error}"))?;
        compare("the end", &progress, &Step { out: end.clone(), ..nothing }, (&outputs, &mut newest), case)?;
        if progress.states[0].keys != 0 || progress.states[0].timers != 0 {
            return Err(format!("in the end something is left: {:?}", progress.states[0]));
        }
    }
    Ok(())
}

fn compare(
    what: &str,
    progress: &BatchProgress,
    step: &Step,
    (outputs, newest): (&Outputs, &mut Latest<String, Vec<i64>>),
    case: &Case,
) -> Result<(), String> {
    let sorted = |rows: &[Row]| {
        let mut rows = rows.to_vec();
        rows.sort();
        rows
    };
    let (rows, expected) = (sorted(&outputs.rows.take()), sorted(&step.out));
    if rows != expected {
        return Err(format!("{what} gives {rows:?} and not {expected:?}"));
    }
    let rows_of = |kind| expected.iter().filter(|row| row.3 == kind && row.4.is_some()).count() as u64;
    let told = [rows_of(Firing::Early), rows_of(Firing::Late)];
    if told != [progress.fired_early, progress.fired_late] {
        return Err(format!("{what} counts {} early and {} late rows", progress.fired_early, progress.fired_late));
    }
    if case.firings.is_some() {
        let on_time: Vec<Row> =
            expected.iter().filter(|row| row.3 == Firing::OnTime && row.4.is_some()).cloned().collect();
        let told = sorted(&outputs.on_time.take());
        if told != on_time {
            return Err(format!("{what} gives {told:?} on time and not {on_time:?}"));
        }
        for (start, end, key, firing, value) in expected {
            newest.apply(Change { window: Window::new(start, end), key, firing, value });
        }
        let (stands, expected) = (outputs.newest.rows(), newest.iter());
        if !stands.iter().map(|(window, key, value)| (*window, key, value)).eq(expected) {
            return Err(format!("after {what} there stands {stands:?} and not {newest:?}"));
        }
    }
    let mut late = [outputs.late.take(), step.late.clone()];
    late.iter_mut().for_each(|late| late.sort());
    if late[0] != late[1] {
        return Err(format!("{what} tells of {:?} as late, and not of {:?}", late[0], late[1]));
    }
    let counts = (progress.late, progress.outside);
    if counts != (step.late.len() as u64, step.outside) {
        return Err(format!("{what} counts {counts:?} late and outside"));
    }
    Ok(())
}

fn program(case: &Case, test: &TestJob, queue: &QueueSource<Event>, outputs: &Outputs) {
    let late = test.context().side_output("late");
    let events = test
        .context()
        .read(queue.clone())
        .named("events")
        .event_time(|event: &Event| event.1, Watermark::bounded(case.delay))
        .map(|(key, at)| (key, at.as_micros()));
    match case.window {
        Windows::Tumbling(windows) => rows(events.window(windows), &late, case, outputs),
        Windows::Sliding(windows) => rows(events.window(windows), &late, case, outputs),
        Windows::Session(windows) => rows(events.window(windows), &late, case, outputs),
    }
    late.stream().map(|(at, (key, _))| (key, at)).write(outputs.late.clone());
}

type Late = SideOutput<(Timestamp, (String, i64))>;

fn rows<W: WindowKind<String>>(events: WindowedStream<String, i64, W>, late: &Late, case: &Case, outputs: &Outputs) {
    if let Some(firings) = case.firings {
        return changes(events, late, (case.aggregate, firings), outputs);
    }
    let events = events.late_to(late);
    let rows = match case.aggregate {
        Aggregate::Count => events.count().named("windows").map(|row| on_time(row, |count| vec![signed(count)])),
        Aggregate::Times => {
            events.fold(Vec::new(), push, Vec::extend).named("windows").map(|row| on_time(row, ascending))
        }
    };
    rows.write(outputs.rows.clone());
}

/// The rows of windows that may fire more than once: all that is said of them, those on time, and the newest.
fn changes<W: WindowKind<String>>(
    events: WindowedStream<String, i64, W>,
    late: &Late,
    (aggregate, (allowed, early)): (Aggregate, (Duration, Option<Early>)),
    outputs: &Outputs,
) {
    let events = events.allow_late(allowed).late_to(late);
    let events = if let Some(early) = early { events.trigger(early) } else { events };
    let rows: Changes<String, Vec<i64>> = match aggregate {
        Aggregate::Count => events.count().named("windows").map_values(|count| vec![signed(count)]),
        Aggregate::Times => events.fold(Vec::new(), push, Vec::extend).named("windows").map_values(ascending),
    };
    let row = |change: Change<String, Vec<i64>>| {
        let Change { window, key, firing, value } = change;
        (window.start(), window.end(), key, firing, value)
    };
    rows.clone().changelog().map(row).write(outputs.rows.clone());
    rows.clone().on_time().map(|row| on_time(row, |value| value)).write(outputs.on_time.clone());
    rows.write(outputs.newest.clone());
}

fn on_time<T>(row: WindowResult<String, T>, value: impl Fn(T) -> Vec<i64>) -> Row {
    (row.window.start(), row.window.end(), row.key, Firing::OnTime, Some(value(row.value)))
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap()
}

fn push(times: &mut Vec<i64>, at: i64) {
    times.push(at);
}

fn ascending(mut times: Vec<i64>) -> Vec<i64> {
    times.sort_unstable();
    times
}
