//! Key groups that move between two jobs, whose process ends anywhere in that.

use crate::owners::{TERMS, WHOLE, check, everywhere, of_owners, reference, settings};
use crate::program::Backend;
use crate::{points, process};

#[test]
fn a_process_between_whose_jobs_ranges_move_may_end_at_any_point_of_that() {
    for backend in [Backend::None, Backend::Eager, Backend::Lazy] {
        everywhere(backend, of_owners);
    }
}

#[test]
fn a_process_of_two_jobs_that_share_the_key_groups_may_end_at_any_point() {
    let concerns_both =
        |point: &str| ["epoch.", "snapshot.", "sink.", "open."].iter().any(|kind| point.starts_with(kind));
    everywhere(Backend::None, concerns_both);
}

#[test]
fn every_fault_in_how_ranges_move_is_found_by_a_rule() {
    let faults: [(&str, &[(&str, u64)], &[&str]); 5] = [
        ("disowned-before-kept", &[("release.disowned", 2)], &[WHOLE]),
        ("owned-before-brought", &[("adopt.owned", 2)], &[WHOLE]),
        ("handover-not-kept", &[("release.disowned", 2)], &[WHOLE]),
        ("released-is-own", &[("release.done", 2)], &[WHOLE]),
        ("no-term", &[("adopt.owned", 2)], &[TERMS]),
    ];
    let reference = reference();
    let mut missed = Vec::new();
    for (name, crashes, rules) in faults {
        for mutant in [Some(name), None] {
            let folder = process::folder();
            let run = settings(folder.path(), Backend::Eager);
            match (mutant, check(&run, crashes, mutant, &reference)) {
                (Some(_), Ok(())) => missed.push(format!("{name}: it is not found")),
                (Some(_), Err((rule, found))) if !rules.contains(&rule) => {
                    missed.push(format!("{name}: it breaks \"{rule}\": {found}"));
                }
                (None, Err((rule, found))) => missed.push(format!("without {name}: {rule}: {found}")),
                _ => {}
            }
        }
    }
    assert!(missed.is_empty(), "{}:\n{}", missed.len(), missed.join("\n"));
    assert!(points::names().iter().filter(|name| of_owners(name)).count() >= 9);
}
