//! Runs the cases.

use std::fs;
use std::path::Path;

use firesteel_connect_memory::{Collector, QueueSource};
use firesteel_streaming::{BatchProgress, SideOutput, Stream, Timed, WindowKind, WindowedStream};
use firesteel_testkit::TestJob;
use firesteel_window::{Global, Max, Timestamp, Watermark};

use crate::aggregate::Aggregate;
use crate::case::{Case, Event, Row, Step, Windows, parse};
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
}

/// Runs a case batch by batch, with the restarts of the way.
fn run(case: &Case, way: &Way) -> Result<(), String> {
    let (queue, outputs, mut lives) = (QueueSource::new(1).keep_committed(), Outputs::default(), Lives::of(way));
    let mut begin = |second| lives.begin(second, 1, |test| program(case, test, &queue, &outputs));
    let (mut test, mut second) = (begin(0), 0);
    let nothing = Step { events: vec![], out: vec![], late: vec![], outside: 0 };
    for (number, step) in (1..).zip(&case.steps) {
        if number > 1 && way.restarts() {
            drop(test);
            test = begin(second);
        }
        queue.handle().push(step.events.clone()).unwrap();
        second += 1;
        let progress = test.batch().map_err(|error| format!("step {number} fails: {error}"))?;
        compare(&format!("step {number}"), &progress, step, &outputs)?;
    }
    if let Some(end) = &case.end {
        if way.restarts() {
            drop(test);
            test = begin(second);
        }
        let progress = test.finish().map_err(|error| format!("the end fails: {error}"))?;
        compare("the end", &progress, &Step { out: end.clone(), ..nothing }, &outputs)?;
        // A count window that is not complete stays.
        let is_kept = matches!(case.window, Windows::Count(_));
        if !is_kept && (progress.states[0].keys != 0 || progress.states[0].timers != 0) {
            return Err(format!("in the end something is left: {:?}", progress.states[0]));
        }
    }
    Ok(())
}

fn compare(what: &str, progress: &BatchProgress, step: &Step, outputs: &Outputs) -> Result<(), String> {
    let sorted = |rows: &[Row]| {
        let mut rows = rows.to_vec();
        rows.sort();
        rows
    };
    let (rows, expected) = (sorted(&outputs.rows.take()), sorted(&step.out));
    if rows != expected {
        return Err(format!("{what} gives {rows:?} and not {expected:?}"));
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
    let events = test
        .context()
        .read(queue.clone())
        .named("events")
        .event_time(|event: &Event| event.1, Watermark::bounded(case.delay))
        .map(|(key, at)| (key, at.as_micros()));
    if let Windows::Count(windows) = case.window {
        let rows = events.count_window(windows).aggregate((case.aggregate, Max)).named("windows");
        let rows = rows.map(|(key, (result, latest))| {
            let latest = Timestamp::from_micros(latest.unwrap());
            (latest, latest, key, result)
        });
        rows.write(outputs.rows.clone());
        return;
    }
    let late = test.context().side_output("late");
    let rows = match case.window {
        Windows::Tumbling(windows) => rows(events.window(windows), &late, case.aggregate),
        Windows::Sliding(windows) => rows(events.window(windows), &late, case.aggregate),
        Windows::Session(windows) => rows(events.window(windows), &late, case.aggregate),
        Windows::Global => rows(events.window(Global), &late, case.aggregate),
        Windows::Count(_) => unreachable!("they know no time"),
    };
    rows.write(outputs.rows.clone());
    late.stream().map(|(at, (key, _))| (key, at)).write(outputs.late.clone());
}

type Late = SideOutput<(Timestamp, (String, i64))>;

fn rows<W: WindowKind<String>>(
    events: WindowedStream<String, i64, W>,
    late: &Late,
    aggregate: Aggregate,
) -> Stream<Row, Timed> {
    let rows = events.late_to(late).aggregate(aggregate).named("windows");
    rows.map(|row| (row.window.start(), row.window.end(), row.key, row.value))
}
