//! How a launched program ends, seen from outside.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use std::fs;

use common::{Running, file, run, run_with};

#[test]
fn a_job_that_is_done_ends_with_0() {
    let (_folder, path) = file(&["1", "2"]);
    let ended = run(&[&path]).with(0);
    assert_eq!(ended.out.lines().count(), 2, "{}", ended.out);
    assert!(ended.err.contains("numbers: done\n"), "{}", ended.err);
    assert_eq!(ended.told("records read"), "2");
}

#[test]
fn a_job_that_fails_ends_with_1_and_says_why_once() {
    let ended = run(&["/no/such/file"]).with(1);
    assert!(ended.err.contains("numbers: FS-S004: source files failed\n  caused by: FS-N001"), "{}", ended.err);
    assert_eq!(ended.times("cannot find /no/such/file"), 1, "{}", ended.err);
    assert_eq!(ended.times("No such file"), 1, "no tail is said again: {}", ended.err);
    let (_folder, path) = file(&["1"]);
    let ended = run(&[&path, "--forget-output"]).with(1);
    assert!(ended.err.starts_with("numbers: FS-S001: job numbers has no output"), "{}", ended.err);
}

#[test]
fn a_command_line_that_makes_no_sense_ends_with_2_before_anything_runs() {
    for (arguments, expected) in [
        (&["--threads", "0"][..], "at least one thread"),
        (&["--once", "--available-now"], "cannot be used with"),
        (&["--every", "soon"], "invalid value 'soon'"),
        (&["--progress", "loud"], "plain, bar, json, off"),
        (&["--unknown"], "unexpected argument"),
    ] {
        let ended = run(arguments).with(2);
        assert!(ended.err.contains(expected) && ended.out.is_empty(), "{arguments:?}: {}", ended.err);
    }
    let ended = run(&["--every", "0s", "/dev/null"]).with(1);
    assert!(ended.err.contains("it must be longer than zero"), "{}", ended.err);
}

#[test]
fn help_shows_the_program_and_the_options_of_every_job() {
    let ended = run(&["--help"]).with(0);
    assert!(ended.out.starts_with("Squares of numbers, one per line"), "{}", ended.out);
    for option in [
        "--checkpoint <DIR>",
        "--threads <N>",
        "--available-now",
        "--every <TIME>",
        "--explain",
        "--precise",
        "--set-aside",
    ] {
        assert!(ended.out.contains(option), "{option}: {}", ended.out);
    }
    assert!(ended.out.contains("Running the job:"), "{}", ended.out);
}

#[test]
fn explain_tells_what_the_job_is_and_runs_nothing() {
    let (folder, path) = file(&["1"]);
    let [checkpoint, output] = ["checkpoint", "output"].map(|name| folder.path().join(name));
    let arguments =
        [&path, "--explain", "--checkpoint", checkpoint.to_str().unwrap(), "--output", output.to_str().unwrap()];
    let ended = run(&arguments).with(0);
    assert!(ended.out.starts_with("job numbers: ") && ended.out.contains("\nstage 1\n"), "{}", ended.out);
    assert!(ended.out.lines().all(|line| line.chars().count() <= 100) && ended.err.is_empty(), "{ended:?}");
    let as_json = arguments.map(|argument| if argument == "--explain" { "--explain=json" } else { argument });
    assert!(run(&as_json).with(0).out.contains("\"stages\": ["));
    let as_diagram = arguments.map(|argument| if argument == "--explain" { "--explain=mermaid" } else { argument });
    assert!(run(&as_diagram).with(0).out.starts_with("flowchart TD\n"));
    assert!(run(&[&path, "--explain=picture"]).with(2).err.contains("text, json or mermaid"));
    assert!(!checkpoint.exists() && !output.exists());
}

#[cfg(unix)]
#[test]
fn sigterm_ends_a_job_that_follows_a_file_after_its_batch() {
    let (folder, path) = file(&["1", "2"]);
    let checkpoint = folder.path().join("checkpoint");
    let arguments = [&path, "--follow", "--checkpoint", checkpoint.to_str().unwrap()];
    let mut running = Running::start(&arguments);
    running.out("\"number\":2");
    running.signal("TERM");
    let ended = running.end().with(0);
    assert!(ended.err.contains("numbers: stopping after the running batch"), "{}", ended.err);
    assert!(ended.err.contains("numbers: done\n"), "{}", ended.err);
    fs::write(&path, "1\n2\n3\n").unwrap();
    let ended = run(&[&arguments[..], &["--available-now"]].concat()).with(0);
    assert_eq!(ended.out.lines().count(), 1, "it resumes after what it has written: {}", ended.out);
    assert!(ended.err.contains("numbers: resumes after epoch "), "{}", ended.err);
}

#[cfg(unix)]
#[test]
fn a_signal_finishes_the_running_batch_and_a_second_one_gives_it_up() {
    let written = |signals: &[&str], code| {
        let (_folder, path) = file(&["1", "7"]);
        let mut running = Running::start(&[&path, "--wait-on", "7"]);
        running.err("waiting at 7");
        for (signal, answer) in signals.iter().zip(["stopping after the running batch", "stopping at once"]) {
            running.signal(signal);
            running.err(answer);
        }
        running.type_line();
        running.end().with(code).out.lines().count()
    };
    assert_eq!(written(&["INT"], 0), 2);
    for (signals, code) in [(["INT", "INT"], 130), (["INT", "TERM"], 143)] {
        // What is done is told right before it is done: on a busy machine the batch may get through in between.
        let gives_up = (0..10).any(|_| written(&signals, code) == 0);
        assert!(gives_up, "{signals:?}");
    }
}

