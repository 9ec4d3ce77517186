//! Jobs over logs that are rotated, and over folders to which files are added: with a checkpoint, run after run.

use std::fs;
use std::io::Write;
use std::path::Path;

use firesteel_connect_file::{FileOrder, OnMissing, TextFiles};
use firesteel_connect_memory::Collector;
use firesteel_streaming::{BatchLimits, Checkpoint, Result, Summary, Trigger};
use firesteel_window::{Timestamp, Tumbling, Watermark, seconds};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::{job, sorted};

fn append(path: &Path, lines: std::ops::RangeInclusive<u32>) {
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    lines.for_each(|line| writeln!(file, "{line}").unwrap());
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// A run over what there is, from the checkpoint on; its lines.
fn run(files: TextFiles, checkpoint: Checkpoint) -> Result<Vec<u32>> {
    let results = Collector::new();
    let job = job(2).checkpoint(checkpoint).limits(BatchLimits::default().records(7)).build().unwrap();
    job.read(files).named("log").map(|line| line.parse::<u32>().unwrap()).write(results.clone());
    job.run(Trigger::AvailableNow)?;
    Ok(sorted(results.records()))
}

#[test]
fn a_log_that_is_rotated_between_runs_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("logs")).unwrap();
    let log = at("logs/a.log");
    for path in ["logs/a.log", "logs"] {
        let checkpoint = || Checkpoint::in_folder(at(&format!("checkpoint-of-{}", path.len())));
        let all = |files: &str| run(TextFiles::new(at(files)).follow(), checkpoint()).unwrap();
        append(&log, 1..=20);
        assert_eq!(all(path), (1..=20).collect::<Vec<_>>());
        // Renamed, with lines that nobody has seen, and made anew.
        append(&log, 21..=25);
        fs::rename(&log, at("logs/a.log.1")).unwrap();
        append(&log, 26..=60);
        assert_eq!(all(path), (21..=60).collect::<Vec<_>>());
        // Copied and cut, and the older piece compressed.
        fs::write(at("logs/a.log.2.gz"), gzip(&fs::read(at("logs/a.log.1")).unwrap())).unwrap();
        append(&log, 61..=63);
        fs::copy(&log, at("logs/a.log.1")).unwrap();
        fs::File::options().write(true).open(&log).unwrap().set_len(0).unwrap();
        append(&log, 64..=70);
        assert_eq!(all(path), (61..=70).collect::<Vec<_>>());
        assert_eq!(all(path), [0_u32; 0]);
        for entry in fs::read_dir(at("logs")).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
}

#[test]
fn a_file_that_is_gone_before_it_was_read_is_given_up_by_its_name_only() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("logs")).unwrap();
    append(&at("logs/a.log"), 1..=100);
    let checkpoint = || Checkpoint::in_folder(at("checkpoint"));
    let files = || TextFiles::new(at("logs")).follow();
    let results: Collector<u32> = Collector::new();
    let some = job(1).checkpoint(checkpoint()).limits(BatchLimits::default().records(10)).build().unwrap();
    some.read(files()).named("log").map(|line| line.parse::<u32>().unwrap()).write(results.clone());
    some.run(Trigger::Once).unwrap();
    append(&at("logs/a.log"), 101..=110);
    assert_eq!(run(files(), checkpoint()).unwrap(), (101..=110).collect::<Vec<_>>());
    append(&at("logs/a.log"), 111..=112);
    // Of lines that came after the last look nobody knows.
    fs::remove_file(at("logs/a.log")).unwrap();
    fs::write(at("logs/b.log"), "200\n").unwrap();
    assert_eq!(run(files(), checkpoint()).unwrap(), [200]);

    append(&at("logs/c.log"), 1..=1_000);
    let results: Collector<u32> = Collector::new();
    let stopped = job(1).checkpoint(checkpoint()).limits(BatchLimits::default().bytes(40)).build().unwrap();
    let stopper = stopped.stopper();
    let lines = stopped.read(files()).named("log").map(|line| line.parse::<u32>().unwrap());
    lines.inspect(move |_| stopper.stop(firesteel_streaming::Stop::Gracefully)).write(results.clone());
    stopped.run(Trigger::AvailableNow).unwrap();
    assert!(!results.records().is_empty() && results.records().len() < 1_000);
    fs::remove_file(at("logs/c.log")).unwrap();
    let refused = run(files(), checkpoint()).unwrap_err();
    let mut said = refused.to_string();
    let mut cause = std::error::Error::source(&refused);
    while let Some(error) = cause {
        said.push_str(&error.to_string());
        cause = error.source();
    }
    let name = format!("split:log/{}", at("logs/c.log").display());
    assert!(said.contains("FS-N005") && said.contains(&format!("--allow-loss '{name}'")), "{said}");
    assert!(run(files(), checkpoint().allow_loss(["split:log/other"])).is_err());
    append(&at("logs/d.log"), 300..=300);
    let skipping = run(files().on_missing(OnMissing::Skip), checkpoint().allow_loss([name]));
    assert_eq!(skipping.unwrap(), [300]);
    assert_eq!(run(files(), checkpoint()).unwrap(), [0_u32; 0]);
}

