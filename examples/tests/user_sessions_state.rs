//! `user-sessions-state` from outside, against visits that were computed without Firesteel.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

#[allow(dead_code, reason = "each test program uses its part")]
mod common;

use std::fs;

use common::{Running, access_log, run, succeed, table};

const PROGRAM: &str = env!("CARGO_BIN_EXE_user-sessions-state");

/// The visits that were printed, in ascending order.
fn visits(lines: impl IntoIterator<Item = String>) -> Vec<Vec<String>> {
    let row = |line: String| {
        let row: serde_json::Value = serde_json::from_str(&line).expect("a line is an object");
        let text = |name: &str| row[name].as_str().map_or_else(|| row[name].to_string(), str::to_owned);
        ["start", "client", "end", "clicks", "bytes"].map(text).to_vec()
    };
    let mut visits: Vec<_> = lines.into_iter().map(row).collect();
    visits.sort();
    visits
}

#[test]
fn the_complete_result_is_that_of_an_independent_program() {
    let ended = succeed(PROGRAM, &["--json"]);
    assert_eq!(visits(ended.out.lines().map(str::to_owned)), table("visits.tsv"));
    assert_eq!((ended.told("records read"), ended.told("malformed")), ("10,000".to_owned(), "1".to_owned()));
}

#[test]
fn what_is_open_is_printed_after_each_batch() {
    let ended = succeed(PROGRAM, &["--json", "--open"]);
    let (open, closed): (Vec<_>, Vec<_>) = ended.out.lines().partition(|line| line.starts_with("{\"open\":"));
    assert_eq!(closed.len(), table("visits.tsv").len());
    assert_eq!(open.last(), Some(&"{\"open\":55}"));
}

#[test]
fn a_job_that_follows_a_log_resumes_with_its_visits() {
    let folder = tempfile::tempdir().unwrap();
    let (logs, checkpoint) = (folder.path().join("logs"), folder.path().join("checkpoint"));
    fs::create_dir(&logs).unwrap();
    let lines = access_log();
    let arguments = |idle| {
        let [checkpoint, logs] = [&checkpoint, &logs].map(|path| path.to_str().unwrap());
        ["--json", "--open", "--follow", "--idle", idle, "--checkpoint", checkpoint, logs].map(str::to_owned)
    };
    let start = |idle| {
        let arguments = arguments(idle);
        Running::start(PROGRAM, &arguments.each_ref().map(String::as_str))
    };
    fs::write(logs.join("1.log"), lines[..50].join("\n") + "\n").unwrap();
    let mut first = start("1h");
    let open = first.line_with(|line| line.starts_with("{\"open\":") && line != "{\"open\":0}");
    first.interrupt();
    assert!(first.end().status.success());
    // The clients of the first life are idle in the second one; its own have clicked just now.
    let mut second = start("1h");
    fs::write(logs.join("2.log"), lines[5_000..5_001].join("\n") + "\n").unwrap();
    let count = |line: &str| line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().unwrap();
    second.line_with(|line| line.starts_with("{\"open\":") && count(line) == count(&open) + 1);
    second.interrupt();
    assert!(second.end().status.success());
}

#[test]
fn what_cannot_work_is_said_and_fails() {
    let ended = run(PROGRAM, &["--idle", "0s"]);
    assert!(!ended.status.success());
    assert!(ended.err.contains("give it a positive one"), "{}", ended.err);

    let ended = run(PROGRAM, &["--checkpoint", "somewhere"]);
    assert!(!ended.status.success());
    assert!(ended.err.contains("--follow"), "{}", ended.err);
}