#[cfg(unix)]
#[test]
fn whoever_reads_json_gets_nothing_else() {
    let (_folder, path) = file(&["1", "x"]);
    let mut running = Running::start(&[&path, "--follow", "--progress", "json"]);
    running.out("\"number\":1");
    running.signal("TERM");
    let ended = running.end().with(0);
    let events =
        ended.err.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line is an object"));
    let events: Vec<_> = events.map(|event| event["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!((events[0].as_str(), events.last().map(String::as_str)), ("start", Some("end")), "{events:?}");
    assert!(events.contains(&"signal".to_owned()), "{events:?}");
}

#[cfg(unix)]
#[test]
fn a_third_signal_ends_a_program_that_is_stuck() {
    let (_folder, path) = file(&["7"]);
    let mut running = Running::start(&[&path, "--wait-on", "7"]);
    running.err("waiting at 7");
    for (signal, answer) in [("INT", "stopping after"), ("INT", "stopping at once")] {
        running.signal(signal);
        running.err(answer);
    }
    running.signal("INT");
    let ended = running.end().with(130);
    assert_eq!(ended.out, "");
}

#[cfg(unix)]
#[test]
fn a_call_that_hangs_ends_the_process_with_4_and_is_named() {
    let (folder, path) = file(&["7"]);
    let checkpoint = folder.path().join("checkpoint");
    let arguments = [&path, "--checkpoint", checkpoint.to_str().unwrap()];
    let mut running = Running::start(&[&arguments[..], &["--wait-on", "7", "--give-up-after", "0s"]].concat());
    running.err("waiting at 7");
    running.signal("INT");
    running.err("stopping after the running batch");
    running.signal("INT");
    let ended = running.end().with(4);
    let expected = "numbers: FS-S015: a task that computes and writes records for sink JSON lines on standard output has not returned for ";
    assert_eq!((ended.times(expected), ended.out.as_str()), (1, ""), "{}", ended.err);
    let ended = run(&arguments).with(0);
    assert_eq!(ended.out.lines().count(), 1, "the next start does what is left: {}", ended.out);
}

/// `job | tee log`: Ctrl-C reaches all programs of a pipe, and the reader ends first.
#[cfg(unix)]
#[test]
fn a_reader_that_ends_with_the_same_signal_does_not_make_the_job_fail() {
    let (_folder, path) = file(&["1", "7"]);
    let mut running = Running::start(&[&path, "--wait-on", "7"]);
    running.err("waiting at 7");
    running.stop_reading();
    running.signal("INT");
    running.err("stopping after the running batch");
    running.type_line();
    let ended = running.end().with(0);
    assert!(ended.err.contains("numbers: done\n"), "{}", ended.err);
}

#[test]
fn progress_is_shown_as_asked_for() {
    let (_folder, path) = file(&["1", "x"]);
    let plain = run(&[&path, "--progress", "plain"]).with(0);
    assert!(plain.err.starts_with("numbers: reads text files in "), "{}", plain.err);
    let bar = run(&[&path, "--progress", "bar"]).with(0);
    assert!(bar.err.starts_with("numbers: reads text files in ") && !bar.err.contains('\u{1b}'), "{}", bar.err);
    let off = run(&[&path, "--progress", "off"]).with(0);
    let lines: Vec<_> = off.err.lines().collect();
    assert_eq!(lines[0], "numbers: batch 1: 1 record was refused and left out, of 2 read:");
    assert_eq!(lines.len(), 2, "{}", off.err);
    let json = run(&[&path, "--progress", "json"]).with(0);
    let events =
        json.err.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line is an object"));
    let events: Vec<_> = events.map(|event| event["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(events, ["start", "batch", "end"]);
    let failed = run(&["/no/such/file", "--progress", "json"]).with(1);
    let error: serde_json::Value = serde_json::from_str(failed.err.lines().last().unwrap()).unwrap();
    assert_eq!((&error["event"], &error["job"]), (&"error".into(), &"numbers".into()));
}

#[test]
fn precise_shows_all_digits() {
    // With `--precise` the example prints tables.
    let (_folder, path) = file(&["2"]);
    let ended = run(&[&path, "--precise"]).with(0);
    assert!(ended.out.contains("1.4142135623730951"), "{}", ended.out);
}

#[test]
fn a_panic_is_told_once_with_its_place_operator_and_record() {
    let (_folder, path) = file(&["1", "13", "2"]);
    let ended = run(&[&path, "--panic-on", "13"]).with(1);
    assert_eq!(ended.times("13 was not expected"), 1, "{}", ended.err);
    let line = ended.err.lines().find(|line| line.contains("13 was not expected")).unwrap();
    assert!(line.contains("operator map at ") && line.contains("numbers.txt"), "{line}");
    assert!(line.contains(", at crates/firesteel-launch/examples/numbers.rs:"), "{line}");
    assert!(!ended.err.contains("RUST_BACKTRACE") && !ended.err.contains("retried"), "{}", ended.err);
}

#[test]
fn a_record_that_is_set_aside_is_told_once() {
    let (_folder, path) = file(&["1", "13", "2"]);
    let ended = run(&[&path, "--panic-on", "13", "--dead-letters"]).with(0);
    assert_eq!(ended.out.lines().count(), 2, "{}", ended.out);
    assert_eq!(ended.times("13 was not expected"), 1, "{}", ended.err);
    assert!(
        ended.err.contains("numbers: batch 1: user code panicked on 1 record, which was set aside:"),
        "{}",
        ended.err
    );
    assert_eq!(ended.told("dead letters"), "1");
}

#[test]
fn whoever_asks_for_stacks_gets_one() {
    let (_folder, path) = file(&["13"]);
    let ended = run_with(&[&path, "--panic-on", "13"], &[("RUST_BACKTRACE", "1")]).with(1);
    assert_eq!(ended.times("stack backtrace:"), 1, "four attempts panic: {}", ended.err);
}
