//! The harness is tested by faults: each breaks the protocol in one place, and the rule that finds it is told.

use crate::cases::Case;
use crate::invariants::Broken;
use crate::program::{Backend, Run};
use crate::{input, process};

/// A fault, the rules of which one has to break, and where the process ends.
struct Fault {
    name: &'static str,
    rules: &'static [&'static str],
    run: Run,
    crashes: &'static [(&'static str, u64)],
}

fn fault(name: &'static str, crashes: &'static [(&'static str, u64)], rules: &'static [&'static str]) -> Fault {
    Fault { name, rules, run: Run::new(""), crashes }
}

const RESUMES: &str = "a job resumes after any crash";
const ONCE: &str = "every record comes out exactly once";
const WINDOWS: &str = "a window fires once, with all of its records";
const NEW: &str = "no sink gets an epoch that it has";
const TOTALS: &str = "totals are those of a sequential computation";

fn faults() -> Vec<Fault> {
    let eager = |fault: Fault| Fault { run: Run { backend: Backend::Eager, ..fault.run }, ..fault };
    let beside = |fault: Fault| Fault { run: Run { beside: true, ..fault.run }, ..fault };
    // Nothing but the changelog leads back.
    let without_snapshots = |fault: Fault| Fault { run: Run { snapshot_after: 1 << 30, ..fault.run }, ..fault };
    let with_snapshots = |fault: Fault| Fault { run: Run { snapshot_after: 1, ..fault.run }, ..fault };
    vec![
        fault("commit-before-prepare", &[("epoch.collected", 4)], &["an epoch is prepared before a sink commits it"]),
        fault("mark-before-sink", &[("epoch.sink", 17)], &["an epoch is marked after the commits of all sinks"]),
        eager(fault(
            "apply-before-prepare",
            &[("changelog.append", 5)],
            &["the backend holds only what all sinks have"],
        )),
        fault("skipped-sync", &[("epoch.committed", 4)], &["an epoch is prepared before a sink commits it"]),
        without_snapshots(fault(
            "torn-write-stays",
            &[("changelog.append.half", 5)],
            &[RESUMES, "the changelog can be read"],
        )),
        fault("truncate-applied", &[("epoch.sink", 17)], &[RESUMES, "state is the same from any base"]),
        fault("manifest-before-images", &[("snapshot.images", 3)], &["a snapshot is there as a whole or not at all"]),
        fault("changes-not-noted", &[("epoch.ended", 9)], &[TOTALS, WINDOWS, "state is the same from any base"]),
        without_snapshots(fault("state-not-rolled-back", &[("epoch.sink", 17)], &[TOTALS, WINDOWS, RESUMES])),
        without_snapshots(fault(
            "lost-timers",
            &[("epoch.ended", 5)],
            &["a timer fires once, after all records before it"],
        )),
        without_snapshots(fault("watermarks-not-restored", &[("epoch.ended", 5)], &[WINDOWS, "watermarks never fall"])),
        fault("positions-not-restored", &[("epoch.ended", 5)], &[ONCE]),
        fault(
            "other-boundaries",
            &[("epoch.sink", 19)],
            &[ONCE, WINDOWS, "all sinks have the same records in each epoch"],
        ),
        fault("other-boundaries-stored", &[("epoch.prepared", 4)], &[ONCE, "ranges follow each other"]),
        beside(fault("next-before-commit", &[("epoch.prepared", 2)], &[ONCE, NEW, RESUMES])),
        with_snapshots(beside(fault("images-of-the-next-epoch", &[("epoch.ended", 2)], &[TOTALS, WINDOWS]))),
        fault("no-skip", &[("epoch.sink", 24)], &[NEW]),
    ]
}

fn check(fault: &Fault, mutant: Option<&str>) -> Result<(), Broken> {
    let folder = process::folder();
    input::write(folder.path());
    let crashes = fault.crashes.iter().map(|(point, hit)| ((*point).to_owned(), *hit)).collect();
    let run = Run { folder: folder.path().to_owned(), ..fault.run.clone() };
    Case { run, crashes, lose_backend: false, mutant: mutant.map(str::to_owned) }.check()
}

#[test]
fn every_fault_of_the_protocol_is_found_by_a_rule() {
    let mut missed = Vec::new();
    for fault in faults() {
        match check(&fault, Some(fault.name)) {
            Ok(()) => missed.push(format!("{}: it is not found", fault.name)),
            Err((rule, found)) if !fault.rules.contains(&rule) => {
                missed.push(format!("{}: it breaks \"{rule}\": {found}", fault.name));
            }
            Err(_) => {}
        }
        // Without the fault, nothing is found: the case itself is sound.
        if let Err((rule, found)) = check(&fault, None) {
            missed.push(format!("without {}: {rule}: {found}", fault.name));
        }
    }
    assert!(missed.is_empty(), "{} of {}:\n{}", missed.len(), faults().len(), missed.join("\n"));
}
