//! `clicks-complete` from outside: the table that a program in Python has computed, and what a person sees at a terminal.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

#[allow(dead_code, reason = "each test program uses its part")]
mod common;
#[cfg(target_os = "linux")]
mod terminal;

use std::collections::BTreeMap;

use common::{Ended, run, succeed, table};

const PROGRAM: &str = env!("CARGO_BIN_EXE_clicks-complete");
const CLICKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/user-clicks.csv");

/// The counts in all tables that were printed, the last ones of each row: by hour, user and URL.
fn counts(lives: &[Ended]) -> BTreeMap<Vec<String>, String> {
    let mut counts = BTreeMap::new();
    for line in lives.iter().flat_map(|life| life.out.lines()).filter(|line| line.starts_with(" 20")) {
        let cells: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        let [from, _to, user, url, clicks] = <[String; 5]>::try_from(cells).expect("a row has five columns");
        counts.insert(vec![from, user, url], clicks);
    }
    counts
}

/// The table that is expected; long URLs are cut.
fn expected() -> BTreeMap<Vec<String>, String> {
    let cut = |url: String| {
        let long = url.chars().count() > 100;
        if long { url.chars().take(99).chain(['…']).collect() } else { url }
    };
    let rows = table("clicks-complete.tsv").into_iter().map(|mut row| {
        let (clicks, url) = (row.pop().unwrap(), row.pop().unwrap());
        row.push(cut(url));
        (row, clicks)
    });
    rows.collect()
}

#[test]
fn the_complete_table_is_that_of_an_independent_program() {
    for threads in ["1", "2"] {
        let ended = succeed(PROGRAM, &["--file", CLICKS, "--rows", "10000", "--threads", threads]);
        assert_eq!(ended.told("late"), "0");
        assert_eq!(ended.told("malformed"), "3");
        let told = "user-clicks.csv, try_map at";
        assert!(ended.err.contains(told) && ended.err.contains("a click is user,time,url"), "{}", ended.err);
        assert!(
            ended.err.contains("`83.149.9.216,yesterday,/`: a time is one such as 2026-11-30T10:05:00Z"),
            "{}",
            ended.err
        );
        // The last table is complete by itself.
        let last = ended.out.rfind("epoch ").unwrap();
        let last = Ended { out: ended.out[last..].to_owned(), ..ended };
        assert_eq!(counts(&[last]), expected());
    }
}

#[test]
fn a_job_that_is_started_again_counts_on() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().to_str().unwrap();
    let arguments = ["--file", CLICKS, "--rows", "10000", "--checkpoint", checkpoint];
    let first = succeed(PROGRAM, &[&arguments[..], &["--stop-after", "1"]].concat());
    let second = succeed(PROGRAM, &arguments);
    assert!(
        second.out.contains(", what has changed since epoch 1: "),
        "the table says what it lacks:\n{}",
        &second.out[..200]
    );
    assert_eq!(counts(&[first, second]), expected());
}

#[test]
fn nothing_to_read_is_a_command_line_that_makes_no_sense() {
    let ended = run(PROGRAM, &[]);
    assert_eq!(ended.status.code(), Some(2));
    assert!(ended.err.contains("<--socket <HOST:PORT>|--file <PATH>>"), "{}", ended.err);
    let ended = run(PROGRAM, &["--file", "no/such/file"]);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.err);
    assert!(ended.err.contains("no/such/file"), "{}", ended.err);
}

#[test]
fn a_file_without_a_click_has_no_table_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clicks.csv");
    std::fs::write(&path, "").unwrap();
    let ended = succeed(PROGRAM, &["--file", path.to_str().unwrap()]);
    assert_eq!((ended.out.as_str(), ended.told("records read")), ("", "0".to_owned()));
    std::fs::write(&path, "no\nclick\n").unwrap();
    let ended = succeed(PROGRAM, &["--file", path.to_str().unwrap()]);
    assert_eq!(ended.out, "");
    assert!(ended.err.contains("no record got through"), "{}", ended.err);
}

#[cfg(target_os = "linux")]
mod at_a_terminal {
    use std::io::Write;
    use std::net::TcpListener;

    use super::PROGRAM;
    use super::terminal::Terminal;

    const RULE: &str = "─";

