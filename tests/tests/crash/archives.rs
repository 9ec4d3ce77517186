//! A process that archives what it has read ends at each point: nothing is read twice, and nothing lost.

use std::collections::BTreeSet;

use crate::cases::{Before, HALFWAY, counts, everywhere};
use crate::program::{Archive, Run};

fn archiving(archive: Archive) -> Run {
    Run { archive, ..Run::new("") }
}

fn concerns_archives(point: &str) -> bool {
    ["archive.", "epoch.", "open.", "changelog.mark", "job."].iter().any(|kind| point.starts_with(kind))
}

#[test]
fn a_process_that_archives_what_it_has_read_may_end_at_any_point() {
    for archive in [Archive::Beside, Archive::Elsewhere] {
        everywhere(&archiving(archive), None, concerns_archives);
        // All is read before the last epoch ends.
        everywhere(&Run { batches: 5, ..archiving(archive) }, None, concerns_archives);
    }
}

#[test]
fn a_process_that_archives_and_cannot_ask_an_output_what_it_has_may_end_at_any_point() {
    for batches in [1, 5] {
        let run = Run { mute_output: true, batches, ..archiving(Archive::Beside) };
        everywhere(&run, None, concerns_archives);
    }
}

#[test]
fn a_process_that_archives_and_runs_an_epoch_again_may_end_at_any_point() {
    for before in HALFWAY {
        everywhere(&archiving(Archive::Beside), Some(before), |point| point.starts_with("archive."));
    }
    let before = Before { point: "archive.moved", hit: 2, lose_backend: false };
    everywhere(&archiving(Archive::Beside), Some(before), concerns_archives);
}

/// The points that these tests get to.
pub(crate) fn points() -> BTreeSet<String> {
    let counted = [Archive::Beside, Archive::Elsewhere].map(|archive| counts(&archiving(archive), None).into_keys());
    counted.into_iter().flatten().collect()
}