/// A run over what there is: how many windows it has closed.
fn windows(folder: &Path, trigger: Trigger) -> Summary {
    let job = job(2).checkpoint(Checkpoint::in_folder(folder.join("checkpoint"))).build().unwrap();
    job.read(TextFiles::new(folder.join("in")).follow())
        .named("log")
        .map(|line| line.parse::<i64>().unwrap())
        .event_time(|at| Timestamp::from_secs(*at), Watermark::bounded(seconds(1)))
        .key_by(|_| 0u8)
        .window(Tumbling::of(seconds(10)))
        .count()
        .named("counts")
        .write(Collector::new());
    job.run_to_summary(trigger).unwrap()
}

#[test]
fn each_nightly_run_has_the_windows_of_the_night_before_however_files_come() {
    let text = |night: u32| format!("{}\n{}\n", night * 10 + 3, night * 10 + 5);
    for trigger in [Trigger::AvailableNow, Trigger::Once] {
        for how in ["log", "gz", "one"] {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("in")).unwrap();
            let runs: Vec<_> = (0..4)
                .map(|night| {
                    let path = |name: String| folder.path().join("in").join(name);
                    match how {
                        "log" => fs::write(path(format!("{night}.log")), text(night)).unwrap(),
                        "gz" => fs::write(path(format!("{night}.gz")), gzip(text(night).as_bytes())).unwrap(),
                        _ => {
                            let all: String = (0..=night).map(text).collect();
                            fs::write(path("all.log".to_owned()), all).unwrap();
                        }
                    }
                    let summary = windows(folder.path(), trigger);
                    (summary.rows_in, summary.late, summary.windows)
                })
                .collect();
            assert_eq!(runs, [(2, 0, 0), (2, 0, 1), (2, 0, 1), (2, 0, 1)], "{how}, {trigger:?}");
        }
    }
}

#[test]
fn a_file_that_grows_after_its_end_is_waited_for_and_ends_again() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join("in").join(name);
    fs::create_dir(folder.path().join("in")).unwrap();
    let put = |name: &str, text: &str, time: u64| {
        fs::write(at(name), text).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000 + time);
        fs::File::options().write(true).open(at(name)).unwrap().set_modified(time).unwrap();
    };
    let run = || {
        let summary = windows(folder.path(), Trigger::AvailableNow);
        (summary.rows_in, summary.late, summary.windows)
    };
    put("1.log", "3\n5\n", 0);
    put("2.log", "7\n9\n", 10);
    assert_eq!(run(), (4, 0, 0));
    // The first one has ended, and grows: what it brings is in time for the window that is open.
    put("1.log", "3\n5\n8\n", 5);
    assert_eq!(run(), (1, 0, 0));
    // It has ended again, and does not hold the second one.
    put("2.log", "7\n9\n25\n", 20);
    assert_eq!(run(), (1, 0, 1));
}

#[test]
fn a_run_over_what_is_there_takes_in_all_files_however_few_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("logs")).unwrap();
    for file in 0..9_u32 {
        append(&at(&format!("logs/{file}.log")), file * 10 + 1..=file * 10 + 10);
    }
    for follow in [false, true] {
        let checkpoint = || Checkpoint::in_folder(at(&format!("checkpoint-{follow}")));
        let files = || {
            let files = TextFiles::new(at("logs")).order(FileOrder::by_name().newest_first()).max_files(2);
            if follow { files.follow() } else { files }
        };
        assert_eq!(run(files(), checkpoint()).unwrap(), (1..=90).collect::<Vec<_>>(), "followed: {follow}");
        assert_eq!(run(files(), checkpoint()).unwrap(), [0_u32; 0], "followed: {follow}");
    }
}
