//! Runs the cases.

use std::fs;
use std::path::Path;

use firesteel_connect_memory::QueueSource;
use firesteel_streaming::{BatchProgress, StateProgress};
use firesteel_window::{Change, Firing, Latest, Window};

use crate::case::{Case, Does, Row, Side, Step, parse};
use crate::program::{Outputs, program};
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
    // A pause of the job is no silence: who is idle is waited for anew after a restart.
    ways.iter()
        .filter(|way| case.idle.is_none() || !way.restarts())
        .try_for_each(|way| run(case, way).map_err(|fault| format!("{file}, {:?}, {}: {fault}", case.name, way.name)))
}

/// Runs a case batch by batch, with the restarts of the way.
fn run(case: &Case, way: &Way) -> Result<(), String> {
    let queues = [(); 2].map(|()| QueueSource::new(1).keep_committed());
    let (outputs, mut lives) = (Outputs::default(), Lives::of(way));
    let mut begin = |second| lives.begin(second, 1, |test| program(case, test, &queues, &outputs));
    let (mut test, mut second, mut newest) = (begin(0), 0, Latest::new());
    for (number, step) in (1..).zip(&case.steps) {
        if number > 1 && way.restarts() {
            drop(test);
            test = begin(second);
        }
        for (queue, events) in queues.iter().zip(&step.events) {
            if !events.is_empty() {
                queue.handle().push(events.clone()).unwrap();
            }
        }
        if let Some(side) = step.ends {
            queues[usize::from(side == Side::Right)].handle().close();
        }
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
        let step = Step { out: end.clone(), ..Step::default() };
        compare("the end", &progress, &step, (&outputs, &mut newest), case)?;
        let StateProgress { keys, timers, .. } = progress.states[0];
        if case.does.forgets() && (keys, timers) != (case.stays, 0) {
            return Err(format!(
                "in the end something else than {} rows is left: {:?}",
                case.stays, progress.states[0]
            ));
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
    if matches!(case.does, Does::Window(_, _, Some(_))) && !case.purge {
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
    for (output, late) in outputs.late.iter().zip(&step.late) {
        let mut late = [output.take(), late.clone()];
        late.iter_mut().for_each(|late| late.sort());
        if late[0] != late[1] {
            return Err(format!("{what} tells of {:?} as late, and not of {:?}", late[0], late[1]));
        }
    }
    let counts = (progress.late, progress.outside);
    if counts != (step.late.iter().map(Vec::len).sum::<usize>() as u64, step.outside) {
        return Err(format!("{what} counts {counts:?} late and outside"));
    }
    Ok(())
}
