//! Jobs that resume under other settings than those under which they were ended, from other beginnings, and from
//! savepoints.

use std::path::Path;

use crate::process::{self, Ended};
use crate::program::{Backend, Run, TEXT_SINKS};
use crate::{input, invariants};

fn crashed(run: &Run, point: &str, hit: u64) {
    let ended = process::start(&Run { crash: Some((point.to_owned(), hit)), ..run.clone() }, None);
    assert_eq!(ended, Ended::Crashed, "at {point}, time {hit}");
    assert_eq!(invariants::at_any_moment(run), Ok(()), "at {point}, time {hit}");
}

fn drained(run: &Run) {
    assert_eq!(process::start(run, None), Ended::Drained);
    assert_eq!(invariants::at_the_end(run), Ok(()));
}

/// Where processes end, one after the other: in their first epochs, halfway through one, and after one.
const ENDS: [(&str, u64); 6] = [
    ("epoch.sink", 8),
    ("again.batch", 1),
    ("epoch.prepared", 3),
    ("changelog.dropped", 1),
    ("epoch.ended", 2),
    ("epoch.committed", 2),
];

#[test]
fn a_job_resumes_with_another_number_of_threads_and_another_backend() {
    let folder = process::folder();
    input::write(folder.path());
    let settings =
        [(3, Backend::None), (1, Backend::Lazy), (2, Backend::Eager), (4, Backend::None), (2, Backend::Lazy)];
    let mut settings = settings.into_iter().cycle();
    let mut next = || {
        let (threads, backend) = settings.next().expect("there is always a next one");
        Run { threads, backend, ..Run::new(folder.path()) }
    };
    for (point, hit) in ENDS {
        crashed(&next(), point, hit);
    }
    drained(&next());
}

#[test]
fn a_new_checkpoint_resumes_after_what_the_sinks_have() {
    for crash in [None, Some(("open.first", 1)), Some(("changelog.append.half", 1)), Some(("open.begun", 1))] {
        let folder = process::folder();
        input::write(folder.path());
        // Two of the sinks have epochs of an earlier job, and not as many.
        for (sink, epochs) in [("totals", 7), ("records", 5)] {
            let manifests = folder.path().join(sink).join("_committed");
            std::fs::create_dir_all(&manifests).unwrap();
            let manifest = format!("firesteel files 1\ncheckpoint {:032x}\nend 0\n", 7);
            (1..=epochs).for_each(|epoch| std::fs::write(manifests.join(format!("{epoch:010}")), &manifest).unwrap());
        }
        let run = Run::new(folder.path());
        if let Some((point, hit)) = crash {
            let ended = process::start(&Run { crash: Some((point.to_owned(), hit)), ..run.clone() }, None);
            assert_eq!(ended, Ended::Crashed);
        }
        assert_eq!(process::start(&run, None), Ended::Drained, "{crash:?}");
        let found = crate::results::text_files(&folder.path().join("records")).unwrap();
        let mut lines: Vec<String> = found.values().flatten().cloned().collect();
        lines.sort();
        assert_eq!(lines, input::lines(folder.path()), "{crash:?}");
        assert!(found.range(6..8).all(|(_, lines)| lines.is_empty()), "{crash:?}: {:?}", found.keys());
        assert!(found.contains_key(&8), "{crash:?}");
    }
}

/// Copies what belongs to a job, save its checkpoint.
fn copy_results(from: &Path, to: &Path) {
    for name in TEXT_SINKS.into_iter().chain(["ledger", "in"]) {
        process::copy(&from.join(name), &to.join(name));
    }
}

#[test]
fn a_savepoint_is_whole_or_none_and_a_job_resumes_from_it() {
    let points = ["savepoint.begin", "savepoint.begun", "snapshot.images", "snapshot.manifest", "savepoint.done"];
    for point in points {
        let folder = process::folder();
        input::write(folder.path());
        let run = Run { snapshot_after: 1 << 30, ..Run::new(folder.path()) };
        let taking = Run { savepoint: Some(4), ..run.clone() };
        // The first snapshot is that of the beginning.
        let hit = if point.starts_with("snapshot") { 2 } else { 1 };
        crashed(&taking, point, hit);
        let savepoint = folder.path().join("savepoint");

        let other = process::folder();
        copy_results(folder.path(), other.path());
        let input = Some(folder.path().join("in"));
        let from = Run { input, start_from: Some(savepoint), ..Run::new(other.path()) };
        if point == "savepoint.done" {
            crashed(&from, "open.savepoint", 1);
            drained(&from);
        } else {
            let Ended::Stopped(error) = process::start(&from, None) else { panic!("{point}: it is no savepoint") };
            assert!(error.contains("FS-T011"), "{point}: {error}");
        }
        // The job itself keeps running.
        drained(&run);
    }
}

#[test]
fn a_checkpoint_that_was_begun_from_a_savepoint_is_not_resumed_without_it() {
    let folder = process::folder();
    input::write(folder.path());
    let taking = Run { savepoint: Some(4), ..Run::new(folder.path()) };
    assert_eq!(process::start(&taking, None), Ended::Drained);
    let other = process::folder();
    copy_results(folder.path(), other.path());
    let without = Run { input: Some(folder.path().join("in")), ..Run::new(other.path()) };
    let from = Run { start_from: Some(folder.path().join("savepoint")), ..without.clone() };
    crashed(&from, "open.savepoint", 1);
    let Ended::Stopped(error) = process::start(&without, None) else { panic!("its state is missing") };
    assert!(error.contains("FS-T011"), "{error}");
    drained(&from);
}
