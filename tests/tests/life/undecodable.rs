//! Records that a source cannot decode: the job stops, or sets them aside, counts them once and tells all of them.

use std::path::Path;
use std::sync::Arc;

use firesteel_connect_file::{TextFileSink, TextFiles};
use firesteel_connect_memory::Collector;
use firesteel_core::{Actions, ManualClock, OnPanic};
use firesteel_state::Class;
use firesteel_streaming::{
    BatchLimits, Builder, Checkpoint, Error, ReadRdd, Rejected, RejectedBy, RejectedLimit, StreamingContext, Trigger,
    Undecodable,
};
use firesteel_testkit::JobLog;
use firesteel_window::seconds;

use crate::{job, sorted};

/// Numbers in lines, of which every tenth is not UTF-8, and as gzip if the name says so.
fn numbers(path: &Path, count: u32) -> Vec<u32> {
    let mut text = Vec::new();
    for n in 0..count {
        text.extend_from_slice(n.to_string().as_bytes());
        text.extend_from_slice(if n % 10 == 7 { b"\xff\n" } else { b"\n" });
    }
    std::fs::write(path, text).unwrap();
    (0..count).filter(|n| n % 10 != 7).collect()
}

/// Where the line of a number begins, and what it is.
fn line(of: u32) -> (u64, Vec<u8>) {
    let length = |n: u32| n.to_string().len() as u64 + if n % 10 == 7 { 2 } else { 1 };
    ((0..of).map(length).sum(), [of.to_string().as_bytes(), b"\xff"].concat())
}

#[test]
fn by_default_the_job_stops_and_says_where_the_record_is_and_what_can_be_done() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("numbers.txt");
    numbers(&path, 20);
    let (job, results) = (job(1).build().unwrap(), Collector::new());
    job.read(TextFiles::new(&path)).write(results.clone());
    let error = job.run(Trigger::AvailableNow).unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains("numbers.txt, byte 14 (line 8): byte 1 of the line is not UTF-8"), "{text}");
    assert!(text.contains("`undecodable(Undecodable::SetAside)`, `--set-aside`"), "{text}");
    assert!(results.records().is_empty());
}

#[test]
fn each_is_told_once_with_its_bytes_wherever_the_file_is_cut_and_however_many_outputs_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("numbers.txt");
    let good = numbers(&path, 3_000);
    for (threads, bytes) in [(1, 1 << 20), (3, 1 << 20), (2, 100), (3, 1)] {
        let log = JobLog::new();
        let limits = BatchLimits::default().bytes(bytes);
        let job = job(threads).undecodable(Undecodable::SetAside).limits(limits).listener(log.clone()).build().unwrap();
        let (results, same, rejected) = (Collector::new(), Collector::new(), Collector::new());
        let lines = job.read(TextFiles::new(&path)).named("numbers").map(|line| line.parse::<u32>().unwrap());
        lines.clone().write(results.clone());
        lines.filter(|n| n % 2 == 0).write(same.clone());
        job.rejected().write(rejected.clone());
        let summary = job.run_to_summary(Trigger::AvailableNow).unwrap();

        assert_eq!(sorted(results.records()), good, "{threads} threads, batches of {bytes} bytes");
        assert_eq!((summary.malformed, summary.rows_in), (300, 3_000));
        let found: Vec<Rejected> = rejected.records();
        let places = found.iter().map(|rejected| (rejected.position.unwrap(), rejected.payload.clone().unwrap()));
        let places = sorted(places.map(|(position, payload)| (position, payload.bytes().to_vec())).collect());
        assert_eq!(places, (0..300).map(|n| line(10 * n + 7)).collect::<Vec<_>>());
        let first = &found[0];
        assert_eq!((first.by, first.operator.as_str()), (RejectedBy::Source, "numbers"));
        assert!(first.split.as_ref().is_some_and(|split| split.ends_with("numbers.txt")), "{first:?}");
        assert_eq!(first.error, "byte 1 of the line is not UTF-8; convert the file, or have such bytes replaced");
        let batch = log.batches().into_iter().find(|batch| batch.malformed > 0).unwrap();
        assert!(batch.malformed_sample[0].to_string().contains("numbers.txt, position 14, numbers: byte 1"));
        let input = batch.operators.iter().find(|operator| &*operator.operator == "numbers").unwrap();
        assert_eq!((input.malformed, input.rows_in), (batch.malformed, batch.rows_in));
    }
}

