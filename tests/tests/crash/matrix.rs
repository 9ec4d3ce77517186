//! The matrix: the program ends at each point, at the first, second and last time it gets there, resumes, and all rules
//! hold. Then the same where a process before it has ended in an epoch, so that it is run again.

use std::collections::BTreeSet;

use crate::carried::Carrier;
use crate::cases::{Before, HALFWAY, TORN, counts, everywhere};
use crate::program::{Backend, Run};
use crate::{archives, owners, points};

fn memory() -> Run {
    Run::new("")
}

#[test]
fn a_process_may_end_at_any_point() {
    everywhere(&memory(), None, |_| true);
}

#[test]
fn a_process_may_end_at_any_point_of_an_epoch_of_several_batches() {
    everywhere(&Run { batches: 3, threads: 2, ..memory() }, None, |_| true);
}

#[test]
fn a_process_whose_sinks_commit_beside_may_end_at_any_point() {
    everywhere(&Run { beside: true, ..memory() }, None, |_| true);
    everywhere(&Run { beside: true, batches: 2, threads: 2, ..memory() }, None, |point| point.starts_with("epoch."));
    for backend in [Backend::Eager, Backend::Lazy] {
        everywhere(&Run { beside: true, backend, ..memory() }, None, concerns_state);
    }
}

#[test]
fn a_process_that_carries_records_in_a_format_may_end_at_any_point() {
    let concerns_files = |point: &str| ["epoch.", "sink.", "batch."].iter().any(|kind| point.starts_with(kind));
    for carrier in Carrier::ALL {
        let run = Run { carrier: Some(*carrier), ..memory() };
        everywhere(&run, None, concerns_files);
        everywhere(&Run { batches: 3, ..run }, Some(HALFWAY[1]), |point| point.starts_with("again"));
    }
}

#[test]
fn a_process_that_runs_an_epoch_again_may_end_at_any_point() {
    for before in HALFWAY.into_iter().chain([TORN]) {
        everywhere(&Run { batches: 2, ..memory() }, Some(before), |point| !point.starts_with("sink."));
    }
}

#[test]
fn a_process_with_a_backend_may_end_at_any_point() {
    for backend in [Backend::Eager, Backend::Lazy] {
        everywhere(&Run { backend, ..memory() }, None, concerns_state);
    }
}

/// Sinks and single files know nothing of backends.
fn concerns_state(point: &str) -> bool {
    !point.starts_with("sink.") && !point.starts_with("file.")
}

#[test]
fn a_process_with_a_backend_that_runs_an_epoch_again_may_end_at_any_point() {
    let kinds = ["again", "backend", "restore", "changelog", "open"];
    let new = |point: &str| kinds.iter().any(|kind| point.starts_with(kind));
    for before in HALFWAY {
        everywhere(&Run { backend: Backend::Eager, ..memory() }, Some(before), new);
        let before = Before { lose_backend: true, ..before };
        everywhere(&Run { backend: Backend::Lazy, ..memory() }, Some(before), new);
    }
}

#[test]
fn an_output_that_cannot_tell_what_it_has_makes_no_difference_to_the_others() {
    let after_the_sinks = |point: &str| ["epoch.", "backend.", "snapshot."].iter().any(|kind| point.starts_with(kind));
    for backend in [Backend::None, Backend::Eager] {
        everywhere(&Run { mute_output: true, backend, ..memory() }, None, after_the_sinks);
    }
}

#[test]
fn every_value_that_a_fault_may_change_is_documented() {
    let sources: Vec<String> =
        ["alterable(\"", "in_order(\""].iter().flat_map(|call| points::in_sources(call)).collect();
    let documented = BTreeSet::from_iter(points::values().into_iter().map(str::to_owned));
    assert_eq!(BTreeSet::from_iter(sources.iter().cloned()), documented);
    assert_eq!(sources.len(), documented.len(), "a value has a name of its own");
}

#[test]
fn every_point_is_documented_and_there_is_a_case_that_gets_to_it() {
    let mut sources = points::in_sources("fail_point!(\"");
    let documented: BTreeSet<String> = points::names().into_iter().map(str::to_owned).collect();
    let twice: Vec<_> = sources.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone()).collect();
    assert_eq!(twice, Vec::<String>::new(), "a point has a name of its own");
    sources.dedup();
    assert_eq!(sources, documented.iter().cloned().collect::<Vec<_>>());
    assert!(sources.len() >= 25);

    // The processes that the tests above end everywhere.
    let lazy = Run { backend: Backend::Lazy, ..memory() };
    let mut passed = BTreeSet::new();
    passed.extend(counts(&memory(), None).into_keys());
    passed.extend(counts(&lazy, None).into_keys());
    for before in HALFWAY.into_iter().chain([TORN]) {
        passed.extend(counts(&Run { batches: 2, ..memory() }, Some(before)).into_keys());
        passed.extend(counts(&lazy, Some(Before { lose_backend: true, ..before })).into_keys());
    }
    passed.extend(archives::points());
    passed.extend(owners::points());
    // To where copies are made, there is no other file system on every machine.
    let is_copied = |point: &str| ["archive.copied", "archive.named"].contains(&point);
    let elsewhere = |point: &String| point.starts_with("savepoint") || point == "open.savepoint" || is_copied(point);
    let missed: Vec<_> = documented.difference(&passed).filter(|point| !elsewhere(point)).collect();
    assert_eq!(missed, Vec::<&String>::new());
}
