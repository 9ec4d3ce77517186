//! What a program says that has set up nothing: situations that users of other systems met in silence, or in a flood.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use std::fs;
use std::net::TcpListener;

use common::{Running, file, run};

/// A parser that does not fit the data: elsewhere silence, or a line per record.
#[test]
fn a_file_that_is_refused_as_a_whole_is_told_in_a_few_lines() {
    let lines: Vec<String> = (0..20_000).map(|line| format!("line {line}")).collect();
    let (_folder, path) = file(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let ended = run(&[&path]).with(0);
    assert!(ended.err.contains("20,000 records were refused and left out, of 20,000 read:"), "{}", ended.err);
    assert!(ended.times("invalid digit found in string") <= 3, "{}", ended.err);
    assert!(ended.err.contains("does the function that is given to try_map fit the data?"), "{}", ended.err);
    assert!(ended.err.lines().count() < 25, "{}", ended.err);
}

/// SPARK-35565: results that are gone, and results that are about to be doubled, were told to a log that nobody reads.
#[test]
fn results_that_are_missing_are_told_and_those_of_another_checkpoint_are_not_doubled() {
    let (folder, path) = file(&["1", "2"]);
    let [checkpoint, other, output] = ["checkpoint", "other", "output"].map(|name| folder.path().join(name));
    let [checkpoint, other, results] = [&checkpoint, &other, &output].map(|path| path.to_str().unwrap());
    let run = |checkpoint: &[&str]| {
        run(&[&[&path, "--follow", "--available-now", "--output", results, "--checkpoint"], checkpoint].concat())
    };
    assert!(!run(&[checkpoint]).with(0).err.contains("warning"));
    let doubled = run(&[other]).with(1);
    assert!(doubled.err.contains("it has results up to epoch 1, and the checkpoint in "), "{}", doubled.err);
    assert!(doubled.err.contains(" is new: ") && doubled.err.contains("`--after-results`"), "{}", doubled.err);
    let wanted = run(&[other, "--after-results"]).with(0);
    assert_eq!(wanted.times("numbers: warning: a new checkpoint begins, and the sink has results already: "), 1);
    fs::remove_dir_all(&output).unwrap();
    let gone = run(&[other]).with(1);
    assert!(gone.err.contains("it has no results, but the checkpoint in "), "{}", gone.err);
    let name = gone.err.split_once("`--allow-loss ").and_then(|(_, rest)| Some(rest.split_once('`')?.0)).unwrap();
    run(&[other, "--allow-loss", name]).with(0);
}

/// A job that follows a folder into which it writes would never come to an end.
#[test]
fn a_job_that_would_read_its_own_results_is_refused() {
    let (folder, path) = file(&["1", "2"]);
    let inside = folder.path().to_str().unwrap();
    let ended = run(&[inside, "--follow", "--available-now", "--output", inside]).with(1);
    assert!(ended.err.contains("the job would read its own results. Write elsewhere"), "{}", ended.err);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is made: {path}");
}

/// Fluent Bit #11641 and #5960: an endpoint that is gone filled the log with one error, and SIGTERM waited for the next
/// attempt.
#[cfg(unix)]
#[test]
fn a_server_that_cannot_be_reached_is_told_once_and_does_not_hold_up_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let mut running = Running::start(&["--server", &address]);
    let line = running.err("warning: ");
    assert!(line.contains(&address) && line.contains("refused"), "{line}");
    assert!(line.contains("is restarted after a pause"), "{line}");
    running.signal("TERM");
    let ended = running.end().with(0);
    assert_eq!(ended.times("is restarted after a pause"), 1, "{}", ended.err);
}

#[test]
fn what_a_job_guarantees_and_why_no_more_is_told() {
    let (_folder, path) = file(&["1"]);
    let ended = run(&[&path]).with(0);
    assert!(ended.err.contains("numbers: guarantee at-least-once: "), "{}", ended.err);
}

#[test]
fn a_line_that_is_not_utf8_ends_the_job_with_the_way_out_and_is_told_when_it_is_set_aside() {
    let (_folder, path) = file(&[]);
    std::fs::write(&path, b"1\n2\xff\n3\n").unwrap();
    let ended = run(&[&path]).with(1);
    assert!(ended.err.contains("byte 2 (line 2): byte 1 of the line is not UTF-8"), "{}", ended.err);
    assert_eq!(ended.times("`--set-aside`"), 1, "{}", ended.err);

    let ended = run(&[&path, "--set-aside"]).with(0);
    assert_eq!(ended.out.lines().count(), 2, "{}", ended.out);
    assert!(ended.err.contains("1 record was refused and left out, of 3 read:"), "{}", ended.err);
    assert!(ended.err.contains("position 2, "), "{}", ended.err);
    assert_eq!(ended.told("malformed"), "1");
}
