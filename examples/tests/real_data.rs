//! The programs on real data, each against what a program in Python has computed: on one thread and on two, in one go, and
//! stopped and started again from a checkpoint.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

#[allow(dead_code, reason = "each test program uses its part")]
mod common;

use std::fs;
use std::path::Path;

use common::{Ended, succeed, table};
use serde_json::Value;

/// What a program has left behind: its words, and the lines of its files in `folder`.
struct Left {
    lives: Vec<Ended>,
    folder: tempfile::TempDir,
}

impl Left {
    /// The lines on standard output.
    fn lines(&self) -> Vec<&str> {
        self.lives.iter().flat_map(|life| life.out.lines()).collect()
    }

    /// The lines of the files with this extension, in the order of the files, without the line that each begins with if it is
    /// `head`.
    fn files(&self, extension: &str, head: &str) -> Vec<String> {
        let out = self.folder.path().join("out");
        let mut files: Vec<_> = fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|other| other == extension));
        files.sort();
        let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
        texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).filter(|line| line != head).collect()
    }
}

/// Runs the program in each way, and has `check` look at what is there after it.
#[track_caller]
fn in_every_way(program: &str, arguments: &[&str], out: Option<&str>, check: impl Fn(&Left)) {
    for (threads, lives) in [("1", 1), ("2", 1), ("1", 3), ("2", 3)] {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (results, checkpoint) = (path("out"), path("checkpoint"));
        let mut arguments = [arguments, &["--threads", threads]].concat();
        arguments.extend(out.iter().flat_map(|option| [*option, &*results]));
        let mut ended = Vec::new();
        for life in 1..=lives {
            let more: &[&str] = match (lives, life) {
                (1, _) => &[],
                (_, 3) => &["--checkpoint", &checkpoint],
                _ => &["--checkpoint", &checkpoint, "--stop-after", "3"],
            };
            ended.push(succeed(program, &[&arguments, more].concat()));
        }
        if lives > 1 {
            let read: Vec<_> = ended.iter().map(|life| life.told("records read")).collect();
            assert!(read.iter().all(|read| read != "0"), "each life has read something: {read:?}");
        }
        check(&Left { lives: ended, folder });
    }
}

/// These fields of JSON lines, in ascending order.
fn rows<const N: usize>(lines: &[impl AsRef<str>], fields: [&str; N]) -> Vec<Vec<String>> {
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).expect("a line is an object");
        let text = |name: &str| row[name].as_str().map_or_else(|| row[name].to_string(), str::to_owned);
        fields.map(text).to_vec()
    };
    sorted(lines.iter().map(|line| row(line.as_ref())).collect())
}

fn sorted(mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    rows.sort();
    rows
}

/// The complete table, in ascending order.
fn expected(name: &str) -> Vec<Vec<String>> {
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name).exists());
    sorted(table(name))
}

#[test]
fn trending_hashtags() {
    in_every_way(env!("CARGO_BIN_EXE_trending-hashtags"), &["--json"], None, |left| {
        let found = rows(&left.lines(), ["from", "rank", "hashtag", "posts"]);
        assert_eq!(found, expected("trends.tsv"));
    });
}

#[test]
fn what_leads_so_far_is_told_before_it_is_final() {
    let ended = succeed(env!("CARGO_BIN_EXE_trending-hashtags"), &[]);
    let early = ended.out.find("so far, epoch 1: ").expect("the first batch has something to tell");
    let first = ended.out[early..].lines().nth(3).unwrap();
    assert!(first.contains("mayweathervmcgregor"), "{first}");
    assert!(ended.out.find("trending, epoch").is_some_and(|final_one| final_one > early), "{}", ended.out);
}

#[test]
fn dns_watch() {
    in_every_way(env!("CARGO_BIN_EXE_dns-watch"), &["--json"], Some("--late"), |left| {
        let found = rows(&left.lines(), ["from", "host", "queries", "nxdomain"]);
        assert_eq!(found, expected("dns-hosts.tsv"));
        let late = left.files("ndjson", "");
        assert_eq!(rows(&late, ["host", "query", "asked", "written"]), expected("dns-late.tsv"));
        let told: u64 = left.lives.iter().map(|life| life.told("late").parse::<u64>().unwrap()).sum();
        assert_eq!(told, late.len() as u64, "each late one is counted and explained");
        let why = "written 30s 498us after it was asked; the window to 2018-03-24T17:16:30Z had been told by then, 10s after its end";
        assert!(late.iter().any(|line| line.contains(why)), "{}", late[0]);
    });
}

#[test]
fn road_speed() {
    in_every_way(env!("CARGO_BIN_EXE_road-speed"), &["--json"], Some("--averages"), |left| {
        assert_eq!(rows(&left.lines(), ["at", "sensor", "mph"]), expected("jams.tsv"));
        let averages = left.files("csv", "from,to,sensor,mph");
        let row = |line: &String| {
            let mut row: Vec<_> = line.split(',').map(str::to_owned).collect();
            row.remove(1);
            row
        };
        assert_eq!(sorted(averages.iter().map(row).collect()), expected("slow-quarters.tsv"));
    });
}

#[test]
fn sessions() {
    const PROGRAM: &str = env!("CARGO_BIN_EXE_sessions");
    in_every_way(PROGRAM, &["--json"], None, |left| {
        assert_eq!(rows(&left.lines(), ["start", "client", "end", "clicks", "bytes"]), expected("sessions.tsv"));
        assert_eq!(left.lives.iter().map(|life| life.told("malformed")).collect::<String>().trim_matches('0'), "1");
    });
    // Clicks of this log are an hour apart or in the same minute.
    let fewer = succeed(PROGRAM, &["--json", "--gap", "2h"]).out.lines().count();
    assert!(fewer < expected("sessions.tsv").len(), "{fewer}");
}

#[test]
fn order_payments() {
    in_every_way(env!("CARGO_BIN_EXE_order-payments"), &[], Some("--out"), |left| {
        let orders = left.files("ndjson", "");
        let (kept, back): (Vec<_>, Vec<_>) = orders.iter().partition(|line| line.contains("\"cancelled_by\":null"));
        let fields = ["at", "customer", "article", "invoice", "mils", "cancelled_by", "cancelled_at"];
        assert_eq!(rows(&back, fields), expected("cancelled.tsv"));
        assert_eq!(kept.len(), 25_815);
        let cells = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let last: Vec<_> = left.lines().iter().rev().take(2).map(|line| cells(line)).collect();
        assert_eq!((&*last[1][0], &*last[1][1], &*last[0][0], &*last[0][1]), ("cancelled", "428", "kept", "25815"));
    });
}
