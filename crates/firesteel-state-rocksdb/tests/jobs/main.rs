//! A job with its state in RocksDB, whose process ends at any point and is started again.
//!
//! The job, the cases and the rules are those of the tests of the whole, which have no C++ compiler to rely on.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]
#![allow(dead_code, reason = "the tests of the whole use more of what they share with these")]
#![allow(unexpected_cfgs, reason = "the tests of the whole have formats that are not needed here")]

mod backends;
#[path = "../../../../tests/tests/crash/carried.rs"]
mod carried;
#[path = "../../../../tests/tests/crash/cases.rs"]
mod cases;
#[path = "../../../../tests/tests/crash/input.rs"]
mod input;
#[path = "../../../../tests/tests/crash/invariants.rs"]
mod invariants;
#[path = "../../../../tests/tests/crash/ledger.rs"]
mod ledger;
#[path = "../../../../tests/tests/crash/owners.rs"]
mod owners;
#[path = "../../../../tests/tests/crash/points.rs"]
mod points;
#[path = "../../../../tests/tests/crash/process.rs"]
mod process;
#[path = "../../../../tests/tests/crash/program.rs"]
mod program;
#[path = "../../../../tests/tests/crash/results.rs"]
mod results;

use crate::cases::{Before, HALFWAY, everywhere};
use crate::process::Ended;
use crate::program::{Backend, Run};

/// The program that the tests start. By itself it runs once through.
#[test]
#[ignore = "it is the program that the other tests start"]
fn program() {
    match std::env::var(program::SETTINGS) {
        Ok(settings) => program::main(&serde_json::from_str(&settings).expect("the settings can be read")),
        Err(_) => {
            let folder = process::folder();
            input::write(folder.path());
            let run = Run { backend: Backend::Database, ..Run::new(folder.path()) };
            assert_eq!(process::start(&run, None), Ended::Drained);
            assert_eq!(invariants::at_the_end(&run), Ok(()));
        }
    }
}

fn database() -> Run {
    Run { backend: Backend::Database, ..Run::new("") }
}

/// Sinks and single files know nothing of backends.
fn concerns_backends(point: &str) -> bool {
    !point.starts_with("sink.") && !point.starts_with("file.")
}

#[test]
fn a_process_may_end_at_any_point() {
    everywhere(&database(), None, concerns_backends);
}

#[test]
fn a_process_that_runs_an_epoch_again_may_end_at_any_point() {
    for before in HALFWAY {
        everywhere(&Run { batches: 2, threads: 2, ..database() }, Some(before), concerns_backends);
    }
}

#[test]
fn a_process_between_whose_jobs_ranges_move_may_end_at_any_point_of_that() {
    owners::everywhere(Backend::Database, owners::of_owners);
}

#[test]
fn what_the_database_held_comes_back_from_snapshots() {
    let kinds = ["again", "backend", "restore", "open"];
    let before = Before { lose_backend: true, ..HALFWAY[1] };
    everywhere(&database(), Some(before), |point| kinds.iter().any(|kind| point.starts_with(kind)));
}

#[test]
fn a_job_resumes_in_memory_and_then_in_the_database_again() {
    let folder = process::folder();
    input::write(folder.path());
    let ends =
        [("epoch.sink", 8), ("again.batch", 1), ("epoch.prepared", 3), ("epoch.ended", 2), ("epoch.committed", 2)];
    for (number, (point, hit)) in ends.into_iter().enumerate() {
        let backend = if number % 2 == 0 { Backend::Database } else { Backend::None };
        let run = Run { backend, threads: 1 + number % 3, ..Run::new(folder.path()) };
        let ended = process::start(&Run { crash: Some((point.to_owned(), hit)), ..run.clone() }, None);
        assert_eq!(ended, Ended::Crashed, "at {point}, time {hit}");
        assert_eq!(invariants::at_any_moment(&run), Ok(()), "at {point}, time {hit}");
    }
    let run = Run { backend: Backend::Database, ..Run::new(folder.path()) };
    assert_eq!(process::start(&run, None), Ended::Drained);
    assert_eq!(invariants::at_the_end(&run), Ok(()));
}
