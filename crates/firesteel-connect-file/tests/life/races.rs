//! Logs that are put aside while somebody looks at them.

use std::fs;
use std::sync::mpsc::channel;

use crate::common::append;
use crate::follower::Follower;

/// What comes between, so that a look and a rotation meet at all of their steps.
const ROUNDS: u64 = 400;

/// A log that is copied and cut, or renamed, at whatever moment of a look: each line is read once.
fn rotated(rotate: fn(&std::path::Path, u64), is_notified: bool) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("a.log");
    // Many files, so that looks take long enough.
    (0..40).for_each(|other| fs::write(folder.path().join(format!("z{other}.txt")), "0\n").unwrap());
    fs::write(&log, "1\n").unwrap();
    let mut follower = Follower::told(folder.path(), is_notified).unwrap();
    let (begin, begun) = channel::<u64>();
    let (done, rest) = channel::<()>();
    let path = log.clone();
    let writer = std::thread::Builder::new().name("writer".to_owned()).spawn(move || {
        for line in begun {
            rotate(&path, line);
            append(&path, &format!("{}\n", line + 1));
            done.send(()).unwrap();
        }
    });
    let writer = writer.unwrap();
    for line in 1..=ROUNDS {
        let text = line.to_string();
        while !follower.lines.contains(&text) {
            follower.step().unwrap();
        }
        begin.send(line).unwrap();
        while rest.try_recv().is_err() {
            follower.step().unwrap();
        }
    }
    drop(begin);
    writer.join().unwrap();
    follower.drain().unwrap();
    let mut lines: Vec<u64> =
        follower.lines.iter().map(|line| line.parse().unwrap()).filter(|line| *line > 0).collect();
    lines.sort_unstable();
    assert_eq!(lines, (1..=ROUNDS + 1).collect::<Vec<_>>());
}

#[test]
fn a_log_that_is_copied_and_cut_while_somebody_looks_is_read_once() {
    for is_notified in [false, true] {
        rotated(
            |log, number| {
                fs::copy(log, log.with_extension(format!("log.{number}"))).unwrap();
                fs::OpenOptions::new().write(true).open(log).unwrap().set_len(0).unwrap();
            },
            is_notified,
        );
    }
}

#[test]
fn a_log_that_is_renamed_and_made_anew_while_somebody_looks_is_read_once() {
    for is_notified in [false, true] {
        rotated(
            |log, number| {
                fs::rename(log, log.with_extension(format!("log.{number}"))).unwrap();
                fs::write(log, "").unwrap();
            },
            is_notified,
        );
    }
}
