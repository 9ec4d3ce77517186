//! What `verify` finds, and what the other commands make of damage.

use std::fs;
use std::path::{Path, PathBuf};

use firesteel_cli::Outcome;

use crate::job::{checkpoint, files};
use crate::{golden, run};

fn named(folder: &Path, part: &str) -> Vec<PathBuf> {
    files(folder).into_keys().filter(|path| path.to_str().unwrap().contains(part)).collect()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_sound_is_said_to_be() {
    let folder = checkpoint();
    let verified = run("verify", folder.path(), &[]);
    assert_eq!((verified.outcome, verified.err.as_str()), (Outcome::Well, ""));
    golden("verify.txt", &verified.out);
}

#[test]
fn a_flipped_bit_in_the_changelog_is_found_and_stops_a_job() {
    let folder = checkpoint();
    let log = &named(folder.path(), ".log")[0];
    flip(log, 100);
    let verified = run("verify", folder.path(), &[]);
    assert_eq!(verified.outcome, Outcome::Wrong);
    golden("verify-changelog.txt", &verified.out);
    let json = &run("verify", folder.path(), &["--json"]).json()[0];
    assert_eq!((&json["problems"][0]["code"], &json["starts"]), (&"FS-T002".into(), &false.into()));

    // What can be read is shown all the same.
    let epochs = run("epochs", folder.path(), &["--json"]);
    assert_eq!((epochs.outcome, epochs.json().len()), (Outcome::Wrong, 5));
    assert!(epochs.err.starts_with("FS-T002"), "{}", epochs.err);
    let shown = run("show", folder.path(), &[]);
    assert_eq!(shown.outcome, Outcome::Wrong);
    assert!(shown.out.contains("00000000000000000001.log"), "{}", shown.out);
    let state = run("state", folder.path(), &["--operator", "counts"]);
    assert_eq!(state.outcome, Outcome::Failed);
    assert!(state.err.starts_with("FS-T002"), "{}", state.err);
}

#[test]
fn a_damaged_snapshot_is_passed_over() {
    let folder = checkpoint();
    let whole = run("state", folder.path(), &["--operator", "velocity"]);
    flip(&named(folder.path(), "2-0000000000000007-000000.images")[0], 30);
    let verified = run("verify", folder.path(), &[]);
    assert_eq!(verified.outcome, Outcome::Wrong);
    golden("verify-snapshot.txt", &verified.out);
    let state = run("state", folder.path(), &["--operator", "velocity"]);
    assert_eq!((state.outcome, &state.out), (Outcome::Well, &whole.out));
    assert!(state.err.contains("snapshot 2 is damaged and skipped: FS-T002"), "{}", state.err);
    assert!(run("show", folder.path(), &[]).err.starts_with("snapshot 2: FS-T002"));
}

#[test]
fn files_that_are_missing_are_named() {
    let folder = checkpoint();
    fs::remove_file(&named(folder.path(), "1-0000000000000007-000000.images")[0]).unwrap();
    let verified = run("verify", folder.path(), &[]);
    assert_eq!(verified.outcome, Outcome::Wrong);
    // The second snapshot shares images of the first.
    for snapshot in [1, 2] {
        assert!(verified.out.contains(&format!("  snapshot {snapshot}: FS-T001: cannot read")), "{}", verified.out);
    }
    assert!(verified.out.contains("resumes without a snapshot, from epochs 1 to 6"), "{}", verified.out);

    let folder = checkpoint();
    let logs = named(folder.path(), ".log");
    assert_eq!(logs.len(), 3, "{logs:?}");
    fs::remove_file(&logs[1]).unwrap();
    let verified = run("verify", folder.path(), &[]);
    assert!(verified.out.contains("lacks epochs: epoch 3 is needed, epoch 5 comes next"), "{}", verified.out);
    assert!(verified.out.contains("a job that starts now stops: FS-T012"), "{}", verified.out);
}

#[test]
fn a_manifest_that_was_cut_short_is_found() {
    let folder = checkpoint();
    let manifests = named(folder.path(), ".manifest");
    for path in &manifests {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    }
    let verified = run("verify", folder.path(), &["--json"]);
    let json = &verified.json()[0];
    assert_eq!((verified.outcome, json["problems"].as_array().unwrap().len()), (Outcome::Wrong, 2));
    assert_eq!(json["problems"][1]["snapshot"], 2);
    let state = run("state", folder.path(), &["--operator", "counts"]);
    assert!(state.err.starts_with("FS-C003"), "{}", state.err);
}

#[test]
fn what_a_crash_leaves_is_no_problem() {
    let folder = checkpoint();
    let last = named(folder.path(), ".log").pop().unwrap();
    let bytes = fs::read(&last).unwrap();
    fs::write(&last, &bytes[..bytes.len() - 7]).unwrap();
    fs::write(folder.path().join("snapshots/00000000000000000003-0000000000000007-000000.images"), [1, 2]).unwrap();
    fs::write(folder.path().join("snapshots/00000000000000000003-0000000000000007.manifest.tmp"), [1, 2]).unwrap();
    let verified = run("verify", folder.path(), &[]);
    assert_eq!(verified.outcome, Outcome::Well, "{}", verified.out);
    golden("verify-crash.txt", &verified.out);
}

#[test]
fn a_changelog_that_ends_before_a_snapshot_has_lost_epochs() {
    let folder = checkpoint();
    for path in named(folder.path(), ".log").iter().skip(1) {
        fs::remove_file(path).unwrap();
    }
    let verified = run("verify", folder.path(), &[]);
    assert_eq!(verified.outcome, Outcome::Wrong);
    assert!(verified.out.contains("problems:  none\n"), "each file by itself is sound: {}", verified.out);
    assert!(verified.out.contains("a job that starts now stops: FS-T012"), "{}", verified.out);
}
