//! `hourly-clicks` from outside, against counts that were computed without Firesteel.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

#[allow(dead_code, reason = "each test program uses its part")]
mod common;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;

use common::{Running, access_log, run, succeed, table};
use firesteel::prelude::*;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hourly-clicks");

/// Clicks by the start and the end of a window and the client.
type Counts = BTreeMap<(Timestamp, Timestamp, String), u64>;

/// What an independent program counted, put together in windows of `size` from those of an hour.
fn expected(size: Duration) -> Counts {
    let mut counts = Counts::new();
    for row in table("clicks-per-client-per-hour.tsv") {
        let [hour, client, clicks] = &row[..] else { panic!("a row has three columns: {row:?}") };
        // All clicks of an hour are in its minute 05.
        let at: Timestamp = hour.parse::<Timestamp>().unwrap() + minutes(5);
        let start = Timestamp::from_micros(at.as_micros().div_euclid(size.as_micros()) * size.as_micros());
        *counts.entry((start, start + size, client.clone())).or_default() += clicks.parse::<u64>().unwrap();
    }
    counts
}

fn row(line: &str) -> ((Timestamp, Timestamp, String), u64) {
    let row: serde_json::Value = serde_json::from_str(line).expect("a line is an object");
    let fields: Vec<_> = row.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["clicks", "client", "end", "start"]);
    let time = |name: &str| row[name].as_str().unwrap().parse().unwrap();
    ((time("start"), time("end"), row["client"].as_str().unwrap().to_owned()), row["clicks"].as_u64().unwrap())
}

/// The rows, none of them twice.
#[track_caller]
fn counts(out: &str) -> Counts {
    let mut counts = Counts::new();
    for (key, clicks) in out.lines().map(row) {
        let again = counts.insert(key.clone(), clicks);
        assert_eq!(again, None, "{key:?} comes twice");
    }
    counts
}

#[test]
fn the_complete_result_is_that_of_an_independent_program() {
    let ended = succeed(PROGRAM, &["--json"]);
    let first = r#"{"start":"2015-05-17T10:00:00Z","end":"2015-05-17T11:00:00Z","client":"83.149.9.216","clicks":23}"#;
    assert_eq!(ended.out.lines().next(), Some(first));
    assert_eq!(counts(&ended.out), expected(hours(1)));
    assert_eq!(ended.told("records read"), "10,000");
    assert_eq!(ended.told("malformed"), "1");
    assert_eq!(ended.told("late"), "0");
    assert_eq!(ended.told("windows"), "84");
    assert_eq!(ended.told("rows written"), "3,052");
    assert_ne!(ended.told("records/s"), "0.0");
}

#[test]
fn micro_batches_of_any_size_make_no_difference() {
    for batch in ["37", "100000"] {
        let ended = succeed(PROGRAM, &["--json", "--batch", batch]);
        assert_eq!(counts(&ended.out), expected(hours(1)), "in batches of {batch}");
    }
}

#[test]
fn windows_have_the_size_that_is_asked_for() {
    for (text, size) in [("30m", minutes(30)), ("2h", hours(2)), ("1d", days(1))] {
        let ended = succeed(PROGRAM, &["--json", "--window", text]);
        assert_eq!(counts(&ended.out), expected(size), "windows of {text}");
    }
}

#[test]
fn top_keeps_the_busiest_clients_of_each_window() {
    let ended = succeed(PROGRAM, &["--json", "--top", "2"]);
    let mut windows: BTreeMap<Timestamp, Vec<(std::cmp::Reverse<u64>, std::net::IpAddr)>> = BTreeMap::new();
    for ((start, _, client), clicks) in expected(hours(1)) {
        windows.entry(start).or_default().push((std::cmp::Reverse(clicks), client.parse().unwrap()));
    }
    let best = windows.into_iter().flat_map(|(start, mut clients)| {
        clients.sort_unstable();
        clients.truncate(2);
        clients.into_iter().map(move |(clicks, client)| (start, client.to_string(), clicks.0))
    });
    let rows = ended.out.lines().map(row).map(|((start, _, client), clicks)| (start, client, clicks));
    assert_eq!(rows.collect::<Vec<_>>(), best.collect::<Vec<_>>(), "in the order of windows, busiest first");
}

#[test]
fn a_folder_of_files_is_as_good_as_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let lines = access_log();
    for (number, part) in lines.chunks(3_000).enumerate() {
        fs::write(folder.path().join(format!("access.{number}.log")), part.join("\n") + "\n").unwrap();
    }
    let ended = succeed(PROGRAM, &["--json", folder.path().to_str().unwrap()]);
    assert_eq!(counts(&ended.out), expected(hours(1)));
    assert_eq!((ended.told("malformed"), ended.told("late")), ("1".to_owned(), "0".to_owned()));
}