#[test]
fn a_function_that_decodes_may_refuse_lines_and_a_panic_is_rejected_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("numbers.txt");
    std::fs::write(&path, "1\ntwo\n3\n\n5\n").unwrap();
    let job = job(2).undecodable(Undecodable::SetAside).on_panic(OnPanic::DeadLetter).build().unwrap();
    let (results, rejected) = (Collector::new(), Collector::new());
    job.read(TextFiles::new(&path).try_decode(|line| line.parse::<u32>()))
        .map(|n| if n == 3 { panic!("three") } else { n })
        .try_map(|n| if n == 5 { Err("five") } else { Ok(n) })
        .write(results.clone());
    job.rejected()
        .map(|found| (found.by as u8, found.position, found.error, found.payload.map(|payload| payload.to_string())))
        .write(rejected.clone());
    job.run(Trigger::AvailableNow).unwrap();
    assert_eq!(results.records(), [1]);
    let text = |text: &str| text.to_owned();
    assert_eq!(
        sorted(rejected.records()),
        [
            (RejectedBy::Source as u8, Some(2), text("invalid digit found in string"), Some(text("two"))),
            (RejectedBy::Source as u8, Some(8), text("cannot parse integer from empty string"), Some(text(""))),
            (RejectedBy::Function as u8, Some(9), text("five"), None),
            (RejectedBy::Panic as u8, Some(6), text("three"), None),
        ]
    );
}

#[test]
fn a_file_of_which_no_line_can_be_decoded_is_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("binary");
    std::fs::write(&path, b"\xfe\xfd\n".repeat(100_000)).unwrap();
    let log = JobLog::new();
    let job = job(2).undecodable(Undecodable::SetAside).listener(log.clone()).build().unwrap();
    let results = Collector::new();
    job.read(TextFiles::new(&path)).write(results.clone());
    let summary = job.run_to_summary(Trigger::AvailableNow).unwrap();
    assert_eq!((summary.malformed, summary.rows_in, results.records().len()), (100_000, 100_000, 0));
    assert!(log.batches().iter().all(|batch| batch.malformed_sample.len() <= 3));
}

#[test]
fn a_line_that_is_too_long_is_set_aside_with_its_beginning_and_its_true_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.txt");
    std::fs::write(&path, format!("a\n{}\nb\n{}\nc\n", "x".repeat(300_000), "y".repeat(2_000))).unwrap();
    let job = job(1).undecodable(Undecodable::SetAside).build().unwrap();
    let (results, rejected) = (Collector::new(), Collector::new());
    job.read(TextFiles::new(&path).longest_line(1_000)).write(results.clone());
    job.rejected().map(|rejected| rejected.payload.unwrap()).write(rejected.clone());
    job.run(Trigger::AvailableNow).unwrap();
    assert_eq!(results.records(), ["a", "b", "c"]);
    let [long, short] = &rejected.records()[..] else { panic!("two lines are too long") };
    assert!(long.is_cut() && long.bytes().len() > 1_000 && long.bytes().iter().all(|byte| *byte == b'x'));
    assert_eq!((long.len(), short.len()), (300_001, 2_001), "with the end of the line");
    assert!(short.bytes().starts_with(&[b'y'; 1_000]));
}

