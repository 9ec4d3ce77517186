//! `rdd-log-analysis` from outside, against tables that were computed without Firesteel.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

#[allow(dead_code, reason = "each test program uses its part")]
mod common;

use std::fs;
use std::path::Path;

use common::{run, succeed, table};

const PROGRAM: &str = env!("CARGO_BIN_EXE_rdd-log-analysis");

/// The rows of all parts, in the order of their names.
fn saved(folder: &Path) -> Vec<Vec<String>> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.remove(0).file_name().unwrap(), "_SUCCESS");
    let text: String = files.into_iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

#[test]
fn the_saved_tables_are_those_of_an_independent_program() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("analysis");
    succeed(PROGRAM, &["--out", folder.to_str().unwrap()]);
    assert_eq!(saved(&folder.join("pages")), table("pages.tsv"));
    let statuses = saved(&folder.join("statuses"));
    let known: Vec<_> = statuses.iter().map(|row| row[..2].to_vec()).collect();
    assert_eq!(known, table("statuses.tsv"));
    assert_eq!((statuses[0][2].as_str(), statuses[2][2].as_str()), ("OK", "Not Found"));
    assert!(statuses.iter().all(|row| row[2] != "unknown"), "{statuses:?}");
}

#[test]
fn it_prints_what_there_is_and_the_top_of_it() {
    let ended = succeed(PROGRAM, &["--top", "2"]);
    let rows: Vec<Vec<_>> = ended.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        rows[1..4].iter().step_by(2).collect::<Vec<_>>(),
        [&vec!["clicks", "clients", "malformed"], &vec!["9999", "1753", "1"]]
    );
    assert_eq!(ended.out.lines().nth(4), Some("top pages: 2 rows"));
    assert_eq!(rows[7..9], [["807", "/favicon.ico"], ["575", "/"]]);
    assert_eq!(ended.out.lines().nth(9), Some("status codes: 8 rows"));
}

#[test]
fn an_existing_folder_is_refused_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("precious"), "data").unwrap();
    let ended = run(PROGRAM, &["--out", folder.path().to_str().unwrap()]);
    assert!(!ended.status.success());
    assert!(ended.err.contains("it exists already: remove it, or name another"), "{}", ended.err);
    assert_eq!(ended.out, "");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let ended = run(PROGRAM, &["no/such/file.log"]);
    assert!(!ended.status.success());
    assert!(ended.err.contains("cannot find no/such/file.log"), "{}", ended.err);
}