#[test]
fn tables_are_for_people() {
    let ended = succeed(PROGRAM, &["--rows", "3", "--window", "1d"]);
    let lines: Vec<_> = ended.out.lines().collect();
    assert!(lines[0].starts_with("epoch ") && lines[0].ends_with(" rows"), "{}", lines[0]);
    assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["start", "end", "client", "clicks"]);
    assert!(lines[2].chars().all(|c| c == '─'), "{}", lines[2]);
    let busiest = ["2015-05-17T00:00:00Z", "2015-05-18T00:00:00Z", "66.249.73.135", "78"];
    assert_eq!(lines[3].split_whitespace().collect::<Vec<_>>(), busiest);
    assert!(lines[6].starts_with(" … and "), "{}", lines[6]);
    let titles = lines.iter().filter(|line| line.starts_with("epoch ")).count();
    assert_eq!((titles, lines.len()), (4, 4 * 7), "a table for each of four days");
}

#[test]
fn progress_is_plain_lines_where_standard_error_is_no_terminal() {
    let ended = succeed(PROGRAM, &["--json"]);
    let lines: Vec<_> = ended.err.lines().collect();
    assert!(lines[0].starts_with("hourly-clicks: reads text files in "), "{}", lines[0]);
    assert!(lines[0].ends_with("access.log.gz; writes JSON lines on standard output"), "{}", lines[0]);
    assert!(lines[1].starts_with("hourly-clicks: guarantee at-least-once: "), "{}", lines[1]);
    assert_eq!(lines[2], "hourly-clicks: batch 9: 1 record was refused and left out, of 1,000 read:");
    assert!(lines[3].ends_with(": no user agent in quotes at the end of the line"), "{}", lines[3]);
    assert_eq!(lines[4], "hourly-clicks: done", "no line per batch: {}", ended.err);
    assert!(!ended.err.contains('\u{1b}'), "nothing moves the cursor");
}

#[test]
fn what_cannot_work_is_said_and_fails() {
    let ended = run(PROGRAM, &["no/such/file.log"]);
    assert!(!ended.status.success());
    assert!(ended.err.contains("cannot find no/such/file.log"), "{}", ended.err);
    assert_eq!(ended.out, "");

    let ended = run(PROGRAM, &["--window", "0s"]);
    assert!(!ended.status.success());
    assert!(ended.err.contains("FS-S003"), "{}", ended.err);

    let ended = run(PROGRAM, &["--window", "an hour"]);
    assert!(!ended.status.success());
    assert!(ended.err.contains("invalid value 'an hour' for '--window <SIZE>'"), "{}", ended.err);
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_program_quietly() {
    let mut running = Running::start(PROGRAM, &["--json", "--batch", "50"]);
    running.line();
    running.stop_reading();
    let ended = running.end();
    assert!(ended.status.success(), "{}", ended.err);
    assert!(ended.err.contains("hourly-clicks: done"), "{}", ended.err);
    assert_ne!(ended.told("records read"), "10,000", "it does not count on for nobody");
}

#[test]
fn following_continues_until_ctrl_c_and_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let lines = access_log();
    let hour = |hour: usize| lines.iter().filter(move |line| line.contains(&format!("[17/May/2015:{hour}:05:")));
    let append = |hours: std::ops::Range<usize>| {
        let mut file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        let text: String = hours.flat_map(hour).map(|line| format!("{line}\n")).collect();
        file.write_all(text.as_bytes()).unwrap();
    };
    let starts = |hour: i64| "2015-05-17T00:00:00Z".parse::<Timestamp>().unwrap() + hours(hour);
    let expected = expected(hours(1));
    let due = |hour| expected.iter().filter(move |((start, ..), _)| *start == starts(hour)).count();

    append(10..12);
    let mut running = Running::start(PROGRAM, &["--json", "--follow", folder.path().to_str().unwrap()]);
    // The clicks of 11 o'clock close the window of 10 o'clock.
    let mut rows: Counts = (0..due(10)).map(|_| row(&running.line())).collect();
    append(12..14);
    rows.extend((0..due(11) + due(12)).map(|_| row(&running.line())));
    fs::write(folder.path().join("later.log"), hour(14).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    running.interrupt();
    let ended = running.end();
    assert!(ended.status.success(), "{}", ended.err);
    assert!(ended.err.contains("hourly-clicks: done"), "{}", ended.err);
    let closed =
        expected.iter().filter(|((start, ..), _)| *start < starts(13)).map(|(key, count)| (key.clone(), *count));
    assert_eq!(rows, closed.collect::<Counts>(), "only what is complete is printed");
}