#[test]
fn each_is_written_once_however_often_the_job_is_given_up_in_the_middle_of_an_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("numbers.txt");
    let good = numbers(&path, 400);
    for (threads, batches) in [(1, 4), (2, 5), (2, 7)] {
        let [checkpoint, results, rejected] =
            ["checkpoint", "results", "rejected"].map(|name| folder.path().join(format!("{name}-{batches}")));
        let clock = ManualClock::new();
        let build = || {
            let checkpoint = Checkpoint::in_folder(&checkpoint).interval(seconds(3));
            let job = job(threads).undecodable(Undecodable::SetAside).checkpoint(checkpoint);
            let limits = BatchLimits::default().bytes(64);
            let job = job.clock(Arc::new(clock.clone())).limits(limits).build().unwrap();
            job.read(TextFiles::new(&path)).named("numbers").write(TextFileSink::new(&results)).named("results");
            let places = job.rejected().map(|rejected| rejected.position.unwrap());
            places.write(TextFileSink::new(&rejected)).named("rejected");
            job
        };
        let mut left = None;
        while left != Some(0) {
            let mut run = build().begin().unwrap();
            for _ in 0..batches {
                clock.advance(seconds(1));
                left = run.next_batch().unwrap().inputs[0].left;
            }
        }
        build().run(Trigger::AvailableNow).unwrap();
        let read = |folder: &Path| {
            let context = firesteel_scheduler::local(1).unwrap();
            let lines = context.read(TextFiles::new(folder)).unwrap().collect().unwrap();
            sorted(lines.iter().map(|line| line.parse::<u64>().unwrap()).collect())
        };
        assert_eq!(read(&results), good.iter().map(|n| u64::from(*n)).collect::<Vec<_>>(), "{batches}");
        assert_eq!(read(&rejected), (0..40).map(|n| line(10 * n + 7).0).collect::<Vec<_>>(), "{batches}");
    }
}

/// A job over the file that rejects no more lines than the limit allows.
fn limited(limit: RejectedLimit) -> Builder {
    let job = StreamingContext::builder("limited").threads(1).undecodable(Undecodable::SetAside);
    job.rejected_limit(limit).limits(BatchLimits::default().bytes(64))
}

/// Runs it; how it ended, and what was committed.
fn run(path: &Path, limit: RejectedLimit) -> (Result<(), Error>, Vec<String>) {
    let (results, job) = (Collector::new(), limited(limit).build().unwrap());
    job.read(TextFiles::new(path)).named("numbers").write(results.clone());
    (job.run(Trigger::AvailableNow), results.records())
}

#[test]
fn too_many_of_them_end_the_job_and_their_batch_is_not_committed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("numbers.txt");
    let good = numbers(&path, 100);
    assert_eq!(run(&path, RejectedLimit::count(10)).1.len(), good.len());
    let (ended, committed) = run(&path, RejectedLimit::count(3));
    let error = ended.unwrap_err();
    assert_eq!((error.code(), error.class()), ("FS-S014", Class::Fatal));
    let text = error.to_string();
    assert!(text.contains("and the limit is 3 records; the last batch has "), "{text}");
    assert!(!committed.is_empty() && committed.len() < 40, "{committed:?}");

    assert!(run(&path, RejectedLimit::share(0.2).from(10)).0.is_ok());
    assert!(run(&path, RejectedLimit::share(0.05).from(101)).0.is_ok(), "too few to tell");
    let error = run(&path, RejectedLimit::share(0.05).from(50)).0.unwrap_err();
    assert!(error.to_string().contains("the limit is 5 % of what is read, from 50 records on"), "{error}");
}

#[test]
fn a_job_that_ended_for_too_many_resumes_with_that_batch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("numbers.txt");
    let good = numbers(&path, 100);
    let [checkpoint, results] = ["checkpoint", "results"].map(|name| folder.path().join(name));
    let run = |most: u64| {
        let job = limited(RejectedLimit::count(most)).checkpoint(Checkpoint::in_folder(&checkpoint).every_batch());
        let job = job.build().unwrap();
        job.read(TextFiles::new(&path)).named("numbers").write(TextFileSink::new(&results));
        job.run(Trigger::AvailableNow)
    };
    let read = || {
        let context = firesteel_scheduler::local(1).unwrap();
        let lines = context.read(TextFiles::new(&results)).unwrap().collect().unwrap();
        sorted(lines.iter().map(|line| line.parse::<u32>().unwrap()).collect())
    };
    assert!(run(3).is_err());
    let first = read().len();
    assert!(first > 0 && first < 40, "{first}");
    run(10).unwrap();
    assert_eq!(read(), good, "each line once");
    // What was refused before the restart counts, so that a job which is started again and again has one limit.
    let more = numbers(&path, 200);
    let error = run(14).unwrap_err().to_string();
    assert!(error.contains("15 of "), "{error}");
    run(20).unwrap();
    assert_eq!(read(), more);
}
