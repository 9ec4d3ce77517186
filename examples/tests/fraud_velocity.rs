//! `fraud-velocity` from outside, against alerts that were computed without Firesteel; stopped and started again.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

#[allow(dead_code, reason = "each test program uses its part")]
mod common;

use std::fs;
use std::path::Path;

use common::{run, succeed, table};

const PROGRAM: &str = env!("CARGO_BIN_EXE_fraud-velocity");

/// What an independent program found.
fn expected() -> Vec<Vec<String>> {
    table("alerts.tsv")
}

/// The alerts that were printed as JSON.
fn printed(out: &str) -> Vec<Vec<String>> {
    let row = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).expect("a line is an object");
        let text = |name: &str| match &row[name] {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text.clone(),
            number => number.to_string(),
        };
        ["made", "customer", "invoice", "reason", "pence", "mean"].map(text).to_vec()
    };
    out.lines().map(row).collect()
}

/// The alerts in a folder of files, epoch by epoch.
fn written(folder: &Path) -> String {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("part-")));
    files.sort();
    files.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn the_complete_result_is_that_of_an_independent_program() {
    let ended = succeed(PROGRAM, &["--json"]);
    assert_eq!(printed(&ended.out), expected());
    assert_eq!(ended.told("records read"), "42,482");
    assert_eq!((ended.told("malformed"), ended.told("late")), ("0".to_owned(), "0".to_owned()));
}

#[test]
fn micro_batches_of_any_size_make_no_difference() {
    for batch in ["997", "1000000"] {
        let ended = succeed(PROGRAM, &["--json", "--batch", batch]);
        let mut alerts = printed(&ended.out);
        alerts.sort();
        let mut expected = expected();
        expected.sort();
        assert_eq!(alerts, expected, "in batches of {batch}");
    }
}

#[test]
fn a_job_that_is_stopped_and_resumed_prints_what_one_that_runs_through_does() {
    let whole = succeed(PROGRAM, &["--json"]).out;
    for stop in ["1", "4", "8"] {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = folder.path().join("checkpoint");
        let arguments = ["--json", "--checkpoint", checkpoint.to_str().unwrap()];
        let first = succeed(PROGRAM, &[&arguments[..], &["--stop-after", stop]].concat());
        let second = succeed(PROGRAM, &arguments);
        assert_ne!(first.told("records read"), "42,482");
        assert_eq!(first.out + &second.out, whole, "stopped after batch {stop}");
    }
}

#[test]
fn files_hold_the_same_after_any_number_of_lives() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, pieces) = (folder.path().join("whole"), folder.path().join("pieces"));
    succeed(PROGRAM, &["--output", whole.to_str().unwrap()]);
    let checkpoint = folder.path().join("checkpoint");
    let arguments = ["--checkpoint", checkpoint.to_str().unwrap(), "--output", pieces.to_str().unwrap()];
    for _ in 0..5 {
        succeed(PROGRAM, &[&arguments[..], &["--stop-after", "2"]].concat());
    }
    let last = succeed(PROGRAM, &arguments);
    assert_eq!(last.told("records read"), "0", "nothing is left");
    assert_eq!(written(&pieces), written(&whole));
    let rows: Vec<Vec<String>> =
        written(&whole).lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect();
    assert_eq!(rows, expected());
}

#[test]
fn a_checkpoint_of_another_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().to_str().unwrap();
    succeed(PROGRAM, &["--json", "--checkpoint", checkpoint, "--stop-after", "1"]);
    let sessions = env!("CARGO_BIN_EXE_user-sessions-state");
    let ended = run(sessions, &["--json", "--follow", "--checkpoint", checkpoint]);
    assert!(!ended.status.success());
    assert!(ended.err.contains("velocity") && ended.err.contains("visits"), "{}", ended.err);
}