    /// A line of a table, without the spaces between its columns.
    fn cells(line: &str) -> String {
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_table_changes_in_its_place_while_bad_lines_are_told_above() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut terminal = Terminal::run(PROGRAM, &["--socket", &address], 24, 120, &[]);
        let (mut server, _) = listener.accept().unwrap();
        let mut click = |line: &str| server.write_all(format!("{line}\n").as_bytes()).unwrap();

        click("ann,2026-11-30T10:05:00Z,/home");
        terminal.wait_for(|seen| seen.iter().any(|line| line.contains("ann") && line.ends_with(" 1")));
        click("ann,2026-11-30T10:06:00Z,/home");
        terminal.wait_for(|seen| seen.iter().any(|line| line.contains("ann") && line.ends_with(" 2")));
        click("this is no click");
        terminal.wait_for(|seen| seen.iter().any(|line| line.contains("a click is user,time,url")));
        click("bob,2026-11-30T11:06:00Z,/a,b");
        // The bar comes last.
        let bar = |seen: &[String]| seen.last().is_some_and(|line| line.contains("clicks-complete: batch "));
        terminal.wait_for(|seen| seen.iter().any(|line| line.contains("bob")) && bar(seen));

        let all = terminal.all();
        let heads: Vec<_> = (0..all.len()).filter(|at| all[*at].trim_start().starts_with("from")).collect();
        assert_eq!(heads.len(), 1, "one table, and no remains of others:\n{}", all.join("\n"));
        let table: Vec<_> = all[heads[0]..].iter().map(|line| cells(line)).collect();
        assert!(all[heads[0] - 1].ends_with(": 2 rows"), "{}", all[heads[0] - 1]);
        assert!(all[heads[0] + 1].starts_with(RULE));
        let hour = |from, to| format!("2026-11-30T{from}:00:00Z 2026-11-30T{to}:00:00Z");
        assert_eq!(table[2], format!("{} bob /a,b 1", hour(11, 12)));
        assert_eq!(table[3], format!("{} ann /home 2", hour(10, 11)));
        assert!(table[4].contains("clicks-complete: batch "), "below it the bar: {}", table[4]);
        assert_eq!(table.len(), 5);
        let told = all.iter().position(|line| line.contains("a click is user,time,url")).unwrap();
        assert!(told < heads[0], "what is told stands above");
        let start = all.iter().position(|line| line.starts_with("clicks-complete: reads ")).unwrap();
        assert!(start < told);

        terminal.interrupt();
        let status = terminal.wait();
        assert!(status.success());
        let all = terminal.all();
        let heads = all.iter().filter(|line| line.trim_start().starts_with("from")).count();
        let done = all.iter().position(|line| line == "clicks-complete: done").expect("the summary is there");
        assert_eq!(heads, 1, "{}", all.join("\n"));
        assert_eq!(cells(&all[done - 1]), format!("{} ann /home 2", hour(10, 11)), "above it the table stays");
        assert!(all.iter().any(|line| line.contains("a second signal stops at once")));
        assert!(all.iter().any(|line| line.contains("a click is user,time,url")), "nothing that was told is lost");
    }

    #[test]
    fn a_long_table_fits_a_screen_that_changes_and_is_whole_in_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let arguments = ["--socket", &*address, "--rows", "1000"];
        let mut terminal = Terminal::run(PROGRAM, &arguments, 12, 80, &[("NO_COLOR", "1")]);
        let (mut server, _) = listener.accept().unwrap();
        let clicks: String = (0..100).map(|user| format!("user{user:03},2026-11-30T10:05:00Z,/home\n")).collect();
        server.write_all(clicks.as_bytes()).unwrap();
        // The frame has three lines, the note and the bar one each.
        let full = |seen: &[String], rows: u64| {
            seen.iter().any(|line| *line == format!(" … and {} more", 100 - rows))
                && seen.last().is_some_and(|line| line.contains("clicks-complete: batch"))
        };
        terminal.wait_for(|seen| full(seen, 7));
        assert!(terminal.seen()[0].ends_with(": 100 rows"), "{:?}", terminal.seen());
        assert!(terminal.seen().iter().all(|line| line.chars().count() <= 80));

        terminal.resize(20, 80);
        server.write_all(b"user000,2026-11-30T10:05:00Z,/home\n").unwrap();
        terminal.wait_for(|seen| full(seen, 15));
        terminal.resize(12, 60);
        server.write_all(b"user000,2026-11-30T10:05:00Z,/home\n").unwrap();
        terminal.wait_for(|seen| full(seen, 7) && seen.iter().any(|line| cells(line).ends_with("user000 /home 3")));
        // A bar that was on its way when the screen became narrower may be wider.
        let mut table = terminal.seen();
        table.retain(|line| !line.contains("clicks-complete:"));
        assert!(table.iter().all(|line| line.chars().count() <= 60), "{table:?}");

        terminal.interrupt();
        assert!(terminal.wait().success());
        let all = terminal.all();
        let head = all.iter().rposition(|line| line.trim_start().starts_with("from")).unwrap();
        let rows: Vec<_> = all[head + 2..].iter().take_while(|line| line.starts_with(" 2026")).collect();
        assert_eq!(rows.len(), 100, "the whole table stands there in the end");
        assert!(!terminal.bytes().windows(2).any(|pair| pair == b"[3"), "no colors");
    }

    #[test]
    fn a_server_that_is_not_there_is_told_and_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let mut terminal = Terminal::run(PROGRAM, &["--socket", &address], 24, 100, &[]);
        terminal.wait_for(|seen| seen.iter().any(|line| line.contains("efused") || line.contains("cannot")));
        let listener = TcpListener::bind(&address).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(b"ann,2026-11-30T10:05:00Z,/home\n").unwrap();
        terminal.wait_for(|seen| seen.iter().any(|line| line.contains("ann") && line.ends_with(" 1")));
        terminal.interrupt();
        assert!(terminal.wait().success());
    }

    #[test]
    fn a_dumb_terminal_has_tables_below_each_other() {
        let file = super::CLICKS;
        let mut terminal = Terminal::run(PROGRAM, &["--file", file, "--rows", "2"], 24, 200, &[("TERM", "dumb")]);
        assert!(terminal.wait().success());
        let heads = terminal.all().iter().filter(|line| line.trim_start().starts_with("from")).count();
        assert_eq!(heads, 4, "a table for each epoch:\n{}", terminal.all().join("\n"));
        assert!(!terminal.bytes().contains(&0x1b), "nothing that moves the cursor");
    }
}
