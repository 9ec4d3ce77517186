//! Whole jobs from topic to topic, whose processes are killed.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::collections::BTreeMap;
use std::env;
use std::io::Write as _;
use std::process::{Command, Stdio};

use firesteel::prelude::*;
use firesteel_connect::{
    Decoding, Epoch, ReadRange, Sink, SinkContext, Source, SourceContext, SourceReader, WriteTask,
};
use firesteel_connect_kafka::Kafka;
use firesteel_integration_kafka::{Admin, Wait, shared};

/// How many records the job reads.
const RECORDS: u64 = 200_000;
const KEYS: u64 = 1_000;
const PARTITIONS: i32 = 4;
/// How often it is killed.
const KILLS: u32 = 12;

fn parsed(bytes: &[u8]) -> Result<(u64, u64), String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let (key, value) = text.split_once(' ').ok_or("no blank")?;
    let number = |text: &str| text.parse().map_err(|error| format!("{text}: {error}"));
    Ok((number(key)?, number(value)?))
}

fn written((key, value): &(u64, u64), out: &mut firesteel_connect_kafka::Outgoing) {
    out.key_is(Some(key.to_string().as_bytes()));
    out.value_is(Some(format!("{key} {value}").as_bytes()));
}

/// Counts the records of each key, with every count on its way, from a topic into another one; and copies all records into a third.
fn job(kafka: &Kafka, folder: &str) -> StreamingContext {
    let checkpoint = Checkpoint::in_folder(folder).interval(millis(50));
    let job = StreamingContext::builder("counts").checkpoint(checkpoint).threads(2).build().unwrap();
    let source = kafka.topics(["in"]).values(Decoding::new(parsed));
    let numbers = job.read(source).named("numbers");
    numbers.clone().running_count().named("count").write(kafka.topic("counts").records(written)).named("counts");
    numbers.write(kafka.topic("copy").records(written)).named("copy");
    job
}

/// What the killed processes run; without a folder it is no test of its own.
#[test]
fn the_job_itself() {
    let Ok(folder) = env::var("FIRESTEEL_TEST_JOB") else { return };
    let kafka = Kafka::at(&env::var("FIRESTEEL_TEST_BROKER").unwrap());
    let trigger =
        if env::var_os("FIRESTEEL_TEST_ENDS").is_some() { Trigger::AvailableNow } else { Trigger::AsSoonAsPossible };
    job(&kafka, &folder).run(trigger).unwrap();
}

fn start(folder: &str, ends: bool) -> std::process::Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "the_job_itself", "--nocapture"]);
    command.env("FIRESTEEL_TEST_JOB", folder).env("FIRESTEEL_TEST_BROKER", shared());
    if ends {
        command.env("FIRESTEEL_TEST_ENDS", "1");
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn read(topic: &str) -> Vec<(u64, u64)> {
    Admin::at(shared()).unwrap().settle(topic, PARTITIONS).unwrap();
    let source = Kafka::at(shared()).topics([topic]).values(Decoding::new(parsed));
    source.start(&SourceContext::default()).unwrap();
    let mut records = vec![];
    for split in source.discover(Timestamp::EPOCH).unwrap().splits {
        let range = ReadRange::exact(split.id, split.first, split.available.unwrap());
        source.open(&range).unwrap().for_each(|record| records.push(record)).unwrap();
    }
    records
}

#[test]
fn a_job_that_is_killed_at_any_moment_counts_and_copies_each_record_once() {
    let mut admin = Admin::at(shared()).unwrap();
    for topic in ["in", "counts", "copy"] {
        admin.create(topic, PARTITIONS, &[("retention.ms", "-1")]).unwrap();
    }
    let kafka = Kafka::at(shared());
    let sink = kafka.topic("in").records(written).at_least_once();
    sink.start(&SinkContext::new("writer", "numbers")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoint");
    let checkpoint = checkpoint.to_str().unwrap();
    let step = RECORDS / u64::from(KILLS);
    let mut random = 7_u64;
    let (mut rounds_with_results, mut seen) = (0, 0);
    for (round, from) in (0..RECORDS).step_by(step as usize).enumerate() {
        let part = from..(from + step).min(RECORDS);
        let epoch = Epoch(round as u64 + 1);
        let records = part.map(|number| (number % KEYS, number));
        let mut pending = vec![sink.write(WriteTask::new(epoch, 0), records).unwrap()];
        Sink::<(u64, u64)>::commit(&sink, epoch, &mut pending).unwrap();
        let mut process = start(checkpoint, false);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let mut wait = Wait::up_to(60);
        // Between 100 and 1,600 milliseconds.
        for _ in 0..5 + (random >> 33) % 75 {
            wait.once();
        }
        process.kill().unwrap();
        process.wait().unwrap();
        let end = |partition| admin.ends("copy", partition).unwrap().1;
        let ends: i64 = (0..PARTITIONS).map(end).sum();
        rounds_with_results += u32::from(ends > seen);
        seen = ends;
    }
    assert!(
        rounds_with_results >= 3,
        "it was killed before it did anything: {rounds_with_results} of {KILLS} times it did"
    );
    let last = start(checkpoint, true).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&last.stderr);
    std::io::stderr().write_all(said.as_bytes()).unwrap();
    assert!(last.status.success(), "{said}");

    let mut copied = read("copy");
    copied.sort_by_key(|(_, number)| *number);
    let due: Vec<(u64, u64)> = (0..RECORDS).map(|number| (number % KEYS, number)).collect();
    assert_eq!(copied.len(), due.len());
    assert!(copied == due);
    let mut counts: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (key, count) in read("counts") {
        counts.entry(key).or_default().push(count);
    }
    assert_eq!(counts.len() as u64, KEYS);
    for (key, counts) in counts {
        assert!(counts.is_sorted_by(|a, b| a < b), "the counts of {key} come twice or out of order: {counts:?}");
        assert_eq!(counts.last(), Some(&(RECORDS / KEYS)), "{key}");
    }
}
